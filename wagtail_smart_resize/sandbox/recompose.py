"""Recomposition without a model: the whole picture, and around it what `extending` draws.

It is not what the engine draws, but what a site sees of it: the requested shape, nothing of the
subject cut off, and another picture for another seed. A mark tells it from one of the engine's.
"""

import io
import math
import random

from PIL import Image, ImageDraw, ImageFont, ImageOps

from .extending import extended

# Sizes in which the engine renders before it cuts to the requested one.
PRESETS = (
    (1584, 672),
    (1376, 768),
    (1264, 848),
    (1200, 896),
    (1152, 928),
    (1024, 1024),
    (928, 1152),
    (896, 1200),
    (848, 1264),
    (768, 1376),
)

#: Least and largest factor of a colour.
TONES = 0.97, 1.03

Pair = tuple[int, int]


def open_picture(content: bytes) -> Image.Image:
    """Return a decoded source picture, upright and in RGB. Raises what Pillow raises."""
    with Image.open(io.BytesIO(content)) as image:
        return ImageOps.exif_transpose(image).convert("RGB")


def recompose(source: Image.Image, size: Pair, *, seed: int, index: int) -> Image.Image:
    """Return ``source`` recomposed in exactly ``size``: the same for the same seed and index."""
    variant = random.Random(f"{seed}/{index}")
    picture = _toned(extended(source, size, variant), variant)
    _mark(picture, f"sandbox {index + 1}")
    return picture


def encode(picture: Image.Image, output_format: str) -> bytes:
    """Return the picture as ``jpeg``, ``png`` or ``webp``, encoded for speed rather than size."""
    options = {
        "jpeg": {"quality": 88},
        "png": {"compress_level": 2},
        "webp": {"quality": 85, "method": 2},
    }
    buffer = io.BytesIO()
    picture.save(buffer, output_format, **options[output_format])
    return buffer.getvalue()


def canvas_size(size: Pair) -> Pair:
    """Return the engine's preset nearest in shape, at the scale that fills ``size``."""
    ratio = size[0] / size[1]
    width, height = min(PRESETS, key=lambda preset: abs(math.log(preset[0] / preset[1] / ratio)))
    scale = max(size[0] / width, size[1] / height)
    return max(size[0], round(width * scale)), max(size[1], round(height * scale))


def _toned(picture: Image.Image, variant: random.Random) -> Image.Image:
    """Return the picture in a slightly other light: no two results are the same."""
    factors = [variant.uniform(*TONES) for _ in picture.getbands()]
    levels = [min(255, round(value * factor)) for factor in factors for value in range(256)]
    return picture.point(levels)


def _mark(picture: Image.Image, text: str) -> None:
    height = max(9, min(picture.size) // 30)
    font = ImageFont.load_default(height)
    draw = ImageDraw.Draw(picture, "RGBA")
    corner = (picture.width - height, picture.height - height)
    box = draw.textbbox(corner, text, font=font, anchor="rs")
    pad = height // 3
    plate = (box[0] - pad, box[1] - pad, box[2] + pad, box[3] + pad)
    draw.rounded_rectangle(plate, radius=pad, fill=(0, 0, 0, 150))
    draw.text(corner, text, font=font, anchor="rs", fill=(255, 255, 255, 220))
