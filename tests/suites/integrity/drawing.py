"""What is done to a photograph to make a result of it. Pictures are RGB arrays, boxes are pixels.

No model is asked. What one does is imitated: it puts the picture into a new shape, invents what
lies around it, moves all a little, and draws the finest details anew.
"""

import cv2
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

Picture = NDArray[np.uint8]
Box = tuple[int, int, int, int]

#: Width over height of a result, beside that of the photograph.
SHAPES = (0.55, 0.62, 0.75, 1.3, 1.45, 1.6, 1.9)
SURROUNDINGS = ("blurred", "reflected", "clouds")


def redrawn(picture: Picture, drift: float, rng: Generator) -> Picture:
    """Return the picture with its parts moved smoothly, by `drift` of its longer side in the root
    mean square, with finest details lost and others invented."""
    height, width = picture.shape[:2]
    right, down = (_waves(width, height, rng) * drift * max(width, height) for _axis in range(2))
    columns, rows = np.meshgrid(
        np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32)
    )
    moved = cv2.remap(
        picture, columns + right, rows + down, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT_101
    )
    smooth = cv2.bilateralFilter(moved, 7, 32, 3)
    sharp = cv2.addWeighted(smooth, 1.45, cv2.GaussianBlur(smooth, (0, 0), 1.0), -0.45, 0)
    grain = cv2.GaussianBlur(rng.normal(0, 8, picture.shape).astype(np.float32), (0, 0), 1.0)
    return _clipped(sharp + grain)


def _waves(width: int, height: int, rng: Generator) -> NDArray[np.float32]:
    coarse = rng.normal(0, 1, (4, 5)).astype(np.float32)
    waves = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)
    return waves / np.sqrt(np.mean(waves**2))


def tinted(picture: Picture, rng: Generator) -> Picture:
    """Return the picture in a slightly other light and colour."""
    return _clipped(picture * rng.uniform(0.94, 1.06, 3) + rng.uniform(-8, 8))


def saved(picture: Picture, rng: Generator) -> Picture:
    """Return the picture as JPEG keeps it."""
    quality = [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(70, 96))]
    _done, written = cv2.imencode(".jpg", picture[..., ::-1], quality)
    return cv2.imdecode(written, cv2.IMREAD_COLOR)[..., ::-1]


def recomposed(
    picture: Picture, subject: Box, area: float, scale: float, rng: Generator
) -> Picture:
    """Return the picture in another shape, with invented surroundings; the subject is kept.

    The result has `area` times the pixels of the picture, which is put in at `scale`, or smaller
    if the subject would not fit.
    """
    height, width = picture.shape[:2]
    shape = width / height * rng.choice(SHAPES)
    wide, high = round((area * width * height * shape) ** 0.5), 0
    high = round(wide / shape)
    scale = min(scale, 0.98 * wide / subject[2], 0.98 * high / subject[3])
    small = _resized(picture, max(8, round(width * scale)), max(8, round(height * scale)))
    left = _place(wide, small.shape[1], subject[0] * scale, subject[2] * scale, rng)
    top = _place(high, small.shape[0], subject[1] * scale, subject[3] * scale, rng)
    canvas = _invented(picture, small, wide, high, rng)
    return _laid_on(canvas, small, left, top)


def _place(room: int, size: int, start: float, length: float, rng: Generator) -> int:
    """Return where a side starts, so that the subject is inside, and no room is left needlessly."""
    least, most = sorted((0, room - size))
    least, most = max(least, -start), min(most, room - start - length)
    return round(rng.uniform(least, most)) if least < most else round((least + most) / 2)


def _invented(picture: Picture, small: Picture, wide: int, high: int, rng: Generator) -> Picture:
    how = rng.choice(SURROUNDINGS)
    if how == "blurred":
        return cv2.GaussianBlur(_resized(picture, wide, high), (0, 0), wide / 40)
    if how == "reflected":
        down, right = high // 2, wide // 2
        around = cv2.copyMakeBorder(small, down, down, right, right, cv2.BORDER_REFLECT_101)
        top, left = (around.shape[0] - high) // 2, (around.shape[1] - wide) // 2
        return cv2.GaussianBlur(around[top : top + high, left : left + wide], (0, 0), 5)
    colours = picture.reshape(-1, 3)[rng.integers(0, picture.shape[0] * picture.shape[1], 30)]
    return (
        cv2.GaussianBlur(
            _resized(colours.reshape(5, 6, 3), wide, high)
            + rng.normal(0, 30, (high, wide, 3)).astype(np.float32),
            (0, 0),
            2,
        )
        .clip(0, 255)
        .astype(np.uint8)
    )


