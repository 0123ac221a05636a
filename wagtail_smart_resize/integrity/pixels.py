"""Pictures as arrays of pixels, reduced to the size at which they are compared."""

from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

Pixels = NDArray[np.uint8]

#: Longer side, in pixels, at which the original is compared, and the result: it holds more than the
#: original.
ORIGINAL_PIXELS, RESULT_PIXELS = 640, 1024


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


def reduced(picture: Image.Image, side: int) -> Reduced:
    """Return the picture with a longer side of at most `side`, upright as it is given.

    It is reduced by Pillow in a first step, which needs no copy of all pixels as an array.
    """
    factor = min(1.0, side / max(picture.size))
    if factor == 1:
        return Reduced(np.asarray(picture.convert("RGB")), 1.0)
    size = [max(1, round(length * factor)) for length in picture.size]
    box: Any = picture.resize((size[0], size[1]), Image.Resampling.BOX, reducing_gap=2.0)
    return Reduced(np.asarray(box.convert("RGB")), factor)
