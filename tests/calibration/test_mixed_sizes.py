"""Good images of several sizes: a bundle that takes any frame, where one of a single size refuses others."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
from conftest import disk
from numpy.typing import NDArray

from inspectd.calibration.data import load_good
from inspectd.calibration.errors import CalibrationError
from inspectd.calibration.settings import TrainSettings
from inspectd.calibration.train import train
from inspectd.inference.bundle import load_bundle
from inspectd.inference.engine import open_engine
from inspectd.inference.prepare import Preparer, learn_preparation
from inspectd.inference.runtime import RuntimeSettings

SIZES = [(40, 56), (48, 48), (97, 120), (200, 64)]


def stretched(seed: int, size: tuple[int, int]) -> NDArray[np.uint8]:
    """A good part at another size, height and width in px."""
    return np.asarray(cv2.resize(disk(seed), size[::-1], interpolation=cv2.INTER_CUBIC), np.uint8)


@pytest.fixture(scope="module")
def mixed_folder(data_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny data set, each good image at one of four sizes."""
    folder = Path(shutil.copytree(data_folder, tmp_path_factory.mktemp("mixed") / "disks"))
    for number, file in enumerate(sorted((folder / "train" / "good").iterdir())):
        assert cv2.imwrite(str(file), stretched(number, SIZES[number % len(SIZES)]))
    return folder


def settings(data: Path, out: Path, **changes: object) -> TrainSettings:
    tiny = {"image_size": 32, "widths": (8, 8, 8), "dim": 16, "epochs": 3, "vgg19": "none"}
    return TrainSettings.model_validate({"data": data, "out": out, "profile": "demo", **tiny, **changes})


@pytest.fixture(scope="module")
def mixed_bundle(mixed_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("out") / "mixed"
    train(settings(mixed_folder, out, mixed_sizes=True))
    return out


def test_mixed_sizes_must_be_asked_for(mixed_folder: Path, tmp_path: Path) -> None:
    """Two sizes are a mistake far more often than a wish."""
    with pytest.raises(CalibrationError, match="or allow mixed sizes"):
        train(settings(mixed_folder, tmp_path / "bundle"))


def test_a_bundle_of_mixed_sizes_judges_any_frame(mixed_bundle: Path) -> None:
    """It loads, passes its self-test, and finds good parts fit at sizes seen and never seen."""
    assert load_bundle(mixed_bundle).manifest.preparation.camera_size is None
    engine = open_engine(mixed_bundle, RuntimeSettings())
    try:
        for seed, size in enumerate([*SIZES, (33, 35), (480, 640)]):
            judged = engine.judge(stretched(40 + seed, size))
            assert judged.unfit == ()
            assert np.isfinite(judged.score)
        assert engine.judge(np.zeros((0, 40, 3), np.uint8)).unfit
    finally:
        engine.close()


def test_a_class_of_one_size_refuses_another(data_folder: Path) -> None:
    """Even where mixed sizes were allowed: its images had but one."""
    good = load_good(data_folder, 32, mixed_sizes=True)
    assert good.camera_size == (48, 48)
    preparer = Preparer(learn_preparation(list(good.images), good.camera_size), 32)
    assert preparer.prepare(disk(50)).unfit == ()
    (unfit,) = preparer.prepare(stretched(51, (97, 120))).unfit
    assert unfit.startswith("wrong size: 97x120x3")


def test_the_manifest_of_mixed_sizes_says_so(mixed_bundle: Path) -> None:
    """As null, which another version reads alike."""
    manifest = json.loads((mixed_bundle / "manifest.json").read_text())
    assert manifest["preparation"]["camera_size"] is None
