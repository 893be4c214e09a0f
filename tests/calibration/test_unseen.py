"""Which images limits may be chosen by: those that trained the model, or measure it, never."""

from __future__ import annotations

import dataclasses
import shutil
from importlib.resources import files
from pathlib import Path

import pytest
from pydantic import JsonValue

from inspectd.calibration.errors import CalibrationError
from inspectd.calibration.layout import read_layout
from inspectd.calibration.unseen import Unseen, good_outside_test, unseen_images
from inspectd.inference.bundle import Bundle, load_bundle
from inspectd.inference.documents import file_id

SHIPPED = Path(str(files("inspectd.configs") / "bundles" / "buttons"))


def put(file: Path, content: str) -> str:
    """Write a file; return its id. What stands in it is no matter here."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(content)
    return file_id(file)[:16]


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Good a to h in train, v and w in validation, two defective; test has good ones and two kinds."""
    for name in "abcdefgh":
        put(tmp_path / "data" / "train" / "good" / f"{name}.png", name)
    for name in "vw":
        put(tmp_path / "data" / "validation" / "good" / f"{name}.png", name)
        put(tmp_path / "data" / "validation" / "scratch" / f"{name}.png", f"scratched {name}")
    for number in range(6):
        put(tmp_path / "data" / "test" / "good" / f"{number}.png", f"good {number}")
        put(tmp_path / "data" / "test" / "dent" / f"{number}.png", f"dent {number}")
    put(tmp_path / "data" / "test" / "crack" / "0.png", "crack 0")
    return tmp_path / "data"


def bundle_of(data: Path, train: str = "abcd", stopping: str = "ef", **decision: object) -> Bundle:
    """A bundle that says it was trained by those images of train/good."""
    ids = {name: file_id(data / "train" / "good" / f"{name}.png")[:16] for name in train + stopping}
    images: dict[str, JsonValue] = {"train": [ids[n] for n in train], "stopping": [ids[n] for n in stopping]}
    shipped = load_bundle(SHIPPED)
    return dataclasses.replace(
        shipped,
        manifest=shipped.manifest.model_copy(update={"training": {"images": images}}),
        decision=shipped.decision.model_copy(update=decision),
    )


def contents(unseen: Unseen) -> set[str]:
    return {image.file.read_text() for image in unseen.good}


def test_training_and_stopping_are_left_out(data: Path) -> None:
    """What remains: the part held out for the threshold, and validation/good."""
    unseen = unseen_images(bundle_of(data), read_layout(data))
    assert contents(unseen) == {"g", "h", "v", "w"}
    assert {image.file.read_text() for image in unseen.defective} == {"scratched v", "scratched w"}
    assert (unseen.used_by_training, unseen.also_in_test, unseen.repeated) == (6, 0, 0)
    assert unseen.training_found
    assert unseen.reserved == ()


@pytest.mark.parametrize("name", ["a", "e"])
def test_a_copy_of_a_training_image_is_one_too(data: Path, name: str) -> None:
    """Under another name, in validation/good: told by content."""
    shutil.copy(data / "train" / "good" / f"{name}.png", data / "validation" / "good" / "new.png")
    assert contents(unseen_images(bundle_of(data), read_layout(data))) == {"g", "h", "v", "w"}


def test_equal_images_count_once(data: Path) -> None:
    """Two copies of one part are not two parts."""
    shutil.copy(data / "validation" / "good" / "v.png", data / "validation" / "good" / "x.png")
    shutil.copy(data / "validation" / "good" / "v.png", data / "train" / "good" / "x.png")
    unseen = unseen_images(bundle_of(data), read_layout(data))
    assert len(unseen.good) == 4
    assert unseen.repeated == 2


def test_what_measures_does_not_choose(data: Path) -> None:
    """An image of validation/ that also stands in test/ is left out."""
    shutil.copy(data / "test" / "good" / "0.png", data / "validation" / "good" / "x.png")
    shutil.copy(data / "test" / "dent" / "0.png", data / "validation" / "scratch" / "x.png")
    unseen = unseen_images(bundle_of(data), read_layout(data))
    assert contents(unseen) == {"g", "h", "v", "w"}
    assert len(unseen.defective) == 2
    assert unseen.also_in_test == 2


