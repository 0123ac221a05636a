"""Sizes, slots and shapes, and the arithmetic of the presets. Pure: no settings, no database.

Ratios are compared and divided as decimals or fractions, so that the same two sizes always give the
same answer. Floats are only results, for display and for thresholds.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from functools import lru_cache
from typing import NamedTuple

MAX_SIDE_PIXELS = 20_000
MAX_CLOSENESS = 100
MAX_SENT_SIDE_PIXELS = 2048
"""Maximum side of the picture that the gateway is given; a larger original is scaled down."""

RATIO_SIDE_PIXELS = 1600
"""Longer side of the size that stands for a ratio."""

SHAPE_TOLERANCE = Decimal("0.03")
"""Maximum relative difference between shapes that share one recomposition."""

# Sizes that the engine renders at "1K"; "2K" doubles and "4K" quadruples the sides.
ENGINE_PRESETS = (
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
RESOLUTIONS = {"1K": 1, "2K": 2, "4K": 4}

# `int()` reads 1_0 as ten, and so does Wagtail's `fill`.
_CLOSENESS = re.compile(r"c(\d+(?:_\d+)*)")
_RATIO = re.compile(r"(\d{1,4}(?:\.\d{1,3})?):(\d{1,4}(?:\.\d{1,3})?)")
_PRESET_NAME = re.compile(r"(?!c[0-9]+$)[a-z][a-z0-9_]*")


class SizeTooLarge(ValueError):
    """A size that Wagtail may make, and that nothing is recomposed for."""


class Size(NamedTuple):
    """Width and height in pixels."""

    width: int
    height: int

    def __str__(self) -> str:
        return f"{self.width}x{self.height}"

    @classmethod
    def parse(cls, text: str) -> "Size":
        """Return the Size for "1200x630".

        Numbers may be written in every way that Wagtail's `fill` reads them. Raises ValueError for
        other text, and SizeTooLarge if a side has more than `MAX_SIDE_PIXELS`.
        """
        try:
            width, height = (int(side) for side in text.split("x"))
        except ValueError as error:
            raise ValueError(
                f'"{text}" is not a size: write width x height in pixels, such as 1200x630.'
            ) from error
        if min(width, height) >= 1 and max(width, height) <= MAX_SIDE_PIXELS:
            return cls(width, height)
        problem = SizeTooLarge if min(width, height) >= 1 else ValueError
        raise problem(
            f'"{text}" is not a usable size: each side must be between 1 and '
            f"{MAX_SIDE_PIXELS} px, such as 1200x630."
        )


@dataclass(frozen=True, order=True)
class Slot:
    """What a template asks for: a size, and how closely (0 to 100 %) to crop to the focal point."""

    size: Size
    closeness: int = 0

    def __str__(self) -> str:
        return f"{self.size}-c{self.closeness}" if self.closeness else str(self.size)

    @property
    def shape(self) -> Decimal:
        return shape_of(*self.size)

    @classmethod
    def of_shape(cls, shape: Decimal) -> "Slot":
        """Return a slot of a shape that no slot is known of, 1000 px wide."""
        return cls(Size(1000, max(1, round(1000 / shape))))

    @classmethod
    @lru_cache(maxsize=4096)
    def parse(cls, text: str) -> "Slot":
        """Return the Slot for "1200x630" or "1200x630-c50". Raises ValueError."""
        size, *extra = text.split("-")
        return cls(Size.parse(size), parse_closeness(extra))


def parse_closeness(parts: Iterable[str], default: int = 0) -> int:
    """Return the closeness (0 to 100 %) in the parts of a spec after its size, such as ["c50"].

    As in Wagtail's `fill`, the last part counts, and more than 100 means 100. Raises ValueError for
    a part that is not a closeness.
    """
    closeness = default
    for part in parts:
        match = _CLOSENESS.fullmatch(part)
        if match is None:
            raise ValueError(
                f'"{part}" is not a closeness: write c and a percentage from 0 to '
                f"{MAX_CLOSENESS}, such as c50."
            )
        closeness = min(int(match[1]), MAX_CLOSENESS)
    return closeness


def size_of_ratio(text: str) -> Size | None:
    """Return a size of the ratio that "16:9" or "2.35:1" means, 1600 px on its longer side.

    None for text that is no ratio. Raises ValueError for a ratio that no picture can have.
    """
    match = _RATIO.fullmatch(text)
    if match is None:
        return None
    across, down = Decimal(match[1]), Decimal(match[2])
    if not (across and down):
        raise ValueError(f'"{text}" is not a ratio: write numbers above 0, such as 16:9.')
    longest = max(across, down)
    width, height = (round(RATIO_SIDE_PIXELS * side / longest) for side in (across, down))
    return Size(max(1, width), max(1, height))


def is_preset_name(text: str) -> bool:
    """Return whether a preset may have this name: "hero", "card_2"; not "c50", a closeness."""
    return _PRESET_NAME.fullmatch(text) is not None


@lru_cache(maxsize=4096)
def shape_of(width: int, height: int) -> Decimal:
    """Return the aspect ratio to three decimals: 1.905 for 1200x630. Never 0, however tall."""
    thousandths = max(1, round(Fraction(width * 1000, height)))
    return Decimal(thousandths).scaleb(-3)


def same_shape(a: Decimal, b: Decimal) -> bool:
    """Return whether two shapes differ by no more than `SHAPE_TOLERANCE`."""
    return max(a, b) <= min(a, b) * (1 + SHAPE_TOLERANCE)


def nearest_shape(shape: Decimal, shapes: Iterable[Decimal]) -> Decimal | None:
    """Return the one of `shapes` nearest to `shape` within `SHAPE_TOLERANCE`, or None."""
    alike = [other for other in shapes if same_shape(shape, other)]
    return nearest_of(shape, alike) if alike else None


def nearest_of(shape: Decimal, shapes: Iterable[Decimal]) -> Decimal:
    """Return the one of `shapes`, at least one, that is nearest to `shape`, however far."""
    return max(shapes, key=lambda other: (_overlap(shape, other), other))


def share_cut_away(picture: Size, shape: Decimal) -> float:
    """Return the share (0 to under 1) of a picture that a cut to that shape loses.

    It is 0 for a picture that counts as of that shape, within `SHAPE_TOLERANCE`.
    """
    own = shape_of(*picture)
    return 0.0 if same_shape(own, shape) else float(1 - _overlap(own, shape))


def request_size(shape: Decimal, tier: str = "2K") -> Size:
    """Return the largest rectangle of that shape within the best engine preset of the tier.

    One side is the whole side of that preset, the other is rounded to the nearest pixel.
    """
    width, height = (side * RESOLUTIONS[tier] for side in _best_preset(shape))
    ratio = Fraction(shape)
    if ratio > Fraction(width, height):
        return Size(width, max(1, round(width / ratio)))
    return Size(max(1, round(height * ratio)), height)


def share_kept_by_engine(shape: Decimal) -> float:
    """Return the share (over 0, to 1) of the best engine preset's area that `request_size` uses."""
    return float(_overlap(shape, Fraction(*_best_preset(shape))))


