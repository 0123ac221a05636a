"""Recomposition without a model: the whole picture over a blurred, darkened extension of itself.

It is not what the engine draws, but what a site sees of it: the requested shape, nothing of the
subject cut off, another picture for another seed, and plainly not the crop.
"""

import io
import math
import random

from PIL import Image, ImageDraw, ImageEnhance, ImageFilter, ImageFont, ImageOps

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

Pair = tuple[int, int]


def open_picture(content: bytes) -> Image.Image:
    """Return a decoded source picture, upright and in RGB. Raises what Pillow raises."""
    with Image.open(io.BytesIO(content)) as image:
        return ImageOps.exif_transpose(image).convert("RGB")


def recompose(source: Image.Image, size: Pair, *, seed: int, index: int) -> Image.Image:
    """Return ``source`` recomposed in exactly ``size``: the same for the same seed and index."""
    canvas = canvas_size(size)
    variant = random.Random(f"{seed}/{index}")
    picture = _background(source, canvas, variant)
    _place(picture, source, variant)
    cut = ImageOps.fit(picture, size, Image.Resampling.LANCZOS)
    _mark(cut, f"sandbox {index + 1}")
    return cut


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


def _background(source: Image.Image, canvas: Pair, variant: random.Random) -> Image.Image:
    small = (max(1, canvas[0] // 8), max(1, canvas[1] // 8))
    blurred = ImageOps.fit(source, small, Image.Resampling.BILINEAR)
    blurred = blurred.filter(ImageFilter.GaussianBlur(max(2, min(small) // 16)))
    tint = Image.new("RGB", small, tuple(variant.randrange(40, 216) for _ in range(3)))
    dark = ImageEnhance.Brightness(Image.blend(blurred, tint, 0.18)).enhance(0.6)
    return dark.resize(canvas, Image.Resampling.BICUBIC)


def _place(canvas: Image.Image, source: Image.Image, variant: random.Random) -> None:
    """Paste the whole source on the canvas, somewhere near the middle, with soft inner edges."""
    fitted = ImageOps.contain(source, canvas.size, Image.Resampling.LANCZOS)
    free = (canvas.width - fitted.width, canvas.height - fitted.height)
    corner = (
        round(free[0] * variant.uniform(0.3, 0.7)),
        round(free[1] * variant.uniform(0.3, 0.7)),
    )
    canvas.paste(fitted, corner, _soft_edges(fitted.size, free))


def _soft_edges(size: Pair, free: Pair) -> Image.Image:
    """Return a mask that fades where the picture ends before the canvas does."""
    fade = max(1, min(size) // 40)
    left, top = (fade if room > 2 * fade else -fade for room in free)
    mask = Image.new("L", size, 0)
    inner = (left, top, size[0] - left - 1, size[1] - top - 1)
    if inner[2] < inner[0] or inner[3] < inner[1]:
        return Image.new("L", size, 255)
    ImageDraw.Draw(mask).rectangle(inner, fill=255)
    return mask.filter(ImageFilter.BoxBlur(fade // 2)) if max(left, top) > 0 else mask


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
