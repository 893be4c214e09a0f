"""`inspectd calibrate noise`: what it prints and leaves, with a scripted training."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from command import Inspectd

from inspectd.calibration.noise_ranking import Figures
from inspectd.calibration.noise_result import read_result
from inspectd.calibration.noise_trial import OnLook, OnStep, TrainRate

GOOD = 12


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Good images of a few spots, in a folder called like one of the paper's classes."""
    folder = tmp_path_factory.mktemp("data") / "pill"
    folder.mkdir()
    for seed in range(GOOD):
        generator = np.random.default_rng(seed)
        pixels = generator.integers(60, 200, (40, 40, 3)).astype(np.uint8)
        assert cv2.imwrite(str(folder / f"{seed:02}.png"), pixels)
    return folder


@pytest.fixture(autouse=True)
def scripted(monkeypatch: pytest.MonkeyPatch) -> None:
    """The lower the rate, the better."""

    def rate_training(*_arguments: object) -> TrainRate:
        def train(sigma: float, _seed: int, on_step: OnStep, on_look: OnLook) -> None:
            on_step(40)
            on_look(40, Figures(0.9 - sigma, 1.0 - sigma))

        return train

    monkeypatch.setattr("inspectd.calibration.noise_search.rate_training", rate_training)


def test_the_report_is_one_json_object(inspectd: Inspectd, data: Path, tmp_path: Path) -> None:
    """All of noise.json, and where it and the picture lie."""
    own = ("--size", 32, "--vgg19", "none", "--steps", 40, "--trials", 5, "--json")
    done = inspectd("calibrate", "noise", data, "--out", tmp_path / "study", *own)
    assert done.status == 0, done
    report = done.report
    files = report.pop("files")
    assert report == read_result(tmp_path / "study").model_dump(mode="json")
    assert Path(files["plot"]).read_bytes().startswith(b"\x89PNG")
    assert report["preset"]["sigma"] == report["trials"][0]["sigma"] == 0.09
    assert report["best"]["sigma"] == min(trial["sigma"] for trial in report["trials"])


def test_the_table_tells_a_technician_what_to_do(inspectd: Inspectd, data: Path, tmp_path: Path) -> None:
    """Rates in order with their figures, what was maximised, what that does not say, the next command."""
    own = ("--size", 32, "--vgg19", "none", "--steps", 40, "--trials", 5, "--name", "pill", "--seed", 2)
    done = inspectd("calibrate", "noise", data, "--out", tmp_path / "study", *own)
    assert done.status == 0, done
    for text in (
        "Noise rates of pill",
        "Maximised: mean of image and pixel AUROC on synthetic defects",
        "No labelled defects in validation/",
        "the paper's rate for pill (section 4B: 0.09 for 'pill')",
        "Best: sigma 0.0667, ",
        f"--profile quick --noise-study {tmp_path}/study --name pill --seed 2 --out BUNDLE",
        "noise.png",
    ):
        assert text in done.out
    rates = [line.split("│")[2].strip() for line in done.out.splitlines() if line.startswith("│")]
    assert len(rates) == 5
    assert rates == sorted(rates, key=float)
    assert "5/5" in done.err
    again = inspectd("calibrate", "noise", data, "--out", tmp_path / "study", *own, "--seed", 1)
    assert again.refuses(1, "another seed")


@pytest.mark.parametrize(
    ("options", "status", "told"),
    [
        (("--low", "0"), 2, "--low: "),
        (("--high", "1.5"), 2, "--high: "),
        (("--low", "0.4", "--high", "0.3"), 1, "low 0.4 is not under high 0.3"),
        (("--profile", "slow"), 2, "--profile: "),
        (("--preset", "pills"), 1, "preset pills: the paper gives no rate for it. Choose one of bottle"),
        (("--minutes", "0"), 2, "--minutes: "),
        (("--trials", "0"), 2, ""),
        (("--size", "33"), 1, "model: image_size 33"),
    ],
)
def test_wrong_options_are_named(
    inspectd: Inspectd, data: Path, tmp_path: Path, options: tuple[str, ...], status: int, told: str
) -> None:
    """One line, no report, and no study begun."""
    own = (
        ("--vgg19", "none", *options) if "--size" in options else ("--vgg19", "none", "--size", 32, *options)
    )
    done = inspectd("calibrate", "noise", data, "--out", tmp_path / "study", *own)
    assert done.refuses(status, told)
    assert not (tmp_path / "study").exists()


def test_training_takes_a_studys_best_rate_or_the_papers(
    inspectd: Inspectd, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the study's folder or the class's name, with where it is from; two rates at once are refused."""
    taken: list[tuple[float | None, str]] = []

    def run_training(wanted: dict[str, Any], **_: object) -> None:
        origin = wanted["sigma_origin"]
        taken.append((wanted["sigma"], "" if origin is None else origin.kind))

    monkeypatch.setattr("inspectd.agent.cli.calibrate.run_training", run_training)
    own = ("--size", 32, "--vgg19", "none", "--steps", 40, "--trials", 5)
    study, train = tmp_path / "study", ("calibrate", "train", data, "--out", tmp_path / "bundle")
    assert inspectd(*train, "--noise-study", study).refuses(1, "no noise study")
    assert inspectd("calibrate", "noise", data, "--out", study, *own, "--minutes", 1e-9).status == 0
    assert inspectd(*train, "--noise-study", study).refuses(1, "no trial is complete yet")
    assert inspectd("calibrate", "noise", data, "--out", study, *own).status == 0
    for options in (("--noise-study", study), ("--preset", "screw"), ("--sigma", 0.25), ()):
        assert inspectd(*train, *options).status == 0
    assert taken == [(0.0667, "study"), (0.2, "preset"), (0.25, ""), (None, "")]
    assert inspectd(*train, "--preset", "screw", "--sigma", 0.2).refuses(2, "give one of them")
    assert inspectd(*train, "--preset", "screws").refuses(1, "the paper gives no rate")


def test_weights_that_are_missing_begin_no_study(inspectd: Inspectd, data: Path, tmp_path: Path) -> None:
    """The remedy is another --vgg19, and a study that had begun with this one would refuse it."""
    done = inspectd("calibrate", "noise", data, "--out", tmp_path / "study", "--vgg19", tmp_path / "no.st")
    assert done.refuses(1, "no.st")
    assert not (tmp_path / "study").exists()


def test_bad_data_is_one_line(inspectd: Inspectd, tmp_path: Path) -> None:
    """A folder that is not there, and one with too few images."""
    done = inspectd("calibrate", "noise", tmp_path / "none", "--out", tmp_path / "study", "--vgg19", "none")
    assert done.refuses(1, "no such folder")
    (tmp_path / "none").mkdir()
    done = inspectd("calibrate", "noise", tmp_path / "none", "--out", tmp_path / "study", "--vgg19", "none")
    assert done.refuses(1, "0 good images, at least 10")
