"""Which images a data set has: every form that is read, and every mistake that is told."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from data_set import part, write_image

from inspectd.calibration.data import load_good, split_good
from inspectd.calibration.errors import CalibrationError
from inspectd.calibration.layout import read_layout, survey_layout


def touch(folder: Path, *names: str) -> None:
    """Make empty files: a layout opens none."""
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()


def test_a_plain_folder_holds_good_images(tmp_path: Path) -> None:
    """By name, whatever the suffix's case; other files and folders inside are not images."""
    touch(tmp_path, "b.PNG", "a.jpg", "notes.txt", "c.tiff", "inner/d.png")
    layout = read_layout(tmp_path)
    assert (layout.form, layout.validation, layout.test) == ("plain", (), ())
    assert [file.name for file in layout.good] == ["a.jpg", "b.PNG", "c.tiff"]


@pytest.mark.parametrize("good", ["train/good", "good"])
def test_mvtecs_layout_with_validation(tmp_path: Path, good: str) -> None:
    """Each image has its kind; a defective one its mask, with `_mask` in its name or without."""
    touch(tmp_path, f"{good}/1.png", "test/good/2.png", "test/hole/3.png", "test/hole/4.png")
    touch(tmp_path, "validation/good/5.png", "validation/dent/6.png")
    touch(tmp_path, "ground_truth/hole/3_mask.png", "ground_truth/dent/6.png", "ground_truth/good/2_mask.png")
    layout = read_layout(tmp_path)
    assert layout.form == "mvtec"
    assert [file.name for file in layout.good] == ["1.png"]
    test = {entry.file.name: (entry.kind, entry.mask, entry.defective) for entry in layout.test}
    assert test == {
        "2.png": ("good", None, False),
        "3.png": ("hole", tmp_path / "ground_truth/hole/3_mask.png", True),
        "4.png": ("hole", None, True),
    }
    validation = {entry.file.name: (entry.kind, entry.mask) for entry in layout.validation}
    assert validation == {
        "6.png": ("dent", tmp_path / "ground_truth/dent/6.png"),
        "5.png": ("good", None),
    }


def test_masks_of_a_splits_own_go_before_the_common_ones(tmp_path: Path) -> None:
    """Two images of one name have two masks; `ground_truth` inside of a split is no kind of defect."""
    touch(tmp_path, "train/good/1.png", "test/dent/3.png", "validation/dent/3.png", "validation/dent/4.png")
    touch(tmp_path, "ground_truth/dent/3_mask.png", "ground_truth/dent/4_mask.png")
    touch(tmp_path, "validation/ground_truth/dent/3.png")
    layout = read_layout(tmp_path)
    assert [(entry.kind, entry.mask) for entry in layout.validation] == [
        ("dent", tmp_path / "validation/ground_truth/dent/3.png"),
        ("dent", tmp_path / "ground_truth/dent/4_mask.png"),
    ]
    assert [entry.mask for entry in layout.test] == [tmp_path / "ground_truth/dent/3_mask.png"]


def test_good_images_beside_a_test_folder(tmp_path: Path) -> None:
    """Without train/good the images of the folder itself are the good ones."""
    touch(tmp_path, "1.png", "test/hole/2.png")
    layout = read_layout(tmp_path)
    assert (layout.form, len(layout.good), len(layout.test)) == ("mvtec", 1, 1)


def write_csv(folder: Path, *rows: str, head: str = "path,label,split,mask") -> Path:
    source = folder / "list.csv"
    source.write_text("\n".join([head, *rows]), encoding="utf-8-sig")
    return source


def test_a_csv_list(tmp_path: Path) -> None:
    """Paths from its own folder; good images train unless told otherwise, defective ones test."""
    rows = (
        "a/1.png,good",
        "2.png,good,test",
        "3.png,dent,,m/3.png",
        "4.png,dent,validation",
        " 5.png , good ,",
    )
    layout = read_layout(write_csv(tmp_path, *rows))
    assert layout.form == "csv"
    assert layout.good == (tmp_path / "a/1.png", tmp_path / "5.png")
    assert [(entry.file.name, entry.kind) for entry in layout.test] == [("2.png", "good"), ("3.png", "dent")]
    assert layout.test[1].mask == tmp_path / "m/3.png"
    assert [(entry.file.name, entry.kind, entry.mask) for entry in layout.validation] == [
        ("4.png", "dent", None)
    ]


