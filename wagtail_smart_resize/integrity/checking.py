"""The check of a result against its original."""

from typing import Any

import cv2
import numpy as np
from PIL import Image

from . import cells, pixels
from .focus import Area, alone, differing
from .pixels import ORIGINAL_PIXELS, RESULT_PIXELS, Reduced
from .registration import Matrix, Registration, register
from .report import Box, Measures, Report, Thresholds, judge

#: What does the work.
NAME = f"OpenCV {cv2.__version__}"
#: So that the same two pictures always get the same report.
_SEED = 7
#: Parts that differ are told up to this number.
MOST_PARTS = 12


def check(
    original: Image.Image,
    result: Image.Image,
    focus: Box | None = None,
    thresholds: Thresholds | None = None,
    *,
    whole: tuple[int, int] | None = None,
) -> Report:
    """Compare a result with its original, and return what was found.

    Both are RGB pictures, upright; they are reduced first, so their size matters little. `focus` is
    the focal area in pixels of the original. `whole` is the original's true size where `original`
    was reduced already; `focus` and the report are in its pixels.
    """
    measured = measure(original, result, focus, whole or original.size)
    return judge(measured, thresholds or Thresholds())


def measure(
    original: Image.Image, result: Image.Image, focus: Box | None, whole: tuple[int, int]
) -> Measures:
    """Return what was measured: see `check`."""
    cv2.setRNGSeed(_SEED)
    ours = pixels.reduced(original, ORIGINAL_PIXELS)
    # How many pixels of the reduced original are one of the whole's.
    factor = ours.width / whole[0]
    theirs = pixels.reduced(result, RESULT_PIXELS)
    found = register(ours.grey, theirs.grey)
    if found is None:
        return Measures(found=False)
    matrix = _of_whole(found.matrix, factor, theirs.width / result.width)
    facts: dict[str, Any] = {
        "found": True,
        "scale": float(np.hypot(matrix[0, 0], matrix[1, 0])),
        "matrix": tuple(float(value) for value in matrix.flat),
        "stretch": found.stretch,
    }
    if found.mirrored:
        return Measures(**facts, mirrored=True)
    return _compare(ours, theirs, found, facts, factor, focus)


def _of_whole(matrix: Matrix, ours: float, theirs: float) -> Matrix:
    """Return a matrix between reduced pictures as one between whole pictures."""
    scaled = matrix.copy()
    scaled[:, :2] *= ours / theirs
    scaled[:, 2] /= theirs
    return scaled


def _compare(
    ours: Reduced,
    theirs: Reduced,
    found: Registration,
    facts: dict[str, Any],
    factor: float,
    focus: Box | None,
) -> Measures:
    back, seen = cells.laid_back(theirs.pixels, found.matrix, ours.pixels)
    compared = cells.compare(ours.pixels, back, seen)
    if not compared.total_detail:
        return Measures(found=False)
    parts = cells.differing_parts(compared)
    known = compared.compared
    if focus:
        left, top, width, height = (value * factor for value in focus)
        area = Area(left, top, width, height)
        held = seen[round(top) : round(top + height), round(left) : round(left + width)]
        subject = differing(compared, area)
        own = alone(area, found)
        facts |= {
            "focus_inside": float(held.mean()) if held.size else 0.0,
            "subject": subject,
            "resized": own.resized,
            "subject_mirrored": own.mirrored,
        }
    side = compared.side / factor
    return Measures(
        **facts,
        inside=float(seen.mean()),
        agreement=float(np.average(compared.agreement[known], weights=compared.detail[known])),
        part=parts[0][0] if parts else 0.0,
        changed=tuple(Box(*(round(value * side) for value in box)) for _share, box in parts)[
            :MOST_PARTS
        ],
    )
