"""Where a photograph's own pixels go in a result, and how they are read."""

from dataclasses import dataclass
from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from .pixels import Pixels
from .refusal import CantLay, Why
from .registration import Matrix, scale_of
from .report import Box, Measures

Values = NDArray[np.floating[Any]]

#: By how much of its sides the focal area grows, on each side: outlines lie just beyond it.
GROWN = 0.04
#: Width of the blend around it, as a share of its smaller side, and of the result's longer side
#: at most.
FEATHER, MOST_FEATHER = 0.16, 0.045
#: Pixels of the result that a blend has to have, and those at full strength.
LEAST_FEATHER, LEAST_SIDE = 3.0, 8.0
#: How far within the photograph's own end a blend ends, as a share of the result's longer side:
#: that end may have drifted.
END = 0.008
#: Pixels of the result by which the photograph may end within it and still fill it to its side.
AT_SIDE = 1.5
#: What reaches beyond the result's side ends nowhere in it.
FAR = 1e6


class Core(NamedTuple):
    """A rectangle in pixels of the original, by its sides."""

    left: float
    top: float
    right: float
    bottom: float


@dataclass(frozen=True)
class Place:
    """What is laid where."""

    matrix: Matrix
    """Maps pixels of the original to those of the result."""
    core: Core
    """What is the photograph's own at full strength."""
    feather: float
    """Width of the blend around it, in pixels of the result."""

    @property
    def scale(self) -> float:
        return scale_of(self.matrix)

    def of_original(self, columns: Values, rows: Values) -> tuple[Values, Values]:
        """Return which pixels of the original lie at those of the result."""
        a, b, c, d, e, f = (float(value) for value in cv2.invertAffineTransform(self.matrix).flat)
        return a * columns + b * rows + c, d * columns + e * rows + f

    def strength(self, columns: Values, rows: Values) -> Values:
        """Return how much of each pixel of the result is to be the photograph's own, 0 to 1."""
        across, down = self.of_original(columns, rows)
        beside = np.maximum(np.maximum(self.core.left - across, across - self.core.right), 0)
        above = np.maximum(np.maximum(self.core.top - down, down - self.core.bottom), 0)
        share = np.clip(1 - np.hypot(beside, above) * (self.scale / self.feather), 0, 1)
        return (share * share * (3 - 2 * share)).astype(np.float32)

    def box(self, size: tuple[int, int], around: float = 0.0) -> Box:
        """Return the smallest box in the result that holds the core, and so much around it."""
        across, down = self._corners()
        left, top = max(0, int(across.min() - around)), max(0, int(down.min() - around))
        right = min(size[0], int(across.max() + around) + 2)
        bottom = min(size[1], int(down.max() + around) + 2)
        return Box(left, top, max(0, right - left), max(0, bottom - top))

    def area(self, size: tuple[int, int]) -> Box:
        """Return the largest box in the result that lies within the core."""
        across, down = self._corners()
        across, down = np.sort(across), np.sort(down)
        left, right = max(0, int(np.ceil(across[1]))), min(size[0] - 1, int(across[2]))
        top, bottom = max(0, int(np.ceil(down[1]))), min(size[1] - 1, int(down[2]))
        return Box(left, top, max(0, right - left + 1), max(0, bottom - top + 1))

    def _corners(self) -> tuple[Values, Values]:
        core = self.core
        corners = [(x, y, 1.0) for x in (core.left, core.right) for y in (core.top, core.bottom)]
        across, down = self.matrix @ np.array(corners).T
        return across, down


def place_of(
    original: tuple[int, int], result: tuple[int, int], measures: Measures, focus: Box | None
) -> Place:
    """Return where the own pixels go: the focal area, or all that was found.

    They end within the original, by the width of the blend, unless it fills the result to that
    side. Raises `CantLay` if nothing is left.
    """
    matrix = np.array(measures.matrix, np.float64).reshape(2, 3)
    scale = scale_of(matrix)
    whole = Core(0, 0, original[0] - 1, original[1] - 1)
    visible = _visible(matrix, original, result)
    wanted = _grown(focus) if focus else whole
    side = min(wanted.right - wanted.left, wanted.bottom - wanted.top, *original)
    feather = max(LEAST_FEATHER, min(FEATHER * side * scale, MOST_FEATHER * max(result)))
    room = (feather + END * max(result)) / scale
    ends = _ends(matrix, whole, result)
    core = Core(
        max(wanted.left, room if ends[0] else wanted.left),
        max(wanted.top, room if ends[1] else wanted.top),
        min(wanted.right, whole.right - room if ends[2] else wanted.right),
        min(wanted.bottom, whole.bottom - room if ends[3] else wanted.bottom),
    )
    seen = Core(
        max(core.left, visible.left),
        max(core.top, visible.top),
        min(core.right, visible.right),
        min(core.bottom, visible.bottom),
    )
    if min(seen.right - seen.left, seen.bottom - seen.top) * scale < LEAST_SIDE:
        raise CantLay(Why.TOO_SMALL)
    return Place(matrix, core, feather)