def test_half_of_each_kind_is_reserved(data: Path) -> None:
    """Good ones too; a kind of one stays to measure on; another seed reserves others."""
    bundle, layout = bundle_of(data), read_layout(data)
    unseen = unseen_images(bundle, layout, reserve_test=True, seed=1)
    kinds = [image.label.kind for image in unseen.defective if image.id in unseen.reserved]
    assert kinds == ["dent"] * 3
    assert sum(text.startswith("good ") for text in contents(unseen)) == 3
    assert len(unseen.reserved) == 6
    assert unseen_images(bundle, layout, reserve_test=True, seed=1) == unseen
    others = {unseen_images(bundle, layout, reserve_test=True, seed=seed).reserved for seed in range(5)}
    assert len(others) > 1


def test_what_was_reserved_before_is_reserved_again(data: Path) -> None:
    """Whatever the seed: otherwise, choice by choice, all of test/ would be used up."""
    layout = read_layout(data)
    first = unseen_images(bundle_of(data), layout, reserve_test=True, seed=1).reserved
    bundle = bundle_of(data, reserved=first)
    for seed in range(5):
        assert unseen_images(bundle, layout, reserve_test=True, seed=seed).reserved == first


def test_a_reserved_image_that_trained_is_still_none_to_choose_by(data: Path) -> None:
    """Copies of training images in test/ stay out of the sample."""
    for number in range(6):
        shutil.copy(
            data / "train" / "good" / f"{'abcdef'[number]}.png", data / "test" / "good" / f"{number}.png"
        )
    unseen = unseen_images(bundle_of(data), read_layout(data), reserve_test=True)
    assert contents(unseen) == {"g", "h", "v", "w"}


def test_one_content_under_two_labels_is_refused(data: Path) -> None:
    """Good or defective: one of the two is wrong, and both files are named."""
    shutil.copy(data / "validation" / "good" / "v.png", data / "validation" / "scratch" / "x.png")
    with pytest.raises(CalibrationError, match=r"x\.png: has the same content as .*v\.png, once good"):
        unseen_images(bundle_of(data), read_layout(data))


def test_nothing_to_reserve_is_said(data: Path) -> None:
    """Single images of each kind cannot be halved."""
    shutil.rmtree(data / "test" / "dent")
    with pytest.raises(CalibrationError, match=r"no half to\s+reserve"):
        unseen_images(bundle_of(data), read_layout(data), reserve_test=True)


@pytest.mark.parametrize(
    "training", [{}, {"images": 3}, {"images": {"train": ["a"]}}, {"images": {"train": []}}]
)
def test_a_bundle_that_does_not_say_what_trained_it_is_refused(
    data: Path, training: dict[str, JsonValue]
) -> None:
    """No image can be called unseen by it."""
    bundle = bundle_of(data)
    silent = dataclasses.replace(bundle, manifest=bundle.manifest.model_copy(update={"training": training}))
    with pytest.raises(CalibrationError, match="does not name the images"):
        unseen_images(silent, read_layout(data))


def test_foreign_data_are_noticed(data: Path) -> None:
    """None of the training's images among them: perhaps the same ones saved anew, which no hash tells."""
    bundle = bundle_of(data)
    for name in "abcdef":
        put(data / "train" / "good" / f"{name}.png", f"{name} saved anew")
    assert not unseen_images(bundle, read_layout(data)).training_found


def test_folds_take_all_good_images_outside_test(data: Path) -> None:
    """Those that trained the bundle too: each sibling leaves its own fold out."""
    shutil.copy(data / "test" / "good" / "0.png", data / "train" / "good" / "x.png")
    found = {image.file.read_text() for image in good_outside_test(read_layout(data))}
    assert found == {*"abcdefghvw"}
