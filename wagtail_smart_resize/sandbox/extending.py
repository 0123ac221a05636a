"""Draws what lies around a picture in a wider or taller canvas.

The picture stays whole and as it is. Its border, as far as it looks like the edge, goes on beyond
the edge mirrored, the wider and the more blurred the farther away: what is far away is hardly more
than its colours. Grain lies over the blur, as over a photograph.
"""

import itertools
import random
from collections.abc import Iterator

from PIL import Image, ImageChops, ImageFilter, ImageOps

Pair = tuple[int, int]
#: A box of the drawn picture, and the corners of what it shows.
Strip = tuple[tuple[int, int, int, int], tuple[float, ...]]

#: Number of strips that a border is looked for in, and drawn in.
STRIPS = 48
#: Difference of a strip from the edge, of 255, up to which it belongs to the border.
ALIKE = 22
#: Least and largest width of a border, and of what gives its colours to what is far away, as shares
#: of the picture's width.
LEAST_BORDER, MOST_BORDER, FAR_BORDER = 0.06, 0.2, 0.3
#: Standard deviation of the blur next to the edge and far away, as shares of the height.
NEAR_BLUR, FAR_BLUR = 0.006, 0.1
#: From where to where the blur grows: in widths of the border, and for the far one also in heights.
NEAR_ENDS, FAR_BEGINS, FAR_ENDS, FAR_HEIGHTS = 0.9, 0.5, 1.6, 0.2
#: The farthest that grain goes from its mean, of 255, and the side of what is repeated.
GRAIN, GRAIN_SIDE = 7, 256
#: How much of the room may go from one side to the other: by the borders, and by chance.
BY_BORDERS, BY_CHANCE = 0.35, 0.08


def extended(picture: Image.Image, size: Pair, variant: random.Random) -> Image.Image:
    """Return the whole RGB picture in a canvas of this size, with what lies around it drawn."""
    if picture.width * size[1] > size[0] * picture.height:
        return _turned(_widened(_turned(picture), (size[1], size[0]), variant))
    return _widened(picture, size, variant)


def _turned(picture: Image.Image) -> Image.Image:
    return picture.transpose(Image.Transpose.TRANSPOSE)


def _widened(picture: Image.Image, size: Pair, variant: random.Random) -> Image.Image:
    width, height = size
    own_width = max(1, min(width, round(picture.width * height / picture.height)))
    whole = picture.resize((own_width, height), Image.Resampling.LANCZOS)
    room = width - own_width
    if not room:
        return whole
    mirrored = ImageOps.mirror(whole)
    left, right = _border(whole), _border(mirrored)
    # The calmer side can be drawn farther.
    at_left = 0.5 + BY_BORDERS * (left - right) / (left + right)
    before = round(room * (at_left + variant.uniform(-BY_CHANCE, BY_CHANCE)))
    canvas = Image.new("RGB", size)
    canvas.paste(whole, (before, 0))
    if after := room - before:
        canvas.paste(_beyond(whole, right, after, variant), (width - after, 0))
    if before:
        canvas.paste(ImageOps.mirror(_beyond(mirrored, left, before, variant)), (0, 0))
    return canvas


def _border(picture: Image.Image) -> int:
    """Return the width in pixels of what looks like the left edge, from there on."""
    rows = 32
    small = picture.resize((STRIPS, rows), Image.Resampling.BOX)
    edge = small.resize((1, rows), Image.Resampling.BOX, box=(0, 0, 2, rows)).resize(small.size)
    apart = ImageChops.difference(small, edge).convert("L").resize((STRIPS, 1))
    alike = next((at for at, value in enumerate(apart.tobytes()) if value > ALIKE), STRIPS)
    share = min(MOST_BORDER, max(LEAST_BORDER, alike / STRIPS))
    return max(1, round(picture.width * share))


def _beyond(picture: Image.Image, border: int, room: int, variant: random.Random) -> Image.Image:
    """Return `room` pixels of what lies to the right of the picture."""
    size = room, picture.height
    drawn = _repeated(picture, border, 1).transform(
        size, Image.Transform.MESH, list(_slower(border, size)), Image.Resampling.BILINEAR
    )
    far_border = max(1, round(picture.width * FAR_BORDER))
    times = -(-room // far_border)
    far = _repeated(picture, far_border, times).crop((0, 0, *size))
    near_ends = 1 + NEAR_ENDS * border
    far_ends = 1 + FAR_ENDS * border + FAR_HEIGHTS * size[1]
    drawn.paste(_blurred(drawn, NEAR_BLUR * size[1]), mask=_ramp(size, 0, near_ends))
    drawn.paste(_blurred(far, FAR_BLUR * size[1]), mask=_ramp(size, FAR_BEGINS * border, far_ends))
    return ImageChops.add(drawn, _grain(size, variant), offset=-128)


def _repeated(picture: Image.Image, width: int, times: int) -> Image.Image:
    """Return the right part of the picture as mirrors at its edge show it, one after the other."""
    part = picture.crop((picture.width - width, 0, *picture.size))
    mirrored = ImageOps.mirror(part)
    row = Image.new("RGB", (times * width, picture.height))
    for number in range(times):
        row.paste(part if number % 2 else mirrored, (number * width, 0))
    return row


def _slower(border: int, size: Pair) -> Iterator[Strip]:
    """Yield strips that show the border at first as it is, and then wider and wider."""
    room, height = size
    power = room / border

    def at(x: float) -> float:
        return border * (1 - (1 - x / room) ** power) if power > 1 else x

    edges = sorted({room * number // STRIPS for number in range(STRIPS + 1)})
    for start, end in itertools.pairwise(edges):
        left, right = at(start), at(end)
        # In Pillow's order: counterclockwise from the upper left.
        yield (start, 0, end, height), (left, 0, left, height, right, height, right, 0)


def _blurred(picture: Image.Image, deviation: float) -> Image.Image:
    """Return the picture blurred: by a wide blur when it is small, which takes no time."""
    factor = max(1, int(deviation / 3))
    small = picture.reduce(factor).filter(ImageFilter.GaussianBlur(deviation / factor))
    return small.resize(picture.size, Image.Resampling.BICUBIC)


def _ramp(size: Pair, start: float, end: float) -> Image.Image:
    """Return a mask that grows from 0 to 255 between two distances from its left."""
    shares = ((x / 255 * size[0] - start) / (end - start) for x in range(256))
    values = bytes(round(255 * min(1, max(0, share))) for share in shares)
    return Image.frombytes("L", (256, 1), values).resize(size, Image.Resampling.BILINEAR)


def _grain(size: Pair, variant: random.Random) -> Image.Image:
    """Return noise around 128, the same in all three colours."""
    square = GRAIN_SIDE, GRAIN_SIDE
    noise = Image.frombytes("L", square, variant.randbytes(GRAIN_SIDE**2))
    noise = noise.point([round(128 + (value - 128) * GRAIN / 128) for value in range(256)])
    tiled = Image.new("L", size)
    for top in range(0, size[1], GRAIN_SIDE):
        for left in range(0, size[0], GRAIN_SIDE):
            tiled.paste(noise, (left, top))
    return Image.merge("RGB", (tiled, tiled, tiled))
