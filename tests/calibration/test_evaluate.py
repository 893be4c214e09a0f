"""AUROCs by histogram and by rank, against scikit-learn; groups by kind and by size; incomplete data."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, cast

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from sklearn import metrics

from inspectd.calibration.data import load_good
from inspectd.calibration.errors import CalibrationError
from inspectd.calibration.evaluate import (
    EvaluateReport,
    PixelHistogram,
    evaluate,
    image_auroc,
    longest_extent,
    measure,
    read_samples,
)
from inspectd.calibration.layout import read_layout
from inspectd.inference.prepare import learn_preparation
from inspectd.inference.runtime import Inference, RuntimeSettings

SIZE = 48
roc_auc_score = cast("Any", metrics).roc_auc_score


class Darkness:
    """Scores an image by its darkness: what the synthetic spots are."""

    name = "openvino"
    precision = "float32"

    def infer(self, image: NDArray[np.uint8]) -> Inference:
        amap = (255 - image.mean(axis=3)).astype(np.float32) / 255
        return Inference(amap, amap.max(axis=(1, 2)), image)

    def close(self) -> None:
        """Nothing to free."""


def report_on(folder: Path) -> EvaluateReport:
    good = load_good(folder, SIZE)
    preparation = learn_preparation(list(good.images), good.camera_size)
    tests = read_layout(folder).test
    return measure(read_samples(tests), len(tests), preparation, SIZE, Darkness())


@settings(deadline=None, max_examples=10)
@given(seed=st.integers(0, 2**32 - 1), share=st.floats(0.05, 0.9), ties=st.booleans())
def test_the_histogram_gives_scikit_learns_pixel_auroc(seed: int, share: float, *, ties: bool) -> None:
    """On maps of any scale, with many equal values too, to 1e-4."""
    generator = np.random.default_rng(seed)
    mask = generator.random((2, 40, 30)) < share
    maps = (np.exp(generator.normal(-3, 2, mask.shape)) * (1 + mask)).astype(np.float32)
    if ties:
        maps = np.round(maps, 1)
    histogram = PixelHistogram()
    for amap, truth in zip(maps, mask, strict=True):
        histogram.add(amap, truth)
    assert histogram.auroc() == pytest.approx(roc_auc_score(mask.ravel(), maps.ravel()), abs=1e-4)


def test_pixels_of_good_parts_count_as_good() -> None:
    """A part without a mask adds nothing but negatives."""
    histogram = PixelHistogram()
    histogram.add(np.full((4, 4), 0.2, np.float32), None)
    assert histogram.auroc() is None
    histogram.add(np.full((4, 4), 0.1, np.float32), np.ones((4, 4), np.bool_))
    assert histogram.auroc() == 0.0


def test_image_auroc_is_the_share_of_pairs_in_order() -> None:
    """Ties count half; without one of the sides there is no AUROC."""
    good, defective = np.array([0.1, 0.2, 0.3]), np.array([0.2, 0.4])
    assert image_auroc(good, defective) == pytest.approx((1.5 + 3) / 6)
    assert image_auroc(good, defective[:0]) is None


def test_a_folder_is_measured_by_kind_and_size(data_folder: Path) -> None:
    """Spots are darker than anything good, so every group is told apart perfectly."""
    report = report_on(data_folder)
    assert (report.images, report.good, report.defective, report.without_mask) == (12, 6, 6, 0)
    assert report.image_auroc == report.larger_two_thirds_image_auroc == 1.0
    assert report.pixel_auroc is not None
    assert report.pixel_auroc > 0.99
    assert [(group.name, group.images) for group in report.per_kind] == [("spot", 6)]
    assert [(group.name, group.images) for group in report.per_third] == [
        ("smallest", 2),
        ("middle", 2),
        ("largest", 2),
    ]
    # Rasterised disks of radius 2, 3, 4: up to a pixel less than 2 r + 1 across, and turned by 45 degrees.
    for group, radius in zip(report.per_third, (2, 3, 4), strict=True):
        assert group.largest_size == pytest.approx(2 * radius, abs=1.2)
    assert report.unfit == 0


def test_a_perfect_score_cannot_come_from_a_broken_map(data_folder: Path) -> None:
    """The truth turned round gives the AUROC turned round: the figure depends on the masks."""
    tests = read_layout(data_folder).test
    good = load_good(data_folder, SIZE)
    preparation = learn_preparation(list(good.images), good.camera_size)

    def turned() -> Iterator[Any]:
        for sample in read_samples(tests):
            mask = None if sample.mask is None else ~sample.mask
            yield type(sample)(sample.name, sample.kind, sample.pixels, mask, sample.size)

    report = measure(turned(), len(tests), preparation, SIZE, Darkness())
    assert report.pixel_auroc is not None
    assert report.pixel_auroc < 0.6


def test_defective_images_without_a_mask_count_for_the_image_auroc_alone(
    data_folder: Path, tmp_path: Path
) -> None:
    """Their pixels are of unknown truth, and so is their size."""
    folder = Path(shutil.copytree(data_folder, tmp_path / "data"))
    for file in sorted((folder / "ground_truth" / "spot").iterdir())[:4]:
        file.unlink()
    report = report_on(folder)
    assert (report.defective, report.without_mask) == (6, 4)
    assert report.image_auroc == 1.0
    assert sum(group.images for group in report.per_third) == 2
    shutil.rmtree(folder / "ground_truth")
    assert report_on(folder).pixel_auroc is None


@pytest.mark.parametrize(("height", "width"), [(1, 1), (3, 20), (20, 3)])
def test_a_defects_size_is_its_longest_extent(height: int, width: int) -> None:
    """A line counts by its length, whichever way it lies."""
    mask = np.zeros((40, 40), np.bool_)
    mask[5 : 5 + height, 7 : 7 + width] = True
    assert longest_extent(mask) == pytest.approx(max(height, width), abs=0.01)
    assert longest_extent(np.zeros((4, 4), np.bool_)) is None


def no_tests(folder: Path) -> None:
    shutil.rmtree(folder / "test")


def loose_image(folder: Path) -> None:
    shutil.copy(folder / "test" / "good" / "100.png", folder / "test" / "loose.png")


def broken_mask(folder: Path) -> None:
    (folder / "ground_truth" / "spot" / "201_mask.png").write_bytes(b"")


def small_mask(folder: Path) -> None:
    cv2.imwrite(str(folder / "ground_truth" / "spot" / "201_mask.png"), np.zeros((9, 9), np.uint8))


@pytest.mark.parametrize(
    ("spoil", "text"),
    [
        (loose_image, r"loose\.png: lies beside"),
        (broken_mask, r"201_mask\.png: cannot be read"),
        (small_mask, r"201_mask\.png: 9x9 px, its image has 48x48"),
    ],
)
def test_bad_test_data_is_refused(
    data_folder: Path, tmp_path: Path, spoil: Callable[[Path], None], text: str
) -> None:
    """A figure from data that was only half read would be wrong without a word."""
    folder = Path(shutil.copytree(data_folder, tmp_path / "data"))
    spoil(folder)
    with pytest.raises(CalibrationError, match=text):
        report_on(folder)


def test_a_folder_without_test_images_is_refused(data_folder: Path, tmp_path: Path) -> None:
    """The command says what it looks for, before it opens anything."""
    folder = Path(shutil.copytree(data_folder, tmp_path / "data"))
    no_tests(folder)
    with pytest.raises(CalibrationError, match="no images in test"):
        evaluate(tmp_path, folder, RuntimeSettings())
