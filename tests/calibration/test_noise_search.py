"""The search for the noise rate with a scripted training: what is tried, kept, stopped, resumed, refused."""

from __future__ import annotations

import math
import os
import shutil
import subprocess
import sys
import time
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from noise_bench import LOOKS, STEPS, scripted, settings

from inspectd.calibration.errors import CalibrationError
from inspectd.calibration.noise_plan import NoiseSettings
from inspectd.calibration.noise_result import NoiseResult, read_result
from inspectd.calibration.noise_search import NoiseProgress, search_noise
from inspectd.calibration.noise_storage import Worker, open_study
from inspectd.calibration.noise_trial import OnLook, OnStep

PEAK = 0.15


def peaked(sigma: float, _seed: int = 0) -> float:
    return 0.95 - 0.2 * abs(math.log(sigma / PEAK))


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
    shutil.copytree(labelled / "test" / "spot", labelled / "validation" / "spot")
    with pytest.raises(CalibrationError, match=r"another validation\."):
        search_noise(settings(labelled, study), train=scripted(peaked))


WORKER = """
import sys, time
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from noise_bench import scripted
from inspectd.calibration.noise_plan import NoiseSettings
from inspectd.calibration.noise_search import search_noise
signs, wanted = Path(sys.argv[3]), int(sys.argv[4])

def value(sigma, seed):
    (signs / str(sys.argv[5])).touch()
    deadline = time.monotonic() + 200
    while len(list(signs.iterdir())) < wanted and time.monotonic() < deadline:
        time.sleep(0.02)
    return 0.9 - sigma

search_noise(NoiseSettings.model_validate_json(sys.argv[2]), train=scripted(value))
"""


def start_worker(own: NoiseSettings, signs: Path, wanted: int, name: str) -> subprocess.Popen[bytes]:
    """Start a process that trains no further before `wanted` processes have begun a trial."""
    signs.mkdir(exist_ok=True)
    text = own.model_dump_json(exclude_none=True)
    here = str(Path(__file__).parent)
    return subprocess.Popen(
        [sys.executable, "-c", WORKER, here, text, str(signs), str(wanted), name],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )


def test_two_workers_share_a_study_and_a_killed_ones_trial_is_tried_again(
    data_folder: Path, tmp_path: Path
) -> None:
    """Both at work at once, each rate is tried by one of them; after kill -9 of both the study goes on."""
    own, signs = settings(data_folder, tmp_path / "study", trials=5), tmp_path / "signs"
    workers = [start_worker(own, signs, 3, name) for name in ("a", "b")]
    try:
        while len(list(signs.iterdir())) < 2:
            assert all(worker.poll() is None for worker in workers)
            time.sleep(0.02)
    finally:
        for worker in workers:
            worker.kill()
            worker.wait(timeout=10)
    begun: list[float] = []
    result = search_noise(own, train=scripted(peaked, begun))
    assert [trial.state for trial in result.trials[:2]] == ["failed", "failed"]
    assert {trial.sigma for trial in result.trials[:2]} <= set(begun)
    assert sum(trial.state in {"complete", "pruned"} for trial in result.trials) == 5
    assert len(set(begun)) == 5


def test_a_trial_of_another_machine_is_taken_back_only_when_it_is_long_silent(
    data_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process id elsewhere says nothing: its worker counts as alive until it was not seen for so long."""
    own = settings(data_folder, tmp_path, trials=3)
    search_noise(own.model_copy(update={"trials": 1}), train=scripted(peaked))
    identity = plan_identity(own)
    with open_study(tmp_path, "", "disk", identity, looks=LOOKS, design=8, seed=0) as study:
        with monkeypatch.context() as elsewhere:
            elsewhere.setattr("inspectd.calibration.noise_storage._place", lambda: "another machine")
            trial = study.ask()
            trial.suggest_float("sigma", 0.05, 0.5, log=True)
            Worker(study).sign(trial, now=True)
        assert Worker(study).take_back() == []
        monkeypatch.setattr("inspectd.calibration.noise_storage.GRACE_S", -1.0)
        assert Worker(study).take_back() == [trial.number]
        assert Worker(study).take_back() == []


def plan_identity(own: NoiseSettings) -> dict[str, Any]:
    from inspectd.calibration.noise_plan import plan_search  # noqa: PLC0415  beside what uses it

    return plan_search(own).identity()


def test_a_rate_at_which_every_worker_dies_is_left_alone(
    data_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is tried three times; then the queue goes on without it."""
    monkeypatch.setattr("inspectd.calibration.noise_storage.GRACE_S", -1.0)

    def gone(_pid: int) -> str:
        return ""

    monkeypatch.setattr("inspectd.calibration.noise_storage._process", gone)
    identity = plan_identity(settings(data_folder, tmp_path))
    with open_study(tmp_path, "", "disk", identity, looks=LOOKS, design=8, seed=0) as study:
        study.enqueue_trial({"sigma": 0.3})
        rates: list[float] = []
        for _ in range(4):
            trial = study.ask()
            rates.append(trial.suggest_float("sigma", 0.05, 0.5, log=True))
            monkeypatch.setattr("inspectd.calibration.noise_storage._place", lambda: "gone")
            Worker(study).sign(trial, now=True)
            monkeypatch.setattr("inspectd.calibration.noise_storage._place", lambda: "here")
            Worker(study).take_back()
    assert rates[:3] == [0.3] * 3
    assert rates[3] != 0.3


def test_a_journal_on_a_shared_disk_serves_as_well(data_folder: Path, tmp_path: Path) -> None:
    """Two machines, each with a folder of its own and the journal in common."""
    journal = str(tmp_path / "noise.journal")
    for machine, trials in (("a", 2), ("b", 4)):
        own = settings(data_folder, tmp_path / machine, trials=trials, storage=journal)
        search_noise(own, train=scripted(peaked))
    assert len(read_result(tmp_path / "b").trials) == 4
    assert read_result(tmp_path / "b").trials[:2] == read_result(tmp_path / "a").trials


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
