"""Where an original lies in a picture that was redrawn from it.

Points that are easily told apart are looked for in both (SIFT, made comparable by the root of each
value: Arandjelović and Zisserman, "Three things everyone should know", 2012). Those that match are
fitted by one scale and shift, which most of them must agree on (RANSAC).
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from .pixels import Pixels

Points = NDArray[np.float32]
Matrix = NDArray[np.float64]
Flags = NDArray[np.bool_]

#: Number of points at most, and the contrast from which on a spot is one: low, since a calm sky has
#: its points, too.
MOST_POINTS, LEAST_CONTRAST = 1500, 0.02
#: A match counts if the next best is that much farther away.
DISTINCT = 0.8
#: Pixels by which a point may lie off: where one scale and shift is looked for, where a redrawn
#: picture may bend a little, and where that scale and shift is fitted to all of it.
RIGID_PIXELS, LOOSE_PIXELS, WIDE_PIXELS = 6.0, 12.0, 24.0
#: Number of points that have to agree. Below `CERTAIN`, the mirrored original is tried as well.
FEWEST, CERTAIN = 12, 25
#: Scales between which a match can be trusted.
LEAST_SCALE, MOST_SCALE = 0.2, 5.0
#: RANSAC's.
_TRIES, _CONFIDENCE = 4000, 0.995


@dataclass(frozen=True)
class Features:
    """Points of a picture, and what the picture looks like around each."""

    points: Points
    looks: Points

    @classmethod
    def of(cls, grey: Pixels) -> "Features":
        if not grey.size:
            return cls(np.zeros((0, 2), np.float32), np.zeros((0, 128), np.float32))
        finder = cv2.SIFT_create(  # type: ignore[attr-defined]
            nfeatures=MOST_POINTS, contrastThreshold=LEAST_CONTRAST
        )
        found, looks = finder.detectAndCompute(grey, None)
        points = np.array([each.pt for each in found], np.float32).reshape(-1, 2)
        if looks is None:
            looks = np.zeros((0, 128), np.float32)
        shares = looks / (looks.sum(axis=1, keepdims=True) + 1e-7)
        return cls(points, np.sqrt(shares, dtype=np.float32))

    def __len__(self) -> int:
        return len(self.points)

    def those(self, chosen: Flags) -> "Features":
        return Features(self.points[chosen], self.looks[chosen])

    def matches(self, other: "Features") -> tuple[Points, Points]:
        """Return the points of this picture and of the other that look the same."""
        if len(self) < 2 or len(other) < 2:
            return self.points[:0], other.points[:0]
        # A product of matrices would be faster, but numpy's library has threads that go on waiting.
        pairs = cv2.BFMatcher(cv2.NORM_L2).knnMatch(self.looks, other.looks, k=2)
        sure = [best for best, next_best in pairs if best.distance < DISTINCT * next_best.distance]
        ours, theirs = [each.queryIdx for each in sure], [each.trainIdx for each in sure]
        return self.points[ours], other.points[theirs]

    def mirrored(self, width: int) -> "Features":
        """Return the points of the mirrored picture, `width` pixels wide, without a second search.

        What lies around a point is kept as four rows of four cells, of eight directions each. The
        rows lie across the point's own direction: in a mirror they change places, and directions
        turn the other way.
        """
        points = np.stack([width - 1 - self.points[:, 0], self.points[:, 1]], axis=1)
        cells = self.looks.reshape(-1, 4, 4, 8)[:, ::-1][..., (-np.arange(8)) % 8]
        return Features(points, np.ascontiguousarray(cells.reshape(-1, 128)))


@dataclass(frozen=True)
class Registration:
    """How the original's pixels lie in the result."""

    matrix: Matrix
    """Two rows of three: scale, turn and shift."""
    ours: Features
    theirs: Features
    stretch: float = 1.0
    """Ratio of the larger scale to the smaller, 1 for none."""
    mirrored: bool = False

    @property
    def scale(self) -> float:
        return scale_of(self.matrix)


