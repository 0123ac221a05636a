"""Find where a picture lies in a redrawn and extended version of it. Pure, and without numpy.

Both are reduced to grey details, so that a changed tint or light says nothing, and laid upon each
other in all scales and places: first very small, then larger around the best.
"""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from PIL import Image, ImageChops, ImageFilter, ImageStat

#: Longer side of the version at which all places are tried, and at which the best are refined.
COARSE_PIXELS, FINE_PIXELS = 72, 288
#: Ratio of one scale to the next.
COARSE_STEP, FINE_STEP = 1.06, 1.015
#: The original's scale, beside that at which it just fits in, and that at which it just covers.
LEAST_SCALE, MOST_SCALE = 0.5, 1.15
#: Share of the original that lies in the version at least.
MIN_INSIDE = 0.4
#: Number of places that are refined.
MOST_REFINED = 3
#: Difference of what lies upon each other, beside that of unrelated details, up to which it counts
#: as found.
MAX_DIFFERENCE = 0.6


class _Fit(NamedTuple):
    """The original laid on the version: `difference` is 0 for the same, about 1 for unrelated."""

    difference: float
    scale: float
    """Pixels of the version, at the size at which it was tried, for one of the original's."""
    left: float
    top: float


def find(original: Image.Image, version: Image.Image) -> tuple[float, float, float, float] | None:
    """Return left, top, width and height of the original, as shares of the version's size.

    It may reach beyond the version. None if it is not found. Both are RGB pictures, upright, and a
    few hundred pixels wide: they are reduced further.
    """
    if min(*original.size, *version.size) < 8:
        return None
    coarse = _Level(version, COARSE_PIXELS)
    scales = _scales(original.size, coarse.size)
    fits = sorted(coarse.fits(original, scales, step=2))[: MOST_REFINED * 8]
    fine = _Level(version, FINE_PIXELS)
    refined = [fine.refine(original, fit, fine.ratio / coarse.ratio) for fit in _distinct(fits)]
    best = min((fit for fit in refined if fit), default=None)
    if best is None or best.difference > MAX_DIFFERENCE:
        return None
    width, height = (side * best.scale for side in original.size)
    across, down = fine.size
    return best.left / across, best.top / down, width / across, height / down


def _scales(original: tuple[int, int], version: tuple[int, int]) -> Iterator[float]:
    ratios = [have / of for have, of in zip(version, original, strict=True)]
    scale, most = min(ratios) * LEAST_SCALE, max(ratios) * MOST_SCALE
    while scale <= most:
        yield scale
        scale *= COARSE_STEP


def _distinct(fits: list[_Fit]) -> list[_Fit]:
    """Return the best fits that are not neighbours of one another."""
    kept: list[_Fit] = []
    for fit in fits:
        if not any(
            abs(fit.left - other.left) + abs(fit.top - other.top) < 8
            and 0.85 < fit.scale / other.scale < 1.18
            for other in kept
        ):
            kept.append(fit)
    return kept[:MOST_REFINED]


class _Level:
    """The version's details at one size."""

    def __init__(self, version: Image.Image, longest: int) -> None:
        self.ratio = longest / max(version.size)
        width, height = (max(1, round(side * self.ratio)) for side in version.size)
        self.size = width, height
        self._details = _details(version, self.size)

    def fits(self, original: Image.Image, scales: Iterable[float], step: int) -> Iterator[_Fit]:
        """Yield the original in all places, `step` pixels apart, in each of these scales."""
        for scale in scales:
            details = self._scaled(original, scale)
            if details is None:
                continue
            for left in _positions(details.width, self.size[0], step):
                for top in _positions(details.height, self.size[1], step):
                    difference = self._difference(details, left, top)
                    if difference is not None:
                        yield _Fit(difference, scale, left, top)

    def refine(self, original: Image.Image, found: _Fit, larger: float) -> _Fit | None:
        """Return the best place around one that was found at a size `larger` times smaller."""
        best: _Fit | None = None
        scale, left, top = found.scale * larger, found.left * larger, found.top * larger
        for steps, reach, step in ((3, round(larger) + 2, 2), (1, 2, 1)):
            tried = [
                fit
                for power in range(-steps, steps + 1)
                for fit in self._around(
                    original,
                    scale * FINE_STEP ** (power * (2 if steps > 1 else 0.5)),
                    scale,
                    left,
                    top,
                    reach,
                    step,
                )
            ]
            best = min([*tried, *([best] if best else [])], default=None)
            if best is None:
                return None
            scale, left, top = best.scale, best.left, best.top
        return best

    def _around(
        self,
        original: Image.Image,
        scale: float,
        from_scale: float,
        left: float,
        top: float,
        reach: int,
        step: int,
    ) -> Iterator[_Fit]:
        details = self._scaled(original, scale)
        if details is None:
            return
        # Its middle stays where it was.
        grown = [(side * (scale - from_scale)) / 2 for side in original.size]
        for across in range(-reach, reach + 1, step):
            for down in range(-reach, reach + 1, step):
                x, y = round(left - grown[0] + across), round(top - grown[1] + down)
                difference = self._difference(details, x, y)
                if difference is not None:
                    yield _Fit(difference, scale, x, y)

    def _scaled(self, original: Image.Image, scale: float) -> Image.Image | None:
        size = tuple(round(side * scale) for side in original.size)
        return _details(original, size) if min(size) >= 8 else None

    def _difference(self, details: Image.Image, left: int, top: int) -> float | None:
        """Return how much the details differ where they lie upon the version's; None if too few."""
        box = (
            max(0, left),
            max(0, top),
            min(self.size[0], left + details.width),
            min(self.size[1], top + details.height),
        )
        width, height = box[2] - box[0], box[3] - box[1]
        if width < 8 or height < 8:
            return None
        if width * height < MIN_INSIDE * details.width * details.height:
            return None
        mine = self._details.crop(box)
        other = details.crop((box[0] - left, box[1] - top, box[2] - left, box[3] - top))
        unrelated = _deviation(mine) + _deviation(other)
        if not unrelated:
            return None
        return ImageStat.Stat(ImageChops.difference(mine, other)).mean[0] / unrelated


def _positions(length: int, room: int, step: int) -> range:
    """Return where a line of this length may begin on one of length `room`."""
    first, last = sorted((0, room - length))
    beyond = round(min(length, room) * 0.3)
    return range(first - beyond, last + beyond + 1, step)


def _details(picture: Image.Image, size: tuple[int, ...]) -> Image.Image:
    """Return the picture in that size, as grey details around the middle grey."""
    grey = picture.convert("L").resize((size[0], size[1]), Image.Resampling.BOX, reducing_gap=3)
    blurred = grey.filter(ImageFilter.GaussianBlur(max(2, max(size) / 24)))
    return ImageChops.subtract(grey, blurred, scale=0.5, offset=128)


def _deviation(details: Image.Image) -> float:
    """Return the mean distance of the details from the middle grey."""
    histogram = details.histogram()
    return sum(abs(value - 128) * count for value, count in enumerate(histogram)) / sum(histogram)
