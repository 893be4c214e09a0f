"""The check of a data folder: silent on a clean one, and each thing wrong is found, named and mended."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
from data_set import GOOD, other_product, part, write_data_set, write_defective, write_image
from data_spoilers import SPOILED, copy, move

from inspectd.calibration.data_check import DataReport, check_data
from inspectd.calibration.findings import Finding


@pytest.fixture(scope="session")
def clean_set(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data set on which nothing is wrong."""
    folder = tmp_path_factory.mktemp("clean") / "disk"
    write_data_set(folder)
    return folder


@pytest.fixture
def folder(clean_set: Path, tmp_path: Path) -> Path:
    """A copy of it, to spoil."""
    return Path(shutil.copytree(clean_set, tmp_path / "disk"))


def told(report: DataReport, folder: Path) -> list[tuple[str, str, str]]:
    """Severity, code and file inside the folder of each finding."""
    return [
        (found.severity, found.code, str(Path(found.file).relative_to(folder))) for found in report.findings
    ]


def test_a_clean_set_yields_nothing(clean_set: Path) -> None:
    """Counts, size and what the threshold's share supports are told, and every image was counted."""
    steps: list[tuple[int, int]] = []
    report = check_data(clean_set, advance=lambda done, total: steps.append((done, total)))
    assert report.findings == ()
    assert report.counts == {
        "train": {"good": GOOD},
        "validation": {"good": 4, "spot": 4},
        "test": {"good": 4, "spot": 4},
    }
    assert (report.form, report.size, report.sizes) == ("mvtec", (48, 48), 1)
    assert report.threshold_parts == 9
    assert report.supported_rate == pytest.approx(1 - 0.05 ** (1 / 9))
    assert steps == [(done, GOOD + 16) for done in range(1, GOOD + 17)]
    assert json.loads(json.dumps(report.to_json()))["ok"] is True


def test_a_clean_plain_folder_and_a_clean_list_yield_nothing(clean_set: Path, tmp_path: Path) -> None:
    """The same images, read in the two other ways."""
    assert check_data(clean_set / "train" / "good").findings == ()
    rows = [f"{file},good" for file in sorted((clean_set / "train" / "good").iterdir())]
    for seed in range(450, 454):
        mask = clean_set / "ground_truth" / "spot" / f"{seed}_mask.png"
        rows.append(f"{clean_set / 'test' / 'spot' / f'{seed}.png'},spot,test,{mask}")
    source = tmp_path / "list.csv"
    source.write_text("\n".join(["path,label,split,mask", *rows]))
    report = check_data(source)
    assert report.findings == ()
    assert report.counts["test"] == {"spot": 4}


@pytest.mark.parametrize("name", SPOILED)
def test_each_thing_wrong_is_found(folder: Path, name: str) -> None:
    """Once, at its place, with a remedy; and nothing else is found that is not there."""
    spoil, *expected = SPOILED[name]
    spoil(folder)
    report = check_data(folder)
    assert told(report, folder) == [tuple(expected)]
    assert report.findings[0].remedy.endswith(".")
    assert report.errors == (expected[0] == "error")


def test_everything_is_told_at_once(folder: Path) -> None:
    """Three spoiled images and a folder, errors first."""
    for name in ("not an image", "another product", "misspelt place", "empty mask", "mask alone"):
        SPOILED[name][0](folder)
    report = check_data(folder)
    codes = {"unreadable", "stranger", "misspelt_folder", "mask_empty", "mask_unused"}
    assert {found.code for found in report.findings} == codes
    severities = [found.severity for found in report.findings]
    assert severities == sorted(severities)


def test_each_split_may_have_masks_of_its_own(folder: Path) -> None:
    """Then two images of one name are two images, and nothing is wrong."""
    move("validation/spot/350.png", "validation/spot/450.png")(folder)
    move("ground_truth/spot/350_mask.png", "validation/ground_truth/spot/450_mask.png")(folder)
    report = check_data(folder)
    assert report.findings == ()
    assert report.counts["validation"] == {"good": 4, "spot": 4}


def test_a_copy_shares_its_mask_by_right(folder: Path) -> None:
    """That it stands in validation/ and in test/ is told, its mask is right for both."""
    copy("test/spot/450.png", "validation/spot/450.png")(folder)
    assert told(check_data(folder), folder) == [("error", "validation_in_test", "test/spot/450.png")]


def test_the_remedy_for_a_shared_mask_names_a_place_that_is_read(folder: Path) -> None:
    """The test image's own ground_truth goes before the common one."""
    SPOILED["one mask for two"][0](folder)
    (found,) = check_data(folder).findings
    place = folder / "test" / "ground_truth" / "spot"
    assert str(place) in found.remedy
    copy("ground_truth/spot/450_mask.png", str(place / "450_mask.png"))(folder)
    assert check_data(folder).findings == ()


def test_the_same_picture_good_and_defective(folder: Path) -> None:
    """One of the two labels is wrong; nearly the same is not told beside it."""
    copy("train/good/003.png", "test/spot/x.png")(folder)
    found = told(check_data(folder), folder)
    assert ("error", "two_labels", "test/spot/x.png") in found
    assert {code for _, code, _ in found} == {"two_labels", "no_mask"}


