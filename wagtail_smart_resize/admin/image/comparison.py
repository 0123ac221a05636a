"""What the check against the original has found of a version, as screens show it."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

from wagtail_smart_resize.core.sizes import Size
from wagtail_smart_resize.editorial import integrity, matching
from wagtail_smart_resize.editorial.integrity import Verdict
from wagtail_smart_resize.integrity.report import Box, Report
from wagtail_smart_resize.models import Candidate

#: Number of spots that are offered to be looked at.
MOST_SPOTS = 6


class Area(NamedTuple):
    """A rectangle to draw, in the units of the picture that it is drawn on."""

    left: float
    top: float
    width: float
    height: float

    @property
    def middle(self) -> str:
        return f"{self.left + self.width / 2:.4f} {self.top + self.height / 2:.4f}"

    def scaled(self, size: Size) -> "Area":
        """Return an area of shares in pixels of a picture of this size."""
        across, down = size
        left, top, width, height = self
        return Area(left * across, top * down, width * across, height * down)


class Spot(NamedTuple):
    """A part that differs: in pixels of the original, and of the version's place."""

    number: int
    original: Box
    version: Area | None
    """None where it lies outside of the version."""
    middle: str
    """Its middle in the version, as two shares of the place's sides, for scripts."""


@dataclass(frozen=True)
class Comparison:
    """What was found of a candidate; `report` is None if it was not checked."""

    candidate: Candidate
    report: Report | None

    @classmethod
    def of(cls, candidate: Candidate) -> "Comparison":
        return cls(candidate, candidate.checked)

    @property
    def place(self) -> Size:
        """Return the size of the place in which the version is shown."""
        return matching.place_size(self.candidate)

    @property
    def verdict(self) -> Verdict:
        return Verdict.of(self.candidate)

    @property
    def sentences(self) -> list[str]:
        return integrity.sentences(self.report) if self.report else []

    @property
    def is_scored(self) -> bool:
        """Return whether a share of the original can be told that is the same."""
        measures = self.report.measures if self.report else None
        return measures is not None and measures.found and not measures.mirrored

    @property
    def same(self) -> int:
        """Return how much of the original's detail is the same, in percent, rounded down."""
        return int(100 * self.report.score) if self.report else 0

    @cached_property
    def spots(self) -> list[Spot]:
        """Return what differs, the largest first."""
        return list(self._spots())

    def _spots(self) -> Iterator[Spot]:
        if self.report is None or not self.report.measures.matrix or self.report.passed:
            return
        changed = self.report.measures.changed[:MOST_SPOTS]
        for number, box in enumerate(changed, start=1):
            area = _in_version(box, self.report.measures.matrix, self.candidate)
            yield Spot(number, box, area and area.scaled(self.place), area.middle if area else "")


def _in_version(box: Box, matrix: tuple[float, ...], candidate: Candidate) -> Area | None:
    """Return the box as shares of the version in its place; None if it lies outside of it."""
    shown = matching.part_shown(candidate)
    corners = [
        matching.moved(matrix, x, y)
        for x in (box.left, box.left + box.width)
        for y in (box.top, box.top + box.height)
    ]
    across = [_within((x - shown.left) / shown.width) for x, _y in corners]
    down = [_within((y - shown.top) / shown.height) for _x, y in corners]
    left, top, right, bottom = min(across), min(down), max(across), max(down)
    if right <= left or bottom <= top:
        return None
    return Area(left, top, right - left, bottom - top)


def _within(share: float) -> float:
    return max(0.0, min(1.0, share))
