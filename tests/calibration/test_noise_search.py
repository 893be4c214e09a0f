"""The search for the noise rate with a scripted training: what is tried, kept, stopped, resumed, refused."""

from __future__ import annotations

import shutil
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from noise_bench import LOOKS, PEAK, STEPS, peaked, plan_identity, scripted, settings

from inspectd.calibration.errors import CalibrationError
from inspectd.calibration.noise_result import NoiseResult, read_result
from inspectd.calibration.noise_search import NoiseProgress, search_noise
from inspectd.calibration.noise_storage import open_study
from inspectd.calibration.noise_trial import OnLook, OnStep


def test_the_rate_of_the_best_figures_is_found(
    data_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Evenly spread rates first, the profile's before all; what is found stands in noise.json.

    Nothing is written to standard output.
    """
    told: list[NoiseProgress] = []
    result = search_noise(settings(data_folder, tmp_path, trials=12), told.append, scripted(peaked))
    assert result.best is not None
    assert result.best.sigma == pytest.approx(PEAK, rel=0.15)
    assert result.best.value == max(trial.value or 0 for trial in result.trials if trial.state == "complete")
    assert [trial.number for trial in result.trials] == list(range(12))
    assert result.trials[0].sigma == 0.1, "the demo profile's own rate"
    spread = sorted(trial.sigma for trial in result.trials[1:8])
    assert all(1.2 < after / before < 1.5 for before, after in pairwise(spread))
    assert all(0.05 <= trial.sigma <= 0.5 for trial in result.trials)
    assert read_result(tmp_path) == read_result(tmp_path / "noise.json") == result
    assert told[-1].done <= told[-1].trials == 12
    assert [each.done for each in told] == sorted(each.done for each in told)
    assert capsys.readouterr().out == ""


def test_the_papers_rate_of_the_class_is_tried_first(data_folder: Path, tmp_path: Path) -> None:
    """By the class's name, or by the one asked for; outside of the range it is told, not tried."""

    def first(study: str, name: str, **search: Any) -> NoiseResult:
        own = settings(data_folder, tmp_path / study, {"class_name": name}, trials=1, **search)
        return search_noise(own, train=scripted(peaked))

    pill = first("a", "pill")
    assert pill.trials[0].sigma == 0.09
    assert pill.preset is not None
    assert "section 4B" in pill.preset.source
    assert first("b", "disk", preset="metal nut").trials[0].sigma == 0.3
    outside = first("c", "carpet", high=0.3)
    assert outside.preset is not None
    assert outside.trials[0].sigma < 0.3
    with pytest.raises(CalibrationError, match="preset disk: the paper gives no rate"):
        first("d", "pill", preset="disk")


def test_a_hopeless_rate_is_stopped_early(data_folder: Path, tmp_path: Path) -> None:
    """Once four are complete, one far under their median trains no further than to its first comparison."""

    def cliff(sigma: float, _seed: int) -> float:
        return 0.2 if sigma > 0.3 else peaked(sigma)

    result = search_noise(settings(data_folder, tmp_path, trials=8), train=scripted(cliff))
    hopeless = [trial for trial in result.trials if trial.sigma > 0.3 and trial.number > 4]
    assert hopeless
    for trial in hopeless:
        assert trial.state == "pruned"
        assert trial.value == pytest.approx(0.2)
        assert 0 < trial.steps < STEPS / 2
    complete = [trial for trial in result.trials if trial.state == "complete"]
    assert len(complete) >= 4
    assert all(trial.steps == STEPS for trial in complete)
    assert result.best is not None
    assert result.best.sigma < 0.3


def test_a_trials_figures_are_the_mean_of_its_last_looks_and_seeds(data_folder: Path, tmp_path: Path) -> None:
    """Early looks and a single good one do not count: the last three of each seed do."""
    looks = {0: [0.0] * (LOOKS - 3) + [0.5, 0.6, 0.7], 1: [1.0] * (LOOKS - 3) + [0.8, 0.8, 0.8]}
    seen = {seed: iter(values) for seed, values in looks.items()}
    own = settings(data_folder, tmp_path, trials=1, seeds=2)
    result = search_noise(own, train=scripted(lambda _, seed: next(seen[seed])))
    trial = result.trials[0]
    assert trial.seed_values == pytest.approx((0.6, 0.8))
    assert trial.value == trial.image_auroc == pytest.approx(0.7)
    assert trial.steps == 2 * STEPS
    with open_study(tmp_path, "", "disk", plan_identity(own), looks=2 * LOOKS, design=8, seed=0) as study:
        compared = study.trials[0].intermediate_values
    # What the pruner saw: of the eighth to tenth look (0, 0.5, 0.6, 0.7), then with the first seed's 0.6.
    assert [compared[number] for number in (7, 8, 9)] == pytest.approx([0.5 / 3, 1.1 / 3, 0.6])
    assert compared[LOOKS] == pytest.approx((0.6 + 1.0) / 2)


def test_a_study_goes_on_where_it_stands(data_folder: Path, tmp_path: Path) -> None:
    """A second call adds the trials that are missing and leaves the others as they are."""
    first = search_noise(settings(data_folder, tmp_path, trials=3), train=scripted(peaked))
    begun: list[float] = []
    second = search_noise(settings(data_folder, tmp_path, trials=5), train=scripted(peaked, begun))
    assert second.trials[:3] == first.trials
    assert begun == [trial.sigma for trial in second.trials[3:]]
    assert len({trial.sigma for trial in second.trials}) == 5
    again: list[float] = []
    search_noise(settings(data_folder, tmp_path, trials=5), train=scripted(peaked, again))
    assert again == []


def test_an_interrupted_trial_is_tried_again(data_folder: Path, tmp_path: Path) -> None:
    """Ctrl-C in mid-trial: the study says so at once, and the next call begins with that rate."""

    def interrupted(sigma: float, _seed: int, _on_step: OnStep, _on_look: OnLook) -> None:
        begun.append(sigma)
        if len(begun) == 2:
            raise KeyboardInterrupt
        scripted(peaked)(sigma, _seed, _on_step, _on_look)

    begun: list[float] = []
    with pytest.raises(KeyboardInterrupt):
        search_noise(settings(data_folder, tmp_path), train=interrupted)
    assert [trial.state for trial in read_result(tmp_path).trials] == ["complete", "failed"]
    again: list[float] = []
    result = search_noise(settings(data_folder, tmp_path), train=scripted(peaked, again))
    assert begun[1] in again
    assert sum(trial.state == "complete" for trial in result.trials) == 4


def test_a_rate_that_cannot_be_trained_with_is_a_failed_trial(data_folder: Path, tmp_path: Path) -> None:
    """Its note says why, and the others go on; where every rate fails, the search ends and says why."""

    def diverges(sigma: float, _seed: int) -> float:
        if sigma > 0.25:
            raise CalibrationError("training diverged.")
        return peaked(sigma)

    result = search_noise(settings(data_folder, tmp_path / "a", trials=5), train=scripted(diverges))
    failed = [trial for trial in result.trials if trial.state == "failed"]
    assert failed
    assert {trial.note for trial in failed} == {"training diverged."}
    assert sum(trial.state == "complete" for trial in result.trials) == 5

    def broken(_sigma: float, _seed: int) -> float:
        raise CalibrationError("no memory.")

    with pytest.raises(CalibrationError, match=r"3 trials in a row failed: no memory\."):
        search_noise(settings(data_folder, tmp_path / "b"), train=scripted(broken))


@pytest.mark.parametrize(
    ("training", "search", "differing"),
    [
        ({"batch": 4}, {}, "recipe"),
        ({"seed": 1}, {}, "seed"),
        ({}, {"steps": 800}, "steps"),
        ({}, {"seeds": 2}, "seeds"),
        ({}, {"low": 0.06}, "range"),
    ],
)
def test_a_worker_with_another_recipe_is_refused(
    data_folder: Path, tmp_path: Path, training: dict[str, Any], search: dict[str, Any], differing: str
) -> None:
    """Its trials could not be compared with the study's; the text says in what it differs."""
    search_noise(settings(data_folder, tmp_path, trials=1), train=scripted(peaked))
    with pytest.raises(CalibrationError, match=f"another {differing}\\."):
        search_noise(settings(data_folder, tmp_path, training, **search), train=scripted(peaked))


def test_a_worker_with_other_data_is_refused(data_folder: Path, tmp_path: Path) -> None:
    """One other good image, or one label more in validation/, is other data."""
    study = tmp_path / "study"
    search_noise(settings(data_folder, study, trials=1), train=scripted(peaked))
    other = Path(shutil.copytree(data_folder, tmp_path / "other"))
    shutil.copy(other / "test" / "good" / "100.png", other / "train" / "good" / "003.png")
    with pytest.raises(CalibrationError, match=r"another data\."):
        search_noise(settings(other, study), train=scripted(peaked))
    labelled = Path(shutil.copytree(data_folder, tmp_path / "labelled"))
    shutil.copytree(data_folder / "test" / "spot", labelled / "validation" / "spot")
    shutil.rmtree(labelled / "test")
    with pytest.raises(CalibrationError, match=r"another validation\."):
        search_noise(settings(labelled, study), train=scripted(peaked))


@pytest.mark.parametrize(
    "storage", ["mysql://user:secret@nowhere/x", "nonsense://secret", "/nowhere/x.journal"]
)
def test_a_storage_that_cannot_be_used_is_one_error(data_folder: Path, tmp_path: Path, storage: str) -> None:
    """Named by the option; a password in the address is not told."""
    with pytest.raises(CalibrationError, match="--storage: the study's storage failed") as told:
        search_noise(settings(data_folder, tmp_path, storage=storage), train=scripted(peaked))
    assert "secret" not in str(told.value)


def test_minutes_end_a_search(data_folder: Path, tmp_path: Path) -> None:
    """No trial begins after them."""
    begun: list[float] = []
    result = search_noise(settings(data_folder, tmp_path, minutes=1e-9), train=scripted(peaked, begun))
    assert (begun, result.trials, result.best) == ([], (), None)


def test_low_is_under_high(data_folder: Path, tmp_path: Path) -> None:
    """The range is refused before anything is read."""
    with pytest.raises(CalibrationError, match=r"low 0\.5 is not under high 0\.5"):
        search_noise(settings(data_folder, tmp_path, low=0.5), train=scripted(peaked))
