"""Figures of a classifier: image AUROC, the paper's Eq. 8 to 11, exact and bootstrap intervals.

Positive is a defective part. Predicted positive is whatever the line does not accept: REJECT, and UNKNOWN,
which a line treats as reject. So a missed defect (an escape) is a false negative.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from numpy.typing import NDArray
from sklearn import metrics

from inspectd.calibration.rates import CONFIDENCE, Interval

if TYPE_CHECKING:
    from inspectd.calibration.key_scores import StepProgress

F64 = NDArray[np.float64]

RESAMPLES = 1000

_sklearn = cast("Any", metrics)


@dataclass(frozen=True, slots=True)
class Agreement:
    """The paper's Eq. 8 to 11 at one threshold; None where the equation divides by zero."""

    accuracy: float | None
    """Eq. 8."""
    f1: float | None
    """Eq. 9."""
    precision: float | None
    """Eq. 10."""
    recall: float | None
    """Eq. 11."""

    @classmethod
    def of_counts(cls, tp: int, tn: int, fp: int, fn: int) -> Agreement:
        """Compute the four from true and false positives and negatives."""
        # Eq. 9 with Eq. 10 and 11 put in: 2 TP / (2 TP + FP + FN).
        return cls(
            accuracy=_ratio(tp + tn, tp + tn + fp + fn),
            f1=_ratio(2 * tp, 2 * tp + fp + fn),
            precision=_ratio(tp, tp + fp),
            recall=_ratio(tp, tp + fn),
        )


@dataclass(frozen=True, slots=True)
class BestF1:
    """The threshold that gives the best F1 on these very images, so its figures flatter; for comparison."""

    threshold: float
    f1: float
    accuracy: float
    """At that threshold."""


def image_auroc(good: F64, defective: F64) -> float | None:
    """Return the probability that a defective image scores over a good one; None if either has none."""
    if not len(good) or not len(defective):
        return None
    truth = np.concatenate((np.zeros(len(good)), np.ones(len(defective))))
    return float(_sklearn.roc_auc_score(truth, np.concatenate((good, defective))))


def average_precision(scores: F64, defective: NDArray[np.bool_]) -> float | None:
    """Return the area under the precision-recall curve as steps; None if either side has no image."""
    if defective.all() or not defective.any():
        return None
    return float(_sklearn.average_precision_score(defective, scores))


def best_f1(scores: F64, defective: NDArray[np.bool_]) -> BestF1 | None:
    """Return the best F1 over all thresholds (score >= threshold is positive); None without both sides."""
    if defective.all() or not defective.any():
        return None
    precision, recall, thresholds = _sklearn.precision_recall_curve(defective, scores)
    precision, recall = precision[:-1], recall[:-1]  # its last point has no threshold
    f1: F64 = 2 * precision * recall / np.maximum(precision + recall, np.finfo(float).tiny)
    best = int(np.argmax(f1))
    threshold = float(thresholds[best])
    agree = int(np.count_nonzero((scores >= threshold) == defective))
    return BestF1(threshold, float(f1[best]), agree / len(scores))


def resample(defective: NDArray[np.bool_], seed: int, count: int = RESAMPLES) -> NDArray[np.int64]:
    """Draw bootstrap resamples: how often each image is in each of them, int64 [count, images].

    Good and defective images are drawn apart, so that each resample has as many of them as the sample.
    """
    generator = np.random.default_rng(seed)
    weights = np.zeros((count, len(defective)), np.int64)
    for stratum in (~defective, defective):
        size = int(stratum.sum())
        if size:
            weights[:, stratum] = generator.multinomial(size, np.full(size, 1 / size), size=count)
    return weights


def resampling(progress: StepProgress | None, runs: int) -> Callable[[int], None] | None:
    """Return what adds up the resamples done of so many runs and tells `progress`; None if nobody listens."""
    if progress is None:
        return None
    done = 0

    def tell(count: int) -> None:
        nonlocal done
        done += count
        progress(done, runs * RESAMPLES, "resamples for intervals", None)

    return tell


def percentiles(values: F64) -> Interval | None:
    """Return the middle 95 % of resampled figures; None if any of them is undefined."""
    if not len(values) or np.isnan(values).any():
        return None
    low, high = np.quantile(values, ((1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2))
    return float(low), float(high)


def resampled_f1(
    defective: NDArray[np.bool_], positive: NDArray[np.bool_], weights: NDArray[np.int64]
) -> F64:
    """Return F1 (Eq. 9) of each resample, float64 [B], NaN where there is nothing positive.

    `positive` bool [images]: not accepted; `weights` as `resample` gives them.
    """
    drawn = weights.astype(np.float64)
    twice_tp = 2 * (drawn @ (defective & positive))
    below = twice_tp + drawn @ (defective ^ positive)
    return np.divide(twice_tp, below, out=np.full(len(below), np.nan), where=below > 0)


def thirds(sizes: Sequence[float | None]) -> list[NDArray[np.int64]]:
    """Return the indices of known sizes in thirds from small to large, empty ones left out."""
    known = sorted((size, index) for index, size in enumerate(sizes) if size is not None)
    order = np.asarray([index for _, index in known], np.int64)
    return [part for part in np.array_split(order, 3) if len(part)]


def _ratio(above: float, below: float) -> float | None:
    return above / below if below else None
