"""How own pixels meet the drawing around them: their shift, their slide, their tint, the seam.

All is estimated in a reduced picture of the place and a little around it, and only the blend is
made of all pixels.
"""

from dataclasses import dataclass, replace

import cv2
import numpy as np

from .pixels import Pixels
from .place import Place, Source, Values
from .registration import Flags
from .report import Box

#: Pixels at most of the reduced picture.
PIXELS = 160_000
#: Sigma of the blur that takes out grain before lines are compared, in its pixels.
BLUR = 1.4
#: Sigmas over which the slide is smoothed, as shares of the blend's width, and over which the tint
#: is, as a share of the smaller side of the picture.
SMOOTH_SLIDE, SMOOTH_TINT = 0.4, 0.12
#: The most that own pixels are shifted as a whole, as a share of the longer side of the picture,
#: and that they are scaled and turned; and that they slide in the blend, as a share of its width:
#: more would fold.
MOST_SHIFT, MOST_TURN, MOST_SLIDE = 0.05, 0.03, 0.5
#: Pixels off the fitted move at which a pixel of the seam counts half; how often it is fitted; and
#: how many pixels of the seam have to speak against one that is not scaled.
ASTRAY, TIMES, CALM = 2.0, 6, 200.0
#: Side of the squares of pixels that are one where a tint is smoothed.
COARSE = 4
#: The most, of 255, that they are tinted.
MOST_TINT = 24.0
#: Difference of 255 from which on a pixel of the band shows other things and says nothing of tints.
OTHER = 60.0
#: Contrast below which lines are grain, of 255 and pixel.
FAINT = 2.5
#: Mean tone step of 255 that counts like no line meeting.
MOST_STEP = 40.0
#: Parts of the seam along each side of the picture.
PARTS = 6


@dataclass(frozen=True)
class Grid:
    """A box of the result, reduced."""

    box: Box
    factor: float
    """How many of its pixels are one of the result's."""
    drawn: Values
    """The result there: rows of RGB."""

    @property
    def columns_and_rows(self) -> tuple[Values, Values]:
        """Return where its pixels lie in the result."""
        height, width = self.drawn.shape[:2]
        columns, rows = np.meshgrid(
            np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32)
        )
        return (
            (columns + 0.5) / self.factor - 0.5 + self.box.left,
            (rows + 0.5) / self.factor - 0.5 + self.box.top,
        )


@dataclass(frozen=True)
class Meeting:
    """How own pixels are to be changed so that they meet the drawing, in pixels of a grid."""

    place: Place
    slide: Values
    """Where they are taken from instead: pixels of the result to the right and down."""
    tint: Values
    """What is added to them: rows of RGB."""
    seam: float
    """How well lines and tones meet, from 0 to 1; 1 without a seam."""
    detail: float
    """How much there is to see along the seam; where it is nothing, it tells nothing."""


def meet(grid: Grid, source: Source, place: Place) -> Meeting:
    """Return how the own pixels meet the drawing best, and how well."""
    columns, rows = grid.columns_and_rows
    drawn = grid.drawn
    flow, certain = _flow(drawn, *_own(source, place, columns, rows))
    band = _band(place.strength(columns, rows))
    place = _moved(place, grid, flow, certain * band)
    strength = place.strength(columns, rows)
    flow, certain = _flow(drawn, *_own(source, place, columns, rows))
    feather = place.feather * grid.factor
    slide = _slide(flow, certain, strength, feather) / grid.factor
    own, within = _own(source, place, columns + slide[..., 0], rows + slide[..., 1])
    band = _band(strength) * within
    tint = _tint(drawn, own, band)
    seam, detail = _seam(drawn, own + tint, band)
    return Meeting(place, slide, tint, seam, detail)


