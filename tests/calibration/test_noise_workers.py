"""Several workers on one study: killed ones, other machines, a journal on a shared disk."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from noise_bench import LOOKS, peaked, plan_identity, scripted, settings

from inspectd.calibration.noise_plan import NoiseSettings
from inspectd.calibration.noise_result import read_result
from inspectd.calibration.noise_search import search_noise
from inspectd.calibration.noise_storage import Worker, open_study

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
