"""Writes what templates wanted and did not get as rows, after the response.

Writing only inserts rows, or adds a slot to an existing row; it resets nothing.
"""

import datetime as dt
import logging
from collections import defaultdict
from collections.abc import Iterable
from functools import partial
from typing import TYPE_CHECKING, Any

from django.db import DatabaseError
from django.utils import timezone

from wagtail_smart_resize.core import database
from wagtail_smart_resize.core.schema import schema
from wagtail_smart_resize.core.site_image import SiteImage
from wagtail_smart_resize.core.sizes import Slot
from wagtail_smart_resize.renditions.demand_notes import DemandNote, NotedAs, notes
from wagtail_smart_resize.signals import recomposition_wanted

if TYPE_CHECKING:
    from wagtail_smart_resize.models import Recomposition

logger = logging.getLogger(__name__)

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
    for (image_id, recipe, preview), slots in _group_slots(seen).items():
        record_demand(images[image_id], slots, recipe, by="preview" if preview else "template")
    return bool(seen)


def write_preview_demand(image: SiteImage, slot: str, recipe: str) -> None:
    """Write at once that a preview wants the slot. Raises what the database raises."""
    from wagtail_smart_resize.models.savepoints import savepoint_if_atomic

    if schema.is_current():
        with savepoint_if_atomic():
            record_demand(image, [Slot.parse(slot)], recipe, by="preview")


def _group_slots(wants: dict[DemandNote, NotedAs]) -> dict[tuple[Any, str, bool], list[Slot]]:
    groups = defaultdict(list)
    for want, noted in wants.items():
        groups[want.image_id, want.recipe, noted.preview].append(Slot.parse(want.slot))
    return groups


def _record_damage(image_id: Any) -> bool:
    from wagtail_smart_resize.models import ImageVersion

    try:
        ImageVersion.note_damage(image_id)
    except DatabaseError:
        logger.exception("Can't write that image %s shows a crop by mistake", image_id)
        notes.add_damage(image_id)
        return False
    return True


def record_demand(
    image: SiteImage, slots: Iterable[Slot], recipe: str, *, by: str, user: Any = None
) -> "list[Recomposition]":
    """Return the rows of the slots' shapes for the image's present file, creating those missing.

    `recipe` is a recipe's name, `by` a `Recomposition.WantedBy`, and `user` the person who asked,
    if any. Existing rows keep their state: a slot of another size is added, and a row that only
    previews wanted becomes wanted by the template or person.
    """
    from wagtail_smart_resize.models import Recomposition

    rows = Recomposition.objects.filter(
        image_id=image.pk, source_hash=image.file_hash, recipe=recipe
    )
    known = {row.shape: row for row in rows}
    seen = {}
    for slot in slots:
        row = known.get(slot.shape) or _new_row(image, slot, recipe, by, user)
        known[slot.shape] = seen[slot.shape] = row
        _add_slot(row, slot, by)
    return list(seen.values())


def _new_row(image: SiteImage, slot: Slot, recipe: str, by: str, user: Any) -> "Recomposition":
    from wagtail_smart_resize.models import Recomposition

    now = timezone.now()
    row, created = Recomposition.objects.get_or_create(
        image_id=image.pk,
        source_hash=image.file_hash,
        shape=slot.shape,
        recipe=recipe,
        defaults={
            "slots": [str(slot)],
            "wanted_at": now,
            "wanted_by": by,
            "asked_by": user,
            "next_attempt_at": now + GATHERING_TIME,
        },
    )
    if created:
        send_signal = partial(recomposition_wanted.send_robust, Recomposition, recomposition=row)
        database.on_commit(send_signal)
    return row


def _add_slot(row: "Recomposition", slot: Slot, by: str) -> None:
    if not _missing_changes(row, slot, by):
        return
    with database.atomic():
        stored = type(row).objects.select_for_update().filter(pk=row.pk).first()
        changes = _missing_changes(stored, slot, by) if stored else {}
        if not changes:
            return
        row.update_if(where={}, **changes)
        # A waiting row may be allowed now: by a larger slot, or a published page.
        row.update_if(
            where={"purchase": row.Purchase.WANTED, "waiting_reason__gt": ""},
            next_attempt_at=timezone.now() + GATHERING_TIME,
        )


def _missing_changes(row: "Recomposition", slot: Slot, by: str) -> dict[str, Any]:
    """Return the changes to fields that the row does not hold yet."""
    changes: dict[str, Any] = {}
    if str(slot) not in row.slots:
        changes["slots"] = [*row.slots, str(slot)]
    if row.wanted_by == row.WantedBy.PREVIEW and by != row.WantedBy.PREVIEW:
        changes["wanted_by"] = by
    return changes
