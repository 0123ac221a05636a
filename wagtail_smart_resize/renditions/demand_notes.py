"""What templates wanted and did not get: noted in memory while a page renders.

Notes are taken wherever a rendition is made, in the request's thread or in a thread of Wagtail's
pool, so they are kept for the process, and the end of any request may write another's.
"""

import os
import threading
import time
from typing import Any, NamedTuple

from wagtail_smart_resize.settings import settings


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
