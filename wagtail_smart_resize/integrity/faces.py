"""Where people's faces are, and the focal area that they suggest.

Faces are found by YuNet, a small network that OpenCV runs by itself. Its file is no part of
OpenCV: the extra `faces` brings it, or the caller names one.
"""

import math
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from PIL import Image

from . import extra
from .report import Box

#: Pixels of the longer side at most in which faces are looked for. The network was trained with
#: faces of 10 to 300 pixels: more pixels would cost time, and find close-ups less well.
LONGER_SIDE = 640
#: What is narrower than this, once reduced, has no room for a face that can be told.
LEAST_SIDE = 16
#: The network's own certainty, from 0 to 1, from which on it is believed. Of the test photographs
#: all faces have at least 0.88, but for one seen from the side, with 0.64; all else has at most
#: 0.75, which is a figurine.
LEAST_SCORE = 0.8
#: Two faces that share more than this are one.
MOST_OVERLAP = 0.3
#: Faces that are told, and candidates for them that are weighed: an upper limit for both.
MOST_FACES = 200

#: Faces lower than this share of the largest one are bystanders, or pictures on a wall.
LEAST_OF_LARGEST = 1 / 3
#: What is added to a face, as shares of its height. It ends at brow and chin: above it is hair,
#: below and beside it are neck and shoulders.
ABOVE, BESIDE, BELOW = 0.6, 0.4, 0.5
#: Shares of that which are tried, until the area leaves a crop some choice.
GROWN = (1.0, 0.5, 0.25, 0.0)
#: A focal area with a larger share of the picture leaves a crop no choice.
MOST_SHARE = 0.6


class Face(NamedTuple):
    """A face, in pixels of the picture, and how certain it is, from 0 to 1."""

    box: Box
    score: float


def find(picture: Image.Image, model: Path | None = None) -> list[Face]:
    """Return the faces of an upright RGB picture, the largest first.

    `model` is a file of YuNet's; without it the one of the extra `faces` is used, and no faces are
    found where that is not installed: `extra.finds_faces` tells. A file that OpenCV can't read
    raises `cv2.error`.
    """
    model = model or extra.face_model()
    small = _reduced(picture)
    if model is None or min(small.size) < LEAST_SIDE:
        return []
    # A detector keeps the size of its picture and is not safe to share between threads. A new one
    # costs 6 ms, and leaves no memory behind.
    detector = cv2.FaceDetectorYN.create(
        str(model), "", small.size, LEAST_SCORE, MOST_OVERLAP, MOST_FACES
    )
    _found, rows = detector.detect(cv2.cvtColor(np.asarray(small), cv2.COLOR_RGB2BGR))
    if rows is None:
        return []
    return _faces(rows.tolist(), small.size, picture.size)


def suggestion(size: tuple[int, int], faces: Iterable[Face]) -> Box | None:
    """Return the focal area that holds head and shoulders of the faces that matter, if any.

    `size` is that of the picture. Faces much smaller than the largest one are left out. In a
    close-up less than the shoulders is suggested; None if the faces alone fill the picture.
    """
    boxes = [face.box for face in faces]
    if not boxes:
        return None
    least = LEAST_OF_LARGEST * max(box.height for box in boxes)
    matter = [box for box in boxes if box.height >= least]
    for share in GROWN:
        lefts, tops, rights, bottoms = zip(*(_grown(box, share) for box in matter), strict=True)
        area = _within(size, min(lefts), min(tops), max(rights), max(bottoms))
        if area and area.width * area.height <= MOST_SHARE * size[0] * size[1]:
            return area
    return None


def _reduced(picture: Image.Image) -> Image.Image:
    """Return the picture as RGB, with no side longer than `LONGER_SIDE`."""
    factor = min(1.0, LONGER_SIDE / max(picture.size))
    width, height = (max(1, round(side * factor)) for side in picture.size)
    if factor < 1:
        picture = picture.resize((width, height), Image.Resampling.BOX, reducing_gap=2.0)
    return picture.convert("RGB")


def _faces(
    rows: Iterable[list[float]], small: tuple[int, int], whole: tuple[int, int]
) -> list[Face]:
    """Return the network's rows as faces in pixels of the whole picture, the largest first.

    A row begins with left, top, width and height, and ends with the score.
    """
    across, down = whole[0] / small[0], whole[1] / small[1]
    faces = []
    for row in rows:
        left, top, width, height = row[:4]
        sides = left * across, top * down, (left + width) * across, (top + height) * down
        box = _within(whole, *sides)
        if box is not None:
            faces.append(Face(box, row[-1]))
    return sorted(faces, key=lambda face: (-face.box.height, face.box))


def _grown(face: Box, share: float) -> tuple[float, float, float, float]:
    """Return left, top, right and bottom of a face with a share of head and shoulders."""
    above, beside, below = (share * side * face.height for side in (ABOVE, BESIDE, BELOW))
    return (
        face.left - beside,
        face.top - above,
        face.left + face.width + beside,
        face.top + face.height + below,
    )


def _within(
    size: tuple[int, int], left: float, top: float, right: float, bottom: float
) -> Box | None:
    """Return the whole pixels of a picture that a rectangle touches; None if it has none there."""
    if not all(map(math.isfinite, (left, top, right, bottom))):
        return None
    width, height = size
    left, top = max(0, math.floor(left)), max(0, math.floor(top))
    right, bottom = min(width, math.ceil(right)), min(height, math.ceil(bottom))
    if left >= right or top >= bottom:
        return None
    return Box(left, top, right - left, bottom - top)
