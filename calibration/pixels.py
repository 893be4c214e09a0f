"""Pixel-level AUROC and AUPRO from histograms: no score is kept or sorted.

Memory does not grow with the pixels: the test set's own three histograms take 12 MiB. It grows with the
images. Each is kept as three coarse histograms, for the bootstrap to draw it again: 6 KiB for each octave
that its scores span, 1.5 MiB (`MOST_BYTES`) at the most.

AUPRO is the per-region overlap of Bergmann et al., "The MVTec Anomaly Detection Dataset", IJCV 2021: over all
thresholds, the mean share of a defective region (a connected component of the truth, 8 neighbours) that
scores over the threshold, against the share of all good pixels that do; integrated up to 30 % of the good
pixels and divided by 0.3.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy import sparse

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    Tell = Callable[[int], None]

F64 = NDArray[np.float64]

AUPRO_LIMIT = 0.3
"""Share of good pixels up to which AUPRO is integrated."""

# Non-negative float32 numbers order as their bit patterns do. Without the lowest 12 bits 2^19 bins remain,
# each 0.05 % wide.
_DROPPED_BITS = 12
BINS = 1 << (31 - _DROPPED_BITS)

# What is kept of each image, to draw images again: 2^15 bins, each 0.8 % wide, most of them empty.
_COARSE_BINS = 1 << 15
MOST_BYTES = 3 * _COARSE_BINS * 16
"""Of numbers kept of an image: in each of three histograms a bin's number and its count, 8 bytes each."""
_RESAMPLES_AT_ONCE = 50


@dataclass(frozen=True, slots=True)
class Counted:
    """Images as rows of histograms over the same ascending scores: sparse [images, bins]."""

    good: Any
    defective: Any

    @classmethod
    def of_scores(cls, scores: F64, defective: NDArray[np.bool_]) -> Counted:
        """One score an image: a row with a single count, in a bin of its own value."""
        values, bins = np.unique(scores, return_inverse=True)
        rows = np.arange(len(scores))
        shape = (len(scores), len(values))

        def counts(chosen: NDArray[np.bool_]) -> Any:
            return sparse.csr_array((np.ones(int(chosen.sum())), (rows[chosen], bins[chosen])), shape=shape)

        return cls(counts(~defective), counts(defective))


def bins_of(anomaly_map: NDArray[np.float32]) -> NDArray[np.uint32]:
    """Return the bin of each score of a map, float32 [H, W], never negative, as [H * W]."""
    # The sum turns -0.0, whose bit pattern is that of a large number, into 0.0.
    plain = np.maximum(anomaly_map, 0) + np.float32(0)
    return np.ascontiguousarray(plain, np.float32).view(np.uint32).ravel() >> np.uint32(_DROPPED_BITS)


def lowest_of(score_bin: int) -> float:
    """Return the lowest score of a bin."""
    return float(np.uint32(score_bin << _DROPPED_BITS).view(np.float32))


class PixelHistogram:
    """Counts the pixel scores of a test set, and of each of its images coarsely."""

    def __init__(self) -> None:
        self._good = np.zeros(BINS, np.int64)
        self._defective = np.zeros(BINS, np.int64)
        self._regions = np.zeros(BINS, np.float64)
        self._rows: dict[str, list[F64]] = {"good": [], "defective": [], "regions": []}
        self._bins: dict[str, list[NDArray[np.int64]]] = {"good": [], "defective": [], "regions": []}
        self._with_mask: list[bool] = []
        self._region_counts: list[int] = []

    @property
    def defective(self) -> NDArray[np.bool_]:
        """For each image added, whether it came with a mask; bool [images]."""
        return np.asarray(self._with_mask, np.bool_)

    def add(self, anomaly_map: NDArray[np.float32], mask: NDArray[np.bool_] | None) -> None:
        """Count a map, float32 [H, W], never negative; `mask` bool [H, W] says where it is defective."""
        bins = bins_of(anomaly_map)
        everything = np.bincount(bins, minlength=BINS)
        defective = np.zeros(BINS, np.int64)
        regions = np.zeros(BINS, np.float64)
        count = 0
        if mask is not None:
            truth = mask.ravel()
            defective = np.bincount(bins[truth], minlength=BINS)
            labels, count = _label(mask)
            inside = labels.ravel()[truth]
            # Each region counts as one, however large: its pixels share that one between them.
            share = 1 / np.maximum(1, np.bincount(inside, minlength=count + 1))
            regions = np.bincount(bins[truth], weights=share[inside], minlength=BINS)
        good = everything - defective
        self._good += good
        self._defective += defective
        self._regions += regions
        self._with_mask.append(mask is not None)
        self._region_counts.append(count)
        for name, histogram in (("good", good), ("defective", defective), ("regions", regions)):
            coarse = histogram.reshape(_COARSE_BINS, -1).sum(axis=1).astype(np.float64)
            occupied = np.flatnonzero(coarse)
            self._bins[name].append(occupied)
            self._rows[name].append(coarse[occupied])

    def auroc(self) -> float | None:
        """Return the probability that a defective pixel scores over a good one, ties counted half."""
        value = auroc_of_counts(self._good[np.newaxis], self._defective[np.newaxis])[0]
        return None if np.isnan(value) else float(value)

    def aupro(self, limit: float = AUPRO_LIMIT) -> float | None:
        """Return the area under the per-region overlap up to `limit` of the good pixels, 0 to 1."""
        value = aupro_of_counts(self._good[np.newaxis], self._regions[np.newaxis], limit)[0]
        return None if np.isnan(value) else float(value)

    def resampled_auroc(self, weights: NDArray[np.int64], tell: Tell | None = None) -> F64:
        """Return the AUROC of each resample, float64 [B]; `weights` [B, images]: how often each is drawn.

        `tell` hears how many resamples are done since it last heard.
        """
        good, defective = self._matrices("good", "defective")
        return resampled_auroc(Counted(good, defective), weights, tell)

    def resampled_aupro(self, weights: NDArray[np.int64], tell: Tell | None = None) -> F64:
        """Return the AUPRO of each resample, float64 [B]; `weights` and `tell` as in `resampled_auroc`."""
        good, regions = self._matrices("good", "regions")
        parts = [
            aupro_of_counts(_drawn(part, good), _drawn(part, regions)) for part in _in_parts(weights, tell)
        ]
        return np.concatenate(parts)

    def _matrices(self, *names: str) -> list[Any]:
        """Return the images' histograms as sparse [images, bins], over the bins that any of them occupies."""
        occupied = np.unique(np.concatenate([bins for name in names for bins in self._bins[name]]))
        matrices: list[Any] = []
        for name in names:
            ends = np.concatenate(([0], np.cumsum([len(bins) for bins in self._bins[name]])))
            columns = np.searchsorted(occupied, np.concatenate(self._bins[name]))
            values = np.concatenate(self._rows[name])
            shape = (len(self._with_mask), len(occupied))
            matrices.append(sparse.csr_array((values, columns, ends), shape=shape))
        return matrices


