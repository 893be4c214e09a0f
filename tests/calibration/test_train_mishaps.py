"""What goes wrong around a training: bad data, a full disk, a damaged checkpoint, a bundle that fails."""

from __future__ import annotations

import resource
import shutil
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path

import cv2
import numpy as np
import pytest
from training_bench import settings

from inspectd.calibration import train as train_module
from inspectd.calibration.checkpoint import load_checkpoint
from inspectd.calibration.errors import CalibrationError
from inspectd.calibration.history import history_file, read_history
from inspectd.calibration.train import CHECKPOINT_FILE, train
from inspectd.calibration.trainer import Progress
from inspectd.inference.bundle import Bundle, load_bundle
from inspectd.inference.errors import WeightsError

REAL_PACKAGE = train_module.package
BUNDLE = Path(__file__).parents[2] / "configs" / "bundles" / "buttons"


@pytest.fixture(autouse=True)
def unpackaged(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave out the export, longer than so small a training, where a test does not look at the bundle."""
    bundle = load_bundle(BUNDLE)

    def skip(_settings: object, _trained: object, _progress: object) -> Bundle:
        return bundle

    monkeypatch.setattr(train_module, "package", skip)


@contextmanager
def files_of_at_most(size: int) -> Generator[None]:
    """Let every write beyond a file size fail, as on a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_full_disk_in_mid_training_costs_nothing_but_time(data_folder: Path, tmp_path: Path) -> None:
    """The write fails at step 55: a clear error, the checkpoint of step 40 stands, a later call goes on."""
    own = settings(data_folder, tmp_path / "disk")
    whole = train(settings(data_folder, tmp_path / "whole"))

    def fill_at_step_50(progress: Progress) -> None:
        if progress.step == 50:
            resource.setrlimit(resource.RLIMIT_FSIZE, (4096, resource.getrlimit(resource.RLIMIT_FSIZE)[1]))

    with (
        files_of_at_most(10**9),
        pytest.raises(CalibrationError, match=r"cannot be written.*Free space, then train again"),
    ):
        train(own, fill_at_step_50)
    assert sorted(path.suffix for path in own.work_folder.iterdir() if "events" not in path.name) == [
        ".safetensors"
    ]
    resumed = train(own)
    assert resumed.resumed_at == 40
    assert resumed.losses == whole.losses


def test_a_bundle_that_cannot_be_made_does_not_cost_the_training(
    data_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The disk is full at packaging: the next call makes no step, and packages the same weights."""
    monkeypatch.setattr(train_module, "package", REAL_PACKAGE)
    own = settings(data_folder, tmp_path / "disk", epochs=4)

    def fill(progress: Progress) -> None:
        if progress.stage == "export":
            resource.setrlimit(resource.RLIMIT_FSIZE, (4096, resource.getrlimit(resource.RLIMIT_FSIZE)[1]))

    with (
        files_of_at_most(10**9),
        pytest.raises(CalibrationError, match=r"Free space.*training is over and kept"),
    ):
        train(own, fill)
    assert not own.out.exists()
    assert sorted(path.name for path in own.work_folder.iterdir() if "events" not in path.name) == [
        CHECKPOINT_FILE,
        "history.json",
    ]
    steps: list[int] = []
    report = train(own, lambda progress: steps.append(progress.step))
    assert set(steps) == {0}
    assert report.resumed_at == report.steps == 6
    assert load_bundle(own.out).manifest.metrics["steps"] == 6
    assert read_history(history_file(own.out)) == report.history


def test_a_checkpoint_changed_by_hand_is_refused(data_folder: Path, tmp_path: Path) -> None:
    """One bit of one weight: what, where, and how to begin anew, which works."""
    own = settings(data_folder, tmp_path / "disk")
    file = own.work_folder / CHECKPOINT_FILE

    def stop(progress: Progress) -> None:
        if progress.step == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(own, stop)
    assert load_checkpoint(file) is not None
    content = bytearray(file.read_bytes())
    content[-5] ^= 1
    file.write_bytes(content)
    with pytest.raises(CalibrationError, match=r"checkpoint\.safetensors: damaged.*checksum.*--no-resume"):
        train(own)
    assert train(own.model_copy(update={"resume": False})).resumed_at == 0


def test_what_was_there_stays_until_a_new_training_has_begun(data_folder: Path, tmp_path: Path) -> None:
    """Weights that are missing: the history of the bundle in place is not given up for that."""
    own = settings(data_folder, tmp_path / "disk", epochs=1)
    train(own)
    wrong = own.model_copy(
        update={"vgg19": str(tmp_path / "none.safetensors"), "widths": None, "replace": True}
    )
    with pytest.raises(WeightsError):
        train(wrong)
    assert read_history(history_file(own.out)) is not None


def paint(folder: Path, pixels: Callable[[int], np.ndarray]) -> None:
    for index, file in enumerate(sorted(folder.iterdir())):
        assert cv2.imwrite(str(file), pixels(index))


def black(index: int) -> np.ndarray:
    return np.random.default_rng(index).integers(0, 9, (48, 48, 3)).astype(np.uint8)


def flat(index: int) -> np.ndarray:
    return np.random.default_rng(index).integers(120, 124, (48, 48, 3)).astype(np.uint8)


@pytest.mark.parametrize(
    ("pixels", "told"), [(black, "15 of 15 images are black"), (flat, "are of one colour")]
)
def test_images_that_show_nothing_are_refused(
    data_folder: Path, tmp_path: Path, pixels: Callable[[int], np.ndarray], told: str
) -> None:
    """All black, or all of one colour: before any training, with the place and what to check."""
    data = Path(shutil.copytree(data_folder, tmp_path / "data"))
    paint(data / "train" / "good", pixels)
    own = settings(data, tmp_path / "disk")
    with pytest.raises(CalibrationError, match=rf"data: .*{told}.*nothing to learn.*lens cap"):
        train(own)
    assert not own.work_folder.exists()


def test_one_black_image_does_not_stop_a_training(data_folder: Path, tmp_path: Path) -> None:
    """Nor does a dark background: only where most images show nothing there is nothing to learn."""
    data = Path(shutil.copytree(data_folder, tmp_path / "data"))
    assert cv2.imwrite(str(data / "train" / "good" / "000.png"), black(0))
    assert train(settings(data, tmp_path / "disk", epochs=1)).steps == 2


def test_three_images_are_refused(data_folder: Path, tmp_path: Path) -> None:
    """How many there are and how many it takes."""
    data = Path(shutil.copytree(data_folder, tmp_path / "data"))
    for file in sorted((data / "train" / "good").iterdir())[3:]:
        file.unlink()
    with pytest.raises(CalibrationError, match="3 good images, at least 10 are needed"):
        train(settings(data, tmp_path / "disk"))


def test_frozen_layers_need_weights(data_folder: Path, tmp_path: Path) -> None:
    """Without any they would stay noise for good."""
    with pytest.raises(CalibrationError, match=r"frozen VGG19 without its weights.*--vgg19"):
        train(settings(data_folder, tmp_path / "disk", freeze_vgg=True))
    assert not list(tmp_path.iterdir())
