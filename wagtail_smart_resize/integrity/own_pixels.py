"""The photograph's own pixels, laid back over its subject in a result."""

import math
from dataclasses import dataclass

import cv2
import numpy as np
from PIL import Image

from . import meeting
from .meeting import Grid, Meeting, meet
from .pixels import Pixels
from .place import Place, Source, Values, needed, place_of
from .refusal import (
    DIFFERS,
    LEAST_AGREEMENT,
    CantLay,
    Why,
    look_for,
    refuse,
    refuse_elsewhere,
    refuse_moved,
)
from .registration import Matrix
from .report import Box, Measures, Thresholds

__all__ = ["CantLay", "Laid", "Why", "lay"]

#: Seam from which on it is good enough to be shown, and below which the photograph may not lie
#: where it was found. Set with one half of the photographs: see tests/suites/integrity.
GOOD_SEAM, LEAST_SEAM = 0.55, 0.3
#: How much there has to be to see along a seam before it can tell that the photograph lies right.
TELLING = 1.0
#: How much around the place is looked at, as a share of its blend's width.
AROUND = 1.0
#: So that the same two pictures always get the same result.
SEED = 7
#: Rows that are blended at a time: as floats, pixels take much memory.
ROWS = 128


@dataclass(frozen=True)
class Laid:
    """A result with the photograph's own pixels over its subject."""

    picture: Image.Image
    """RGB, of the result's size."""
    area: Box
    """What is the photograph's own at full strength, in pixels of the result."""
    share: float
    """Share of the picture that is the photograph's own, at full strength or blended."""
    seam: float
    """How well lines and tones meet where it ends, from 0 to 1; 1 if it fills the picture."""
    passed: bool
    """The seam is good enough."""
    matrix: Matrix
    """Where the own pixels lie: two rows of three that map pixels of the original to those of the
    picture. It is the one that was measured, but for a small shift."""


def lay(
    original: Image.Image,
    result: Image.Image,
    measures: Measures,
    focus: Box | None = None,
    thresholds: Thresholds | None = None,
) -> Laid:
    """Lay the own pixels of a photograph over its subject in a result.

    Both are RGB pictures, upright; the original at full resolution, to which `measures` (see
    `checking.check`) and `focus`, its focal area, relate in pixels. Without a focal area, all of
    the photograph is laid that lies within the result. Raises `CantLay` where that must not be.
    """
    refuse(measures, thresholds or Thresholds())
    place = place_of(original.size, result.size, measures, focus)
    around = place.box(result.size, (1 + AROUND) * place.feather)
    source = Source.of(original, needed(place, around, original.size), place.scale)
    grid = _grid(result, around)
    coarse = source.reduced(min(1.0, place.scale * grid.factor / source.across))
    _refuse_moved(coarse, result, place, grid, measures)
    met = meet(grid, coarse, place)
    _refuse_unsure(met, measures)
    picture, own = _blended(result, source, met, grid)
    return Laid(
        picture,
        met.place.area(result.size),
        own / (result.width * result.height),
        met.seam,
        met.seam >= GOOD_SEAM,
        met.place.matrix,
    )


def _grid(result: Image.Image, box: Box) -> Grid:
    factor = min(1.0, math.sqrt(meeting.PIXELS / (box.width * box.height)))
    size = max(1, round(box.width * factor)), max(1, round(box.height * factor))
    part = (box.left, box.top, box.left + box.width, box.top + box.height)
    drawn = result.resize(size, Image.Resampling.BOX, box=part, reducing_gap=2.0)
    return Grid(box, factor, np.asarray(drawn, np.float32))


def _refuse_moved(
    source: Source, result: Image.Image, place: Place, grid: Grid, measures: Measures
) -> None:
    """Raise `CantLay` if the subject is seen elsewhere, or mirrored, rather than in its place."""
    size = max(1, round(result.width * grid.factor)), max(1, round(result.height * grid.factor))
    whole = np.asarray(result.convert("L").resize(size, Image.Resampling.BOX, reducing_gap=2.0))
    area = place.area(result.size)
    columns, rows = np.meshgrid(
        np.arange(max(1, round(area.width * grid.factor)), dtype=np.float32) / grid.factor,
        np.arange(max(1, round(area.height * grid.factor)), dtype=np.float32) / grid.factor,
    )
    across, down = source.at(*place.of_original(columns + area.left, rows + area.top))
    grey = np.asarray(source.picture.convert("L"))
    subject: Pixels = cv2.remap(  # type: ignore[assignment]
        grey, across, down, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )
    left, top = area.left * grid.factor, area.top * grid.factor
    refuse_moved(look_for(subject, whole, left, top))
    if measures.subject is None or measures.subject > DIFFERS:
        cv2.setRNGSeed(SEED)
        refuse_elsewhere(subject, whole, left, top)


def _refuse_unsure(met: Meeting, measures: Measures) -> None:
    """Raise `CantLay` if neither the seam nor the whole tells that the photograph lies there."""
    told = met.detail >= TELLING
    if (told and met.seam < LEAST_SEAM) or (not told and measures.agreement < LEAST_AGREEMENT):
        raise CantLay(Why.UNSURE)


def _blended(
    result: Image.Image, source: Source, met: Meeting, grid: Grid
) -> tuple[Image.Image, float]:
    """Return the result with the own pixels, and how many of it are."""
    box = met.place.box(result.size, met.place.feather)
    pixels = source.pixels
    picture = result.copy()
    own = 0.0
    for start in range(box.top, box.top + box.height, ROWS):
        end = min(start + ROWS, box.top + box.height)
        part = (box.left, start, box.left + box.width, end)
        drawn = np.asarray(result.crop(part))
        strip, strength = _strip(drawn, pixels, source, met, grid, box.left, start)
        picture.paste(Image.fromarray(strip), part[:2])
        own += float(strength.sum())
    return picture, own


def _strip(
    drawn: Pixels,
    pixels: Pixels,
    source: Source,
    met: Meeting,
    grid: Grid,
    left: int,
    top: int,
) -> tuple[Pixels, Values]:
    """Return some rows of the result with the own pixels, and how much of each is."""
    height, width = drawn.shape[:2]
    columns, rows = np.meshgrid(
        np.arange(left, left + width, dtype=np.float32),
        np.arange(top, top + height, dtype=np.float32),
    )
    across = (columns - grid.box.left + 0.5) * grid.factor - 0.5
    down = (rows - grid.box.top + 0.5) * grid.factor - 0.5
    slide, tint = (
        cv2.remap(field, across, down, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        for field in (met.slide, met.tint)
    )
    strength = met.place.strength(columns, rows)
    # Reduced, the slide reaches a little into what is to be the photograph's own.
    slide[strength >= 1] = 0
    taken = source.at(*met.place.of_original(columns + slide[..., 0], rows + slide[..., 1]))
    own = cv2.remap(pixels, *taken, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE) + tint
    blend = own * strength[..., None] + drawn * (1 - strength[..., None])
    return np.clip(blend + 0.5, 0, 255).astype(np.uint8), strength