def resampled_auroc(counted: Counted, weights: NDArray[np.int64], tell: Tell | None = None) -> F64:
    """Return the AUROC of each resample, float64 [B]; `weights` [B, images]: how often each is drawn."""
    parts = [
        auroc_of_counts(_drawn(part, counted.good), _drawn(part, counted.defective))
        for part in _in_parts(weights, tell)
    ]
    return np.concatenate(parts)


def auroc_of_counts(good: NDArray[Any], defective: NDArray[Any]) -> F64:
    """Return the AUROC of each row, float64 [B], from counts [B, bins] by ascending score; ties count half.

    NaN where a row lacks one of the two sides.
    """
    below = np.cumsum(good, axis=1, dtype=np.float64) - good / 2
    pairs = good.sum(axis=1, dtype=np.float64) * defective.sum(axis=1, dtype=np.float64)
    ordered = (defective * below).sum(axis=1)
    return np.divide(ordered, pairs, out=np.full(len(good), np.nan), where=pairs > 0)


def aupro_of_counts(good: NDArray[Any], regions: NDArray[Any], limit: float = AUPRO_LIMIT) -> F64:
    """Return the AUPRO of each row, float64 [B]; NaN where a row lacks good pixels or regions.

    `good` counts good pixels, `regions` pixels of defective regions weighted by one over their region's size,
    both [B, bins] by ascending score.
    """
    areas = np.full(len(good), np.nan)
    for row, (good_row, region_row) in enumerate(zip(good, regions, strict=True)):
        if not good_row.any() or not region_row.any():
            continue
        occupied = np.flatnonzero((good_row > 0) | (region_row > 0))[::-1]
        rate = np.concatenate(([0.0], np.cumsum(good_row[occupied], dtype=np.float64) / good_row.sum()))
        overlap = np.concatenate(([0.0], np.cumsum(region_row[occupied]) / region_row.sum()))
        end = int(np.searchsorted(rate, limit, side="right"))
        at_limit = float(np.interp(limit, rate, overlap))
        xs, ys = np.append(rate[:end], limit), np.append(overlap[:end], at_limit)
        areas[row] = float(np.dot(np.diff(xs), (ys[1:] + ys[:-1]) / 2)) / limit
    return areas


def _drawn(weights: NDArray[np.int64], matrix: Any) -> F64:
    """Return the histograms of resamples, float64 [B, bins]."""
    return np.asarray((matrix.T @ weights.T.astype(np.float64)).T, np.float64)


def _in_parts(weights: NDArray[np.int64], tell: Tell | None) -> Generator[NDArray[np.int64]]:
    """Cut resamples into batches, so that their histograms fit into memory; tell of each that is done."""
    for start in range(0, len(weights), _RESAMPLES_AT_ONCE):
        part = weights[start : start + _RESAMPLES_AT_ONCE]
        yield part
        if tell is not None:
            tell(len(part))


def _label(mask: NDArray[np.bool_]) -> tuple[NDArray[np.int32], int]:
    """Number the connected regions of a mask from 1; return the numbers [H, W] and how many there are."""
    count, labels = cv2.connectedComponents(mask.astype(np.uint8), connectivity=8)
    return cast("NDArray[np.int32]", labels), count - 1
