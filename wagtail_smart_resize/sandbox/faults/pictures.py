"""What some fault words make of the source, so that a check of integrity stops the result.

Each leaves the picture's size, and draws the same for the same seed.
"""

import colorsys
import itertools
import random
from collections.abc import Callable, Iterator
from functools import cache

from PIL import Image, ImageDraw, ImageFilter, ImageOps

#: Share of the width and height that counts as the subject: an ellipse in the middle.
_MIDDLE = 0.6
#: Share of the width and height of the part that takes the subject's place.
_PART = 0.45
#: Side of a garbled block, as a share of the picture's longer side, and in pixels at least.
_BLOCK, _LEAST_BLOCK = 0.055, 4
#: How far a block's corners are slid, as a share of it: so far that blocks fold over each other.
_SLID = 2.0
#: The soft ellipse is drawn in this size and stretched: that costs the same for every picture.
_MASK_SIDE = 256

Box = tuple[int, int, int, int]
Pair = tuple[int, int]
Point = tuple[float, float]


def untrue(source: Image.Image, words: frozenset[str], seed: int) -> Image.Image:
    """Return the source as the words have it: itself, if none of them is about it.

    All pictures of a job are made from it, since a change for each of them would take longer.
    """
    for word, change in _CHANGES.items():
        if word in words:
            source = change(source, random.Random(f"{word}/{seed}"))
    return source


def _mirrored(source: Image.Image, _chance: random.Random) -> Image.Image:
    return ImageOps.mirror(source)


def _unfaithful(source: Image.Image, chance: random.Random) -> Image.Image:
    """Return the source with another of its parts, upside down and in other colours, as subject."""
    box = _middle(source.size)
    part = source.crop(_corner(source.size, chance)).transpose(Image.Transpose.ROTATE_180)
    other = part.resize(_size(box), Image.Resampling.BICUBIC)
    return _in_the_middle(source, _recoloured(other, chance), box)


def _garbled(source: Image.Image, chance: random.Random) -> Image.Image:
    """Return the source with the blocks of its middle drawn out of shape, each in its place."""
    box = _middle(source.size)
    # Read from the whole source, so that what is slid in from beyond the middle is there.
    drawn = source.transform(
        _size(box),
        Image.Transform.MESH,
        list(_blocks(source.size, box, chance)),
        Image.Resampling.BILINEAR,
    )
    return _in_the_middle(source, drawn, box)


#: The mirror comes last: it turns what the others have drawn as well.
_CHANGES: dict[str, Callable[[Image.Image, random.Random], Image.Image]] = {
    "unfaithful": _unfaithful,
    "garbled": _garbled,
    "mirrored": _mirrored,
}


def _middle(size: Pair) -> Box:
    """Return the box of the subject, of a pixel at least."""
    width, height = (max(1, round(side * _MIDDLE)) for side in size)
    left, top = (size[0] - width) // 2, (size[1] - height) // 2
    return left, top, left + width, top + height


def _corner(size: Pair, chance: random.Random) -> Box:
    """Return the box of a part in one of the four corners."""
    width, height = (max(1, round(side * _PART)) for side in size)
    left, top = chance.choice((0, size[0] - width)), chance.choice((0, size[1] - height))
    return left, top, left + width, top + height


def _size(box: Box) -> Pair:
    return box[2] - box[0], box[3] - box[1]


def _recoloured(picture: Image.Image, chance: random.Random) -> Image.Image:
    """Return the picture between two colours: grey pictures and dark ones change as well."""
    hue = chance.random()
    dark, light = _rgb(hue, 0.7, 0.4), _rgb(hue + 0.15, 0.4, 1.0)
    return ImageOps.colorize(picture.convert("L"), dark, light)


def _rgb(hue: float, saturation: float, value: float) -> tuple[int, int, int]:
    red, green, blue = colorsys.hsv_to_rgb(hue % 1, saturation, value)
    return round(red * 255), round(green * 255), round(blue * 255)


def _blocks(size: Pair, box: Box, chance: random.Random) -> Iterator[tuple[Box, tuple[float, ...]]]:
    """Yield each block of the drawn middle, and the four corners in the source that it shows.

    Neighbours share their corners, so that strokes go on from block to block, as a model draws.
    """
    block = max(_LEAST_BLOCK, max(size) * _BLOCK)
    across, down = (_edges(side, block) for side in _size(box))
    slid = _SLID * across[1], _SLID * down[1]
    corners = [[_near((box[0] + x, box[1] + y), slid, size, chance) for x in across] for y in down]
    for row, column in itertools.product(range(len(down) - 1), range(len(across) - 1)):
        place = across[column], down[row], across[column + 1], down[row + 1]
        upper, lower = (each[column : column + 2] for each in corners[row : row + 2])
        # In Pillow's order: counterclockwise from the upper left.
        yield place, (*upper[0], *lower[0], *lower[1], *upper[1])


def _edges(side: int, block: float) -> list[int]:
    """Return where blocks of about this size begin and end along a side."""
    count = max(1, round(side / block))
    return [round(side * number / count) for number in range(count + 1)]


def _near(point: Pair, slid: tuple[float, float], size: Pair, chance: random.Random) -> Point:
    """Return a point near this one, but within the picture: beyond it, all is black."""
    x, y = (at + chance.uniform(-most, most) for at, most in zip(point, slid, strict=True))
    return min(max(x, 0), size[0] - 1), min(max(y, 0), size[1] - 1)


def _in_the_middle(source: Image.Image, drawn: Image.Image, box: Box) -> Image.Image:
    changed = source.copy()
    changed.paste(drawn, box, _ellipse().resize(_size(box), Image.Resampling.BILINEAR))
    return changed


@cache
def _ellipse() -> Image.Image:
    """Return a mask that shows an ellipse with a soft edge."""
    mask = Image.new("L", (_MASK_SIDE, _MASK_SIDE), 0)
    soft = _MASK_SIDE // 24
    ImageDraw.Draw(mask).ellipse((soft, soft, _MASK_SIDE - soft, _MASK_SIDE - soft), fill=255)
    return mask.filter(ImageFilter.GaussianBlur(soft / 2))
