"""A threshold past the largest good score, from a generalised Pareto distribution fitted to the largest ones.

Peaks over threshold: of n scores the largest tenth exceed a level u by amounts that follow, for high u, a
generalised Pareto distribution (Pickands 1975; Coles, "An Introduction to Statistical Modeling of Extreme
Values", 2001, chapter 4). With k exceedances, scale s and shape c,
P(score > t) = k/n (1 + c (t - u) / s)^(-1/c). It is an assumption about scores that nobody has seen: it needs
enough of them, must fit, and goes only so far.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from scipy import stats

from inspectd.calibration.errors import CalibrationError
from inspectd.calibration.rates import CONFIDENCE, descending

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from inspectd.calibration.key_scores import StepProgress

FEWEST_EXCEEDANCES = 50
TAIL_SHARE = 0.1
FURTHEST = 4
"""Times the sample's size: the rarest part that a fitted tail is asked about."""

_RESAMPLES = 200
_WORST_FIT = 0.05
_USE_QUANTILE = "Take --method quantile"


@dataclass(frozen=True, slots=True)
class Tail:
    """A fitted tail and the threshold that it puts at the wanted rate.

    `fit` is the p-value of the Cramer-von Mises statistic; `threshold_interval` and `fit` are from parametric
    resamples, so that they count the parameters' own uncertainty.
    """

    threshold: float
    level: float
    exceedances: int
    shape: float
    scale: float
    fit: float
    threshold_interval: tuple[float, float]
    rate_interval: tuple[float, float]
    resamples: int


def tail_threshold(
    scores: Sequence[float],
    rate: float,
    confidence: float = CONFIDENCE,
    *,
    seed: int = 0,
    resamples: int = _RESAMPLES,
    progress: StepProgress | None = None,
) -> Tail:
    """Fit a generalised Pareto tail to the largest tenth of good scores; return the threshold for `rate`.

    Raises CalibrationError, with the reason, for fewer than 50 exceedances, a rate that counting answers or
    that lies further out than four times the sample reaches, and a tail that does not fit (p under 0.05).
    """
    ordered = descending(scores)
    count = len(ordered)
    exceedances = check_tail(count, rate)
    level = float(ordered[exceedances])
    excess = ordered[:exceedances] - level
    fitted = _fit(excess)
    if fitted is None:
        raise CalibrationError(
            f"no tail: a generalised Pareto distribution does not fit the {exceedances} largest of {count}"
            f" scores at all (are they equal?). {_USE_QUANTILE}."
        )
    shape, scale = fitted
    threshold = level + _isf(rate * count / exceedances, shape, scale)
    misfit = _misfit(excess, shape, scale)
    misfits: list[float] = []
    thresholds: list[float] = []
    rates: list[float] = []
    generator = np.random.default_rng(seed)
    for done in range(resamples):
        k = int(generator.binomial(count, exceedances / count))
        drawn = _draw(shape, scale, k, generator)
        again = _fit(drawn)
        if again is not None:
            misfits.append(_misfit(drawn, *again))
            thresholds.append(level + (_isf(rate * count / k, *again) if k > rate * count else 0.0))
            rates.append(k / count * float(stats.genpareto.sf(threshold - level, again[0], 0, again[1])))
        if progress is not None:
            progress(done + 1, resamples, "resamples", None)
    fit = (1 + sum(each >= misfit for each in misfits)) / (1 + len(misfits))
    if len(misfits) < 0.9 * resamples or fit < _WORST_FIT:
        raise CalibrationError(
            f"no tail: a generalised Pareto distribution does not fit the {exceedances} largest of {count}"
            f" scores (Cramer-von Mises p = {fit:.3f}, {_WORST_FIT} needed). {_USE_QUANTILE}."
        )
    ends = ((1 - confidence) / 2, (1 + confidence) / 2)
    low, high = (float(value) for value in np.quantile(thresholds, ends))
    low_rate, high_rate = (float(value) for value in np.quantile(rates, ends))
    return Tail(
        threshold=threshold,
        level=level,
        exceedances=exceedances,
        shape=shape,
        scale=scale,
        fit=fit,
        threshold_interval=(low, high),
        rate_interval=(low_rate, high_rate),
        resamples=resamples,
    )


def check_tail(count: int, rate: float) -> int:
    """Return how many of so many good scores a tail is fitted to.

    Raises CalibrationError if they are too few, or do not tell of the rate.
    """
    exceedances = math.floor(TAIL_SHARE * count)
    if exceedances < FEWEST_EXCEEDANCES:
        raise CalibrationError(
            f"no tail from {count} good parts: {exceedances} in the largest tenth, {FEWEST_EXCEEDANCES} are"
            f" needed ({math.ceil(FEWEST_EXCEEDANCES / TAIL_SHARE)} parts). {_USE_QUANTILE}, or give more."
        )
    if not 1 / (FURTHEST * count) <= rate < TAIL_SHARE:
        raise CalibrationError(
            f"no tail for a false-reject rate of {rate:g}: {count} parts tell of rates from"
            f" {1 / (FURTHEST * count):.2g} to {TAIL_SHARE:g}. {_USE_QUANTILE}, or another rate."
        )
    return exceedances


def _fit(excess: NDArray[np.float64]) -> tuple[float, float] | None:
    """Return shape and scale by maximum likelihood; None if there is no maximum."""
    with warnings.catch_warnings():
        # The search passes through shapes under which a score is impossible.
        warnings.simplefilter("ignore", RuntimeWarning)
        try:
            found = cast("Any", stats.genpareto).fit(excess, 0.0, floc=0, scale=float(excess.mean()))
        except (stats.FitError, ValueError):
            return None
    fitted = float(found[0]), float(found[2])
    return fitted if all(map(math.isfinite, fitted)) and fitted[1] > 0 else None


def _draw(shape: float, scale: float, count: int, generator: np.random.Generator) -> NDArray[np.float64]:
    # By the quantile function: as quick as scipy's own, and the same for every version of it.
    return np.asarray(stats.genpareto.isf(generator.random(count), shape, 0, scale), np.float64)


def _isf(share: float, shape: float, scale: float) -> float:
    return float(stats.genpareto.isf(share, shape, 0, scale))


def _misfit(excess: NDArray[np.float64], shape: float, scale: float) -> float:
    """Return the Cramer-von Mises statistic, sum over i of ((2i - 1) / 2k - F(x_i))^2, plus 1 / 12k."""
    count = len(excess)
    expected = (2 * np.arange(1, count + 1) - 1) / (2 * count)
    actual = np.sort(np.asarray(stats.genpareto.cdf(excess, shape, 0, scale)))
    return float(1 / (12 * count) + ((expected - actual) ** 2).sum())
