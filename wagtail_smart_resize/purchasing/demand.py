"""Writes what templates wanted and did not get as rows, after the response.

Writing only inserts rows, or adds a slot to an existing row; it resets nothing.
"""

import datetime as dt
from collections import defaultdict
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from django.db import DatabaseError, DataError, IntegrityError
from django.utils import timezone

from wagtail_smart_resize.core import database
from wagtail_smart_resize.core.logs import get_logger
from wagtail_smart_resize.core.schema import schema
from wagtail_smart_resize.core.site_image import SiteImage
from wagtail_smart_resize.core.sizes import Slot
from wagtail_smart_resize.renditions import request_tracking
from wagtail_smart_resize.renditions.demand_notes import DemandNote, NotedAs, notes

if TYPE_CHECKING:
    from wagtail_smart_resize.models import Recomposition
    from wagtail_smart_resize.renditions.request_tracking import ServedPage

logger = get_logger(__name__)

_Group = tuple[Any, str, bool]
"""An image's key, a recipe's name, and whether only previews want it."""

#: Delay before a new row is due, so that a page's other shapes join it in one purchase.
GATHERING_TIME = dt.timedelta(seconds=2)


def write_noted_demand() -> bool:
    """Write the noted wants and damage, and return whether anything was written.

    Nothing is taken while the app is not migrated. Database errors are logged, not raised: what
    could not be written is noted again. So are wants of images that are not visible yet because the
    transaction that creates them is still open.
    """
    if not schema.is_current():
        return False
    wants, damaged = notes.take()
    try:
        written = _record_wants(wants)
    except DatabaseError:
        if schema.is_still_current():
            logger.exception("Can't write what templates wanted; trying again later")
        notes.put_back(wants, failed=True)
        written = False
    for image_id in damaged:
        written |= _record_damage(image_id)
    return written


def _record_wants(wants: dict[DemandNote, NotedAs]) -> bool:
    if not wants:
        return False
    ids = {want.image_id for want in wants}
    images = database.site_images().in_bulk(ids)
    notes.put_back({want: noted for want, noted in wants.items() if want.image_id not in images})
    seen = {want: noted for want, noted in wants.items() if want.image_id in images}
    for group, slots in _group_slots(seen).items():
        _record_group(images, group, slots)
    return bool(seen)


def _record_group(images: dict[Any, Any], group: _Group, slots: list[Slot]) -> None:
    """Write what is wanted of an image. What the database refuses to take stops no other."""
    image_id, recipe, preview = group
    try:
        record_demand(
            images[image_id],
            slots,
            recipe,
            by="preview" if preview else "template",
            page=None if preview else request_tracking.page_showing(image_id),
        )
    except (IntegrityError, DataError):
        # Such as an image that was deleted meanwhile. Sync finds what is still wanted.
        logger.exception("Can't write what is wanted of image %s", image_id)


def write_preview_demand(image: SiteImage, slot: str, recipe: str) -> None:
    """Write at once that a preview wants the slot. Raises what the database raises."""
    from wagtail_smart_resize.models.savepoints import savepoint_if_atomic

    if schema.is_current():
        with savepoint_if_atomic():
            record_demand(image, [Slot.parse(slot)], recipe, by="preview")


def _group_slots(wants: dict[DemandNote, NotedAs]) -> dict[_Group, list[Slot]]:
    groups = defaultdict(list)
    for want, noted in wants.items():
        groups[want.image_id, want.recipe, noted.preview].append(Slot.parse(want.slot))
    return groups


def _record_damage(image_id: Any) -> bool:
    from wagtail_smart_resize.models import ImageVersion

    try:
        ImageVersion.note_damage(image_id)
    except DatabaseError:
        if schema.is_still_current():
            logger.exception("Can't write that image %s shows a crop by mistake", image_id)
        notes.add_damage(image_id)
        return False
    return True


