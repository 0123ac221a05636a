"""What became of the focal area."""

import cv2
import numpy as np

from .cells import Cells, Floats

#: Agreement from which on nothing of a cell differs, and at which all of it does.
SAME, OTHER = 0.75, 0.40
#: Share of a cell that has to lie in the area for its drift to count, and the fewest such cells.
WITHIN, FEWEST = 0.3, 6


class Focus:
    """The focal area, laid over the cells. All four are pixels of the reduced original."""

    def __init__(self, cells: Cells, left: float, top: float, width: float, height: float) -> None:
        self._cells = cells
        rows, columns = cells.agreement.shape
        down = _shares(rows, top / cells.side, (top + height) / cells.side)
        right = _shares(columns, left / cells.side, (left + width) / cells.side)
        #: Share of each cell that lies in the area.
        self._within = np.outer(down, right).astype(np.float32)

    @property
    def differing(self) -> float | None:
        """Return the share of the area's detail that differs; None if nothing was compared."""
        cells = self._cells
        weight = self._within * cells.detail * cells.compared
        if not weight.sum():
            return None
        other = np.clip((SAME - cells.agreement) / (SAME - OTHER), 0, 1)
        return float((weight * np.nan_to_num(other)).sum() / weight.sum())

    @property
    def resized(self) -> float:
        """Return the scale of what the area shows, beside that of the whole; 1 if not known.

        The cells within it have drifted, and a scale is fitted to their drift.
        """
        cells = self._cells
        known = (self._within > WITHIN) & ~np.isnan(cells.drift[..., 0])
        if known.sum() < FEWEST:
            return 1.0
        rows, columns = np.nonzero(known)
        middles = (np.stack([columns, rows], axis=1) + 0.5) * cells.side
        places = middles + cells.drift[known]
        matrix, _agree = cv2.estimateAffinePartial2D(
            middles.astype(np.float32), places.astype(np.float32), method=cv2.LMEDS
        )
        return 1.0 if matrix is None else float(np.hypot(matrix[0, 0], matrix[1, 0]))


def _shares(count: int, start: float, end: float) -> Floats:
    """Return how much of each of `count` units lies between start and end."""
    units = np.arange(count, dtype=np.float32)
    return np.clip(np.minimum(units + 1, end) - np.maximum(units, start), 0, 1)
