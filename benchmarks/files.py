"""Compares the files of recomposed renditions with those that Wagtail's own effort would make.

How large they are, and how near to what was encoded: by the mean SSIM of their luma, in windows of
8x8 pixels (Wang, Bovik, Sheikh and Simoncelli, 2004).
"""

import io
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageOps

from wagtail_smart_resize.renditions import encoding

from .rows import Row

DEMO = Path(__file__).parent.parent / "testproject" / "demo" / "photos"
#: The API's size for 16:9 at its tier "2K".
CANDIDATE = (2752, 1536)
SIZES = ((1920, 1072), (1600, 893), (1280, 714), (960, 536), (640, 357), (320, 179))
#: Wagtail's arguments of Pillow's `save`.
WAGTAILS: dict[str, dict[str, Any]] = {
    "JPEG": {"quality": 76, "progressive": True, "optimize": True},
    "WEBP": {"quality": 80},
    "AVIF": {"quality": 61},
}
WINDOW = 8


def rows(quick: bool) -> list[Row]:
    """Return a row for each format, and one for all files."""
    photographs = sorted(DEMO.glob("*.jpg")) + sorted(DEMO.glob("*.png"))
    pictures = list(_pictures(photographs[:1] if quick else photographs))
    found = {name: [_compared(each, name) for each in pictures] for name in WAGTAILS}
    everything = [each for files in found.values() for each in files]
    return [
        *(_row(name, files) for name, files in found.items()),
        _row("all formats", everything, at_most=1.06),
    ]


def _row(name: str, files: list[tuple[float, float, float]], at_most: float | None = None) -> Row:
    ratios, ours, wagtails = np.array(files).T
    low, high = np.percentile(ratios, (25, 75))
    return Row(
        f"Bytes of a file, {name}, beside Wagtail's of the same quality, on average",
        float(ratios.mean()),
        float(low),
        float(high),
        at_most=at_most,
        counts={
            "files": len(files),
            "SSIM": round(float(ours.mean()), 4),
            "SSIM of Wagtail's": round(float(wagtails.mean()), 4),
        },
    )


def _pictures(photographs: list[Path]) -> Iterator[Image.Image]:
    """Yield each photograph in each size, with the grain that an enlarged one lacks."""
    chance = random.Random(0)
    for file in photographs:
        with Image.open(file) as photograph:
            drawn = ImageOps.fit(photograph.convert("RGB"), CANDIDATE, Image.Resampling.LANCZOS)
        grain = Image.frombytes("L", CANDIDATE, chance.randbytes(CANDIDATE[0] * CANDIDATE[1]))
        candidate = Image.blend(drawn, Image.merge("RGB", [grain] * 3), 0.015)
        for size in SIZES:
            yield candidate.resize(size, Image.Resampling.LANCZOS)


def _compared(picture: Image.Image, name: str) -> tuple[float, float, float]:
    """Return the ratio of our bytes to Wagtail's, our SSIM, and Wagtail's."""
    luma = _luma(picture)
    results = []
    for params in (encoding.with_less_work(name, WAGTAILS[name]), WAGTAILS[name]):
        file = io.BytesIO()
        picture.save(file, name, **params)
        with Image.open(io.BytesIO(file.getvalue())) as decoded:
            results.append((len(file.getvalue()), _ssim(luma, _luma(decoded))))
    (our_bytes, ours), (their_bytes, theirs) = results
    return our_bytes / their_bytes, ours, theirs


def _luma(picture: Image.Image) -> Any:
    return np.asarray(picture.convert("L"), dtype=np.float64)


def _ssim(a: Any, b: Any) -> float:
    mean_a, mean_b = _means(a), _means(b)
    variance_a = _means(a * a) - mean_a**2
    variance_b = _means(b * b) - mean_b**2
    covariance = _means(a * b) - mean_a * mean_b
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    above = (2 * mean_a * mean_b + c1) * (2 * covariance + c2)
    below = (mean_a**2 + mean_b**2 + c1) * (variance_a + variance_b + c2)
    return float((above / below).mean())


def _means(values: Any) -> Any:
    """Return the mean of each window of 8x8 pixels."""
    sums = np.pad(values.cumsum(0).cumsum(1), ((1, 0), (1, 0)))
    windows = sums[WINDOW:, WINDOW:] - sums[:-WINDOW, WINDOW:]
    windows = windows - sums[WINDOW:, :-WINDOW] + sums[:-WINDOW, :-WINDOW]
    return windows / WINDOW**2
