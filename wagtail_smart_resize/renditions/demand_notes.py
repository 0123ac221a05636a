"""What templates wanted and did not get, noted in memory while a page renders.

Notes are taken wherever a rendition is made, in the request's thread or in a thread of Wagtail's
pool. They are therefore kept per process, and the end of any request may write those of another.
"""

import os
import threading
import time
from collections.abc import Callable
from typing import Any, NamedTuple

from wagtail_smart_resize.settings import settings


class DemandNote(NamedTuple):
    """A slot of an image, as text, that was shown as a crop."""

    image_id: Any
    slot: str
    recipe: str


class NotedAs(NamedTuple):
    """Since when (monotonic seconds) the slot waits, and whether only previews want it."""

    since: float
    preview: bool


class DemandNotes:
    """A bounded set of wanted slots, and of images whose live candidate could not be read."""

    MAX_NOTES = 10_000
    #: Seconds for which a note waits at most for its image to become visible: the transaction that
    #: creates the image may still be open.
    MAX_WAIT_SECONDS = 60.0

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        self._lock = threading.Lock()
        self._wants: dict[DemandNote, NotedAs] = {}
        self._damaged: set[Any] = set()

    def __bool__(self) -> bool:
        return bool(self._wants or self._damaged)

    def __contains__(self, want: DemandNote) -> bool:
        return want in self._wants

    def add(self, want: DemandNote, noted: NotedAs) -> None:
        """Note a slot, keeping its first time; drop it where the set is full.

        Two notes of the same slot count as a preview's only if both are.
        """
        with self._lock:
            before = self._wants.get(want)
            if before:
                noted = NotedAs(before.since, before.preview and noted.preview)
            if before or len(self._wants) < self.MAX_NOTES:
                self._wants[want] = noted

    def add_damage(self, image_id: Any) -> None:
        """Note an image; drop it where the set is full."""
        with self._lock:
            if len(self._damaged) < self.MAX_NOTES:
                self._damaged.add(image_id)

    def take(self) -> tuple[dict[DemandNote, NotedAs], set[Any]]:
        """Return all that was noted, and empty the set."""
        with self._lock:
            taken = self._wants, self._damaged
            self._wants, self._damaged = {}, set()
        return taken

    def put_back(self, wants: dict[DemandNote, NotedAs], *, failed: bool = False) -> None:
        """Put back what could not be written yet, unless it is older than `MAX_WAIT_SECONDS`.

        `failed`: the database failed, so that nothing is known of the images. Their time to become
        visible begins anew.
        """
        now = time.monotonic()
        for want, noted in wants.items():
            if failed:
                self.add(want, noted._replace(since=now))
            elif now - noted.since < self.MAX_WAIT_SECONDS:
                self.add(want, noted)


notes = DemandNotes()
os.register_at_fork(after_in_child=notes.reset)


def note_demand(image_id: Any, slot: str, recipe: str, preview: bool = False) -> None:
    """Note that a template wanted this slot, unless the settings rule out buying for it."""
    if settings.API_KEY and settings.AUTO_GENERATE:
        notes.add(DemandNote(image_id, slot, recipe), NotedAs(time.monotonic(), preview))


#: Set when the app is ready, since this package knows no model.
preview_writer: Callable[[Any, str, str], object] | None = None


def write_preview(image: Any, slot: str, recipe: str) -> None:
    """Write that a preview wants the slot, before the rendition with its crop is stored.

    So a rendition that no row knows of was never made for a preview, whenever a process dies, and
    whatever the settings say now.
    """
    if preview_writer is not None:
        preview_writer(image, slot, recipe)


def note_damage(image_id: Any) -> None:
    """Note that the crop is stored under the version of a candidate that can't be read."""
    notes.add_damage(image_id)
