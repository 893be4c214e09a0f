"""Where a noise rate is from: a study of other images is refused, and manifest and report say the origin."""

from __future__ import annotations

import dataclasses
import json
import shutil
from pathlib import Path
from typing import Any

import cv2
import noise_bench
import numpy as np
import pytest
from data_set import write_image
from training_bench import settings

from inspectd.calibration.contents import short_id
from inspectd.calibration.errors import CalibrationError
from inspectd.calibration.evaluate import evaluate
from inspectd.calibration.noise_result import NoiseResult, read_result, write_result
from inspectd.calibration.noise_search import search_noise
from inspectd.calibration.report_noise import noise_section
from inspectd.calibration.settings import TrainSettings
from inspectd.calibration.sigma_origin import (
    RECORD,
    SigmaOrigin,
    check_origin,
    rate_of_preset,
    rate_of_study,
    recorded_origin,
)
from inspectd.calibration.train import TrainReport, train
from inspectd.calibration.trainer import Progress
from inspectd.inference.runtime import RuntimeSettings


@pytest.fixture(scope="module")
def data(data_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny data set with other pictures of its defects in validation/."""
    folder = Path(shutil.copytree(data_folder, tmp_path_factory.mktemp("origin") / "disk"))
    for file in sorted((folder / "test" / "spot").iterdir()):
        pixels = cv2.imread(str(file))
        assert pixels is not None
        pixels[0, 0] ^= 1
        write_image(folder / "validation" / "spot" / f"v{file.name}", np.asarray(pixels, np.uint8))
    return folder


@pytest.fixture(scope="module")
def study(data: Path) -> Path:
    """A study of that data, its trainings scripted."""
    folder = data.parent / "study"
    own = noise_bench.settings(data, folder, trials=2)
    search_noise(own, train=noise_bench.scripted(noise_bench.peaked))
    return folder


def asked(data: Path, out: Path, study: Path, **changes: Any) -> TrainSettings:
    """A training of two passes with the study's rate."""
    sigma, origin = rate_of_study(study)
    return settings(data, out, sigma=sigma, sigma_origin=origin, epochs=2, **changes)


@pytest.fixture(scope="module")
def trained(data: Path, study: Path) -> TrainReport:
    """Trained with it, after one of its images was moved into test/."""
    moved = Path(shutil.copytree(data, data.parent / "moved" / "disk"))
    (moved / "validation" / "spot" / "v200.png").rename(moved / "test" / "spot" / "v200.png")
    return train(asked(moved, data.parent / "bundle", study))


def test_the_manifest_says_which_trial_of_which_study(trained: TrainReport, data: Path, study: Path) -> None:
    """With the fingerprint of its images and those it was ranked by, and the report says it in words."""
    best = read_result(study).best
    assert best is not None
    manifest = trained.bundle.manifest
    assert manifest.training["sigma"] == best.sigma
    origin = recorded_origin(manifest)
    assert origin is not None
    assert (origin.kind, origin.study and origin.study.name) == ("study", "study")
    assert origin.study is not None
    assert (origin.study.trial, origin.study.class_name, origin.study.seed) == (best.number, "disk", 0)
    assert origin.study.data_sha256 == manifest.training_data
    ranked = sorted(short_id(file) for file in (data / "validation" / "spot").iterdir())
    assert list(origin.study.ranked_by) == ranked
    told = f"trial {best.number} of the noise study study of class disk, ranked on labelled images"
    assert told in str(noise_section(trained.bundle, None).blocks[0])
    assert told in str(noise_section(trained.bundle, read_result(study)).blocks)


def test_images_that_chose_the_rate_are_not_measured_on(trained: TrainReport, data: Path) -> None:
    """Moved from validation/ to test/: neither the training's own figures nor evaluate take them."""
    measured = trained.bundle.manifest.metrics["test"]
    assert isinstance(measured, dict)
    assert (measured["images"], measured["defective"]) == (12, 6)
    report = evaluate(trained.bundle.folder, data.parent / "moved" / "disk", RuntimeSettings())
    assert (report.images, report.in_training, report.reserved) == (12, 1, 0)
    assert len(report.warnings) == 1
    assert "1 test images are the same as images by which the noise rate was chosen" in report.warnings[0]
    assert "v200.png" in report.warnings[0]


def test_a_study_of_other_images_trains_nothing(data: Path, study: Path, tmp_path: Path) -> None:
    """One good image more: refused before the first step, with the two ways on."""
    other = Path(shutil.copytree(data, tmp_path / "disk"))
    write_image(other / "train" / "good" / "more.png", np.full((48, 48, 3), 90, np.uint8))
    with pytest.raises(CalibrationError, match=r"noise study study: made with other good images .*--sigma"):
        train(asked(other, tmp_path / "bundle", study))
    assert [path.name for path in tmp_path.iterdir()] == ["disk"]
    renamed = asked(other, tmp_path / "bundle", study, class_name="ring")
    with pytest.raises(CalibrationError, match="noise study study: of class disk, made with other good"):
        train(renamed)


def test_a_study_of_another_split_trains_nothing(data: Path, study: Path, tmp_path: Path) -> None:
    """With another seed, images of its trials would set the threshold."""
    with pytest.raises(CalibrationError, match=r"made with seed 0, this training has 3.*Train with --seed 0"):
        train(asked(data, tmp_path / "bundle", study, seed=3))


def test_another_name_for_the_same_images_is_told(data: Path, study: Path, tmp_path: Path) -> None:
    """The images are the same, whatever the class is called: a note, before the training."""
    told: list[str] = []

    class Stop(Exception):  # noqa: N818  not an error
        """Ends the training at its first step."""

    def note(progress: Progress) -> None:
        told.append(progress.message)
        if progress.steps:
            raise Stop

    with pytest.raises(Stop):
        train(asked(data, tmp_path / "bundle", study, class_name="ring"), note)
    assert "noise study study calls these same images class disk, not ring" in told


def test_other_origins_are_recorded_too(data: Path) -> None:
    """The profile's, one given by hand, the paper's: each in words, and no study is held against anything."""

    def origin(**given: Any) -> SigmaOrigin:
        return TrainSettings.model_validate({"data": data, "out": data, **given}).origin

    sigma, preset = rate_of_preset("metal nut")
    told = [origin(), origin(sigma=0.0), origin(sigma=sigma, sigma_origin=preset)]
    assert [each.in_words() for each in told] == [
        "the profile's own",
        "given by hand",
        "the paper's rate for metal_nut",
    ]
    assert {check_origin(each, "disk", 3, "0" * 64) for each in told} == {""}


def test_what_an_older_bundle_does_not_say_is_not_made_up(trained: TrainReport, study: Path) -> None:
    """Without a record the report says so; a rate by hand is not called the study's."""
    for record, words in ((None, "its origin not recorded"), ({"kind": "given"}, "given by hand")):
        bundle = _with_record(trained, record)
        assert words in str(noise_section(bundle, None).blocks)
        warned = "is not from this study" in str(noise_section(bundle, read_result(study)).blocks)
        assert warned == (record is not None)


def test_a_study_without_a_best_rate_is_refused(study: Path, tmp_path: Path) -> None:
    """It says what to do."""
    content = read_result(study).model_dump(mode="json")
    write_result(tmp_path, NoiseResult.model_validate_json(json.dumps({**content, "best": None})))
    with pytest.raises(CalibrationError, match=r"no trial is complete yet\..*or give --sigma"):
        rate_of_study(tmp_path)


def test_a_study_written_before_is_read(study: Path, tmp_path: Path) -> None:
    """One that does not name the images it was ranked by."""
    content = read_result(study).model_dump(mode="json")
    del content["ranked_by"], content["left_out"]
    (tmp_path / "noise.json").write_text(json.dumps(content))
    origin = rate_of_study(tmp_path / "noise.json")[1]
    assert origin.study is not None
    assert (origin.study.name, origin.study.ranked_by) == (tmp_path.name, ())


def _with_record(trained: TrainReport, record: object) -> Any:
    """The bundle with another record of its rate's origin."""
    manifest = trained.bundle.manifest
    training: dict[str, Any] = {name: value for name, value in manifest.training.items() if name != RECORD}
    if record is not None:
        training[RECORD] = record
    return dataclasses.replace(trained.bundle, manifest=manifest.model_copy(update={"training": training}))
