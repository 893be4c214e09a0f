"""The shipped bundle, measured on generated parts that it has not seen."""

from __future__ import annotations

import json
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from typing import cast

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score  # pyright: ignore[reportUnknownVariableType]  untyped

from inspectd.calibration.evaluate import EvaluateReport, Sample, measure
from inspectd.inference.bundle import load_bundle
from inspectd.inference.runtime import RuntimeSettings, open_runtime
from inspectd.io.buttons import render_part

BUNDLE = Path(str(files("inspectd.configs") / "bundles" / "buttons"))
SEED = 2026
"""Of the parts; the bundle was trained and its manifest's figures were measured on parts of another seed."""
PARTS = 200
"""So many good parts, and so many defective ones."""
MAX_BYTES = 8_000_000


def unseen_parts() -> Iterator[Sample]:
    for number in range(2 * PARTS):
        defective = number >= PARTS
        pixels, mask, truth = render_part(SEED, number, 1.0 if defective else 0.0)
        size = truth.size if defective else None
        yield Sample(str(number), truth.kind or "good", pixels, mask if defective else None, size)


@pytest.fixture(scope="module")
def report() -> EvaluateReport:
    """Score 400 unseen parts with the shipped bundle."""
    manifest = load_bundle(BUNDLE).manifest
    runtime = open_runtime(RuntimeSettings(), BUNDLE / manifest.graphs["float32"], manifest.image_size)
    try:
        return measure(unseen_parts(), 2 * PARTS, manifest.preparation, manifest.image_size, runtime)
    finally:
        runtime.close()


def test_figures_reach_their_bounds(report: EvaluateReport) -> None:
    """Image and pixel AUROC over all defects, and over the larger two thirds of them by size."""
    told = json.dumps(report.to_json(), indent=1)
    assert (report.good, report.defective) == (PARTS, PARTS)
    assert report.image_auroc is not None
    assert report.image_auroc >= 0.95, told
    assert report.pixel_auroc is not None
    assert report.pixel_auroc >= 0.95, told
    assert report.larger_two_thirds_image_auroc is not None
    assert report.larger_two_thirds_image_auroc >= 0.99, told


def test_manifest_tells_the_same(report: EvaluateReport) -> None:
    """The figures in the manifest, measured on other parts, are the ones that this test finds."""
    test = load_bundle(BUNDLE).manifest.metrics["test"]
    assert isinstance(test, dict)
    assert test["image_auroc"] == pytest.approx(report.image_auroc, abs=0.02)
    assert test["pixel_auroc"] == pytest.approx(report.pixel_auroc, abs=0.02)


def test_hardly_any_good_part_is_unfit(report: EvaluateReport) -> None:
    """The fitness checks let parts pass, good and defective, that show what they must."""
    assert report.unfit <= 4


def test_bundle_fits_a_repository() -> None:
    """All files together stay under 8 MB."""
    assert sum(path.stat().st_size for path in BUNDLE.iterdir()) <= MAX_BYTES


def test_a_simple_baseline_does_not_solve_it() -> None:
    """The greatest difference to the mean good image tells good from defective at under 0.90 AUROC."""
    good = [_small(SEED + 1, part, 0.0) for part in range(80)]
    mean: NDArray[np.float64] = np.asarray(np.mean(good, axis=0), np.float64)
    scores = {
        rate: [float(np.abs(_small(SEED, part, rate) - mean).max()) for part in range(100)]
        for rate in (0.0, 1.0)
    }
    truth = np.repeat((0, 1), 100)
    auroc = cast("float", roc_auc_score(truth, scores[0.0] + scores[1.0]))
    assert auroc < 0.90


def _small(seed: int, part: int, defect_rate: float) -> NDArray[np.float64]:
    pixels, _, _ = render_part(seed, part, defect_rate)
    return cv2.resize(pixels, (224, 224), interpolation=cv2.INTER_AREA).astype(np.float64)
