"""Limits from the scores of good images."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inspectd.calibration.errors import CalibrationError
from inspectd.calibration.threshold import choose_limits, limits_at, place


@settings(deadline=None, max_examples=50)
@given(st.lists(st.floats(0.01, 10.0), min_size=1, max_size=400))
def test_limits_enclose_the_good_scores(scores: list[float]) -> None:
    """No more than the allowed share reaches the threshold (or one part), and none the low limit."""
    limits = choose_limits(scores).limits
    rejected = sum(score >= limits.threshold for score in scores)
    allowed = max(1, int(0.01 * (len(scores) + 1)))
    assert rejected <= allowed
    lower = [score for score in scores if score < limits.threshold]
    assert not lower or sum(score >= max(lower) for score in scores) > min(allowed, len(scores) - 1)
    assert 0 <= limits.low_limit < min(scores)


@pytest.mark.parametrize(
    ("count", "rank", "rate", "too_few"),
    [(60, 1, "1.64 %", True), (99, 1, "1 %", False), (450, 4, "0.887 %", False)],
)
def test_the_rank_follows_from_the_sample_size(count: int, rank: int, rate: str, *, too_few: bool) -> None:
    """How the threshold was chosen is said with n and the rate to expect, and whether n was too small."""
    scores = np.random.default_rng(0).normal(1.0, 0.1, count)
    chosen = choose_limits(list(scores))
    assert chosen.limits.threshold == np.sort(scores)[-rank]
    assert f"of {count} scores" in chosen.how
    assert f"expected false rejects {rate}" in chosen.how
    assert ("too few images" in chosen.how) == too_few


@pytest.mark.parametrize("scores", [[], [math.nan, 1.0], [math.inf], [-0.1, 0.5], [0.0, 0.0]])
def test_scores_that_decide_nothing_are_refused(scores: list[float]) -> None:
    """A threshold from NaN or from nothing would accept everything or nothing."""
    with pytest.raises(CalibrationError, match="no limits"):
        choose_limits(scores)


@pytest.mark.parametrize(("count", "lacks"), [(298, "that takes 299 parts"), (299, "")])
def test_a_decision_is_provisional_until_its_sample_supports_the_rate(count: int, lacks: str) -> None:
    """For 1 %, 299 good parts do; with one less it says what they do support."""
    provisional = choose_limits([1.0 + n / 1000 for n in range(count)]).provisional
    assert bool(provisional) == bool(lacks)
    assert lacks in provisional
    assert ("298 good parts support a false-reject rate of 1 % at the best" in provisional) == bool(lacks)


@settings(deadline=None, max_examples=60)
@given(st.lists(st.floats(0.5, 2.0), min_size=20, max_size=200, unique=True), st.floats(0.01, 0.3))
def test_recheck_band_holds_the_wanted_share_of_good_parts(scores: list[float], rate: float) -> None:
    """The nearest whole number of parts under it, all of them just below the threshold."""
    threshold = max(scores)
    limits = limits_at(threshold, scores, recheck_rate=rate)
    edge = threshold * (1 - limits.recheck)
    inside = [score for score in scores if edge <= score < threshold]
    assert len(inside) == min(int(rate * len(scores) + 1e-9), len(scores) - 1)
    assert all(score in inside or score < edge or score == threshold for score in scores)


def test_what_is_not_accepted_shows_where() -> None:
    """The pixel threshold is never over the score from which a part is rejected or rechecked."""
    scores = [1.0, 1.1, 1.2]
    assert limits_at(2.0, scores).pixel_threshold == 2.0
    assert limits_at(2.0, scores, recheck=0.1).pixel_threshold == 1.8
    assert limits_at(2.0, scores, pixel_threshold=5.0).pixel_threshold == 2.0
    assert limits_at(2.0, scores, pixel_threshold=0.5).pixel_threshold == 0.5


def test_low_limit_lies_under_all_good_scores() -> None:
    """30 % of the lowest, or as far as that is from the median; under the threshold whatever happens."""
    assert limits_at(2.0, [1.0, 1.1, 1.2]).low_limit == pytest.approx(0.7)
    assert limits_at(9.0, [1.0, 1.6, 8.0]).low_limit == pytest.approx(0.4)
    assert limits_at(9.0, [1.0, 4.0, 8.0]).low_limit == 0.0
    assert limits_at(0.5, [1.0, 1.1, 1.2]).low_limit == 0.25


def test_places_are_written_as_people_write_them() -> None:
    """For the words of a decision."""
    words = [place(rank).split()[1] for rank in (2, 3, 4, 11, 12, 13, 21, 22, 112)]
    assert words == ["2nd", "3rd", "4th", "11th", "12th", "13th", "21st", "22nd", "112th"]
    assert (place(1), place(0)) == ("the largest", "just over the largest")
