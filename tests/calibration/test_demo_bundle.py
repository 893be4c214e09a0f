"""The shipped bundle does what its manifest says, on simulated parts that it has not seen."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from typing import cast

import numpy as np
import pytest
from numpy.typing import NDArray

from inspectd.calibration.evaluate import EvaluateReport, Sample, image_auroc, measure
from inspectd.inference.bundle import Bundle, load_bundle
from inspectd.inference.prepare import resize
from inspectd.inference.runtime import RuntimeSettings, open_runtime
from inspectd.io.buttons import render_part

# `make demo-bundle`: parts of seed 1, the first 400 to train with, then 200 good ones and 200 with a defect.
SEED = 1
TRAINING = range(400)
GOOD, DEFECTIVE = range(400, 600), range(600, 800)
LARGEST_BYTES = 8_000_000


@pytest.fixture(scope="module")
def bundle() -> Bundle:
    """The bundle as the package ships it, every hash checked."""
    return load_bundle(Path(str(files("inspectd.configs"))) / "bundles" / "buttons")


@pytest.fixture(scope="module")
def parts() -> list[tuple[NDArray[np.uint8], float]]:
    """The 400 parts at 224 px and the size of each one's defect in button diameters (good: 0)."""
    return []


def samples(kept: list[tuple[NDArray[np.uint8], float]], size: int) -> Iterator[Sample]:
    for part in (*GOOD, *DEFECTIVE):
        pixels, mask, truth = render_part(SEED, part, float(part in DEFECTIVE))
        kept.append((resize(pixels, size), truth.size))
        kind = truth.kind or "good"
        yield Sample(
            str(part), kind, pixels, mask if truth.kind else None, truth.size if truth.kind else None
        )


@pytest.fixture(scope="module")
def report(bundle: Bundle, parts: list[tuple[NDArray[np.uint8], float]]) -> EvaluateReport:
    """The bundle measured on the 400 parts through OpenVINO."""
    size = bundle.manifest.image_size
    runtime = open_runtime(RuntimeSettings(), bundle.graph_file("float32"), size)
    try:
        return measure(samples(parts, size), 400, bundle.manifest.preparation, size, runtime)
    finally:
        runtime.close()


def test_the_bundle_fits_a_repository_and_says_where_it_came_from(bundle: Bundle) -> None:
    """Small, trained without pre-trained weights, with limits for the CPU runtime in both precisions."""
    assert sum(file.stat().st_size for file in bundle.folder.rglob("*")) <= LARGEST_BYTES
    assert bundle.manifest.vgg19["source"] == "none"
    assert bundle.manifest.training["profile"] == "demo"
    assert bundle.limits("openvino", "float32").low_limit > 0
    assert bundle.limits("openvino", "bfloat16").low_limit > 0


def test_the_bundle_tells_good_from_bad(report: EvaluateReport) -> None:
    """Image AUROC over all and over the larger two thirds of the defects, and pixel AUROC."""
    assert report.image_auroc is not None
    assert report.larger_two_thirds_image_auroc is not None
    assert report.pixel_auroc is not None
    assert (report.good, report.defective) == (200, 200)
    assert report.image_auroc >= 0.95, report.per_kind
    assert report.larger_two_thirds_image_auroc >= 0.99, report.per_kind
    assert report.pixel_auroc >= 0.95
    assert report.unfit == 0


def test_the_manifest_states_what_is_measured(bundle: Bundle, report: EvaluateReport) -> None:
    """Its figures come from these very parts: another machine's rounding may move them a little."""
    stated = cast("dict[str, float]", bundle.manifest.metrics["test"])
    assert stated["images"] == 400
    assert stated["image_auroc"] == pytest.approx(report.image_auroc, abs=0.003)
    assert stated["pixel_auroc"] == pytest.approx(report.pixel_auroc, abs=0.003)


def test_limits_leave_good_parts_alone(bundle: Bundle, parts: list[tuple[NDArray[np.uint8], float]]) -> None:
    """Of 100 good parts not seen before at most 5 are over the threshold or under the low limit."""
    assert parts
    limits = bundle.limits("openvino", "float32")
    runtime = open_runtime(RuntimeSettings(), bundle.graph_file("float32"), bundle.manifest.image_size)
    scores = [float(runtime.infer(image[np.newaxis]).score[0]) for image, _ in parts[:100]]
    runtime.close()
    assert sum(not limits.low_limit <= score < limits.threshold for score in scores) <= 5


@pytest.mark.usefixtures("report")
def test_the_parts_are_no_toy(parts: list[tuple[NDArray[np.uint8], float]]) -> None:
    """The largest difference to the mean good image does not tell these parts from each other."""
    size = parts[0][0].shape[0]
    mean = np.zeros((size, size, 3), np.float64)
    for part in TRAINING[:100]:
        mean += resize(render_part(SEED, part, 0.0)[0], size)
    mean /= 100
    scores = np.asarray([np.abs(image - mean).mean(axis=2).max() for image, _ in parts])
    defective = np.asarray([extent > 0 for _, extent in parts])
    auroc = image_auroc(scores[~defective], scores[defective])
    assert auroc is not None
    assert auroc < 0.90
