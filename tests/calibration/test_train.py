"""Training end to end on a tiny data set: the bundle, the threshold's images, resuming, and bad data."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from conftest import disk, write_png
from training_bench import EPOCHS, settings

from inspectd.calibration.batches import Batches
from inspectd.calibration.data import load_good, split_good
from inspectd.calibration.errors import CalibrationError
from inspectd.calibration.history import history_file, read_history
from inspectd.calibration.settings import TrainSettings
from inspectd.calibration.train import CHECKPOINT_FILE, TrainReport, train
from inspectd.calibration.trainer import Progress
from inspectd.inference.bundle import Bundle, load_bundle
from inspectd.inference.engine import open_engine
from inspectd.inference.runtime import RuntimeSettings, open_runtime

KEY = "float32/openvino/float32"


@pytest.fixture(scope="module")
def trained(data_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> TrainReport:
    """An uninterrupted run."""
    return train(settings(data_folder, tmp_path_factory.mktemp("out") / "disk"))


def test_training_writes_a_bundle_that_runs(trained: TrainReport) -> None:
    """The bundle loads, passes its own golden frames and knows where it came from."""
    bundle = load_bundle(trained.bundle.folder)
    assert bundle.manifest.class_name == "disk"
    assert bundle.manifest.training["epochs"] == EPOCHS
    assert bundle.manifest.vgg19["source"] == "none"
    assert bundle.manifest.golden[0].camera_size
    test = bundle.manifest.metrics["test"]
    assert isinstance(test, dict)
    assert test["images"] == 12
    for name in {key.split("/")[1] for key in bundle.decision.limits}:
        open_engine(trained.bundle.folder, RuntimeSettings.model_validate({"name": name})).close()


def test_training_leaves_its_history_and_no_more(trained: TrainReport) -> None:
    """Beside the bundle: what happened at which step, and TensorBoard's events; the checkpoint is gone."""
    folder = trained.bundle.folder.parent / "disk.training"
    names = sorted(path.name.partition(".tfevents")[0] for path in folder.iterdir())
    assert names == ["events.out", "history.json"]
    history = read_history(history_file(trained.bundle.folder))
    assert history == trained.history
    assert history is not None
    assert history.losses == trained.losses
    assert [each.step for each in history.held_out] == [40, 55]
    assert history.held_out[-1].loss == trained.held_out_loss
    assert (history.steps, history.images, history.epochs, history.ended) == (55, 11, 40.0, "epochs")
    assert [(each.step, each.batch) for each in history.batches] == [(0, 8)]
    recorded = trained.bundle.manifest.training
    assert (recorded["ended"], recorded["device"]) == ("epochs", "cpu")
    assert recorded["batches"] == [{"step": 0, "batch": 8}]


def test_the_report_can_be_printed_as_json(trained: TrainReport) -> None:
    """All that a command tells of a calibration is plain JSON."""
    assert json.loads(json.dumps({"vgg19": trained.vgg19, "losses": trained.losses}))["vgg19"]["loaded"] == []


def test_training_learns(trained: TrainReport) -> None:
    """The loss falls: the model that is exported is not the one that training began with."""
    assert np.mean(trained.losses[-10:]) < 0.7 * np.mean(trained.losses[:3])
    assert trained.steps == len(trained.losses) == EPOCHS * 11 // 8


def test_the_threshold_is_from_images_that_training_did_not_see(
    trained: TrainReport, data_folder: Path
) -> None:
    """It is the largest score of exactly those images, and the decision says so."""
    good = load_good(data_folder, 32)
    split = split_good(len(good.files), seed=0)
    assert sorted([*split.train, *split.stopping, *split.threshold]) == list(range(15))
    assert len(split.stopping) == len(split.threshold) == 2
    bundle = trained.bundle
    runtime = open_runtime(RuntimeSettings(), bundle.graph_file("float32"), 32)
    scores = runtime.infer(good.images[split.threshold]).score
    runtime.close()
    limits = bundle.limits("openvino", "float32")
    assert limits.threshold == pytest.approx(scores.max(), rel=1e-6)
    assert limits.low_limit < scores.min()
    assert "largest of 2 scores" in bundle.decision.how
    assert "2 good parts" in bundle.decision.provisional
    assert set(bundle.decision.chosen_by) == {good.ids[int(index)] for index in split.threshold}