def record_demand(
    image: SiteImage,
    slots: Iterable[Slot],
    recipe: str,
    *,
    by: str,
    user: Any = None,
    page: "ServedPage | None" = None,
) -> "list[Recomposition]":
    """Return the rows of the slots' shapes for the image's present file, creating those missing.

    `recipe` is a recipe's name, `by` a `Recomposition.WantedBy`, `user` the person who asked, and
    `page` the page that showed the image, if known. Existing rows keep their state: a slot of
    another size and a page are added, and a row that only previews wanted becomes wanted by the
    template or person.
    """
    from wagtail_smart_resize.models import Recomposition

    asked = defaultdict(list)
    for slot in slots:
        asked[slot.shape].append(slot)
    rows = Recomposition.objects.filter(
        image_id=image.pk, source_hash=image.file_hash, recipe=recipe
    )
    known = {row.shape: row for row in rows}
    missing = [found for shape, found in asked.items() if shape not in known]
    pages = [list(page)] if page else []
    rows_missing = [_new_row(image, found, recipe, by, user, pages) for found in missing]
    known |= {row.shape: row for row in _create_rows(image, rows_missing)}
    for shape, found in asked.items():
        _add_slots(known[shape], found, by, pages)
    return [known[shape] for shape in asked]


def _new_row(
    image: SiteImage, slots: list[Slot], recipe: str, by: str, user: Any, pages: list[Any]
) -> "Recomposition":
    from wagtail_smart_resize.models import Recomposition

    now = timezone.now()
    return Recomposition(
        image_id=image.pk,
        collection_id=image.collection_id,
        source_hash=image.file_hash,
        shape=slots[0].shape,
        recipe=recipe,
        slots=list(dict.fromkeys(map(str, slots))),
        shown_on=pages,
        wanted_at=now,
        wanted_by=by,
        asked_by=user,
        next_attempt_at=now + GATHERING_TIME,
    )


def _create_rows(image: SiteImage, rows: "list[Recomposition]") -> "list[Recomposition]":
    """Store the rows in a few queries; return them, or those that others have stored meanwhile."""
    from wagtail_smart_resize.models import events

    if not rows:
        return []
    model = type(rows[0])
    try:
        with database.atomic():
            model.objects.bulk_create(rows)
    except IntegrityError:
        return [_create_or_get(image, row) for row in rows]
    for row in rows:
        events.wanted(row, image)
    return rows


def _create_or_get(image: SiteImage, row: "Recomposition") -> "Recomposition":
    from wagtail_smart_resize.models import events

    identity = ("image_id", "source_hash", "shape", "recipe")
    others = (
        "collection_id",
        "slots",
        "shown_on",
        "wanted_at",
        "wanted_by",
        "asked_by",
        "next_attempt_at",
    )
    stored, created = type(row).objects.get_or_create(
        **{name: getattr(row, name) for name in identity},
        defaults={name: getattr(row, name) for name in others},
    )
    if created:
        events.wanted(stored, image)
    return stored


def _add_slots(row: "Recomposition", slots: list[Slot], by: str, pages: list[Any]) -> None:
    if not _missing_changes(row, slots, by, pages):
        return
    with database.atomic():
        stored = type(row).objects.select_for_update().filter(pk=row.pk).first()
        changes = _missing_changes(stored, slots, by, pages) if stored else {}
        if not changes:
            return
        row.update_if(where={}, **changes)
        # A waiting row may be allowed now: by a larger slot, or a published page.
        row.update_if(
            where={"purchase": row.Purchase.WANTED, "waiting_reason__gt": ""},
            next_attempt_at=timezone.now() + GATHERING_TIME,
        )


def _missing_changes(
    row: "Recomposition", slots: list[Slot], by: str, pages: list[Any]
) -> dict[str, Any]:
    """Return the changes to fields that the row does not hold yet."""
    changes: dict[str, Any] = {}
    if any(page not in row.shown_on for page in pages):
        changes["shown_on"] = row.shown_on_with(pages)
    if new := [text for text in dict.fromkeys(map(str, slots)) if text not in row.slots]:
        changes["slots"] = [*row.slots, *new]
    if row.wanted_by == row.WantedBy.PREVIEW and by != row.WantedBy.PREVIEW:
        changes["wanted_by"] = by
    return changes
