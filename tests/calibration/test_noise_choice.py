"""Which rate is best and how certain that is, against numbers worked out by hand; the document around it."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest

from inspectd.calibration.errors import CalibrationError
from inspectd.calibration.noise_choice import choose_best, spread_by_chance
from inspectd.calibration.noise_plan import _van_der_corput  # pyright: ignore[reportPrivateUsage]
from inspectd.calibration.noise_result import NoiseResult, NoiseTrial, read_result, write_result

ENDS = (0.01, 1.0)


def trial(number: int, sigma: float, value: float | None, state: str = "complete", **more: Any) -> NoiseTrial:
    return NoiseTrial.model_validate(
        {"number": number, "sigma": sigma, "value": value, "state": state, **more}, strict=False
    )


def at(values: list[float], **more: Any) -> list[NoiseTrial]:
    """Trials at rates that lie evenly by their logarithm."""
    return [trial(number, 0.05 * 1.5**number, value, **more) for number, value in enumerate(values)]


def test_the_spread_is_the_distance_from_the_line_between_neighbours() -> None:
    """Even spacing: each inner value against the mean of its neighbours, over the square root of 1.5."""
    # Off the line by -0.1, 0.1, -0.1: each squared is 0.01, over 1.5.
    assert spread_by_chance(at([0.8, 0.9, 0.8, 0.9, 0.8])) == pytest.approx(0.1 / math.sqrt(1.5))
    assert spread_by_chance(at([0.6, 0.7, 0.8, 0.9])) == pytest.approx(0.0, abs=1e-12)
    assert spread_by_chance(at([0.6, 0.7, 0.8])) is None


def test_uneven_spacing_is_allowed_for() -> None:
    """Values on one line of the rate's logarithm are off by nothing, wherever they lie."""
    rates = [0.05, 0.06, 0.2, 0.25, 0.5]
    line = [trial(number, rate, 0.9 + 0.1 * math.log(rate)) for number, rate in enumerate(rates)]
    assert spread_by_chance(line) == pytest.approx(0.0, abs=1e-12)


def test_several_seeds_give_the_spread_themselves() -> None:
    """The deviation of a mean of two that are 0.1 apart is 0.05."""
    trials = at([0.8, 0.8], seed_values=(0.75, 0.85))
    assert spread_by_chance(trials) == pytest.approx(0.05)


def test_the_best_is_complete_and_its_lead_is_told() -> None:
    """A higher value of a trial that was stopped counts for nothing; the first of two equal ones wins."""
    trials = [
        *at([0.8, 0.9, 0.9, 0.6, 0.2], seed_values=(0.85, 0.87)),
        trial(5, 0.4, 0.99, "pruned"),
        trial(6, 0.45, None, "failed"),
    ]
    best = choose_best(trials, *ENDS)
    assert best is not None
    assert (best.number, best.value) == (1, 0.9)
    assert best.spread == pytest.approx(0.01)
    # 0.9 - 2 x sqrt(2) x 0.01 = 0.872: the third trial has it, the others do not.
    assert best.plausible == pytest.approx((0.075, 0.1125))
    assert "not told apart from others from 0.075 to 0.1125" in best.certainty
    assert choose_best(trials[5:], *ENDS) is None


def test_a_clear_lead_and_too_few_trials_are_told() -> None:
    """What three trials show is no certainty; what is far over all others is one."""
    clear = choose_best(at([0.5, 0.9, 0.5, 0.4], seed_values=(0.5, 0.51)), *ENDS)
    assert clear is not None
    assert clear.certainty.startswith("told apart from all others tried")
    few = choose_best(at([0.5, 0.9, 0.5]), *ENDS)
    assert few is not None
    assert (few.spread, few.plausible) == (None, None)
    assert few.certainty.startswith("of 3 complete trials: too few")


@pytest.mark.parametrize(("ends", "option"), [((0.07, 1.0), "--low"), ((0.01, 0.08), "--high")])
def test_a_best_rate_at_the_end_of_the_range_is_told(ends: tuple[float, float], option: str) -> None:
    """The best of all may lie beyond it."""
    best = choose_best(at([0.8, 0.9, 0.8, 0.8]), *ends)
    assert best is not None
    assert best.certainty.endswith(f"it lies at the end of the range searched: widen that by {option}")
    inside = choose_best(at([0.8, 0.9, 0.8, 0.8]), *ENDS)
    assert inside is not None
    assert "end of the range" not in inside.certainty


def test_first_rates_fill_the_widest_gap() -> None:
    """Halves, then quarters, then eighths."""
    assert [_van_der_corput(number) for number in range(1, 8)] == [
        0.5,
        0.25,
        0.75,
        0.125,
        0.625,
        0.375,
        0.875,
    ]


def result() -> NoiseResult:
    return NoiseResult(
        class_name="screw",
        measured_on="synthetic",
        maximised="mean",
        caveat="",
        good=4,
        defective=8,
        low=0.05,
        high=0.5,
        steps=40,
        seed=0,
        seeds=1,
        recipe={},
        data_sha256="0" * 64,
        trials=tuple(at([0.8])),
        code_version="1",
        written_at="2026-01-01T00:00:00+00:00",
    )


def test_a_study_is_read_as_it_was_written(tmp_path: Path) -> None:
    """From its folder or the file itself; no half-written file is left beside it."""
    file = write_result(tmp_path, result())
    assert read_result(tmp_path) == read_result(file) == result()
    assert [path.name for path in tmp_path.iterdir()] == ["noise.json"]


def test_a_damaged_study_is_refused(tmp_path: Path) -> None:
    """What is missing, cut off or out of range is named with its remedy."""
    with pytest.raises(CalibrationError, match=r"noise\.json: no noise study .*calibrate noise"):
        read_result(tmp_path)
    file = write_result(tmp_path, result())
    content = json.loads(file.read_text())
    file.write_text(json.dumps({**content, "low": 0}))
    with pytest.raises(CalibrationError, match=r"noise\.json: low: .*calibrate noise"):
        read_result(tmp_path)
    file.write_text(file.read_text()[:40])
    with pytest.raises(CalibrationError, match=r"noise\.json: no noise study"):
        read_result(tmp_path)


def test_a_study_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    """A disk that is full or gone is told, with what to do."""
    with pytest.raises(CalibrationError, match="cannot be written"):
        write_result(tmp_path / "gone", result())