def scale_of(matrix: Matrix) -> float:
    return float(np.hypot(matrix[0, 0], matrix[1, 0]))


def register(original: Pixels, result: Pixels) -> Registration | None:
    """Return where the original lies in the result; None if it is not found. Both are grey."""
    ours, theirs = Features.of(original), Features.of(result)
    points, places = ours.matches(theirs)
    rigid, agreeing = fit_rigid(points, places)
    loose, bent = _fit_loose(points, places)
    most = max(agreeing, bent)
    # A symmetric picture has some points that agree on a mirror; all others then tell.
    turned = loose is not None and bent >= agreeing and np.linalg.det(loose[:, :2]) < 0
    if turned or most < CERTAIN:
        flipped, flipped_places = ours.mirrored(original.shape[1]).matches(theirs)
        matrix, mirrored = fit_rigid(flipped, flipped_places)
        if matrix is not None and mirrored > (most if turned else max(CERTAIN, 2 * most)):
            return Registration(_mirrored(matrix, original.shape[1]), ours, theirs, mirrored=True)
    if turned or rigid is None or most < FEWEST or not LEAST_SCALE < scale_of(rigid) < MOST_SCALE:
        return None
    rigid = _refined(rigid, points, places)
    if loose is None or bent < agreeing:
        return Registration(rigid, ours, theirs)
    return Registration(rigid, ours, theirs, _stretch(loose, points, places))


def _stretch(loose: Matrix, points: Points, places: Points) -> float:
    """Return the ratio of the scales of an affine map fitted to all pairs that are not far off."""
    better, _agreeing = _fit_loose(*_near(loose, points, places), WIDE_PIXELS)
    larger, smaller = np.linalg.svd((loose if better is None else better)[:, :2], compute_uv=False)
    return float(larger / max(smaller, 1e-6))


def fit_rigid(
    points: Points, places: Points, pixels: float = RIGID_PIXELS
) -> tuple[Matrix | None, int]:
    """Return the scale, turn and shift that most pairs agree on, and their number."""
    return _fit(cv2.estimateAffinePartial2D, points, places, pixels)


def _fit_loose(
    points: Points, places: Points, pixels: float = LOOSE_PIXELS
) -> tuple[Matrix | None, int]:
    """Return the affine map that most pairs agree on, which may stretch and mirror."""
    return _fit(cv2.estimateAffine2D, points, places, pixels)


def _fit(
    estimate: Callable[..., Any], points: Points, places: Points, pixels: float
) -> tuple[Matrix | None, int]:
    """Return what most pairs agree on within so many pixels, and their number."""
    if len(points) < 6:
        return None, 0
    matrix, agree = estimate(
        points,
        places,
        method=cv2.RANSAC,
        ransacReprojThreshold=pixels,
        maxIters=_TRIES,
        confidence=_CONFIDENCE,
    )
    return (None, 0) if matrix is None else (matrix.astype(np.float64), int(agree.sum()))


def _refined(matrix: Matrix, points: Points, places: Points) -> Matrix:
    """Return the matrix fitted to all pairs that are not far off.

    Of a picture that has drifted, the first fit may suit one part alone.
    """
    better, _agreeing = fit_rigid(*_near(matrix, points, places), WIDE_PIXELS)
    return matrix if better is None else better


def _near(matrix: Matrix, points: Points, places: Points) -> tuple[Points, Points]:
    near = np.hypot(*(moved(matrix, points) - places).T) < WIDE_PIXELS
    return points[near], places[near]


def _mirrored(matrix: Matrix, width: int) -> Matrix:
    """Return a matrix of the mirrored original as one of the original."""
    across = matrix[:, 0]
    return np.stack([-across, matrix[:, 1], matrix[:, 2] + across * (width - 1)], axis=1)


def moved(matrix: Matrix, points: Points) -> Points:
    return (points @ matrix[:, :2].T + matrix[:, 2]).astype(np.float32)
