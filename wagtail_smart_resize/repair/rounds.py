"""The reading of all images, round after round: a part in each repair, or a whole round at once.

A cursor in `PipelineState` tells how far it has come, for every process. It moves when what was
read is repaired; so a run that is ended in the middle loses nothing, and the next one goes on.
"""

import datetime as dt
from collections.abc import Callable, Iterator
from typing import Any

from django.utils import timezone

from wagtail_smart_resize.core import database
from wagtail_smart_resize.models import PipelineState

#: Number of images whose records are held at a time.
CHUNK_SIZE = 200

Show = Callable[[int, int], object]
"""Is told how many images were read, and how many there are."""


class Reading:
    """A round as far as it has come. In a dry run it moves for this object alone."""

    def __init__(self, state: PipelineState, *, dry_run: bool) -> None:
        self._state = state
        self._dry_run = dry_run
        self.has_ended = False
        """Whether it has come to its end within this object's life."""

    @property
    def is_at_begin(self) -> bool:
        return not self._state.reading_after

    def begin_anew(self, now: dt.datetime) -> None:
        """Begin a round that is to be read whole."""
        self._write(reading_after="", reading_asked_at=now)

    def take(
        self, most: int | None, go_on: Callable[[], bool], show: Show | None
    ) -> Iterator[list[Any]]:
        """Yield the keys of the next images, `most` of them or all that are left, in chunks.

        Where two processes read, each goes on behind what the other has read last. An image that
        is created meanwhile may come behind the cursor: what it needs, its changes tell.
        """
        asked = self._state.reading_asked_at
        read, total = self._extent() if show else (0, 0)
        while go_on() and (most is None or most > 0):
            size = CHUNK_SIZE if most is None else min(CHUNK_SIZE, most)
            before = {"reading_after": self._state.reading_after, "reading_asked_at": asked}
            ids = self._next_keys(size)
            if ids:
                yield ids
            read += len(ids)
            if show:
                show(read, max(read, total))
            most = most if most is None else most - len(ids)
            if len(ids) < size:
                self._end(before)
                return
            if not self._move(before, ids[-1]) and self._state.reading_asked_at != asked:
                # Another process has read the rest of it.
                self.has_ended = True
                return

    def _next_keys(self, size: int) -> list[Any]:
        ordered = _all_images().order_by("pk").values_list("pk", flat=True)
        return list(self._behind(ordered, "gt")[:size])

    def _extent(self) -> tuple[int, int]:
        images = _all_images()
        read = 0 if self.is_at_begin else self._behind(images, "lte").count()
        return read, images.count()

    def _behind(self, images: Any, lookup: str) -> Any:
        if self.is_at_begin:
            return images
        key = images.model._meta.pk.to_python(self._state.reading_after)
        return images.filter(**{f"pk__{lookup}": key})

    def _move(self, before: dict[str, Any], key: Any) -> bool:
        """Move on, unless another process has meanwhile; then go on from where that one is."""
        if self._write(where=before, reading_after=str(key)):
            return True
        self._state.refresh_from_db(fields=["reading_after", "reading_asked_at"])
        return False

    def _end(self, before: dict[str, Any]) -> None:
        self.has_ended = True
        self._write(
            where=before,
            reading_after="",
            reading_asked_at=None,
            read_wholly_at=timezone.now(),
        )

    def _write(self, where: dict[str, Any] | None = None, **changes: Any) -> bool:
        if not self._dry_run:
            return self._state.update_if(where=where or {}, **changes)
        for name, value in changes.items():
            setattr(self._state, name, value)
        return True


def _all_images() -> Any:
    """Return all images: the app's rows belong to hidden ones, too."""
    return database.site_images(with_hidden=True).all()
