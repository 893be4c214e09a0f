"""What a sample says of a rate, held against sums of binomials and against simulated samples."""

from __future__ import annotations

import math
from math import comb

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inspectd.calibration.errors import CalibrationError
from inspectd.calibration.rates import (
    Rate,
    descending,
    parts_to_support,
    quantile,
    rate_at_rank,
    supportable_rate,
)


def at_least(found: int, of: int, rate: float) -> float:
    """P(X >= found), X binomial."""
    return sum(comb(of, x) * rate**x * (1 - rate) ** (of - x) for x in range(found, of + 1))


@pytest.mark.parametrize(("rate", "parts"), [(0.01, 299), (0.005, 598), (0.1, 29), (0.05, 59)])
def test_what_a_sample_can_prove(rate: float, parts: int) -> None:
    """299 parts for 1 %, 598 for 0.5 %: with one part less, none above would be too likely by chance."""
    assert parts_to_support(rate) == parts
    assert (1 - rate) ** parts <= 0.05 < (1 - rate) ** (parts - 1)
    assert supportable_rate(parts) == pytest.approx(1 - 0.05 ** (1 / parts), rel=1e-12)
    assert supportable_rate(parts) <= rate < supportable_rate(parts - 1)


def test_no_parts_support_nothing() -> None:
    """Without a sample every rate is possible."""
    assert supportable_rate(0) == 1.0


@settings(deadline=None, max_examples=60)
@given(st.integers(1, 60).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_interval_of_a_rate_is_that_of_clopper_and_pearson(sample: tuple[int, int]) -> None:
    """At each end, what was found or more extreme has a probability of 2.5 %."""
    found, of = sample
    rate = Rate.of_counts(found, of)
    assert rate.interval is not None
    low, high = rate.interval
    assert 0 <= low <= found / of <= high <= 1
    assert rate.rate == found / of
    if found:
        assert at_least(found, of, low) == pytest.approx(0.025, rel=1e-6)
    else:
        assert low == 0
    if found < of:
        assert 1 - at_least(found + 1, of, high) == pytest.approx(0.025, rel=1e-6)
    else:
        assert high == 1


@pytest.mark.parametrize(("rank", "count"), [(1, 1), (1, 60), (3, 299), (7, 20), (20, 20)])
def test_interval_at_a_rank_follows_from_binomials(rank: int, count: int) -> None:
    """The rate at the k-th largest is at or under u exactly if at least k of n uniform numbers are."""
    low, high = rate_at_rank(rank, count)
    assert at_least(rank, count, low) == pytest.approx(0.025, rel=1e-6)
    assert at_least(rank, count, high) == pytest.approx(0.975, rel=1e-6)


def test_intervals_cover_what_they_promise() -> None:
    """Over 3000 samples of 150 exponential scores: rate and threshold lie inside as often as stated."""
    generator = np.random.default_rng(1)
    count, rate, samples = 150, 0.02, 3000
    true_threshold = -math.log(rate)
    rates: list[float] = []
    rate_inside = threshold_inside = 0
    for _ in range(samples):
        found = quantile(generator.standard_exponential(count).tolist(), rate)
        true_rate = math.exp(-found.threshold)
        rates.append(true_rate)
        rate_inside += found.interval[0] <= true_rate <= found.interval[1]
        low, high = found.threshold_interval
        threshold_inside += low <= true_threshold and (high is None or true_threshold <= high)
    assert np.mean(rates) == pytest.approx(3 / 151, rel=0.05), "k / (n + 1) with k = 3"
    assert 0.935 < rate_inside / samples < 0.965, "exact"
    assert threshold_inside / samples > 0.94, "at least as stated: ranks are whole numbers"


def test_supportable_rate_holds_for_the_largest_of_a_sample() -> None:
    """In 95 of 100 samples the rate over the largest score is at or under what 59 parts support."""
    generator = np.random.default_rng(2)
    over_largest = 1 - generator.random((4000, 59)).max(axis=1)
    assert np.mean(over_largest <= supportable_rate(59)) == pytest.approx(0.95, abs=0.012)


@settings(deadline=None, max_examples=80)
@given(
    st.lists(st.sampled_from([0.5, 1.0, 1.5, 2.0, 2.5]) | st.floats(0.01, 9), min_size=1, max_size=150),
    st.floats(0.001, 0.49),
)
def test_quantile_rejects_no_more_than_allowed(scores: list[float], rate: float) -> None:
    """Equal scores included, and it is the lowest such threshold; one part may always be over it."""
    found = quantile(scores, rate)
    reached = sum(score >= found.threshold for score in scores)
    allowed = max(1, math.floor(rate * (len(scores) + 1) + 1e-9))
    assert reached == found.rank <= allowed
    lower = [score for score in scores if score < found.threshold]
    if lower and len(scores) > 2:
        assert sum(score >= max(lower) for score in scores) > allowed
    low, high = found.threshold_interval
    assert low >= 0
    assert high is None or low <= high


def test_equal_scores_at_the_top_put_the_threshold_over_them() -> None:
    """Were it on them, all would be rejected at once."""
    found = quantile([1.0] * 40, 0.02)
    assert found.rank == 0
    assert 1.0 < found.threshold < 1.0 + 1e-12
    assert found.interval == (0.0, supportable_rate(40))


@pytest.mark.parametrize("scores", [[], [math.nan, 1.0], [math.inf, 1.0], [-0.1, 0.5], [0.0, 0.0]])
def test_scores_that_decide_nothing_are_refused(scores: list[float]) -> None:
    """NaN compares false with everything: sorted among the others it would hide."""
    with pytest.raises(CalibrationError, match="no limits from"):
        descending(scores)