def _own(source: Source, place: Place, columns: Values, rows: Values) -> tuple[Values, Flags]:
    """Return the photograph as seen from there, and where it holds something."""
    pixels = source.pixels
    across, down = source.at(*place.of_original(columns, rows))
    own = cv2.remap(pixels, across, down, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    height, width = pixels.shape[:2]
    within = (across > -0.6) & (across < width - 0.4) & (down > -0.6) & (down < height - 0.4)
    return own.astype(np.float32), within


def _band(strength: Values) -> Values:
    """Return how much each pixel belongs to the seam: most where both are blended half and half."""
    return 4 * strength * (1 - strength)


def _grey(picture: Values) -> Pixels:
    return cv2.GaussianBlur(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY), (0, 0), BLUR).astype(
        np.uint8
    )


def _flow(drawn: Values, own: Values, within: Flags) -> tuple[Values, Values]:
    """Return where each drawn pixel is found among the own ones, and how certain that is."""
    ours = own + (drawn[within].mean(axis=0) - own[within].mean(axis=0) if within.any() else 0)
    theirs, mine = _grey(drawn), _grey(np.clip(ours, 0, 255))
    finder = cv2.DISOpticalFlow_create(  # type: ignore[attr-defined]
        cv2.DISOPTICAL_FLOW_PRESET_MEDIUM
    )
    flow = finder.calc(theirs, mine, None)
    back = finder.calc(mine, theirs, None)
    height, width = theirs.shape
    columns, rows = np.meshgrid(
        np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32)
    )
    columns, rows = columns + flow[..., 0], rows + flow[..., 1]
    back = cv2.remap(back, columns, rows, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    held = cv2.remap(within.astype(np.uint8), columns, rows, cv2.INTER_NEAREST)
    astray = np.hypot(*np.moveaxis(flow + back, -1, 0))
    lines = np.hypot(*_gradients(theirs.astype(np.float32)))
    return flow, np.minimum(lines, 20) * np.exp(-astray) * held * within


def _gradients(grey: Values) -> tuple[Values, Values]:
    return (
        cv2.Sobel(grey, cv2.CV_32F, 1, 0, scale=1 / 8),  # type: ignore[return-value]
        cv2.Sobel(grey, cv2.CV_32F, 0, 1, scale=1 / 8),
    )


def _moved(place: Place, grid: Grid, flow: Values, weight: Values) -> Place:
    """Return the place moved by the shift, scale and turn that the flow shows along the seam.

    A picture that was drawn anew drifts, and the place was fitted to all of it. Fitted again and
    again, each time with less weight for what is astray.
    """
    weight, flow = weight[::2, ::2].ravel(), flow[::2, ::2].reshape(-1, 2)
    told = weight > 0
    if weight.sum() < CALM:
        return place
    columns, rows = (each[::2, ::2].ravel()[told] for each in grid.columns_and_rows)
    weight, flow = weight[told], flow[told] / grid.factor
    middle = np.average(columns, weights=weight), np.average(rows, weights=weight)
    side = max(grid.box.width, grid.box.height)
    x, y = (columns - middle[0]) / side, (rows - middle[1]) / side
    none, one = np.zeros_like(x), np.ones_like(x)
    across, down = np.stack([one, none, x, -y]), np.stack([none, one, y, x])
    counts, move = weight, np.zeros(4)
    for _time in range(TIMES):
        products = (across * counts) @ across.T + (down * counts) @ down.T
        products += np.diag([1e-3, 1e-3, 0.02, 0.02]) * CALM
        move = np.linalg.solve(
            products, (across * counts) @ flow[:, 0] + (down * counts) @ flow[:, 1]
        )
        astray = np.hypot(flow[:, 0] - move @ across, flow[:, 1] - move @ down) * grid.factor
        counts = weight / (1 + (astray / ASTRAY) ** 2)
    shift = move[:2] * min(1.0, MOST_SHIFT * side / max(float(np.hypot(*move[:2])), 1e-6))
    larger, turned = np.clip(move[2:] / side, -MOST_TURN, MOST_TURN)
    # Where a drawn pixel is found, for each of them: it is undone to move what was found.
    found = np.array([[1 + larger, -turned], [turned, 1 + larger]])
    offset = shift + np.array(middle) - found @ np.array(middle)
    back = np.linalg.inv(found)
    linear, at = place.matrix[:, :2], place.matrix[:, 2]
    return replace(
        place, matrix=np.column_stack([back @ linear, back @ (at - offset)]).astype(np.float64)
    )


def _slide(flow: Values, certain: Values, strength: Values, feather: float) -> Values:
    """Return the smoothed flow, whole where the drawing begins and none at full strength."""
    sigma = max(2.0, SMOOTH_SLIDE * feather)
    near = cv2.GaussianBlur(certain, (0, 0), sigma)[..., None] + 0.05
    smooth = cv2.GaussianBlur(flow * certain[..., None], (0, 0), sigma) / near
    length = np.hypot(smooth[..., 0], smooth[..., 1])[..., None]
    smooth *= np.minimum(1, MOST_SLIDE * feather / np.maximum(length, 1e-6))
    return smooth * np.clip((1 - strength) * 2.5, 0, 1)[..., None]


def _tint(drawn: Values, own: Values, band: Values) -> Values:
    """Return the smooth difference of tones along the seam; far from it, their mean."""
    away = cv2.GaussianBlur(drawn - own, (0, 0), 2.5)
    weight = band * np.clip(1 - np.abs(away).max(axis=2) / OTHER, 0, 1)
    total = float(weight.sum())
    if total < 1:
        return np.zeros_like(own)
    mean = (away * weight[..., None]).sum(axis=(0, 1)) / total
    height, width = weight.shape
    size = max(1, width // COARSE), max(1, height // COARSE)
    sigma = max(1.0, SMOOTH_TINT * min(size))
    near, smooth = (
        cv2.GaussianBlur(cv2.resize(each, size, interpolation=cv2.INTER_AREA), (0, 0), sigma)
        for each in (weight, away * weight[..., None])
    )
    tint = (smooth + 0.02 * mean) / (near[..., None] + 0.02)
    tint = np.clip(tint, -MOST_TINT, MOST_TINT).astype(np.float32)
    return cv2.resize(tint, (width, height), interpolation=cv2.INTER_LINEAR)  # type: ignore[return-value]


def _seam(drawn: Values, own: Values, band: Values) -> tuple[float, float]:
    """Return how well both meet in the band, and how much there is to see there.

    The worst quarter of the seam counts, each part by its lines: a good seam on three sides does
    not make up for a double contour on the fourth.
    """
    ours, theirs = (cv2.GaussianBlur(each, (0, 0), BLUR) for each in (own, drawn))
    step: Values = np.abs(cv2.GaussianBlur(ours - theirs, (0, 0), 2.5)).mean(axis=2)
    greys = [cv2.cvtColor(each, cv2.COLOR_RGB2GRAY).astype(np.float32) for each in (ours, theirs)]
    lines = [np.stack(_gradients(grey)) for grey in greys]
    apart: Values = np.hypot(*(lines[0] - lines[1]))
    there: Values = np.hypot(*lines[0]) + np.hypot(*lines[1])
    size = (PARTS, PARTS)

    def by_part(values: Values) -> Values:
        return cv2.resize(values * band, size, interpolation=cv2.INTER_AREA).ravel().astype(float)

    share: Values = by_part(np.ones_like(band))
    counts = share > 0.05 * max(float(share.max()), 1e-6)
    if share.max() <= 1e-3:
        return 1.0, 0.0
    apart, there, step, share = (
        each[counts] for each in (by_part(apart), by_part(there), by_part(step), share)
    )
    bad = apart / (there + FAINT * share) + step / (MOST_STEP * share)
    order = np.argsort(-bad)
    kept = order[: max(1, len(order) // 4)]
    worst = float(np.average(bad[kept], weights=share[kept]))
    every = float(np.average(bad, weights=share))
    detail = float(there.sum() / share.sum())
    return float(np.clip(1 - (worst + every) / 2, 0, 1)), detail
