"""What became of the focal area."""

from typing import NamedTuple

import numpy as np

from .cells import Cells, Floats
from .registration import (
    LOOSE_PIXELS,
    Flags,
    Points,
    Registration,
    fit_rigid,
    moved,
    scale_of,
)

#: Agreement from which on nothing of a cell differs, and at which all of it does.
SAME, OTHER = 0.85, 0.50
#: Number of points that have to agree on a scale of the area's own, or on its being mirrored.
FEWEST = 10
#: How many times more points have to agree on that than on what the whole says.
RATHER = 1.5
#: Share of its points that are where the whole says, from which on it is not mirrored: to look for
#: it in a mirror takes as long as most else.
ENOUGH = 0.4
#: How far around the area's place in the result its points are looked for, as a share of its sides.
AROUND = 0.15


class Area(NamedTuple):
    """The focal area in pixels of the reduced original."""

    left: float
    top: float
    width: float
    height: float

    def holds(self, points: Points) -> Flags:
        """Return which points lie in the ellipse in the area: its corners show other things."""
        radii = np.array((self.width / 2, self.height / 2), np.float32)
        away = (points - np.array((self.left, self.top), np.float32)) / radii - 1
        return np.hypot(away[:, 0], away[:, 1]) < 1


def differing(cells: Cells, area: Area) -> float | None:
    """Return the share of the area's detail that differs; None if nothing was compared."""
    rows, columns = cells.agreement.shape
    side = cells.side
    down = _shares(rows, area.top / side, (area.top + area.height) / side)
    right = _shares(columns, area.left / side, (area.left + area.width) / side)
    weight = np.outer(down, right) * cells.detail * cells.compared
    if not weight.sum():
        return None
    other = np.clip((SAME - cells.agreement) / (SAME - OTHER), 0, 1)
    return float((weight * np.nan_to_num(other)).sum() / weight.sum())


def _shares(count: int, start: float, end: float) -> Floats:
    """Return how much of each of `count` units lies between start and end."""
    units = np.arange(count, dtype=np.float32)
    return np.clip(np.minimum(units + 1, end) - np.maximum(units, start), 0, 1)


class Alone(NamedTuple):
    """What is found when the area is looked for by itself, at its place in the result."""

    resized: float = 1.0
    """Its scale beside that of the whole; 1 if that is not known."""
    mirrored: bool = False


def alone(area: Area, found: Registration) -> Alone:
    """Look for what the area shows where the whole says it should be."""
    ours = found.ours.those(area.holds(found.ours.points))
    theirs = found.theirs.those(_near(area, found))
    points, places = ours.matches(theirs)
    expected = moved(found.matrix, points)
    straight = int((np.hypot(*(places - expected).T) < LOOSE_PIXELS).sum())
    matrix, agreeing = fit_rigid(points, places)
    if straight < ENOUGH * len(ours):
        # They have to agree on a mirror; where it stands does not matter.
        _matrix, flipped = fit_rigid(*ours.mirrored(0).matches(theirs))
        if flipped >= FEWEST and flipped > RATHER * max(straight, agreeing):
            return Alone(mirrored=True)
    if matrix is None or agreeing < max(FEWEST, RATHER * straight):
        return Alone()
    return Alone(scale_of(matrix) / found.scale)


def _near(area: Area, found: Registration) -> Flags:
    """Return which of the result's points lie at the area's place, or a little around it."""
    right, down = AROUND * area.width, AROUND * area.height
    ends = [
        (area.left - right, area.top - down),
        (area.left + area.width + right, area.top + area.height + down),
    ]
    corners = moved(found.matrix, np.array(ends, np.float32))
    points = found.theirs.points
    least, most = corners.min(axis=0), corners.max(axis=0)
    return ((points >= least) & (points <= most)).all(axis=1)
