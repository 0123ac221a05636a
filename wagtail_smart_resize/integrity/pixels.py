"""Pictures as arrays of pixels, reduced to the size at which they are compared."""

import math
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

Pixels = NDArray[np.uint8]

#: Number of pixels at most at which the original is compared, and the result: it holds more than
#: the original. Time and memory follow from them: SIFT keeps some sixty copies of them, as floats.
ORIGINAL_PIXELS, RESULT_PIXELS = 220_000, 360_000


class Reduced(NamedTuple):
    """A reduced picture, RGB, and how many of its pixels are one of the whole's."""

    pixels: Pixels
    factor: float

    @property
    def width(self) -> int:
        return self.pixels.shape[1]

    @property
    def height(self) -> int:
        return self.pixels.shape[0]

    @property
    def grey(self) -> Pixels:
        return cv2.cvtColor(self.pixels, cv2.COLOR_RGB2GRAY)  # type: ignore[return-value]


def reduced(picture: Image.Image, pixels: int) -> Reduced:
    """Return the picture with that many pixels at most, upright as it is given.

    It is reduced by Pillow, which needs no copy of all pixels as an array. By overlapping pixels:
    boxes would turn a fine pattern into another one for each size, and the two pictures have two.
    """
    width, height = picture.size
    factor = min(1.0, math.sqrt(pixels / (width * height)))
    if factor < 1:
        size = max(1, round(width * factor)), max(1, round(height * factor))
        picture = picture.resize(size, Image.Resampling.BILINEAR, reducing_gap=2.0)
    return Reduced(np.asarray(picture.convert("RGB")), factor)
