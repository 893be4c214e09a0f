"""Thresholds from labelled parts, held against trying every threshold."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inspectd.calibration.errors import CalibrationError
from inspectd.calibration.labelled import Costs, best_f1, confusion_at, least_cost, no_misses

COSTS = Costs(escape=50.0, false_reject=1.0, defect_rate=0.02)
# Few different values, so that good and defective scores often coincide.
SCORES = st.lists(st.sampled_from([1.0, 1.25, 1.5, 2.0, 2.5, 3.0, 4.0]), min_size=1, max_size=25)


def cost(threshold: float, good: list[float], defective: list[float]) -> float:
    escapes = sum(score < threshold for score in defective) / len(defective)
    false_rejects = sum(score >= threshold for score in good) / len(good)
    return COSTS.defect_rate * escapes * COSTS.escape + (1 - COSTS.defect_rate) * false_rejects


def all_thresholds(good: list[float], defective: list[float]) -> list[float]:
    """One for each way to divide the scores, but for accepting or rejecting everything."""
    values = sorted({*good, *defective})
    candidates = [*values, math.nextafter(values[-1], math.inf)]
    return [t for t in candidates if min(good) < t <= max(defective)]


@settings(deadline=None, max_examples=150)
@given(SCORES, SCORES)
def test_no_other_threshold_has_a_better_f1(good: list[float], defective: list[float]) -> None:
    """Of those that accept a good part and reject a defective one; else there is no answer."""
    try:
        chosen = best_f1(good, defective)
    except CalibrationError:
        everything = 2 * len(defective) / (2 * len(defective) + len(good))
        others = (confusion_at(t, good, defective).f1 for t in all_thresholds(good, defective))
        assert all(value <= everything + 1e-9 for value in others)
        return
    best = confusion_at(chosen, good, defective).f1
    assert math.isfinite(chosen)
    assert all(confusion_at(t, good, defective).f1 <= best + 1e-9 for t in all_thresholds(good, defective))


@settings(deadline=None, max_examples=150)
@given(SCORES, SCORES)
def test_no_other_threshold_costs_less(good: list[float], defective: list[float]) -> None:
    """By the formula, applied to each part."""
    try:
        chosen = least_cost(good, defective, COSTS)
    except CalibrationError:
        extreme = min(cost(min(*good, *defective), good, defective), cost(math.inf, good, defective))
        assert all(cost(t, good, defective) >= extreme - 1e-9 for t in all_thresholds(good, defective))
        return
    best = cost(chosen, good, defective)
    assert all(cost(t, good, defective) >= best - 1e-9 for t in all_thresholds(good, defective))


@settings(deadline=None, max_examples=150)
@given(SCORES, SCORES)
def test_no_misses_misses_none_and_rejects_as_few_as_it_can(
    good: list[float], defective: list[float]
) -> None:
    """Good parts that score like a defective one or over it are the price."""
    if min(good) >= min(defective):
        with pytest.raises(CalibrationError, match=r"all .* good parts are rejected"):
            no_misses(good, defective)
        return
    confusion = confusion_at(no_misses(good, defective), good, defective)
    assert confusion.misses.count == 0
    assert confusion.false_rejects.count == sum(score >= min(defective) for score in good)


def test_threshold_stands_half_way_between_two_scores() -> None:
    """Not on either: the next good part may score a little more, the next defective one a little less."""
    for chosen in (best_f1([1, 2], [4, 5]), no_misses([1, 2], [4, 5]), least_cost([1, 2], [4, 5], COSTS)):
        assert chosen == 3.0


def test_neighbouring_numbers_are_still_told_apart() -> None:
    """Half-way between them rounds to one of them; it must be the upper one."""
    low = 1.0
    high = math.nextafter(low, 2.0)
    assert no_misses([low], [high]) == high


def test_of_equals_the_lower_threshold_is_taken() -> None:
    """F1 is 2/3 with one of two defective parts found and no false reject, or both and two."""
    assert confusion_at(3.5, [1, 3, 3], [2, 4]).f1 == pytest.approx(2 / 3)
    assert best_f1([1, 3, 3], [2, 4]) == 1.5


def test_costs_move_the_threshold() -> None:
    """Dear escapes lower it, dear false rejects raise it."""
    good, defective = [1.0, 2.0, 3.0, 5.0], [4.0, 6.0, 7.0]
    assert least_cost(good, defective, Costs(1000, 1, 0.1)) == 3.5
    assert least_cost(good, defective, Costs(1, 1, 0.1)) == 5.5


@pytest.mark.parametrize(
    ("costs", "text"),
    [
        (Costs(1e-6, 1.0, 0.01), "not one of the 2 defective parts"),
        (Costs(1e9, 1.0, 0.01), "all 2 good parts"),
    ],
)
def test_a_threshold_that_decides_nothing_is_refused(costs: Costs, text: str) -> None:
    """Scores that overlap wholly, and costs so lopsided that everything, or nothing, would be rejected."""
    with pytest.raises(CalibrationError, match=text):
        least_cost([2.0, 3.0], [1.0, 2.5], costs)


@pytest.mark.parametrize(
    ("good", "defective", "text"),
    [
        ([1.0], [], "no defective part"),
        ([], [1.0], "no limits from"),
        ([1.0, math.nan], [2.0], "not finite"),
        ([1.0], [math.inf], "not finite"),
    ],
)
def test_bad_samples_are_refused(good: list[float], defective: list[float], text: str) -> None:
    """Never NaN, and never a threshold from one side alone."""
    with pytest.raises(CalibrationError, match=text):
        best_f1(good, defective)


def test_confusion_has_intervals() -> None:
    """0 of 10 missed says little: up to 31 % may be."""
    confusion = confusion_at(1.5, [1.0, 2.0], [2.0] * 10)
    assert (confusion.false_rejects.count, confusion.false_rejects.of) == (1, 2)
    assert confusion.misses.interval is not None
    assert confusion.misses.interval[1] == pytest.approx(1 - 0.025 ** (1 / 10))
    assert confusion.f1 == pytest.approx(20 / 21)