def share_kept_by_crop(width: int, height: int, shape: Decimal) -> float:
    """Return the share (0 to 1) of an image's area that a crop of that shape can keep."""
    if not (width and height):
        return 0.0
    return float(_overlap(shape, Fraction(width, height)))


def cover(available: Size, wanted: Size) -> tuple[tuple[int, int, int, int], Size]:
    """Return the crop box and the size with which to cut `wanted` out of an image.

    `available` is the image's size. The box (left, top, right, bottom) is the largest centred one
    that has the shape of `wanted`. The size is `wanted`, or the box's own where that is smaller.
    Nothing is enlarged, and nothing is stretched by more than the rounding to whole pixels.
    """
    scale = min(Fraction(available.width, wanted.width), Fraction(available.height, wanted.height))
    box = Size(max(1, round(wanted.width * scale)), max(1, round(wanted.height * scale)))
    left = (available.width - box.width) // 2
    top = (available.height - box.height) // 2
    edges = (left, top, left + box.width, top + box.height)
    return edges, wanted if scale >= 1 else box


def _best_preset(shape: Decimal) -> tuple[int, int]:
    return max(ENGINE_PRESETS, key=lambda preset: _overlap(shape, Fraction(*preset)))


def _overlap(a: Decimal | Fraction, b: Decimal | Fraction) -> Fraction:
    """Return the share that a rectangle of ratio `a` fills of its bounding box of ratio `b`."""
    return min(Fraction(a), Fraction(b)) / max(Fraction(a), Fraction(b))
