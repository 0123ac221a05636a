"""A look at the tables: at what may have changed and a part of the rest, or at all there is."""

from collections.abc import Callable, Iterable
from typing import Any

from django.utils import timezone

from wagtail_smart_resize.core.logs import get_logger
from wagtail_smart_resize.core.slices import slices
from wagtail_smart_resize.models import ChangedImage, PipelineState

from . import changes, since, steps
from .renditions import Specs
from .report import Report
from .rounds import CHUNK_SIZE, Reading, Show

logger = get_logger(__name__)

#: Number of images of the reading of all images that each short look reads. Once an hour, it comes
#: to the end of 100 000 images in four days.
PART = 1000


class Look:
    """One run of a repair."""

    def __init__(self, report: Report, go_on: Callable[[], bool]) -> None:
        self._report = report
        self._go_on = go_on
        dry_run = report.dry_run
        self._state = PipelineState.peek() if dry_run else PipelineState.get_current()
        self._reading = Reading(self._state, dry_run=dry_run)
        self._specs = Specs()
        self._seen: set[Any] = set()
        self._begin = since.present(timezone.now())
        self._last_note = changes.last_note()

    def make(self, *, whole: bool, show: Show | None) -> None:
        """Settle what is found; note how far it has come, unless in a dry run.

        A look that is ended early leaves what it has not seen to the next one.
        """
        last = since.last_begun(self._state, self._begin)
        whole = self._prepare(whole, is_first=last is None)
        for step in steps.BY_STATE:
            self._report.take(step)
        if last and not (whole and self._reading.is_at_begin):
            changed = changes.changed_images(last, self._last_note)
            self._read(slices(sorted(changed), CHUNK_SIZE))
            self._seen = changed
        self._read(self._reading.take(None if whole else PART, self._go_on, show))
        if self._go_on() and not self._report.dry_run and (self._reading.has_ended or not whole):
            self._conclude()

    def _prepare(self, whole: bool, *, is_first: bool) -> bool:
        """Return whether all has to be read; if so, see that the reading has begun.

        It has to be where nothing tells what is new, or other settings or another release may find
        other things. That is noted at the begin, for the run that goes on with it.
        """
        digest = since.dependencies()
        if is_first or self._state.repaired_with != digest:
            self._reading.begin_anew(self._begin.at)
            if not self._report.dry_run:
                begun = [[self._begin.at.isoformat(), self._begin.rendition]]
                self._state.update_if(
                    where={}, repairs_begun=begun, repaired_with=digest, read_wholly_at=None
                )
            return True
        if self._state.read_wholly_at is None:
            return True
        # New renditions are found by their keys alone.
        whole = whole or not since.renditions_are_numbered()
        if whole and self._state.reading_asked_at is None:
            self._reading.begin_anew(self._begin.at)
        return whole

    def _read(self, chunks: Iterable[list[Any]]) -> None:
        for chunk in chunks:
            if not self._go_on():
                return
            ids = [pk for pk in chunk if pk not in self._seen]
            if ids:
                self._examine(ids)

    def _examine(self, ids: list[Any]) -> None:
        before = self._report.failed
        for step in steps.by_image(ids, self._specs):
            self._report.take(step)
        if self._report.failed > before and not self._report.dry_run:
            # The next run tries again.
            try:
                ChangedImage.note(ids)
            except Exception:
                logger.exception("Can't note what a repair has failed at")

    def _conclude(self) -> None:
        changes.forget_notes(self._last_note)
        self._state.update_if(where={}, repairs_begun=since.remembered(self._state, self._begin))
