"""What differs between an original and its result, cell by cell.

The result is laid back onto the original. A redrawn picture drifts, so each cell is looked for
around its place. What it looks like there, in lightness and colour, is its agreement.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from .pixels import Pixels
from .registration import Matrix

Floats = NDArray[np.float32]

#: Number of cells along the longer side.
GRID = 16
#: How far a cell may have drifted, as a share of the longer side.
DRIFT = 0.035
#: Sigma of the blur that takes out grain, in pixels.
BLUR = 1.6
#: Standard deviation of lightness below which a cell is flat: then only tones can be compared.
FLAT = 4.0
#: The detail of a cell counts up to this, so that one strong edge does not outweigh all else.
MOST_DETAIL = 25.0
#: Share of a cell that has to lie within the result.
WHOLE = 0.97
#: Agreement under which a cell differs, and from which on its drift is known.
DIFFERS, SURE = 0.6, 0.6


@dataclass(frozen=True)
class Cells:
    """The comparison of each cell, as arrays of rows and columns."""

    side: int
    """Side of a cell in pixels of the reduced original."""
    agreement: Floats
    """From 0 to 1; NaN where the cell does not lie within the result."""
    detail: Floats
    """How much there is to see in a cell: its weight."""
    drift: Floats
    """Pixels to the right and down by which the cell was found; NaN where that is not known."""

    @property
    def compared(self) -> NDArray[np.bool_]:
        return ~np.isnan(self.agreement)

    @property
    def total_detail(self) -> float:
        return float(self.detail[self.compared].sum())


def laid_back(result: Pixels, matrix: Matrix, original: Pixels) -> tuple[Pixels, NDArray[np.bool_]]:
    """Return the result as seen from the original, and which of its pixels the result holds."""
    height, width = original.shape[:2]
    flags = cv2.WARP_INVERSE_MAP
    back = cv2.warpAffine(result, matrix, (width, height), flags=flags | cv2.INTER_LINEAR)
    held = np.full(result.shape[:2], 255, np.uint8)
    seen = cv2.warpAffine(held, matrix, (width, height), flags=flags | cv2.INTER_NEAREST)
    return back, seen > 0  # type: ignore[return-value]


def compare(original: Pixels, back: Pixels, seen: NDArray[np.bool_]) -> Cells:
    """Compare the original with the result laid back onto it. Both are RGB and of one size."""
    height, width = original.shape[:2]
    longer = max(width, height)
    side, reach = max(8, longer // GRID), int(DRIFT * longer) + 1
    rows, columns = height // side, width // side
    ours, theirs = _lab(original), _lab(back)
    tint = _tint(ours, theirs, seen)
    agreement = np.full((rows, columns), np.nan, np.float32)
    detail = np.zeros((rows, columns), np.float32)
    drift = np.full((rows, columns, 2), np.nan, np.float32)
    for row in range(rows):
        for column in range(columns):
            top, left = row * side, column * side
            here = np.s_[top : top + side, left : left + side]
            if seen[here].mean() < WHOLE:
                continue
            spread = float(ours[here][..., 0].std())
            if spread < FLAT:
                detail[row, column] = FLAT
                agreement[row, column] = _flat_agreement(ours[here], theirs[here], tint)
                continue
            detail[row, column] = min(spread, MOST_DETAIL)
            from_top, from_left = max(0, top - reach), max(0, left - reach)
            around = theirs[from_top : top + side + reach, from_left : left + side + reach]
            found, down, right = _look_for(ours[here], around)
            place = around[down : down + side, right : right + side]
            agreement[row, column] = found * _colour_agreement(ours[here], place, tint)
            if found > SURE:
                drift[row, column] = right - (left - from_left), down - (top - from_top)
    return Cells(side, agreement, detail, drift)


def _lab(picture: Pixels) -> Floats:
    """Return lightness and two colours, each from 0 to 255, without grain."""
    calm = cv2.GaussianBlur(picture, (0, 0), BLUR)
    return cv2.cvtColor(calm, cv2.COLOR_RGB2LAB).astype(np.float32)


def _tint(ours: Floats, theirs: Floats, seen: NDArray[np.bool_]) -> Floats:
    """Return the colour that the whole result has taken on: that alone is no difference."""
    if not seen.any():
        return np.zeros(2, np.float32)
    return np.median((theirs - ours)[seen][:, 1:], axis=0).astype(np.float32)


def _look_for(cell: Floats, around: Floats) -> tuple[float, int, int]:
    """Return how well the cell is found in what lies around its place, and where: down, right."""
    lightness = np.ascontiguousarray(around[..., 0])
    scores = cv2.matchTemplate(
        lightness, np.ascontiguousarray(cell[..., 0]), cv2.TM_CCOEFF_NORMED
    )
    _least, most, _at_least, (right, down) = cv2.minMaxLoc(scores)
    return max(0.0, most), down, right


def _colour_agreement(cell: Floats, place: Floats, tint: Floats) -> float:
    """Return 1 for the same mean colour, and 0 for one that is 50 of 255 away."""
    away = (place - cell)[..., 1:].mean(axis=(0, 1)) - tint
    return float(np.clip(1 - (np.hypot(*away) - 10) / 40, 0, 1))


def _flat_agreement(cell: Floats, place: Floats, tint: Floats) -> float:
    """Return how well a calm cell agrees: nothing may have appeared in it, and no other light."""
    lighter = abs(float(place[..., 0].mean() - cell[..., 0].mean()))
    busier = abs(float(place[..., 0].std() - cell[..., 0].std()))
    calm = 1 - max(lighter - 20, 0) / 60 - max(busier - 4, 0) / 20
    return float(np.clip(calm, 0, 1)) * _colour_agreement(cell, place, tint)


def differing_parts(cells: Cells) -> list[tuple[float, tuple[int, int, int, int]]]:
    """Return the connected parts that differ, the largest first.

    Each with its share of all detail, and with its first column and row and their numbers.
    """
    differs = cells.compared & (cells.agreement < DIFFERS) & (cells.detail >= FLAT)
    count, labels, boxes, _middles = cv2.connectedComponentsWithStats(
        differs.astype(np.uint8), connectivity=4
    )
    total = cells.total_detail
    parts = [
        (
            float(cells.detail[labels == label].sum()) / total,
            tuple(int(value) for value in boxes[label, : cv2.CC_STAT_AREA]),
        )
        for label in range(1, count)
    ]
    return sorted(parts, reverse=True)  # type: ignore[arg-type]
