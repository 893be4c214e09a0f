"""A generalised Pareto tail: only from enough parts, only where it fits, only so far."""

from __future__ import annotations

import math

import numpy as np
import pytest

from inspectd.calibration.errors import CalibrationError
from inspectd.calibration.tail import tail_threshold


def test_tail_of_exponential_scores_is_found() -> None:
    """Their tail is a generalised Pareto one of shape 0: threshold and parameters lie near the truth."""
    scores = 1 + 0.1 * np.random.default_rng(3).standard_exponential(2000)
    tail = tail_threshold(scores.tolist(), 0.001, seed=1, resamples=40)
    truth = 1 - 0.1 * math.log(0.001)
    assert tail.exceedances == 200
    assert tail.threshold == pytest.approx(truth, rel=0.1)
    assert tail.threshold_interval[0] < truth < tail.threshold_interval[1]
    assert tail.rate_interval[0] < 0.001 < tail.rate_interval[1]
    assert abs(tail.shape) < 0.3
    assert tail.scale == pytest.approx(0.1, rel=0.3)
    assert tail.fit >= 0.05
    # P(score > t) = k/n (1 + c (t - u) / s)^(-1/c), written out.
    over = (1 + tail.shape * (tail.threshold - tail.level) / tail.scale) ** (-1 / tail.shape)
    assert 0.1 * over == pytest.approx(0.001, rel=1e-6)


def test_same_seed_same_intervals() -> None:
    """An auditor who repeats it gets the same numbers."""
    scores = (1 + np.random.default_rng(4).standard_exponential(500)).tolist()
    first, again, other = (tail_threshold(scores, 0.002, seed=seed, resamples=5) for seed in (1, 1, 2))
    assert first == again
    assert first.threshold_interval != other.threshold_interval


@pytest.mark.parametrize(
    ("count", "rate", "text"),
    [
        (499, 0.005, r"49 in the largest tenth, 50 are needed \(500 parts\)"),
        (1, 0.01, "0 in the largest tenth"),
        (500, 0.2, "tell of rates from 0.0005 to 0.1"),
        (500, 0.0004, "tell of rates from 0.0005 to 0.1"),
    ],
)
def test_too_few_or_too_far_is_refused(count: int, rate: float, text: str) -> None:
    """With the reason, and what to do instead."""
    scores = (1 + np.random.default_rng(5).standard_exponential(count)).tolist()
    with pytest.raises(CalibrationError, match=text):
        tail_threshold(scores, rate, resamples=2)


def test_a_tail_that_does_not_fit_is_refused() -> None:
    """A second heap far out, as from a second product, is no tail."""
    generator = np.random.default_rng(6)
    scores = np.concatenate((generator.normal(1, 0.01, 570), generator.normal(5, 0.01, 30)))
    with pytest.raises(CalibrationError, match=r"does not fit.*quantile"):
        tail_threshold(scores.tolist(), 0.002, resamples=40)


def test_equal_scores_have_no_tail() -> None:
    """Nothing can be fitted to nothing."""
    with pytest.raises(CalibrationError, match="does not fit"):
        tail_threshold([1.0] * 600, 0.002, resamples=20)
