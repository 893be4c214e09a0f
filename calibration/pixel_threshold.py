"""The pixel threshold by masks: where drawing the anomaly map agrees best with what was drawn by hand."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from inspectd.calibration.pixels import BINS, bins_of, lowest_of


class PixelCounts:
    """Counts of good and defective pixels by score; no map is kept."""

    def __init__(self) -> None:
        self._good = np.zeros(BINS, np.int64)
        self._defective = np.zeros(BINS, np.int64)

    def add(self, anomaly_map: NDArray[np.float32], mask: NDArray[np.bool_] | None) -> None:
        """Count a map, float32 [H, W], never negative; `mask` bool [H, W] says where it is defective."""
        bins = bins_of(anomaly_map)
        everything = np.bincount(bins, minlength=BINS)
        if mask is not None:
            defective = np.bincount(bins[mask.ravel()], minlength=BINS)
            self._defective += defective
            everything = everything - defective
        self._good += everything

    def best_f1(self) -> tuple[float, float] | None:
        """Return the pixel threshold with the largest F1 of "defective", and that F1 (0 to 1).

        F1 = 2 TP / (2 TP + FP + FN) over all pixels counted; of equals the highest threshold, which draws
        least. None without a defective pixel, or if drawing everything is best.
        """
        if not self._defective.any():
            return None
        found = np.cumsum(self._defective[::-1])[::-1].astype(np.float64)
        wrong = np.cumsum(self._good[::-1])[::-1]
        f1 = 2 * found / (found + wrong + float(self._defective.sum()))
        best = BINS - 1 - int(np.argmax(f1[::-1]))
        threshold = lowest_of(best)
        return (threshold, float(f1[best])) if threshold > 0 else None
