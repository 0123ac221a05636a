"""What templates wanted and did not get becomes rows, after the response.

Writing only ever inserts, or adds a slot to a row that is there: it resets nothing.
"""

import datetime as dt
import logging
from collections import defaultdict
from collections.abc import Iterable
from functools import partial
from typing import TYPE_CHECKING, Any

from django.db import DatabaseError, transaction
from django.utils import timezone
from wagtail.images import get_image_model

from wagtail_smart_resize.core.sizes import Slot
from wagtail_smart_resize.renditions.demand_notes import Noted, Want, notes
from wagtail_smart_resize.signals import recomposition_wanted

if TYPE_CHECKING:
    from wagtail_smart_resize.models import Recomposition

logger = logging.getLogger(__name__)

#: A row is due so long after it was written: a page's other shapes join it in one purchase.
GATHERING = dt.timedelta(seconds=2)


def write() -> bool:
    """Write what was noted; tell whether anything was written.

    Raises no database error: what can't be written is noted again, and so are wants of images
    that are not visible yet because the transaction that makes them is still open.
    """
    wants, damaged = notes.take()
    try:
        written = _write_wants(wants)
    except DatabaseError:
        logger.exception("Can't write what templates wanted; trying again later")
        notes.put_back(wants)
        written = False
    for image_id in damaged:
        written |= _write_damage(image_id)
    return written


def _write_wants(wants: dict[Want, Noted]) -> bool:
    if not wants:
        return False
    ids = {want.image_id for want in wants}
    images = get_image_model()._default_manager.in_bulk(ids)
    notes.put_back({want: noted for want, noted in wants.items() if want.image_id not in images})
    seen = {want: noted for want, noted in wants.items() if want.image_id in images}
    for (image_id, recipe, preview), slots in _grouped(seen).items():
        record(images[image_id], slots, recipe, by="preview" if preview else "template")
    return bool(seen)


def _grouped(wants: dict[Want, Noted]) -> dict[tuple[Any, str, bool], list[Slot]]:
    groups = defaultdict(list)
    for want, noted in wants.items():
        groups[want.image_id, want.recipe, noted.preview].append(Slot.parse(want.slot))
    return groups


def _write_damage(image_id: Any) -> bool:
    from wagtail_smart_resize.models import ImageVersion

    try:
        ImageVersion.note_damage(image_id)
    except DatabaseError:
        logger.exception("Can't write that image %s shows a crop by mistake", image_id)
        notes.add_damage(image_id)
        return False
    return True


def record(
    image: Any, slots: Iterable[Slot], recipe: str, *, by: str, user: Any = None
) -> "list[Recomposition]":
    """Make sure that each slot's shape has its row for the image's present file, and return them.

    `by` is a `Recomposition.WantedBy`. Rows that are there keep their state: a slot of another
    size is added, and what only previews wanted becomes wanted by the template or person.
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


def _new_row(image: Any, slot: Slot, recipe: str, by: str, user: Any) -> "Recomposition":
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
            "next_attempt": now + GATHERING,
        },
    )
    if created:
        tell = partial(recomposition_wanted.send_robust, Recomposition, recomposition=row)
        transaction.on_commit(tell)
    return row


def _add_slot(row: "Recomposition", slot: Slot, by: str) -> None:
    if not _news(row, slot, by):
        return
    with transaction.atomic():
        stored = type(row).objects.select_for_update().filter(pk=row.pk).first()
        changes = _news(stored, slot, by) if stored else {}
        if not changes:
            return
        row.move(where={}, **changes)
        # What waits may be allowed now: a larger slot, a published page.
        row.move(
            where={"purchase": row.Purchase.WANTED, "waiting_reason__gt": ""},
            next_attempt=timezone.now() + GATHERING,
        )


def _news(row: "Recomposition", slot: Slot, by: str) -> dict[str, Any]:
    """What the row doesn't say yet."""
    changes: dict[str, Any] = {}
    if str(slot) not in row.slots:
        changes["slots"] = [*row.slots, str(slot)]
    if row.wanted_by == row.WantedBy.PREVIEW and by != row.WantedBy.PREVIEW:
        changes["wanted_by"] = by
    return changes
