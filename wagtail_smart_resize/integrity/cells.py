"""What differs between an original and its result, cell by cell.

The result is laid back onto the original. A redrawn picture drifts smoothly, so large cells are
looked for around their places first, the drift that they share is taken out, and then smaller cells
are looked for close to theirs: a small cell that may be found far away is found anywhere. What a
cell looks like there, in lightness and colour, is its agreement.
"""

import warnings
from dataclasses import dataclass
from typing import Any

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
    whole = _blocks(seen, side).mean(axis=(1, 3)) >= WHOLE
    light, theirs_light = (np.ascontiguousarray(each[..., 0]) for each in (ours, theirs))
    spread = _blocks(light, side).std(axis=(1, 3))
    agreement = np.full((rows, columns), np.nan, np.float32)
    places = np.zeros((rows, columns, 2), np.int32)
    drift = np.full((rows, columns, 2), np.nan, np.float32)
    for row, column in np.argwhere(whole):
        top, left = row * side, column * side
        places[row, column] = top, left
        if spread[row, column] < FLAT:
            continue
        cell = light[top : top + side, left : left + side]
        from_top, from_left = max(0, top - reach), max(0, left - reach)
        around = theirs_light[from_top : top + side + reach, from_left : left + side + reach]
        found, down, right = _look_for(cell, around)
        agreement[row, column] = found
        places[row, column] = from_top + down, from_left + right
        if found > SURE:
            drift[row, column] = from_left + right - left, from_top + down - top
    flat = whole & (spread < FLAT)
    agreement[flat] = _flat_agreement(light, theirs_light, spread, side)[flat]
    agreement *= _colour_agreement(ours, theirs, places, side, tint)
    detail = np.where(whole, np.clip(spread, FLAT, MOST_DETAIL), 0).astype(np.float32)
    return Cells(side, agreement, detail, drift)


def _blocks(plane: NDArray[Any], side: int) -> NDArray[Any]:
    """Return the plane's whole cells, as rows, pixels down, columns, pixels to the right."""
    rows, columns = plane.shape[0] // side, plane.shape[1] // side
    cut = plane[: rows * side, : columns * side]
    return cut.reshape(rows, side, columns, side, *plane.shape[2:])


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
    # One pixel of sixteen tells it as well.
    some = np.s_[::4, ::4]
    if not seen[some].any():
        return np.zeros(2, np.float32)
    tint = np.median((theirs[some] - ours[some])[seen[some]][:, 1:], axis=0)
    return np.clip(tint, -MOST_TINT, MOST_TINT).astype(np.float32)


def _look_for(cell: Floats, around: Floats) -> tuple[float, int, int]:
    """Return how well the cell is found in what lies around its place, and where: down, right."""
    scores = cv2.matchTemplate(around, cell, cv2.TM_CCOEFF_NORMED)
    _least, most, _at_least, (right, down) = cv2.minMaxLoc(scores)
    return max(0.0, most), down, right


def _colour_agreement(
    ours: Floats, theirs: Floats, places: NDArray[np.int32], side: int, tint: Floats
) -> Floats:
    """Return by cell 1 for the same mean colour, and 0 for one that is 50 of 255 away.

    `places`: where each is in the result, by its top and left.
    """
    own = _blocks(ours[..., 1:], side).mean(axis=(1, 3))
    # The mean of the cell that begins at each pixel.
    begins = cv2.boxFilter(theirs[..., 1:], -1, (side, side), anchor=(0, 0))
    away = begins[places[..., 0], places[..., 1]] - own - tint
    return np.clip(1 - (np.hypot(away[..., 0], away[..., 1]) - 10) / 40, 0, 1)


def _flat_agreement(ours: Floats, theirs: Floats, spread: NDArray[Any], side: int) -> Floats:
    """Return by cell how well it agrees if it is calm: nothing may have appeared, and no light.

    `spread`: the standard deviation of each cell of ours.
    """
    own, other = _blocks(ours, side), _blocks(theirs, side)
    lighter = np.abs(other.mean(axis=(1, 3)) - own.mean(axis=(1, 3)))
    busier = np.abs(other.std(axis=(1, 3)) - spread)
    calm = 1 - np.maximum(lighter - 20, 0) / 60 - np.maximum(busier - 4, 0) / 20
    return np.clip(calm, 0, 1)


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
