"""The label as part of the picture, for presets that ask for it: it stays where pages don't go."""

from functools import lru_cache
from typing import Any

from django.conf import settings as django_settings
from django.utils import translation
from PIL import Image, ImageDraw, ImageFont

from wagtail_smart_resize.settings import settings

#: Height of the letters as a share of the picture's shorter side, and in pixels at least.
SIZE, LEAST_SIZE_PIXELS = 1 / 24, 11
#: What is written where the text is too wide for the picture.
SHORT = "AI"
#: Widest plate, as a share of the picture's width.
WIDEST = 0.9
PLATE, LETTERS = (0, 0, 0, 190), (255, 255, 255, 255)


def burned(picture: Image.Image, words: str) -> Image.Image:
    """Return the picture, as RGB or RGBA, with the words on a plate in one of its corners."""
    marked = picture.convert("RGBA" if picture.has_transparency_data else "RGB")
    if marked is picture:
        marked = picture.copy()
    words, font = _fitting(words, marked.size)
    draw = ImageDraw.Draw(marked, "RGBA")
    left, top, right, bottom = draw.textbbox((0, 0), words, font=font)
    pad = max(2, round((bottom - top) * 0.4))
    width, height = round(right - left) + 2 * pad, round(bottom - top) + 2 * pad
    x, y = _corner(marked.size, (width, height))
    draw.rectangle((x, y, x + width - 1, y + height - 1), fill=PLATE)
    draw.text((x + pad - left, y + pad - top), words, font=font, fill=LETTERS)
    return marked


def _fitting(words: str, size: tuple[int, int]) -> tuple[str, Any]:
    """Return what fits into a picture of this size, and its font."""
    pixels = max(LEAST_SIZE_PIXELS, round(min(size) * SIZE))
    for text in (words, SHORT):
        for smaller in (pixels, max(LEAST_SIZE_PIXELS, pixels * 2 // 3)):
            font = _font(settings.LABEL_FONT, smaller)
            if font.getlength(text) <= WIDEST * size[0] - smaller:
                return text, font
    return SHORT, _font(settings.LABEL_FONT, LEAST_SIZE_PIXELS)


@lru_cache(maxsize=32)
def _font(path: str, pixels: int) -> Any:
    """Return the site's font, or Pillow's own, which has Latin letters alone."""
    return ImageFont.truetype(path, pixels) if path else ImageFont.load_default(pixels)


def _corner(size: tuple[int, int], plate: tuple[int, int]) -> tuple[int, int]:
    """Return where the plate begins: in the corner of LABEL_POSITION, else at the bottom's end.

    Start and end are those of the site's own language.
    """
    position = settings.LABEL_POSITION
    is_rtl = translation.get_language_info(django_settings.LANGUAGE_CODE)["bidi"]
    at_left = position.endswith("start") != is_rtl
    x = 0 if at_left else size[0] - plate[0]
    y = 0 if position.startswith("top") else size[1] - plate[1]
    return max(0, x), max(0, y)
