"""Where an original lies in a picture that was redrawn from it.

Points that are easily told apart are looked for in both (SIFT, made comparable by the root of each
value: Arandjelović and Zisserman, "Three things everyone should know", 2012). Those that match are
fitted by one scale and shift, which most of them must agree on (RANSAC).
"""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from .pixels import Pixels

Points = NDArray[np.float32]
Matrix = NDArray[np.float64]

#: Number of points at most, and the contrast from which on a spot is one: low, since a calm sky has
#: its points, too.
MOST_POINTS, LEAST_CONTRAST = 1500, 0.02
#: A match counts if the next best is that much farther away.
DISTINCT = 0.8
#: Pixels by which a point may lie off: where one scale and shift is fitted, and where a redrawn
#: picture may bend a little.
RIGID_PIXELS, LOOSE_PIXELS = 6.0, 12.0
#: Number of points that have to agree. Below `CERTAIN`, the mirrored original is tried as well.
FEWEST, CERTAIN = 12, 25
#: Scales between which a match can be trusted.
LEAST_SCALE, MOST_SCALE = 0.2, 5.0


@dataclass(frozen=True)
class Registration:
    """How the original's pixels lie in the result."""

    matrix: Matrix
    """Two rows of three: scale, turn and shift."""
    stretch: float
    """Ratio of the larger scale to the smaller, 1 for none."""
    mirrored: bool

    @property
    def scale(self) -> float:
        return float(np.hypot(self.matrix[0, 0], self.matrix[1, 0]))


class _Features:
    """The points of a picture, and what the picture looks like around each."""

    def __init__(self, grey: Pixels) -> None:
        finder = cv2.SIFT_create(nfeatures=MOST_POINTS, contrastThreshold=LEAST_CONTRAST)
        points, looks = finder.detectAndCompute(grey, None)
        self.points: Points = np.array([each.pt for each in points], np.float32).reshape(-1, 2)
        if looks is None:
            looks = np.zeros((0, 128), np.float32)
        shares = looks / (looks.sum(axis=1, keepdims=True) + 1e-7)
        self.looks: Points = np.sqrt(shares, dtype=np.float32)

    def matches(self, other: "_Features") -> tuple[Points, Points]:
        """Return the points of this picture and of the other that look the same."""
        if len(self.points) < 2 or len(other.points) < 2:
            return self.points[:0], other.points[:0]
        pairs = cv2.BFMatcher(cv2.NORM_L2).knnMatch(self.looks, other.looks, k=2)
        sure = [best for best, next_best in pairs if best.distance < DISTINCT * next_best.distance]
        ours, theirs = [each.queryIdx for each in sure], [each.trainIdx for each in sure]
        return self.points[ours], other.points[theirs]


def register(original: Pixels, result: Pixels) -> Registration | None:
    """Return where the original lies in the result; None if it is not found. Both are grey."""
    there = _Features(result)
    points, places = _Features(original).matches(there)
    rigid, agreeing = _fit_rigid(points, places)
    loose, bent = _fit_loose(points, places)
    most = max(agreeing, bent)
    if most < CERTAIN:
        flipped, flipped_places = _Features(cv2.flip(original, 1)).matches(there)
        matrix, mirrored = _fit_rigid(flipped, flipped_places)
        if matrix is not None and mirrored > max(CERTAIN, 2 * most):
            return Registration(matrix, 1.0, mirrored=True)
    if rigid is None or most < FEWEST:
        return None
    if loose is None or bent < agreeing:
        return _trusted(Registration(rigid, 1.0, mirrored=False))
    larger, smaller = np.linalg.svd(loose[:, :2], compute_uv=False)
    mirrored = bool(np.linalg.det(loose[:, :2]) < 0)
    return _trusted(Registration(rigid, float(larger / max(smaller, 1e-6)), mirrored))


def _trusted(found: Registration) -> Registration | None:
    return found if LEAST_SCALE < found.scale < MOST_SCALE else None


def _fit_rigid(points: Points, places: Points) -> tuple[Matrix | None, int]:
    """Return the scale, turn and shift that most pairs agree on, and their number."""
    if len(points) < 6:
        return None, 0
    matrix, agree = cv2.estimateAffinePartial2D(
        points, places, method=cv2.RANSAC, ransacReprojThreshold=RIGID_PIXELS, **_TRIES
    )
    return matrix, 0 if matrix is None else int(agree.sum())


def _fit_loose(points: Points, places: Points) -> tuple[Matrix | None, int]:
    """Return the affine map that most pairs agree on, which may stretch and mirror."""
    if len(points) < 6:
        return None, 0
    matrix, agree = cv2.estimateAffine2D(
        points, places, method=cv2.RANSAC, ransacReprojThreshold=LOOSE_PIXELS, **_TRIES
    )
    return matrix, 0 if matrix is None else int(agree.sum())


_TRIES = {"maxIters": 4000, "confidence": 0.995}
