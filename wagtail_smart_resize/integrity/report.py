"""What a check has found, and what follows from it. Needs neither OpenCV nor numpy."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any, NamedTuple

#: Grows when the same two pictures may get another report: an old one is then out of date.
VERSION = 1


class Reason(StrEnum):
    """Why a result does not pass, the gravest first."""

    NOT_FOUND = "not_found"
    """The original was not found in it: another picture, or one that was turned or moved much."""
    MIRRORED = "mirrored"
    STRETCHED = "stretched"
    CUT_OFF = "cut_off"
    """Too little of the original, or of its focal area, lies within the result."""
    SUBJECT_CHANGED = "subject_changed"
    SUBJECT_RESIZED = "subject_resized"
    """What the focal area shows has another size beside its surroundings."""
    PART_CHANGED = "part_changed"
    REDRAWN = "redrawn"
    """All of it differs a little."""


class Box(NamedTuple):
    """A rectangle in pixels of the original."""

    left: int
    top: int
    width: int
    height: int


@dataclass(frozen=True)
class Thresholds:
    """From where on a result does not pass. Shares are from 0 to 1."""

    stretch: float = 1.14
    """Ratio of the larger scale to the smaller, across and down."""
    inside: float = 0.5
    """Least share of the original that lies within the result."""
    focus_inside: float = 0.9
    """Least share of the focal area that does."""
    subject: float = 0.045
    """Most of the focal area's detail that may differ."""
    resized: float = 0.15
    """Most that the focal area's own scale may differ from the whole's."""
    part: float = 0.04
    """Most of all detail that may differ in one connected part."""
    agreement: float = 0.8
    """Least agreement in the mean of all detail."""


@dataclass(frozen=True)
class Measures:
    """What was measured of a result, beside its original. Shares are from 0 to 1."""

    found: bool
    scale: float = 0.0
    """Pixels of the result for one of the original's."""
    matrix: tuple[float, ...] = ()
    """Where a pixel (x, y) of the original lies in the result: (a, b, c, d, e, f) for
    (a x + b y + c, d x + e y + f)."""
    stretch: float = 1.0
    mirrored: bool = False
    inside: float = 0.0
    focus_inside: float | None = None
    """None without a focal area."""
    agreement: float = 0.0
    subject: float | None = None
    """Share of the focal area's detail that differs; None without one, or without detail in it."""
    resized: float = 1.0
    """Scale of what the focal area shows, beside that of the whole."""
    subject_mirrored: bool = False
    """What the focal area shows is mirrored in its place."""
    part: float = 0.0
    """Share of all detail that differs in the largest connected part."""
    changed: tuple[Box, ...] = ()
    """What differs, the largest first, in pixels of the original."""


@dataclass(frozen=True)
class Report:
    """Measures, and the reasons why the result does not pass; none if it passes."""

    measures: Measures
    reasons: tuple[Reason, ...] = ()
    version: int = field(default=VERSION)

    @property
    def passed(self) -> bool:
        return not self.reasons

    @property
    def score(self) -> float:
        """Return how much of the original's detail is the same, from 0 to 1.

        It is that of the focal area, where there is one.
        """
        measures = self.measures
        if not measures.found or measures.mirrored:
            return 0.0
        score = measures.agreement if measures.subject is None else 1 - measures.subject
        return round(score, 4)  # As `to_json` keeps what it follows from.

    def to_json(self) -> dict[str, Any]:
        """Return the report in JSON's own types: see docs/reference for its keys."""
        measures = {
            **asdict(self.measures),
            "changed": [list(box) for box in self.measures.changed],
        }
        return {
            "version": self.version,
            "passed": self.passed,
            "reasons": [str(reason) for reason in self.reasons],
            "score": round(self.score, 3),
            **{key: _rounded(value) for key, value in measures.items()},
        }

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> "Report":
        """Return the report that `to_json` has written, perhaps in an earlier version."""
        known = {name: stored[name] for name in Measures.__dataclass_fields__ if name in stored}
        known["matrix"] = tuple(known.get("matrix", ()))
        known["changed"] = tuple(Box(*box) for box in known.get("changed", ()))
        reasons = tuple(Reason(text) for text in stored["reasons"] if text in set(Reason))
        return cls(Measures(**known), reasons, stored["version"])


def _rounded(value: Any) -> Any:
    if isinstance(value, float):
        return round(value, 4)
    if isinstance(value, tuple | list):
        return [_rounded(each) for each in value]
    return value


def judge(measures: Measures, thresholds: Thresholds) -> Report:
    """Return the report: what was measured, and all reasons why it does not pass."""
    return Report(measures, tuple(_reasons(measures, thresholds)))


def _reasons(measures: Measures, most: Thresholds) -> list[Reason]:
    if measures.mirrored:
        return [Reason.MIRRORED]
    if not measures.found:
        return [Reason.NOT_FOUND]
    focus_inside = 1.0 if measures.focus_inside is None else measures.focus_inside
    found = {
        Reason.STRETCHED: measures.stretch > most.stretch,
        Reason.CUT_OFF: measures.inside < most.inside or focus_inside < most.focus_inside,
        Reason.SUBJECT_CHANGED: (
            measures.subject_mirrored or (measures.subject or 0.0) > most.subject
        ),
        Reason.SUBJECT_RESIZED: abs(measures.resized - 1) > most.resized,
        Reason.PART_CHANGED: measures.part > most.part,
        Reason.REDRAWN: measures.agreement < most.agreement,
    }
    return [reason for reason, is_true in found.items() if is_true]
