"""From images or production to a decision: which scores count, what is said, what is provisional."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from inspectd.calibration import decide
from inspectd.calibration.decide import choose_from_images, put_in_force
from inspectd.calibration.errors import CalibrationError
from inspectd.calibration.scoring import open_scorer
from inspectd.calibration.settings import TrainSettings
from inspectd.calibration.threshold_settings import ThresholdSettings
from inspectd.calibration.train import train
from inspectd.inference.bundle import Bundle, adjust_limits, load_bundle
from inspectd.inference.documents import file_id
from inspectd.inference.manifest import Limits
from inspectd.inference.runtime import RuntimeSettings

SIDE = 48
KEY = "float32/openvino/float32"


def add_validation(data: Path) -> Path:
    """Add eight good parts and four with spots and masks to choose by."""
    generator = np.random.default_rng(9)
    sources = sorted((data / "train" / "good").iterdir())
    for name in ("validation/good", "validation/spot", "ground_truth/spot"):
        (data / name).mkdir(parents=True, exist_ok=True)
    for number in range(12):
        pixels = read(sources[number])
        # The same parts under other noise: other images, as of other parts.
        pixels = np.clip(pixels + generator.normal(0, 3, pixels.shape), 0, 255).astype(np.uint8)
        kind = "good"
        if number >= 8:
            mask = np.zeros((SIDE, SIDE), np.uint8)
            cv2.circle(mask, (24, 22), 4, 255, -1)
            pixels[mask > 0] = (0, 0, 255)
            cv2.imwrite(str(data / "ground_truth" / "spot" / f"v{number}_mask.png"), mask)
            kind = "spot"
        cv2.imwrite(str(data / "validation" / kind / f"v{number}.png"), pixels)
    return data


@pytest.fixture(scope="module")
def data(data_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny data set, with parts to choose by."""
    folder = tmp_path_factory.mktemp("decide") / "disks"
    return add_validation(Path(shutil.copytree(data_folder, folder)))