def _laid_on(canvas: Picture, picture: Picture, left: int, top: int) -> Picture:
    """Return the canvas with the picture on it, cut at its sides and blended at its own."""
    high, wide = canvas.shape[:2]
    shift = np.array([[1, 0, left], [0, 1, top]], np.float32)
    on = cv2.warpAffine(picture, shift, (wide, high), flags=cv2.INTER_NEAREST)
    inner = np.zeros(picture.shape[:2], np.float32)
    inner[5:-5, 5:-5] = 1
    mask = cv2.warpAffine(cv2.GaussianBlur(inner, (0, 0), 2), shift, (wide, high))
    return _blended(canvas, on, mask)


def put(picture: Picture, patch: Picture, box: Box) -> Picture:
    """Return the picture with the patch in the ellipse that fills the box, without a seam."""
    left, top, width, height = box
    whole = picture.copy()
    place = whole[top : top + height, left : left + width]
    place[:] = _resized(patch, width, height)[: place.shape[0], : place.shape[1]]
    return _blended(picture, whole, cv2.GaussianBlur(ellipse(picture, box), (0, 0), 4))


def ellipse(picture: Picture, box: Box) -> NDArray[np.float32]:
    left, top, width, height = box
    mask = np.zeros(picture.shape[:2], np.float32)
    middle, radii = (left + width // 2, top + height // 2), (width // 2, height // 2)
    cv2.ellipse(mask, middle, radii, 0, 0, 360, 1, -1)
    return mask


def cut(picture: Picture, box: Box) -> Picture:
    left, top, width, height = box
    return picture[top : top + height, left : left + width]


def removed(picture: Picture, box: Box) -> Picture:
    """Return the picture with what lies around drawn over the ellipse in the box."""
    height, width = picture.shape[:2]
    half = _resized(picture, width // 2, height // 2)
    hole = cv2.resize(ellipse(picture, box), (width // 2, height // 2)) > 0
    filled = cv2.inpaint(half, hole.astype(np.uint8), 4, cv2.INPAINT_TELEA)
    mask = cv2.GaussianBlur(ellipse(picture, box), (0, 0), 3)
    return _blended(picture, _resized(filled, width, height), mask)


def shrunk(picture: Picture, box: Box, scale: float) -> Picture:
    """Return the picture with the ellipse in the box made smaller in its place."""
    left, top, width, height = box
    inner = cv2.resize(cut(picture, box), None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    high, wide = inner.shape[:2]
    place = left + (width - wide) // 2, top + (height - high) // 2, wide, high
    return put(removed(picture, box), inner, place)


def recoloured(picture: Picture, box: Box, rng: Generator) -> Picture:
    """Return the picture with other hues, and strong ones, in the ellipse in the box."""
    hue, saturation, value = cv2.split(cv2.cvtColor(picture, cv2.COLOR_RGB2HSV).astype(np.int32))
    hue, saturation = (hue + rng.integers(45, 136)) % 180, np.clip(saturation + 60, 0, 255)
    other = cv2.merge([hue, saturation, value]).astype(np.uint8)
    mask = cv2.GaussianBlur(ellipse(picture, box), (0, 0), 4)
    return _blended(picture, cv2.cvtColor(other, cv2.COLOR_HSV2RGB), mask)


def sign(picture: Picture, box: Box, text: str) -> Picture:
    """Return the picture with a light sign in the box that bears the text."""
    left, top, width, height = box
    signed = picture.copy()
    cv2.rectangle(signed, (left, top), (left + width, top + height), (238, 232, 214), -1)
    cv2.rectangle(signed, (left, top), (left + width, top + height), (60, 52, 48), 2)
    (long, tall), _baseline = cv2.getTextSize(text, cv2.FONT_HERSHEY_DUPLEX, 1, 2)
    size = min(0.86 * width / long, 0.6 * height / tall)
    start = left + round((width - size * long) / 2), top + round((height + size * tall) / 2)
    thick = max(1, round(2 * size))
    cv2.putText(
        signed, text, start, cv2.FONT_HERSHEY_DUPLEX, size, (40, 36, 90), thick, cv2.LINE_AA
    )
    return signed


def in_colours_of(patch: Picture, other: Picture) -> Picture:
    """Return the patch with the mean and the spread of the other's colours."""
    mean, spread = patch.mean(axis=(0, 1)), patch.std(axis=(0, 1)) + 1
    return _clipped(
        (patch - mean) / spread * (other.std(axis=(0, 1)) + 1) + other.mean(axis=(0, 1))
    )


def _blended(under: Picture, over: Picture, mask: NDArray[np.float32]) -> Picture:
    return _clipped(over * mask[..., None] + under * (1 - mask[..., None]))


def _resized(picture: Picture, width: int, height: int) -> Picture:
    smaller = width < picture.shape[1]
    how = cv2.INTER_AREA if smaller else cv2.INTER_CUBIC
    return cv2.resize(picture, (width, height), interpolation=how)


def _clipped(values: NDArray[np.floating]) -> Picture:
    return np.clip(values, 0, 255).astype(np.uint8)
