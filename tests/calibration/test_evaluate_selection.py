"""Evaluating a bundle at its decision: which images count, verdicts, sizes, bundles that are not whole."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
from report_bundle import KEY, write_dark_bundle

from inspectd.calibration.contents import short_id
from inspectd.calibration.errors import CalibrationError
from inspectd.calibration.evaluate import evaluate
from inspectd.inference.bundle import adjust_limits, load_bundle, write_bundle
from inspectd.inference.errors import BundleError
from inspectd.inference.manifest import Limits
from inspectd.inference.runtime import RuntimeSettings

RUNTIME = RuntimeSettings()
LIMITS = Limits(threshold=0.8, low_limit=0.1, recheck=0.05)


@pytest.fixture(scope="module")
def dark(data_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle whose score is the darkest place: about 0.7 for good parts, 0.95 for a dark spot."""
    return write_dark_bundle(tmp_path_factory.mktemp("selection") / "disk", data_folder, "disk")


@pytest.fixture
def bundle(dark: Path, tmp_path: Path) -> Path:
    """A copy to adjust."""
    return Path(shutil.copytree(dark, tmp_path / "disk"))


@pytest.fixture
def data(data_folder: Path, tmp_path: Path) -> Path:
    """A copy of the images to change."""
    return Path(shutil.copytree(data_folder, tmp_path / "data"))


def reserve(bundle: Path, *files: Path) -> None:
    ids = tuple(short_id(file) for file in files)
    adjust_limits(bundle, {KEY: LIMITS}, how="test", why="test", by="test", reserved=ids)


def test_each_image_has_its_verdict(bundle: Path, data_folder: Path) -> None:
    """In the order of the data, with truth, score, reason, mask and size."""
    report = evaluate(bundle, data_folder, RUNTIME)
    assert report.limits == LIMITS
    assert [(each.kind, each.verdict) for each in report.per_image] == [
        *[("good", "ACCEPT")] * 6,
        *[("spot", "REJECT")] * 6,
    ]
    spot = report.per_image[-1]
    assert (Path(spot.file).name, spot.reason, spot.defective) == ("205.png", "OVER_THRESHOLD", True)
    assert spot.mask == data_folder / "ground_truth" / "spot" / "205_mask.png"
    assert spot.score > LIMITS.threshold
    assert spot.size is not None
    assert report.outcomes is not None
    assert (report.outcomes.escapes.count, report.outcomes.false_rejects.count) == (0, 0)
    assert report.aupro is not None
    assert report.aupro > 0.9


def test_the_decision_in_force_decides(bundle: Path, data_folder: Path) -> None:
    """A threshold over every score lets all defects escape: the figures follow the newest decision."""
    adjust_limits(bundle, {KEY: Limits(threshold=1.5, low_limit=0.1)}, how="test", why="test", by="test")
    report = evaluate(bundle, data_folder, RUNTIME)
    assert report.outcomes is not None
    assert (report.outcomes.escapes.count, report.outcomes.escapes.of) == (6, 6)
    assert report.outcomes.agreement.recall == 0.0


def test_the_report_is_json_without_loss(bundle: Path, data_folder: Path) -> None:
    """What the command prints and the manifest keeps is plain JSON; images stand in it only if asked."""
    report = evaluate(bundle, data_folder, RUNTIME)
    told = json.loads(json.dumps(report.to_json(per_image=True), allow_nan=False))
    assert told["limits"]["threshold"] == LIMITS.threshold
    assert told["per_image"][0]["verdict"] == "ACCEPT"
    assert told["per_image"][0]["mask"] is None
    assert "per_image" not in report.to_json()
    known = {"image_auroc", "pixel_auroc", "images", "good", "defective", "without_mask", "unfit", "per_kind"}
    assert known | {"per_third", "larger_two_thirds_image_auroc", "seconds"} <= report.to_json().keys()


def test_reserved_images_are_not_measured_on(bundle: Path, data: Path) -> None:
    """Known by content, whatever their names: the limits were chosen by them."""
    reserve(bundle, data / "test" / "spot" / "201.png", data / "test" / "good" / "103.png")
    (data / "test" / "spot" / "201.png").rename(data / "test" / "spot" / "renamed.png")
    (data / "ground_truth" / "spot" / "201_mask.png").rename(
        data / "ground_truth" / "spot" / "renamed_mask.png"
    )
    report = evaluate(bundle, data, RUNTIME)
    assert (report.images, report.good, report.defective, report.reserved) == (10, 5, 5, 2)
    names = {Path(each.file).name for each in report.per_image}
    assert not names & {"renamed.png", "103.png"}
    assert report.warnings == ()


def test_images_that_chose_limits_stay_unmeasured_wherever_they_lie(bundle: Path, data: Path) -> None:
    """Moved from validation/ into test/ later, after another choice: left out, with a warning."""
    ids = tuple(short_id(data / "test" / name) for name in ("spot/201.png", "good/103.png"))
    adjust_limits(bundle, {KEY: LIMITS}, how="test", why="test", by="test", chosen_by=ids)
    adjust_limits(bundle, {KEY: LIMITS}, how="test", why="test", by="test")
    report = evaluate(bundle, data, RUNTIME)
    assert (report.images, report.good, report.defective, report.reserved) == (10, 5, 5, 2)
    assert len(report.warnings) == 1
    assert "2 test images are the same as images by which limits were chosen" in report.warnings[0]
    assert "103.png" in report.warnings[0]