@pytest.fixture(scope="module")
def pristine(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle trained for two passes: how good it is does not matter here."""
    tiny = {"profile": "demo", "vgg19": "none", "image_size": 32, "widths": (8, 8, 8), "dim": 16}
    out = tmp_path_factory.mktemp("decide") / "bundle"
    settings = TrainSettings.model_validate({"data": data, "out": out, "epochs": 2, **tiny})
    return train(settings).bundle.folder


@pytest.fixture
def bundle(pristine: Path, tmp_path: Path) -> Bundle:
    """A copy that a test may change."""
    return load_bundle(Path(shutil.copytree(pristine, tmp_path / "bundle")))


def own_scores(bundle: Bundle, files: list[Path]) -> list[float]:
    """Scores of image files, each by itself."""
    with open_scorer(bundle, RuntimeSettings()) as scorer:
        return [scorer.score(read(file)[..., ::-1], file.name).score for file in files]


def read(file: Path) -> NDArray[np.uint8]:
    pixels = cv2.imread(str(file))
    assert pixels is not None
    return np.asarray(pixels, np.uint8)


SAME = 1e-3
"""As a golden score: the engine's threads add up in another order when it is opened again."""


def test_only_parts_that_training_did_not_see_count(bundle: Bundle, data: Path, tmp_path: Path) -> None:
    """The threshold is the largest score of the unseen ones, computed here from the manifest's own words."""
    images: Any = bundle.manifest.training["images"]
    seen: set[str] = {*images["train"], *images["stopping"]}
    files = [*(data / "train" / "good").iterdir(), *(data / "validation" / "good").iterdir()]
    unseen = [file for file in files if file_id(file)[:16] not in seen]
    assert 8 < len(unseen) < len(files)
    choice = choose_from_images(bundle, data, ThresholdSettings())
    assert choice.keys[KEY].numbers["good"] == len(unseen)
    assert choice.limits[KEY].threshold == pytest.approx(max(own_scores(bundle, unseen)), rel=SAME)
    chosen_by = {file_id(file)[:16] for file in [*unseen, *(data / "validation" / "spot").iterdir()]}
    assert set(choice.chosen_by) == chosen_by
    # A training image saved once more changes nothing.
    copied = Path(shutil.copytree(data, tmp_path / "data"))
    for number, file in enumerate(file for file in files if file_id(file)[:16] in seen):
        shutil.copy(file, copied / "validation" / "good" / f"copy{number}.png")
    # Neither does one that the line would not judge, nor one told of twice; the decision says so.
    shutil.copy(unseen[0], copied / "validation" / "good" / "twice.png")
    cv2.imwrite(str(copied / "validation" / "good" / "black.png"), np.zeros((SIDE, SIDE, 3), np.uint8))
    again = choose_from_images(bundle, copied, ThresholdSettings())
    assert f"images left out: {again.left_out}" in again.how
    repeated = len(files) - len(unseen) + 1
    assert again.left_out == f"{len(seen)} used by training, {repeated} repeated, 1 unfit to be judged"
    assert choice.left_out == f"{len(seen)} used by training"
    assert again.keys[KEY].numbers["good"] == len(unseen)
    for key, limits in choice.limits.items():
        assert again.limits[key].threshold == pytest.approx(limits.threshold, rel=SAME)


def test_the_decision_tells_all_that_an_auditor_asks(bundle: Bundle, data: Path) -> None:
    """n, method, rate, interval, supportable rate, seed, date; every key; and how many parts it takes."""
    choice = choose_from_images(bundle, data, ThresholdSettings(seed=5))
    after = put_in_force(bundle, choice, why="first parts", by="tech").decision
    count = choice.keys[KEY].numbers["good"]
    for text in (
        "method quantile",
        "false-reject rate 1 %",
        f"{count} good images that neither training nor stopping used and 4 defective",
        "95 % interval",
        f"(1 - 0.05^(1/{count}))",
        "seed 5",
        "202",
        *bundle.decision.limits,
    ):
        assert text in after.how
    assert "not 1 %: that takes 299 parts" in after.provisional
    assert set(after.limits) == set(bundle.decision.limits)
    assert (after.version, after.by) == (bundle.decision.version + 1, "tech")


def test_a_rate_that_the_sample_supports_is_complete(bundle: Bundle, data: Path) -> None:
    """Ten parts support 30 %."""
    choice = choose_from_images(bundle, data, ThresholdSettings(false_reject_rate=0.4))
    assert choice.provisional == ""


def test_what_a_defect_is_drawn_by_comes_from_masks(bundle: Bundle, data: Path) -> None:
    """And is never over the edge from which parts are not accepted."""
    choice = choose_from_images(bundle, data, ThresholdSettings(recheck=0.1))
    limits = choice.limits[KEY]
    assert limits.pixel_threshold is not None
    assert limits.pixel_threshold <= limits.threshold * 0.9
    assert 0 < choice.keys[KEY].numbers["pixel_by_masks"]["f1"] <= 1
    assert limits.recheck == 0.1


def test_the_band_in_force_stays_and_masks_choose_what_is_drawn(bundle: Bundle, data: Path) -> None:
    """Parts that were rechecked are not accepted because the threshold was chosen anew."""
    limits: dict[str, Limits] = {}
    for key, old in bundle.decision.limits.items():
        values = {"recheck": 0.1, "pixel_threshold": old.threshold * 0.7, "low_limit": 0.0}
        limits[key] = Limits.model_validate({**old.model_dump(), **values})
    bundle = adjust_limits(bundle.folder, limits, how="test", why="test", by="test")
    after = choose_from_images(bundle, data, ThresholdSettings()).limits
    assert {each.recheck for each in after.values()} == {0.1}
    assert after[KEY].pixel_threshold != limits[KEY].pixel_threshold


@pytest.mark.parametrize(
    "settings",
    [
        {"method": "best-f1"},
        {"method": "no-misses"},
        {"method": "least-cost", "escape_cost": 100, "false_reject_cost": 1},
    ],
)
def test_labelled_defects_choose_and_their_confusion_is_told(
    bundle: Bundle, data: Path, settings: dict[str, object]
) -> None:
    """On the sample, with intervals; nothing of test/ is touched."""
    choice = choose_from_images(bundle, data, ThresholdSettings.model_validate(settings))
    numbers = choice.keys[KEY].numbers
    assert numbers["defective"] == 4
    assert numbers["misses"]["high"] > numbers["misses"]["share"]
    assert "on the very sample that chose it" in choice.how
    assert choice.limits[KEY].threshold == numbers["threshold"] > choice.limits[KEY].low_limit
    assert "good parts support a false-reject rate" in choice.provisional
    assert f"{numbers['misses']['found']} of 4 defective parts missed" in choice.provisional
    assert choice.reserved == ()


def test_defects_of_test_are_taken_only_when_asked_and_reserved(
    bundle: Bundle, data: Path, tmp_path: Path
) -> None:
    """Half of them, named in the decision for evaluate to leave out; the next choice takes the same half."""
    data = Path(shutil.copytree(data, tmp_path / "data"))
    shutil.rmtree(data / "validation" / "spot")
    settings = ThresholdSettings(method="best-f1")
    with pytest.raises(CalibrationError, match="--reserve-test"):
        choose_from_images(bundle, data, settings)
    asked = settings.model_copy(update={"reserve_test": True})
    choice = choose_from_images(bundle, data, asked)
    ids = {file_id(file)[:16]: file.parent.name for file in (data / "test").glob("*/*.png")}
    assert sorted(ids[name] for name in choice.reserved) == ["good"] * 3 + ["spot"] * 3
    after = put_in_force(bundle, choice, why="x", by="x")
    assert after.decision.reserved == choice.reserved
    assert set(choice.reserved) < set(choice.chosen_by) <= set(after.decision.chosen_by)
    assert choose_from_images(after, data, asked.model_copy(update={"seed": 3})).reserved == choice.reserved


def empty(data: Path) -> None:
    for file in [*(data / "train" / "good").iterdir(), *(data / "validation" / "good").iterdir()]:
        file.unlink()


def spoil(data: Path) -> None:
    (data / "validation" / "good" / "v0.png").write_bytes(b"not an image")


def of_another_camera(data: Path) -> None:
    cv2.imwrite(str(data / "validation" / "good" / "v0.png"), np.zeros((20, 30, 3), np.uint8))


@pytest.mark.parametrize(
    ("harm", "text"),
    [
        (empty, "no good image that training did not use"),
        (spoil, r"v0\.png: cannot be read"),
        (of_another_camera, r"v0\.png: wrong size: 20x30x3"),
        (shutil.rmtree, "no such folder"),
    ],
)
def test_data_that_decide_nothing_are_refused(
    bundle: Bundle, data: Path, tmp_path: Path, harm: Callable[[Path], None], text: str
) -> None:
    """With the file or folder and the remedy; the decision in force stays."""
    data = Path(shutil.copytree(data, tmp_path / "data"))
    harm(data)
    with pytest.raises(CalibrationError, match=text):
        choose_from_images(bundle, data, ThresholdSettings())


def test_one_unseen_part_supports_next_to_nothing(bundle: Bundle, data: Path, tmp_path: Path) -> None:
    """It gives a threshold all the same, and the decision says what it is worth."""
    data = Path(shutil.copytree(data, tmp_path / "data"))
    empty(data)
    shutil.copy(min((data / "test" / "good").iterdir()), data / "validation" / "good" / "one.png")
    shutil.rmtree(data / "test")
    choice = choose_from_images(bundle, data, ThresholdSettings())
    assert choice.keys[KEY].numbers["good"] == 1
    assert choice.provisional.startswith("1 good parts support a false-reject rate of 95 % at the best")


@pytest.mark.system
def test_folds_score_every_good_part_by_a_sibling(
    bundle: Bundle, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those that trained the bundle too; it is said, compared, and stays provisional whatever the rate."""
    monkeypatch.setattr(decide, "MOST_DIFFERENT", 1000.0)  # after two passes, every model is another
    seen: list[tuple[float, float, str]] = []
    settings = ThresholdSettings(folds=2, false_reject_rate=0.4)
    choice = choose_from_images(
        bundle, data, settings, lambda done, total, text, _left: seen.append((done, total, text))
    )
    numbers = choice.keys[KEY].numbers
    assert numbers["good"] == len(choice.chosen_by) == 15 + 8
    assert len(numbers["quantile"]["interval"]) == 2
    assert "sibling models" in choice.how
    assert "production must confirm" in choice.provisional
    assert choice.numbers["sibling_to_own_median"] > 0
    done, total, _ = zip(*(each for each in seen if each[2].startswith("sibling")), strict=True)
    assert list(done) == sorted(done)
    assert done[-1] == total[-1]
    assert seen[22] == (23, 23, "reading")
    again = choose_from_images(bundle, data, settings)
    assert (choice.numbers["resumed"], again.numbers["resumed"]) == (0, 2), (
        "what is there is not trained again"
    )
    assert again.limits == choice.limits


def test_too_few_images_for_folds_are_refused(bundle: Bundle, data: Path, tmp_path: Path) -> None:
    """A sibling trained on nothing scores nothing."""
    data = Path(shutil.copytree(data, tmp_path / "data"))
    shutil.rmtree(data / "validation")
    with pytest.raises(CalibrationError, match="15 good images are too few for 2 folds"):
        choose_from_images(bundle, data, ThresholdSettings(folds=2))
