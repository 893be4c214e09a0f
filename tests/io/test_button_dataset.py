"""The data set writer: layout, disjoint parts, and nothing overwritten."""

from __future__ import annotations

import csv
from pathlib import Path

import cv2
import numpy as np
import pytest

from inspectd.io.button_dataset import write_dataset
from inspectd.io.buttons import DEFECT_KINDS, render_part
from inspectd.io.errors import DeviceError


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("buttons")
    write_dataset(folder, seed=4, good=5, test_good=3, test_defective=12, size=128)
    return folder


def test_layout_is_that_of_mvtec(dataset: Path) -> None:
    """Good parts and kinds lie in their folders, and every defective part has a mask of the same number."""
    assert len(list((dataset / "train" / "good").glob("*.png"))) == 5
    assert len(list((dataset / "test" / "good").glob("*.png"))) == 3
    assert not (dataset / "ground_truth" / "good").exists()
    pictures = {f"{p.parent.name}/{p.stem}" for p in dataset.glob("test/*/*.png") if p.parent.name != "good"}
    masks = {
        f"{p.parent.name}/{p.stem.removesuffix('_mask')}" for p in dataset.glob("ground_truth/*/*_mask.png")
    }
    assert len(pictures) == 12
    assert pictures == masks
    assert {name.split("/")[0] for name in pictures} <= set(DEFECT_KINDS)


def test_no_part_is_in_training_and_test(dataset: Path) -> None:
    train = {p.stem for p in dataset.glob("train/*/*.png")}
    test = {p.stem for p in dataset.glob("test/*/*.png")}
    assert len(train) + len(test) == 20
    assert not train & test


def test_truth_and_pixels_are_those_of_the_generator(dataset: Path) -> None:
    """`truth.csv` names every picture; picture, mask, kind and size are what render_part gives, in RGB."""
    with (dataset / "truth.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert {row["file"] for row in rows} == {
        p.relative_to(dataset).as_posix()
        for split in ("train", "test")
        for p in dataset.glob(f"{split}/*/*.png")
    }
    for row in rows[3:12]:
        rate = 0.0 if row["kind"] == "good" else 1.0
        pixels, mask, truth = render_part(4, int(row["part"]), rate, 128)
        stored = cv2.imread(str(dataset / row["file"]), cv2.IMREAD_COLOR)
        np.testing.assert_array_equal(cv2.cvtColor(np.asarray(stored), cv2.COLOR_BGR2RGB), pixels)
        assert float(row["size"]) == pytest.approx(truth.size, abs=1e-4)
        assert row["kind"] == (truth.kind or "good")
        if truth.kind is not None:
            file = dataset / "ground_truth" / truth.kind / f"{int(row['part']):06d}_mask.png"
            np.testing.assert_array_equal(cv2.imread(str(file), cv2.IMREAD_UNCHANGED), mask * np.uint8(255))


def test_refuses_a_folder_that_holds_something(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(DeviceError, match="not an empty folder"):
        write_dataset(tmp_path, 1, 1, 0, 0, 128)
    assert [p.name for p in tmp_path.iterdir()] == ["notes.txt"]


def test_says_why_it_cannot_write(tmp_path: Path) -> None:
    """A path below a file is an error that names the folder."""
    (tmp_path / "file").write_text("")
    with pytest.raises(DeviceError, match=r"cannot write .*file/data"):
        write_dataset(tmp_path / "file" / "data", 1, 1, 0, 0, 128)


def test_tells_its_progress(tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    write_dataset(tmp_path / "data", 1, 2, 1, 1, 128, progress=lambda done, total: seen.append((done, total)))
    assert seen == [(1, 4), (2, 4), (3, 4), (4, 4)]
