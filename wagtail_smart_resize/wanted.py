"""What templates wanted and did not get: noted in memory, written after the response.

Notes are taken wherever a rendition is made, in the request's thread or in a thread of Wagtail's
pool, so they are kept for the process, and the end of any request may write another's. Writing
only ever inserts, or adds a slot to a row that is there: it resets nothing.
"""

import datetime as dt
import logging
import os
import threading
import time
from collections import defaultdict
from collections.abc import Iterable
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from django.db import DatabaseError, transaction
from django.utils import timezone
from wagtail.images import get_image_model

from .settings import settings
from .shapes import Slot
from .signals import recomposition_wanted

if TYPE_CHECKING:
    from .models import Recomposition

logger = logging.getLogger(__name__)

#: A row is due so long after it was written: a page's other shapes join it in one purchase.
GATHERING = dt.timedelta(seconds=2)


class Want(NamedTuple):
    """A slot of an image, as text, that was shown as a crop."""

    image_id: Any
    slot: str
    recipe: str


class Noted(NamedTuple):
    """Since when (monotonic seconds), and whether only previews asked."""

    since: float
    preview: bool


class Notes:
    """A bounded set of wants, and of images whose live candidate could not be read."""

    MOST = 10_000
    #: So many seconds a want waits for its image to become visible.
    PATIENCE = 60.0

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        self._lock = threading.Lock()
        self._wants: dict[Want, Noted] = {}
        self._damaged: set[Any] = set()

    def __bool__(self) -> bool:
        return bool(self._wants or self._damaged)

    def __contains__(self, want: Want) -> bool:
        return want in self._wants

    def add(self, want: Want, noted: Noted) -> None:
        with self._lock:
            before = self._wants.get(want)
            if before:
                noted = Noted(before.since, before.preview and noted.preview)
            if before or len(self._wants) < self.MOST:
                self._wants[want] = noted

    def add_damage(self, image_id: Any) -> None:
        with self._lock:
            if len(self._damaged) < self.MOST:
                self._damaged.add(image_id)

    def take(self) -> tuple[dict[Want, Noted], set[Any]]:
        """All that was noted; the set is empty afterwards."""
        with self._lock:
            taken = self._wants, self._damaged
            self._wants, self._damaged = {}, set()
        return taken

    def put_back(self, wants: dict[Want, Noted]) -> None:
        """What could not be written yet, unless it waited too long already."""
        for want, noted in wants.items():
            if time.monotonic() - noted.since < self.PATIENCE:
                self.add(want, noted)


notes = Notes()
os.register_at_fork(after_in_child=notes.reset)


def note(image_id: Any, slot: str, recipe: str, preview: bool = False) -> None:
    """Note that a template wanted this slot; nothing, where nothing would be bought for it."""
    if settings.API_KEY and settings.AUTO_GENERATE:
        notes.add(Want(image_id, slot, recipe), Noted(time.monotonic(), preview))


def note_damage(image_id: Any) -> None:
    """Note that the crop is stored under the version of a candidate that can't be read."""
    notes.add_damage(image_id)


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
    from .models import ImageVersion

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
    from .models import Recomposition

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
    from .models import Recomposition

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
