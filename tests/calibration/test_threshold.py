"""Limits from the scores of good images."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inspectd.calibration.errors import CalibrationError
from inspectd.calibration.threshold import choose_limits


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
