"""`inspectd calibrate train`: its options, its report, and Ctrl-C at any moment."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from command import Inspectd

from inspectd.calibration import checkpoint, learner, settings, train
from inspectd.calibration.checkpoint import load_checkpoint
from inspectd.calibration.settings import Recipe
from inspectd.inference.bundle import load_bundle

BUNDLE = Path(__file__).parents[2] / "configs" / "bundles" / "buttons"
TINY = {"image_size": 32, "widths": (8, 8, 8), "dim": 16, "batch": 4, "epochs": 30, "decay": False}
"""60 steps of the 8 images that 12 leave to train with."""
GOES_ON = "the same command goes on from the checkpoint in"


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Twelve good parts: noise with a bright square."""
    folder = tmp_path / "parts"
    folder.mkdir()
    for seed in range(12):
        pixels = np.random.default_rng(seed).integers(60, 90, (40, 40, 3)).astype(np.uint8)
        pixels[10:30, 10:30] += 100
        assert cv2.imwrite(str(folder / f"{seed:02}.png"), pixels)
    return folder


@pytest.fixture(autouse=True)
def tiny(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a profile be so small that it trains in a second, and packaging be skipped."""
    monkeypatch.setitem(settings.PROFILES, "quick", Recipe.model_validate(TINY))
    bundle = load_bundle(BUNDLE)

    def package(_settings: object, _trained: object, progress: Callable[[str], None]) -> Any:
        progress("export")
        return bundle

    monkeypatch.setattr(train, "package", package)
    torch.set_num_threads(1)


@pytest.fixture
def arguments(data: Path, tmp_path: Path) -> tuple[object, ...]:
    """A training of 60 steps."""
    return ("calibrate", "train", data, "--out", tmp_path / "bundle", "--vgg19", "none", "--device", "cpu")


def saved_step(tmp_path: Path) -> int:
    """The step of the checkpoint that stands."""
    found = load_checkpoint(tmp_path / "bundle.training" / train.CHECKPOINT_FILE)
    assert found is not None
    return int(found.state["step"])


def interrupt(monkeypatch: pytest.MonkeyPatch, owner: Any, name: str, at: int, times: int = 1) -> None:
    """Press Ctrl-C in the midst of a function's call number `at`, counted from 1."""
    usual: Callable[..., Any] = getattr(owner, name)
    calls = 0

    def pressed(*given: Any, **named: Any) -> Any:
        nonlocal calls
        calls += 1
        result = usual(*given, **named)
        if calls == at:
            for _ in range(times):
                signal.raise_signal(signal.SIGINT)
        return result

    monkeypatch.setattr(owner, name, pressed)


def test_ctrl_c_in_a_step_ends_after_it(
    inspectd: Inspectd, arguments: tuple[object, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """That very step is in the checkpoint, one line says how to go on, and the next call does."""
    before = signal.getsignal(signal.SIGINT)
    with monkeypatch.context() as pressed:
        interrupt(pressed, learner.Learner, "loss", at=13)
        done = inspectd(*arguments)
    assert done.refuses(130, f"inspectd: stopped; {GOES_ON} {tmp_path}/bundle.training")
    assert saved_step(tmp_path) == 13
    assert signal.getsignal(signal.SIGINT) is before
    report = inspectd(*arguments, "--json").report
    assert (report["resumed_at"], report["steps"], report["ended"]) == (13, 60, "epochs")


def test_ctrl_c_twice_ends_at_once(
    inspectd: Inspectd, arguments: tuple[object, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the midst of a step that is then lost: the last checkpoint stands."""
    with monkeypatch.context() as pressed:
        # Each step computes one loss, each look at the two held-out images another.
        interrupt(pressed, learner.Learner, "loss", at=45, times=2)
        done = inspectd(*arguments)
    assert done.refuses(130, GOES_ON)
    assert saved_step(tmp_path) == 40
    assert inspectd(*arguments, "--json").report["resumed_at"] == 40


def test_ctrl_c_while_a_checkpoint_is_written(
    inspectd: Inspectd, arguments: tuple[object, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is written to its end."""
    with monkeypatch.context() as pressed:
        interrupt(pressed, checkpoint, "save_file", at=1)
        done = inspectd(*arguments)
    assert done.refuses(130, GOES_ON)
    assert saved_step(tmp_path) == 40


def test_ctrl_c_before_anything_is_trained(
    inspectd: Inspectd, arguments: tuple[object, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While images are read: at once, with nothing left behind."""
    interrupt(monkeypatch, train, "load_good", at=1)
    assert inspectd(*arguments).refuses(130, "stopped before the first checkpoint")
    assert not (tmp_path / "bundle.training").exists()


def test_ctrl_c_while_the_bundle_is_made(
    inspectd: Inspectd, arguments: tuple[object, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The training is over and kept: the next call makes no step."""
    with monkeypatch.context() as pressed:
        interrupt(pressed, train, "package", at=1)
        done = inspectd(*arguments)
    assert done.refuses(130, GOES_ON)
    assert saved_step(tmp_path) == 60
    assert inspectd(*arguments, "--json").report["resumed_at"] == 60


RUN = """
import os, signal, sys
import torch
from inspectd.agent.cli import main
from inspectd.calibration import learner, settings
torch.set_num_threads(1)
settings.PROFILES["quick"] = settings.Recipe.model_validate_json(sys.argv.pop(1))
usual = learner.Learner.loss
def loss(self, clean, noisy):
    if self.step == 5:
        os.kill(os.getpid(), signal.SIGINT)
    return usual(self, clean, noisy)
learner.Learner.loss = loss
main.main()
"""


def test_ctrl_c_in_a_process_of_its_own(arguments: tuple[object, ...], tmp_path: Path) -> None:
    """Exit status 130 and one line to go on by, no traceback; standard output stays empty."""
    recipe = Recipe.model_validate(TINY).model_dump_json()
    done = subprocess.run(
        [sys.executable, "-c", RUN, recipe, *map(str, arguments), "--json"],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    assert (done.returncode, done.stdout) == (130, ""), done.stderr
    assert "Traceback" not in done.stderr
    assert GOES_ON in done.stderr.splitlines()[-1]
    assert "Ctrl-C: stops after this step" in done.stderr
    assert saved_step(tmp_path) == 6


def test_options_reach_the_training(
    inspectd: Inspectd, arguments: tuple[object, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each option is the field that its help speaks of."""
    asked: list[settings.TrainSettings] = []

    def note(wanted: settings.TrainSettings, _show: object) -> None:
        asked.append(wanted)
        raise KeyboardInterrupt

    monkeypatch.setattr(train, "train", note)
    chosen = "--epochs 3 --minutes 2 --batch 2 --learning-rate 0.01 --synthetic 0.25 --size 48 --seed 4"
    ablations = "--no-noise --no-skips --no-pyramid --frozen-vgg --no-resume --replace --mixed-sizes"
    assert inspectd(*arguments, *chosen.split(), *ablations.split()).status == 130
    wanted = asked[0]
    recipe = wanted.recipe()
    assert (recipe.epochs, recipe.minutes, recipe.batch, recipe.learning_rate) == (3, 2.0, 2, 0.01)
    assert (recipe.synthetic, recipe.image_size, wanted.seed) == (0.25, 48, 4)
    assert (recipe.sigma, recipe.skips, recipe.pyramid, recipe.freeze_vgg) == (0.0, "none", False, True)
    assert (wanted.resume, wanted.replace, wanted.mixed_sizes) == (False, True, True)
    assert (wanted.device, wanted.vgg19) == ("cpu", "none")
    assert inspectd(*arguments).status == 130
    assert asked[1].recipe() == settings.PROFILES["quick"]
    assert asked[1].resume
    assert not asked[1].replace


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (("--device", "tpu"), "--device: must be 'auto', 'cpu' or 'cuda'"),
        (("--no-noise", "--sigma", "0.2"), "--no-noise: a noise rate is given too"),
        (("--batch", "0"), "--batch"),
        (("--learning-rate", "0"), "--learning-rate"),
        (("--size", "-8"), "--size"),
    ],
)
def test_options_that_cannot_be(
    options: tuple[str, ...], told: str, inspectd: Inspectd, arguments: tuple[object, ...]
) -> None:
    """The option is named; exit status 2."""
    assert inspectd(*arguments, *options).refuses(2, told)


def test_memory_that_ends_is_told_and_reported(
    inspectd: Inspectd, arguments: tuple[object, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    """One line beside the report, and the batch in it."""
    usual = learner.Learner.loss

    def loss(self: learner.Learner, clean: torch.Tensor, noisy: torch.Tensor) -> torch.Tensor:
        if len(clean) > 2:
            raise torch.OutOfMemoryError("out of memory")
        return usual(self, clean, noisy)

    monkeypatch.setattr(learner.Learner, "loss", loss)
    done = inspectd(*arguments, "--epochs", 1, "--json")
    assert "inspectd: out of memory with a batch of 4: goes on with 2 images" in done.err
    assert (done.report["batch"], done.report["steps"], done.report["epochs"]) == (2, 4, 1.0)


def test_three_images_are_refused(inspectd: Inspectd, arguments: tuple[object, ...], data: Path) -> None:
    """One line with the place, the number and what to do; exit status 1."""
    for file in sorted(data.iterdir())[3:]:
        file.unlink()
    assert inspectd(*arguments).refuses(1, f"inspectd: {data}: 3 good images, at least 10", "Take more")
