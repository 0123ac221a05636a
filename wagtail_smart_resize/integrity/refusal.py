"""Where a photograph's own pixels must never be laid over a result."""

from enum import StrEnum
from typing import NamedTuple

import cv2
import numpy as np

from .pixels import Pixels
from .registration import LOOSE_PIXELS, Features, fit_rigid, moved
from .report import Measures, Thresholds

#: Sides in pixels, in the mean, at which a subject is looked for in other places: it is told by its
#: large shapes, and a search of all places at once takes some milliseconds at that size.
SUBJECT_SIDE, LEAST_SIDE = 40, 8
#: Correlation from which on a subject was found elsewhere, or in a mirror, and by how much that has
#: to be more than what is found in its place.
FOUND, RATHER = 0.6, 0.15
#: How far a subject may lie off and still be in its place, as a share of its sides: it drifts.
IN_PLACE = 0.2
#: What is looked for elsewhere, may have other sizes there.
SIZES = (0.75, 0.87, 1.0, 1.15, 1.33)
#: Share of the subject's detail from which on it differs so much that its points are looked for in
#: all of the result, how many of them have to agree on another place, and how far that is, as a
#: share of its smaller side.
DIFFERS, FEWEST, FAR = 0.2, 10, 0.1
#: The most that a subject may be larger than the whole says: what is left of it would stick out
#: around the own pixels.
MOST_LARGER = 1.1
#: Least agreement of the whole where no seam can tell that it lies right.
LEAST_AGREEMENT = 0.6


class Why(StrEnum):
    """Why own pixels can't be laid, the gravest first."""

    NOT_FOUND = "not_found"
    MIRRORED = "mirrored"
    STRETCHED = "stretched"
    CUT_OFF = "cut_off"
    """Too little of the photograph, or of its focal area, lies within the result."""
    SUBJECT_MIRRORED = "subject_mirrored"
    """The subject was mirrored in its place."""
    SUBJECT_RESIZED = "subject_resized"
    """The subject was made larger in its place: its rest would stick out around the own pixels."""
    SUBJECT_MOVED = "subject_moved"
    """The subject stands elsewhere in the result: it would be there twice."""
    UNSURE = "unsure"
    """What surrounds the subject does not agree: the photograph may not lie where it was found."""
    TOO_SMALL = "too_small"
    """Too few pixels to blend anything."""


class CantLay(Exception):
    """Own pixels must not be laid over this result."""

    def __init__(self, why: Why) -> None:
        super().__init__(str(why))
        self.why = why


def refuse(measures: Measures, most: Thresholds) -> None:
    """Raise `CantLay` if what was measured forbids to lay own pixels."""
    focus_inside = 1.0 if measures.focus_inside is None else measures.focus_inside
    found = {
        Why.NOT_FOUND: not measures.found or not measures.matrix,
        Why.MIRRORED: measures.mirrored,
        Why.STRETCHED: measures.stretch > most.stretch,
        Why.CUT_OFF: focus_inside < most.focus_inside
        or (measures.focus_inside is None and measures.inside < most.inside),
        Why.SUBJECT_MIRRORED: measures.subject_mirrored,
        Why.SUBJECT_RESIZED: measures.resized > MOST_LARGER,
    }
    for why, is_true in found.items():
        if is_true:
            raise CantLay(why)


def refuse_elsewhere(subject: Pixels, result: Pixels, left: float, top: float) -> None:
    """Raise `CantLay` if points of a subject agree on another place than its own.

    Of subjects that were moved at least twenty did, of others at most eight. The pictures are as
    for `look_for`; this tells apart what large shapes do not: stars, and what was moved a little.
    """
    points, places = Features.of(subject).matches(Features.of(result))
    astray = np.hypot(*(places - points - (left, top)).T) > LOOSE_PIXELS
    matrix, agreeing = fit_rigid(points[astray], places[astray])
    if matrix is None or agreeing < FEWEST:
        return
    middle = np.array([[subject.shape[1] / 2, subject.shape[0] / 2]], np.float32)
    away = np.hypot(*(moved(matrix, middle) - middle - (left, top))[0])
    if away > FAR * min(subject.shape):
        raise CantLay(Why.SUBJECT_MOVED)


class Seen(NamedTuple):
    """How well a subject is found: in its place, mirrored there, and at any other place."""

    here: float
    mirrored: float
    elsewhere: float


def refuse_moved(seen: Seen) -> None:
    """Raise `CantLay` if a subject is seen in a mirror or elsewhere, rather than in its place."""
    if seen.mirrored > max(FOUND, seen.here + RATHER):
        raise CantLay(Why.SUBJECT_MIRRORED)
    if seen.elsewhere > max(FOUND, seen.here + RATHER):
        raise CantLay(Why.SUBJECT_MOVED)


def look_for(subject: Pixels, result: Pixels, left: float, top: float) -> Seen:
    """Look for a subject in all of a result of the same scale.

    Both are grey; `left` and `top` are where it should be, in pixels of the result. Large shapes
    are compared, by correlation: points that are told apart (see `registration`) are too few in
    what was drawn anew.
    """
    high, wide = subject.shape
    factor = min(1.0, SUBJECT_SIDE / np.sqrt(high * wide))
    small = _scaled(result, factor)
    straight = [0.0]
    away = [0.0]
    mirrored = [0.0]
    for size in SIZES:
        own = _scaled(subject, factor * size)
        if min(own.shape) < LEAST_SIDE or own.std() < 4:
            continue
        # What was moved to the border may be cut a little.
        down, right = own.shape[0] // 4, own.shape[1] // 4
        around = cv2.copyMakeBorder(small, down, down, right, right, cv2.BORDER_REFLECT_101)
        if around.shape[0] < own.shape[0] or around.shape[1] < own.shape[1]:
            continue
        at_right = (left + wide / 2) * factor - own.shape[1] / 2 + right
        at_down = (top + high / 2) * factor - own.shape[0] / 2 + down
        for flipped in (False, True):
            template = np.ascontiguousarray(own[:, ::-1]) if flipped else own
            scores = cv2.matchTemplate(around, template, cv2.TM_CCOEFF_NORMED)
            columns = np.abs(np.arange(scores.shape[1]) - at_right) <= IN_PLACE * own.shape[1] + 1
            rows = np.abs(np.arange(scores.shape[0]) - at_down) <= IN_PLACE * own.shape[0] + 1
            near = np.outer(rows, columns)
            here = float(scores[near].max(initial=0.0))
            elsewhere = float(scores[~near].max(initial=0.0))
            away.append(elsewhere)
            (mirrored if flipped else straight).append(here)
    return Seen(max(straight), max(mirrored), max(away))


def _scaled(picture: Pixels, factor: float) -> Pixels:
    height, width = picture.shape
    size = max(1, round(width * factor)), max(1, round(height * factor))
    how = cv2.INTER_AREA if factor < 1 else cv2.INTER_LINEAR
    return cv2.resize(picture, size, interpolation=how)  # type: ignore[return-value]