def test_images_of_the_training_are_not_measured_on(bundle: Path, data: Path) -> None:
    """Whether they trained, stopped or set limits: told, with a warning that names one."""
    for number in range(15):
        shutil.copy(
            data / "train" / "good" / f"{number:03}.png", data / "test" / "good" / f"copy{number}.png"
        )
    report = evaluate(bundle, data, RUNTIME)
    assert (report.images, report.in_training) == (12, 15)
    assert len(report.warnings) == 1
    assert "15 test images are the same" in report.warnings[0]
    assert "copy0.png" in report.warnings[0]


def test_nothing_left_to_measure_on_is_refused(bundle: Path, data: Path) -> None:
    """With the numbers of what was left out."""
    reserve(bundle, *sorted((data / "test").rglob("*.png")))
    with pytest.raises(CalibrationError, match=r"no test image is left.*12 chose the limits"):
        evaluate(bundle, data, RUNTIME)


def test_good_parts_alone(bundle: Path, data: Path) -> None:
    """No AUROC, but false rejects are counted; the report stays JSON."""
    shutil.rmtree(data / "test" / "spot")
    report = evaluate(bundle, data, RUNTIME)
    assert (report.image_auroc, report.pixel_auroc, report.aupro, report.best_f1) == (None,) * 4
    assert report.outcomes is not None
    assert (report.outcomes.false_rejects.of, report.outcomes.escapes.rate) == (6, None)
    assert report.intervals.keys() == {"accuracy"}
    json.dumps(report.to_json(per_image=True), allow_nan=False)


def test_an_empty_test_folder_is_refused(bundle: Path, data: Path) -> None:
    """It says what is looked for."""
    shutil.rmtree(data / "test")
    (data / "test" / "good").mkdir(parents=True)
    with pytest.raises(CalibrationError, match="no images in test"):
        evaluate(bundle, data, RUNTIME)


def test_a_missing_image_of_a_list_is_refused(bundle: Path, data: Path) -> None:
    """Named before anything is scored."""
    listed = data / "list.csv"
    listed.write_text("path,label,split\ntest/good/100.png,good,test\ntest/good/nowhere.png,good,test\n")
    with pytest.raises(CalibrationError, match=r"nowhere\.png: cannot be read"):
        evaluate(bundle, listed, RUNTIME)


def test_an_image_of_another_camera_is_refused(bundle: Path, data: Path) -> None:
    """A bundle of one camera's frames measures nothing on others."""
    assert cv2.imwrite(str(data / "test" / "good" / "other.png"), np.zeros((20, 30, 3), np.uint8))
    with pytest.raises(CalibrationError, match=r"other\.png: wrong size"):
        evaluate(bundle, data, RUNTIME)


def test_mixed_sizes_are_measured_at_their_own(data: Path, tmp_path: Path) -> None:
    """A bundle calibrated with several sizes takes each, with a mask of that size."""
    for folder in ("test/spot", "ground_truth/spot", "train/good"):
        file = min((data / folder).iterdir())
        pixels = cv2.imread(str(file), cv2.IMREAD_UNCHANGED)
        assert pixels is not None
        assert cv2.imwrite(str(file), cv2.resize(pixels, (96, 72), interpolation=cv2.INTER_NEAREST))
    bundle = write_dark_bundle(tmp_path / "mixed" / "disk", data, "disk", mixed_sizes=True)
    report = evaluate(bundle, data, RUNTIME)
    assert report.images == 12
    assert report.pixel_auroc is not None
    assert report.pixel_auroc > 0.95
    sizes = [each.size for each in report.per_image if each.defective]
    assert sizes[0] is not None
    assert sizes[0] > 1.5 * (sizes[3] or 0.0), "measured on its own mask, twice as wide"


def test_a_runtime_without_limits_is_scored_without_verdicts(bundle: Path, data_folder: Path) -> None:
    """Scores need no limits; that there are none is told, and no verdict is made up."""
    loaded = load_bundle(bundle)
    files = {name: bundle / name for name in loaded.manifest.files}
    limits = {"float32/torch/float32": LIMITS}
    other = bundle.with_name("torch-alone")
    write_bundle(other, loaded.manifest, files, limits, how="test", why="test", by="test")
    report = evaluate(other, data_folder, RUNTIME)
    assert (report.outcomes, report.limits) == (None, None)
    assert {each.verdict for each in report.per_image} == {None}
    assert report.image_auroc == 1.0
    assert "has no limits for float32/openvino/float32" in report.warnings[0]


@pytest.mark.parametrize("name", ["float32.onnx", "golden.png", "decision.json", "manifest.json"])
def test_a_tampered_bundle_is_refused(bundle: Path, data_folder: Path, name: str) -> None:
    """One byte changed in any file, and nothing is measured."""
    content = (bundle / name).read_bytes()
    (bundle / name).write_bytes(content[:-2] + b" \n")
    if name.endswith(".json"):
        (bundle / name).write_bytes(content.replace(b"0.8", b"0.7", 1).replace(b"quick", b"quack", 1))
    with pytest.raises(BundleError):
        evaluate(bundle, data_folder, RUNTIME)
