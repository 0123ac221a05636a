"""What differs between an original and its result, cell by cell.

The result is laid back onto the original. A redrawn picture drifts smoothly, so large cells are
looked for around their places first, the drift that they share is taken out, and then smaller cells
are looked for close to theirs: a small cell that may be found far away is found anywhere. What a
cell looks like there, in lightness and colour, is its agreement.
"""

import warnings
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from .pixels import Pixels
from .registration import Flags, Matrix

Floats = NDArray[np.float32]

#: Number of cells along the longer side, and how far each may lie off, as a share of that side:
#: first large cells, whose drift is taken out, then smaller ones; the last are what counts.
PASSES = ((16, 0.05), (24, 0.012), (32, 0.006))
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
#: A cell's drift counts if it is within so many pixels of what its neighbours have in the median.
ALIKE = 6.0
#: Sigma, in cells, over which the drift of cells is smoothed.
SMOOTH = 1.2
#: The most, of 255, that a colour may be tinted: more is another colour.
MOST_TINT = 14.0


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
    def compared(self) -> Flags:
        return ~np.isnan(self.agreement)

    @property
    def total_detail(self) -> float:
        return float(self.detail[self.compared].sum())


def laid_back(result: Pixels, matrix: Matrix, original: Pixels) -> tuple[Pixels, Flags]:
    """Return the result as seen from the original, and which of its pixels the result holds."""
    height, width = original.shape[:2]
    flags = cv2.WARP_INVERSE_MAP
    back = cv2.warpAffine(result, matrix, (width, height), flags=flags | cv2.INTER_LINEAR)
    held = np.full(result.shape[:2], 255, np.uint8)
    seen = cv2.warpAffine(held, matrix, (width, height), flags=flags | cv2.INTER_NEAREST)
    return back, seen > 0  # type: ignore[return-value]


def compare(original: Pixels, back: Pixels, seen: Flags) -> Cells:
    """Compare the original with the result laid back onto it. Both are RGB and of one size."""
    longer = max(original.shape)
    ours, theirs = _lab(original), _lab(back)
    tint = _tint(ours, theirs, seen)
    *first, (number, reach) = PASSES
    for number_before, reach_before in first:
        cells = _compare(ours, theirs, seen, tint, longer // number_before, reach_before * longer)
        theirs, seen = _without_drift(theirs, seen, cells)
    return _compare(ours, theirs, seen, tint, longer // number, reach * longer)


def _compare(
    ours: Floats, theirs: Floats, seen: Flags, tint: Floats, side: int, farthest: float
) -> Cells:
    side, reach = max(8, side), int(farthest) + 1
    rows, columns = ours.shape[0] // side, ours.shape[1] // side
    agreement = np.full((rows, columns), np.nan, np.float32)
    detail = np.zeros((rows, columns), np.float32)
    drift = np.full((rows, columns, 2), np.nan, np.float32)
    for row, column in np.ndindex(rows, columns):
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


def _without_drift(theirs: Floats, seen: Flags, cells: Cells) -> tuple[Floats, Flags]:
    """Return the result, and which of its pixels there are, without the cells' common drift."""
    height, width = seen.shape
    known = ~np.isnan(cells.drift[..., 0])
    if not known.any():
        return theirs, seen
    drift = np.where(known[..., None], cells.drift, 0).astype(np.float32)
    alike = known & (np.hypot(*np.moveaxis(drift - _usual(cells.drift), -1, 0)) < ALIKE)
    weight = alike.astype(np.float32)
    near = cv2.GaussianBlur(weight, (0, 0), SMOOTH)[..., None] + 1e-3
    smooth = cv2.GaussianBlur(drift * weight[..., None], (0, 0), SMOOTH) / near
    # Cells end before the picture does: their middles are where they are known.
    columns, rows = np.meshgrid(
        np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32)
    )
    field = cv2.remap(
        smooth,
        (columns + 0.5) / cells.side - 0.5,
        (rows + 0.5) / cells.side - 0.5,
        cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_REPLICATE,
    )
    columns, rows = columns + field[..., 0], rows + field[..., 1]
    calm = cv2.remap(theirs, columns, rows, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    still = cv2.remap(seen.astype(np.uint8), columns, rows, cv2.INTER_NEAREST)
    return calm.astype(np.float32), still > 0


def _usual(drift: Floats) -> Floats:
    """Return the median of each cell's drift and that of the cells around it."""
    rows, columns = drift.shape[:2]
    framed = np.pad(drift, ((1, 1), (1, 1), (0, 0)), constant_values=np.nan)
    shifted = [
        framed[down : down + rows, right : right + columns]
        for down in range(3)
        for right in range(3)
    ]
    with warnings.catch_warnings(action="ignore"):  # No cell around it is known.
        return np.nan_to_num(np.nanmedian(shifted, axis=0)).astype(np.float32)


def _lab(picture: Pixels) -> Floats:
    """Return lightness and two colours, each from 0 to 255, without grain."""
    calm = cv2.GaussianBlur(picture, (0, 0), BLUR)
    return cv2.cvtColor(calm, cv2.COLOR_RGB2LAB).astype(np.float32)


def _tint(ours: Floats, theirs: Floats, seen: Flags) -> Floats:
    """Return the colour that the whole result has taken on: that alone is no difference."""
    if not seen.any():
        return np.zeros(2, np.float32)
    tint = np.median((theirs - ours)[seen][:, 1:], axis=0)
    return np.clip(tint, -MOST_TINT, MOST_TINT).astype(np.float32)


def _look_for(cell: Floats, around: Floats) -> tuple[float, int, int]:
    """Return how well the cell is found in what lies around its place, and where: down, right."""
    lightness = np.ascontiguousarray(around[..., 0])
    scores = cv2.matchTemplate(lightness, np.ascontiguousarray(cell[..., 0]), cv2.TM_CCOEFF_NORMED)
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