def _grown(focus: Box) -> Core:
    right, down = GROWN * focus.width, GROWN * focus.height
    return Core(
        focus.left - right,
        focus.top - down,
        focus.left + focus.width - 1 + right,
        focus.top + focus.height - 1 + down,
    )


def _visible(matrix: Matrix, original: tuple[int, int], result: tuple[int, int]) -> Core:
    """Return what of the original lies within the result, as a box around it."""
    inverse = cv2.invertAffineTransform(matrix)
    corners = [(x, y, 1.0) for x in (0, result[0] - 1) for y in (0, result[1] - 1)]
    across, down = inverse @ np.array(corners).T
    return Core(
        max(0.0, across.min()),
        max(0.0, down.min()),
        min(original[0] - 1.0, across.max()),
        min(original[1] - 1.0, down.max()),
    )


def _ends(matrix: Matrix, whole: Core, result: tuple[int, int]) -> tuple[bool, bool, bool, bool]:
    """Return which sides of the original, from the left, end within the result."""

    def at(x: float, y: float) -> tuple[float, float]:
        across, down = matrix @ np.array([x, y, 1.0])
        return float(across), float(down)

    tops = [at(x, whole.top)[1] for x in (whole.left, whole.right)]
    bottoms = [at(x, whole.bottom)[1] for x in (whole.left, whole.right)]
    lefts = [at(whole.left, y)[0] for y in (whole.top, whole.bottom)]
    rights = [at(whole.right, y)[0] for y in (whole.top, whole.bottom)]
    return (
        max(lefts) > AT_SIDE,
        max(tops) > AT_SIDE,
        min(rights) < result[0] - 1 - AT_SIDE,
        min(bottoms) < result[1] - 1 - AT_SIDE,
    )


@dataclass(frozen=True)
class Source:
    """A part of the original, reduced to about the scale at which it is read."""

    picture: Image.Image
    left: float
    top: float
    across: float
    """Pixels of it for one of the original's, across and down."""
    down: float

    @classmethod
    def of(cls, original: Image.Image, box: Box, scale: float) -> "Source":
        """Read that part of the original. Pillow averages all pixels where it reduces."""
        factor = min(1.0, scale)
        width, height = max(1, round(box.width * factor)), max(1, round(box.height * factor))
        part = (box.left, box.top, box.left + box.width, box.top + box.height)
        if factor == 1:
            picture = original.crop(part)
        else:
            picture = original.resize(
                (width, height), Image.Resampling.LANCZOS, box=part, reducing_gap=2.0
            )
        return cls(picture, box.left, box.top, width / box.width, height / box.height)

    def reduced(self, factor: float) -> "Source":
        """Return it once more reduced."""
        if factor >= 1:
            return self
        size = tuple(max(1, round(side * factor)) for side in self.picture.size)
        picture = self.picture.resize(size, Image.Resampling.BOX)  # type: ignore[arg-type]
        across = self.across * size[0] / self.picture.width
        return Source(
            picture, self.left, self.top, across, self.down * size[1] / self.picture.height
        )

    @property
    def pixels(self) -> Pixels:
        return np.asarray(self.picture)

    def at(self, across: Values, down: Values) -> tuple[Values, Values]:
        """Return the pixels of it that lie at those of the original."""
        return (
            ((across + 0.5 - self.left) * self.across - 0.5).astype(np.float32),
            ((down + 0.5 - self.top) * self.down - 0.5).astype(np.float32),
        )


def needed(place: Place, around: Box, original: tuple[int, int]) -> Box:
    """Return which part of the original is seen in that box of the result, and a little more."""
    right, bottom = around.left + around.width, around.top + around.height
    columns = np.array([around.left, right, around.left, right], np.float32)
    rows = np.array([around.top, around.top, bottom, bottom], np.float32)
    across, down = place.of_original(columns, rows)
    more = 8 / place.scale + 2
    left, top = max(0, int(across.min() - more)), max(0, int(down.min() - more))
    return Box(
        left,
        top,
        max(1, min(original[0], int(across.max() + more)) - left),
        max(1, min(original[1], int(down.max() + more)) - top),
    )
