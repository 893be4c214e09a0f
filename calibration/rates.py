"""What a sample of good parts says of a rate of false rejects: order statistics and binomial intervals."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

import numpy as np
from scipy import stats

from inspectd.calibration.errors import CalibrationError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

CONFIDENCE = 0.95

Interval = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Rate:
    """`count` of `of`, as a rate and with the interval that holds the true one; both None: of none."""

    count: int
    of: int
    rate: float | None
    interval: Interval | None

    @classmethod
    def of_counts(cls, count: int, of: int, confidence: float = CONFIDENCE) -> Rate:
        """Compute rate and two-sided interval (Clopper and Pearson 1934), exact for any sample size.

        With a = 1 - confidence: from Beta^-1(a/2; x, n - x + 1) to Beta^-1(1 - a/2; x + 1, n - x), 0 where
        x = 0 and 1 where x = n.
        """
        if not of:
            return cls(count, of, None, None)
        tail = (1 - confidence) / 2
        low = float(stats.beta.ppf(tail, count, of - count + 1)) if count else 0.0
        high = float(stats.beta.ppf(1 - tail, count + 1, of - count)) if count < of else 1.0
        return cls(count, of, count / of, (low, high))


def supportable_rate(count: int, confidence: float = CONFIDENCE) -> float:
    """Return the lowest rate that `count` parts can prove: the one-sided limit when none of them is above.

    u = 1 - (1 - confidence)^(1 / count): were the true rate higher, that none is above would happen in less
    than 1 - confidence of all samples. 1 for no parts.
    """
    if not count:
        return 1.0
    return -math.expm1(math.log1p(-confidence) / count)


def parts_to_support(rate: float, confidence: float = CONFIDENCE) -> int:
    """Return the fewest parts whose `supportable_rate` is at or under `rate`: 299 for 1 %, 598 for 0.5 %."""
    count = max(1, math.floor(math.log1p(-confidence) / math.log1p(-rate)))
    while supportable_rate(count, confidence) > rate:
        count += 1
    return count


def rate_at_rank(rank: int, count: int, confidence: float = CONFIDENCE) -> Interval:
    """Return the interval for the rate at or over the `rank`-th largest of `count` scores.

    That rate is distributed as Beta(rank, count - rank + 1), whatever the scores' continuous distribution
    (Wilks 1941); its mean is rank / (count + 1). Rank 0 stands for a threshold just over the largest score.
    """
    if rank == 0:
        return 0.0, supportable_rate(count, confidence)
    tail = (1 - confidence) / 2
    low, high = stats.beta.ppf((tail, 1 - tail), rank, count - rank + 1)
    return float(low), float(high)


@dataclass(frozen=True, slots=True)
class Quantile:
    """A threshold from the scores of `count` good parts alone.

    `rank` parts reached it (1: it is the largest score; 0: it stands just over it), another one does with
    probability `expected`, a rate that lies in `interval`. `threshold_interval` holds the score that the rate
    aimed at would need; its upper end is None where the sample does not reach that far.
    """

    threshold: float
    count: int
    rank: int
    expected: float
    interval: Interval
    threshold_interval: tuple[float, float | None]
    supportable: float


def quantile(scores: Sequence[float], rate: float, confidence: float = CONFIDENCE) -> Quantile:
    """Choose the lowest threshold that another good part reaches with probability `rate` at the most.

    With n scores, another of the same production reaches the k-th largest with probability k / (n + 1): k is
    the largest for which this is at or under `rate`, or 1 if n is too small for that. Scores equal to the
    k-th largest count as reaching it: if that makes too many, the next higher score is taken, above the
    largest the next number. Raises CalibrationError for scores without an answer, see `descending`.
    """
    ordered = descending(scores)
    count = len(ordered)
    allowed = max(1, math.floor(rate * (count + 1) + 1e-9))
    # A threshold that rejects all good parts is none: with so high a rate the lowest score still passes.
    allowed = min(allowed, max(1, count - 1))
    threshold, rank = _reached_by(ordered, allowed)
    return Quantile(
        threshold=threshold,
        count=count,
        rank=rank,
        expected=max(rank, 1) / (count + 1),
        interval=rate_at_rank(rank, count, confidence),
        threshold_interval=_quantile_interval(ordered, rate, confidence),
        supportable=supportable_rate(count, confidence),
    )


def descending(scores: Sequence[float]) -> NDArray[np.float64]:
    """Return scores from high to low.

    Raises CalibrationError if there are none, or if one is negative or not finite, or all are 0.
    """
    ordered = np.sort(np.asarray(scores, np.float64))[::-1]
    if not len(ordered) or not np.isfinite(ordered).all() or ordered[-1] < 0 or ordered[0] <= 0:
        raise CalibrationError(
            f"no limits from {len(ordered)} scores of good images: empty, or not finite and positive."
            " Give more good images that training did not use, or train again."
        )
    return ordered


def _reached_by(ordered: NDArray[np.float64], allowed: int) -> tuple[float, int]:
    """Return the lowest score that at most `allowed` of the descending scores reach, and how many do."""
    threshold = ordered[allowed - 1]
    reached = int((ordered >= threshold).sum())
    if reached > allowed:
        above = ordered[ordered > threshold]
        if not len(above):
            return float(np.nextafter(threshold, np.inf)), 0
        threshold, reached = above[-1], len(above)
    return float(threshold), reached


def _quantile_interval(
    ordered: NDArray[np.float64], rate: float, confidence: float
) -> tuple[float, float | None]:
    """Return the order statistics between which the distribution's (1 - rate) quantile lies.

    How many of n parts exceed that quantile is binomial (n, rate): each end is the score whose rank is
    exceeded, or not reached, with probability (1 - confidence) / 2 at the most.
    """
    tail, count = (1 - confidence) / 2, len(ordered)
    most = int(cast("float", stats.binom.ppf(1 - tail, count, rate)))
    fewest = int(cast("float", stats.binom.ppf(tail, count, rate)))
    if float(stats.binom.cdf(fewest, count, rate)) > tail:
        fewest -= 1
    low = float(ordered[most]) if most < count else 0.0
    return low, float(ordered[fewest]) if fewest >= 0 else None