@pytest.fixture
def unpackaged(monkeypatch: pytest.MonkeyPatch, trained: TrainReport) -> None:
    """Leave out the export, longer than so small a training, where a test does not look at the bundle."""

    def skip(_settings: object, _trained: object, _progress: object) -> Bundle:
        return trained.bundle

    monkeypatch.setattr("inspectd.calibration.train.package", skip)


class CutError(Exception):
    """Stands for whatever ends a run."""


def test_held_out_images_do_not_move_the_weights(
    trained: TrainReport, data_folder: Path, tmp_path: Path
) -> None:
    """With other pictures in the held-out fifth, every loss of the training steps stays the same."""
    changed = Path(shutil.copytree(data_folder, tmp_path / "changed"))
    files = sorted((changed / "train" / "good").iterdir())
    split = split_good(len(files), seed=0)
    for index in (*split.stopping, *split.threshold):
        write_png(files[int(index)], disk(500 + int(index)))
    losses: list[float] = []

    def cut_at_step_12(progress: Progress) -> None:
        if progress.step:
            losses.append(progress.loss)
        if progress.step == 12:
            raise CutError

    with pytest.raises(CutError):
        train(settings(changed, tmp_path / "disk"), cut_at_step_12)
    assert tuple(losses) == trained.losses[:12]


@pytest.mark.usefixtures("unpackaged")
def test_a_run_that_was_cut_off_goes_on_as_if_it_had_not_been(
    trained: TrainReport, data_folder: Path, tmp_path: Path
) -> None:
    """Resumed from the last checkpoint, losses and weights are exactly the same; no other run goes on."""

    def cut_at_step_45(progress: Progress) -> None:
        if progress.step == 45:
            raise CutError

    own = settings(data_folder, tmp_path / "disk")
    with pytest.raises(CutError):
        train(own, cut_at_step_45)
    with pytest.raises(CalibrationError, match="another seed"):
        train(settings(data_folder, own.out, seed=1))
    resumed = train(own)
    assert resumed.resumed_at == 40
    assert resumed.losses == trained.losses
    assert resumed.held_out_loss == trained.held_out_loss


@pytest.mark.usefixtures("unpackaged")
def test_a_run_can_be_started_anew(data_folder: Path, tmp_path: Path) -> None:
    """Without resuming, not even a damaged checkpoint is in the way."""
    anew = settings(data_folder, tmp_path / "disk", epochs=1, resume=False)
    anew.work_folder.mkdir()
    (anew.work_folder / CHECKPOINT_FILE).write_bytes(b"damaged")
    with pytest.raises(CalibrationError, match="without resuming"):
        train(anew.model_copy(update={"resume": True}))
    assert train(anew).resumed_at == 0


RUN = """
import sys
from pathlib import Path
from inspectd.calibration.history import history_file, read_history
from inspectd.calibration.settings import TrainSettings
from inspectd.calibration.train import train
train(TrainSettings.model_validate_json(sys.argv[1]))
"""


