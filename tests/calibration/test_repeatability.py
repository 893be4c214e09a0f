"""One part, many frames: the figures against numbers worked out by hand, and what must not pass."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence

import pytest
from scipy.stats import chi2

from inspectd.calibration.errors import CalibrationError
from inspectd.calibration.repeatability import Allowed, Reading, Repeatability, assess
from inspectd.inference.manifest import Limits

LIMITS = Limits(threshold=1.0, low_limit=0.1, recheck=0.0)
STEADY = [0.49, 0.51] * 5
"""Mean 0.5; deviation sqrt(10 x 0.01^2 / 9) = 0.010541."""


def readings(scores: Sequence[float], unfit: dict[int, str] | None = None) -> list[Reading]:
    texts = unfit or {}
    return [
        Reading(f"{number}", score, (texts[number],) if number in texts else (), digest=f"digest {number}")
        for number, score in enumerate(scores)
    ]


def judged(scores: Sequence[float], limits: Limits = LIMITS, allowed: Allowed | None = None) -> Repeatability:
    return assess(readings(scores), limits, allowed)


def test_figures_are_those_worked_out_by_hand() -> None:
    """Mean, deviation with n - 1, and six deviations over the distance to the nearest limit."""
    result = judged(STEADY)
    deviation = math.sqrt(10 * 0.01**2 / 9)
    assert result.mean == pytest.approx(0.5)
    assert result.deviation == pytest.approx(deviation)
    assert (result.lowest, result.highest) == (0.49, 0.51)
    # 0.5 lies 0.4 over the low limit and 0.5 under the threshold.
    assert (result.limit_name, result.limit) == ("low limit", 0.1)
    assert result.spread == pytest.approx(6 * deviation / 0.4)
    assert result.verdicts == {"ACCEPT": 10}
    assert (result.flips, result.repeated, result.fit) == (0, 0, 10)
    assert result.passed


def test_the_deviations_bound_is_chi_squares() -> None:
    """To 1 %, from the fewest frames on."""
    for count in (10, 50, 200):
        result = judged([0.49, 0.51] * (count // 2))
        assert result.deviation is not None
        expected = result.deviation * math.sqrt((count - 1) / chi2.ppf(0.05, count - 1))
        assert result.deviation_upper == pytest.approx(expected, rel=0.01)


@pytest.mark.parametrize(
    ("mean", "recheck", "name", "limit"),
    [
        (0.9, 0.0, "threshold", 1.0),
        (0.2, 0.0, "low limit", 0.1),
        (0.7, 0.2, "recheck band", 0.8),
        (1.3, 0.2, "threshold", 1.0),
    ],
)
def test_the_tolerance_runs_to_the_nearest_limit(
    mean: float, recheck: float, name: str, limit: float
) -> None:
    """Wherever the verdict would change first: a defective part, above the threshold, has one too."""
    limits = Limits(threshold=1.0, low_limit=0.1, recheck=recheck)
    result = judged([mean - 0.001, mean + 0.001] * 5, limits)
    assert (result.limit_name, result.limit) == (name, pytest.approx(limit))
    assert result.spread == pytest.approx(6 * 0.0010541 / abs(limit - mean), rel=1e-3)


def test_a_spread_over_its_limit_fails() -> None:
    """Just over, not just under."""
    spread = judged(STEADY).spread
    assert spread is not None
    assert judged(STEADY, allowed=Allowed(max_spread=spread * 1.001)).passed
    failed = judged(STEADY, allowed=Allowed(max_spread=spread * 0.999))
    assert not failed.passed
    assert "six standard deviations" in failed.problems[0]


def test_a_part_on_the_limit_itself_never_passes() -> None:
    """No distance, no tolerance: whatever the spread may be."""
    result = judged([1.25, 0.75] * 5, Limits(threshold=1.0, low_limit=0.0))
    assert (result.mean, result.spread) == (1.0, None)
    assert any("lies on the threshold itself" in problem for problem in result.problems)


def test_verdict_flips_are_counted_and_fail() -> None:
    """Frames whose verdict is not that of most; a spread far inside its limit does not excuse one."""
    result = judged([0.5] * 8 + [1.0, 0.05], allowed=Allowed(max_spread=1e9, max_drift=1e9))
    assert result.verdicts == {"ACCEPT": 8, "REJECT": 1, "UNKNOWN": 1}
    assert result.flips == 2
    assert result.problems == (
        "the verdict changes although the part does not: ACCEPT 8, REJECT 1, UNKNOWN 1",
    )


def test_frozen_frames_do_not_pass_as_perfect() -> None:
    """A camera that repeats one frame has no spread at all, and measured nothing."""
    frozen = [Reading(f"{number}", 0.5, (), digest="the same") for number in range(10)]
    result = assess(frozen, LIMITS)
    assert (result.deviation, result.repeated) == (0.0, 9)
    assert not result.passed
    assert "repeats" in result.problems[0]


def test_frames_that_alternate_between_two_buffers_do_not_pass() -> None:
    """No frame equals the one before it, and yet only two were taken."""
    two = [Reading(f"{number}", 0.5, (), digest=f"{number % 2}") for number in range(10)]
    assert assess(two, LIMITS).repeated == 8
    assert not assess(two, LIMITS).passed


def test_unfit_frames_fail_and_keep_out_of_the_figures() -> None:
    """The line would call each UNKNOWN; the reason is told with its figures."""
    scores = [*STEADY, math.nan, math.nan]
    texts = {10: "blurred: sharpness 0.1 < 0.2", 11: "blurred: sharpness 0.15 < 0.2"}
    result = assess(readings(scores, texts), LIMITS)
    assert result.deviation == judged(STEADY).deviation
    assert (result.frames, result.fit, result.unfit) == (12, 10, {"blurred": 2})
    assert result.flips == 2
    assert "blurred (2); the first: blurred: sharpness 0.1 < 0.2" in result.problems[0]


def test_too_few_scores_are_no_spread() -> None:
    """With one fit frame of ten there is nothing to measure, and nothing passes."""
    result = assess(readings([0.5] + [math.nan] * 9, dict.fromkeys(range(1, 10), "too dark: x")), LIMITS)
    assert (result.mean, result.spread, result.drift) == (None, None, None)
    assert any("only 1 frames have a score" in problem for problem in result.problems)
    with pytest.raises(CalibrationError, match=r"9 frames: .* at least 10"):
        judged([0.5] * 9)


def test_drift_is_second_half_less_first() -> None:
    """0.02 up, of a distance of 0.41: over 4 %, beyond chance; within 5 % it passes."""
    scores = [0.4999, 0.5001] * 5 + [0.5199, 0.5201] * 5
    result = judged(scores, allowed=Allowed(max_spread=1.0, max_drift=0.04))
    assert result.drift == pytest.approx(0.02)
    assert result.drift_share == pytest.approx(0.02 / 0.41)
    assert result.drift_beyond_chance
    assert "drifts by +0.02" in result.problems[0]
    assert judged(scores, allowed=Allowed(max_spread=1.0, max_drift=0.05)).passed


def test_a_drift_within_chance_is_none() -> None:
    """Halves that differ by less than three standard errors do not fail, however tight the limit."""
    scores = [0.49, 0.51, 0.49, 0.51, 0.49, 0.51, 0.49, 0.51, 0.51, 0.51]
    result = judged(scores, allowed=Allowed(max_drift=0.001))
    assert result.drift is not None
    assert result.drift > 0
    assert not result.drift_beyond_chance
    assert result.passed


def test_the_report_is_plain_json() -> None:
    """No NaN and no infinity, also where all frames are alike but for one."""
    told = judged([0.5] * 5 + [0.6] * 5).to_json()
    assert told["passed"] is False
    assert json.loads(json.dumps(told, allow_nan=False))["flips"] == 0