@pytest.mark.parametrize(
    ("row", "text"),
    [
        (",good", r"csv:2: path or label is empty\. Fill in both"),
        ("1.png,", r"csv:2: path or label is empty"),
        ("1.png,dent,train", r"csv:2: split 'train' for label 'dent'\. Choose train \(good images only\)"),
        ("1.png,good,trian", r"csv:2: split 'trian' for label 'good'"),
    ],
)
def test_a_wrong_row_is_named_by_its_line(tmp_path: Path, row: str, text: str) -> None:
    """With what would be right."""
    with pytest.raises(CalibrationError, match=text):
        read_layout(write_csv(tmp_path, row))


def test_a_csv_without_its_columns(tmp_path: Path) -> None:
    """The first line must name them."""
    with pytest.raises(CalibrationError, match=r"csv:1: has no columns path and label"):
        read_layout(write_csv(tmp_path, "1.png,good", head="file,kind"))


def test_a_csv_in_another_encoding(tmp_path: Path) -> None:
    """Not UTF-8: told, with the remedy."""
    source = tmp_path / "list.csv"
    source.write_bytes("path,label\nmüll.png,good\n".encode("utf-16"))
    with pytest.raises(CalibrationError, match=r"cannot be read .* Save it as CSV in UTF-8"):
        read_layout(source)


def test_no_such_folder(tmp_path: Path) -> None:
    """A name that is nowhere, or a file that is no list."""
    touch(tmp_path, "notes.txt")
    for source in (tmp_path / "nowhere", tmp_path / "notes.txt"):
        with pytest.raises(CalibrationError, match="no such folder"):
            read_layout(source)


def test_images_beside_the_kinds(tmp_path: Path) -> None:
    """Nothing says what they show."""
    touch(tmp_path, "train/good/1.png", "test/2.png")
    with pytest.raises(CalibrationError, match=r"2\.png: lies beside .* test/good or test/<kind>"):
        read_layout(tmp_path)


def test_a_survey_tells_every_problem_and_keeps_the_rest(tmp_path: Path) -> None:
    """What cannot be read is left out; nothing raises."""
    source = write_csv(tmp_path, ",good", "1.png,good", "2.png,good,nowhere", "3.png,dent,train")
    layout, problems = survey_layout(source)
    assert [problem.where for problem in problems] == [f"{source}:{line}" for line in (2, 4, 5)]
    assert layout.good == (tmp_path / "1.png",)
    touch(tmp_path, "train/good/1.png", "test/2.png", "test/hole/3.png", "validation/4.png")
    layout, problems = survey_layout(tmp_path)
    assert len(problems) == 2
    assert [entry.file.name for entry in layout.test] == ["3.png"]


# --- the three parts of the good images -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("count", "train", "stopping", "threshold"),
    [(10, 6, 2, 2), (20, 16, 2, 2), (100, 80, 5, 15), (1000, 800, 50, 150), (2000, 1600, 64, 336)],
)
def test_good_images_are_split_by_shares(count: int, train: int, stopping: int, threshold: int) -> None:
    """A fifth is held out; each image is in one part alone; a seed splits always the same."""
    split = split_good(count, 3)
    assert (len(split.train), len(split.stopping), len(split.threshold)) == (train, stopping, threshold)
    every = np.concatenate([split.train, split.stopping, split.threshold])
    assert sorted(every.tolist()) == list(range(count))
    again, other = split_good(count, 3), split_good(count, 4)
    for name in ("train", "stopping", "threshold"):
        part = getattr(split, name)
        assert np.array_equal(part, getattr(again, name))
        assert np.array_equal(part, np.sort(part))
    assert not np.array_equal(split.threshold, other.threshold)


def test_a_split_is_what_it_was() -> None:
    """A bundle's threshold was taken from these images: no later version may split otherwise."""
    split = split_good(20, 0)
    assert (split.stopping.tolist(), split.threshold.tolist()) == ([4, 19], [2, 6])


def test_a_picture_counts_once_and_not_if_it_is_measured_on(tmp_path: Path) -> None:
    """Told by content: a copy in train/good is no second part, and what stands in test/ trains nothing."""
    for seed in range(14):
        write_image(tmp_path / "train" / "good" / f"{seed:02}.png", part(seed))
    shutil.copy(tmp_path / "train" / "good" / "03.png", tmp_path / "train" / "good" / "copy.png")
    (tmp_path / "test" / "good").mkdir(parents=True)
    shutil.copy(tmp_path / "train" / "good" / "05.png", tmp_path / "test" / "good" / "00.png")
    good = load_good(tmp_path, 32)
    assert [file.stem for file in good.files] == [f"{seed:02}" for seed in range(14) if seed != 5]
    assert len(set(good.ids)) == len(good.ids) == len(good.images) == 13
    assert good.left_out == 2