@pytest.mark.usefixtures("unpackaged")
def test_a_killed_run_resumes(data_folder: Path, tmp_path: Path, trained: TrainReport) -> None:
    """SIGKILL at any moment leaves a checkpoint from which the next call goes on."""
    own = settings(data_folder, tmp_path / "disk")
    checkpoint = own.work_folder / CHECKPOINT_FILE
    process = subprocess.Popen(
        [sys.executable, "-c", RUN, own.model_dump_json(exclude_none=True)],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    try:
        deadline = time.monotonic() + 240
        while not checkpoint.exists() and process.poll() is None:
            assert time.monotonic() < deadline, "no checkpoint was written"
            time.sleep(0.02)
    finally:
        process.kill()
        process.wait(timeout=10)
    assert not own.out.exists(), "the run was over before it could be killed"
    resumed = train(own)
    assert resumed.resumed_at >= 40
    assert resumed.losses == trained.losses


@pytest.mark.usefixtures("unpackaged")
def test_minutes_bound_a_run(data_folder: Path, tmp_path: Path) -> None:
    """A run that is to take no time stops after its first step."""
    assert train(settings(data_folder, tmp_path / "disk", minutes=1e-6)).steps == 1


def remove_most(folder: Path) -> None:
    for file in sorted(folder.iterdir())[5:]:
        file.unlink()


def spoil_one(folder: Path) -> None:
    (folder / "003.png").write_bytes(b"not an image")


def resize_one(folder: Path) -> None:
    cv2.imwrite(str(folder / "003.png"), np.zeros((20, 30, 3), np.uint8))


def remove_all(folder: Path) -> None:
    shutil.rmtree(folder.parent.parent)


@pytest.mark.parametrize(
    ("spoil", "text"),
    [
        (remove_most, "5 good images, at least 10"),
        (spoil_one, r"003\.png: cannot be read"),
        (resize_one, r"003\.png: 30x20 px, but 000\.png has 48x48"),
        (remove_all, "no such folder"),
    ],
)
def test_bad_data_is_refused(
    data_folder: Path, tmp_path: Path, spoil: Callable[[Path], None], text: str
) -> None:
    """The error names the file and the remedy; no bundle is written."""
    data = Path(shutil.copytree(data_folder, tmp_path / "data"))
    spoil(data / "train" / "good")
    with pytest.raises(CalibrationError, match=text):
        train(settings(data, tmp_path / "disk"))
    assert not (tmp_path / "disk").exists()


def test_an_existing_bundle_is_not_trained_over(trained: TrainReport, data_folder: Path) -> None:
    """The refusal comes before the hours, not after them."""
    before = trained.bundle.bundle_id
    with pytest.raises(CalibrationError, match="exists already"):
        train(settings(data_folder, trained.bundle.folder))
    assert load_bundle(trained.bundle.folder).bundle_id == before


@pytest.mark.parametrize(
    "changes", [{"image_size": 50}, {"widths": (7, 8, 8)}, {"sigma": -1.0}, {"batch": 0}]
)
def test_settings_out_of_range_are_refused(
    data_folder: Path, tmp_path: Path, changes: dict[str, object]
) -> None:
    """A size that the network cannot have is an error of the settings, not of torch."""
    with pytest.raises(CalibrationError):
        train(settings(data_folder, tmp_path / "disk", **changes))


def test_settings_out_of_range_are_named_in_one_line(tmp_path: Path) -> None:
    """Every value that does not fit, with the range that does."""
    wrong = TrainSettings(data=tmp_path, out=tmp_path / "bundle", sigma=3.0, batch=0)
    with pytest.raises(CalibrationError, match=r"sigma 3\.0: .*equal to 1; batch 0: .*equal to 1\. Choose"):
        wrong.recipe()


def test_gain_changes_brightness_of_image_and_target_alike(tmp_path: Path) -> None:
    """Each image of a batch gets a factor of its own, within the recipe's range, and stays its own target."""
    recipe = settings(tmp_path, tmp_path / "bundle", gain=0.2, synthetic=0.0).recipe()
    images = np.full((16, 32, 32, 3), 100, np.uint8)
    clean, corrupted = Batches(images, recipe, seed=0).compose(0, 16, np.random.default_rng(0))
    gains = clean.mean(dim=(1, 2, 3)).numpy() * 255 / 100
    assert 0.8 <= gains.min() < 0.95
    assert 1.05 < gains.max() <= 1.2
    assert torch.equal(clean, corrupted)