def test_test_images_may_be_alike(folder: Path) -> None:
    """The same defective part in several pictures is no mistake, as long as none of them trains."""
    for quality in (85, 95):
        file = str(folder / f"test/good/{quality}.jpg")
        assert cv2.imwrite(file, part(400), [cv2.IMWRITE_JPEG_QUALITY, quality])
    assert check_data(folder).findings == ()


def test_a_training_folder_misspelt(folder: Path) -> None:
    """Training would find no image at all: the check says which folder it should rename."""
    move("train/good", "train/Good")(folder)
    found = told(check_data(folder), folder)
    assert found[:2] == [("error", "misspelt_folder", "train/Good"), ("error", "too_few", ".")]


def test_mixed_sizes_are_allowed_on_request(folder: Path) -> None:
    """As `train --mixed-sizes` allows them; masks are still held against their own image."""
    SPOILED["size"][0](folder)
    assert check_data(folder, mixed_sizes=True).findings == ()
    SPOILED["mask of other size"][0](folder)
    assert [found.code for found in check_data(folder, mixed_sizes=True).findings] == ["mask_unusable"]


def test_many_sizes_are_told_in_one_line(folder: Path) -> None:
    """With how many, and from which to which."""
    for seed in range(30):
        pixels = np.asarray(cv2.resize(part(seed), (48, 40 + seed % 4)), np.uint8)
        write_image(folder / f"train/good/{seed:03}.png", pixels)
    (found,) = [found for found in check_data(folder).findings if found.code == "size"]
    assert "30 of 76 images differ from the usual size, 48x48 px" in found.what
    assert "from 48x40 px to 48x48 px" in found.what


def count_to(folder: Path, count: int) -> list[Finding]:
    for file in sorted((folder / "train/good").iterdir())[count:]:
        file.unlink()
    return [found for found in check_data(folder).findings if found.code in {"few", "too_few"}]


@pytest.mark.parametrize(("count", "code"), [(50, None), (49, "few"), (10, "few"), (9, "too_few")])
def test_few_images(folder: Path, count: int, code: str | None) -> None:
    """Under 10 training refuses; under 50 the check says what so few can prove."""
    found = count_to(folder, count)
    assert [each.code for each in found] == ([code] if code else [])
    if code == "few":
        parts, rate = (8, "31%") if count == 49 else (2, "78%")
        assert f"{parts} of them set the threshold" in found[0].what
        assert found[0].what.endswith(f"below {rate}")


def test_no_such_folder(tmp_path: Path) -> None:
    """One finding, not an exception."""
    report = check_data(tmp_path / "nowhere")
    assert [found.code for found in report.findings] == ["layout"]
    assert (report.errors, report.supported_rate) == (1, None)


def test_a_list_with_everything_wrong(clean_set: Path, tmp_path: Path) -> None:
    """Rows, files that are not there, masks of good images: all at once."""
    good = [f"{file},good,," for file in sorted((clean_set / "train/good").iterdir())]
    mask = clean_set / "ground_truth/spot/451_mask.png"
    test = clean_set / "test/good"
    wrong = ["gone.png,good,,", "x.png,spot,train,", f"{test / '400.png'},good,test,{mask}"]
    wrong.append(f"{test / '401.png'},OK,test,")
    source = tmp_path / "list.csv"
    source.write_text("\n".join(["path,label,split,mask", *good, *wrong]))
    found = [(each.severity, each.code) for each in check_data(source).findings]
    errors = [("error", code) for code in ("layout", "misspelt_label", "unreadable")]
    assert found == [*errors, ("warning", "mask_of_good")]


def test_a_kind_without_any_mask_is_told_once(folder: Path) -> None:
    """Not once an image."""
    for seed in range(4):
        write_defective(folder, "test", 500 + seed, "dent")
        (folder / f"ground_truth/dent/{500 + seed}_mask.png").unlink()
    report = check_data(folder)
    assert told(report, folder) == [("warning", "no_mask", "test/dent")]
    assert "none of 4 images of 'dent'" in report.findings[0].what


@pytest.mark.parametrize("place", [0, 17, 59])
def test_one_image_of_another_product_is_named(folder: Path, place: int) -> None:
    """Wherever it stands, and no good one with it; among 20 images too."""
    write_image(folder / f"train/good/{place:03}.png", other_product(place))
    expected = [("warning", "stranger", f"train/good/{place:03}.png")]
    assert told(check_data(folder), folder) == expected
    if place == 17:
        count_to(folder, 20)
        assert [found for found in told(check_data(folder), folder) if found[1] == "stranger"] == expected


def test_parts_that_stand_still_are_not_all_near_duplicates(tmp_path: Path) -> None:
    """In a fixture good parts differ by the sensor's noise alone: that is their class, not a mistake."""
    generator = np.random.default_rng(5)
    for number in range(60):
        noisy = part(1) + generator.normal(0, 3, (48, 48, 3))
        write_image(tmp_path / f"{number}.png", np.clip(noisy, 0, 255).astype(np.uint8))
    assert check_data(tmp_path).findings == ()
