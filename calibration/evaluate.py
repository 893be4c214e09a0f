"""How well a bundle tells good from bad, on test images with a known truth.

`evaluate` gives an `EvaluateReport` (evaluate_report.py): figures with intervals, and in `per_image` one
`ImageResult` for each image (file, kind, defective, score, verdict, reason, unfit, mask, size), from which
histograms, ROC and PR curves and galleries are drawn.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import cv2
import numpy as np
from numpy.typing import NDArray

from inspectd.calibration.data import read_mask, read_pixels
from inspectd.calibration.errors import CalibrationError
from inspectd.calibration.evaluate_report import EvaluateReport, ImageResult, build_report
from inspectd.calibration.layout import GOOD, Labelled, read_layout
from inspectd.calibration.metrics import image_auroc
from inspectd.calibration.pixels import PixelHistogram
from inspectd.calibration.scoring import ImageScorer, at_size
from inspectd.calibration.selection import select_tests
from inspectd.calibration.verdicts import judge
from inspectd.inference.bundle import Bundle, load_bundle
from inspectd.inference.manifest import limits_key
from inspectd.inference.prepare import Preparation
from inspectd.inference.runtime import RuntimeSettings, open_runtime

if TYPE_CHECKING:
    from pathlib import Path

    from inspectd.calibration.key_scores import StepProgress
    from inspectd.inference.manifest import Limits
    from inspectd.inference.runtime import Runtime

__all__ = [
    "EvaluateReport",
    "ImageResult",
    "PixelHistogram",
    "Sample",
    "evaluate",
    "image_auroc",
    "longest_extent",
    "measure",
    "read_samples",
]


@dataclass(frozen=True, slots=True)
class Sample:
    """An image, uint8 RGB [H, W, 3], with its truth: `mask` bool [H, W], None for a good part or if unknown.

    `size` is the defect's longest extent in any unit common to all samples; None if not known.
    """

    name: str
    kind: str
    pixels: NDArray[np.uint8]
    mask: NDArray[np.bool_] | None
    size: float | None
    mask_file: Path | None = None


def evaluate(
    bundle: Path, data: Path, runtime: RuntimeSettings, progress: StepProgress | None = None
) -> EvaluateReport:
    """Evaluate a bundle at its decision in force, on the test images of a folder or CSV list.

    Raises CalibrationError for data that cannot be used, BundleError and EngineError as open_engine does.
    """
    tests = read_layout(data).test
    if not tests:
        raise CalibrationError(
            f"{data}: no images in test/<kind>. Lay it out as test/good, test/<kind>,"
            " or give their rows of the CSV list the split test."
        )
    loaded = load_bundle(bundle)
    limits, warnings = limits_in_force(loaded, runtime)
    selected = select_tests(data, tests, [loaded])
    size = loaded.manifest.image_size
    opened = open_runtime(runtime, loaded.graph_file(runtime.precision), size)
    try:
        samples = read_samples(selected.tests)
        count = len(selected.tests)
        report = measure(samples, count, loaded.manifest.preparation, size, opened, progress, limits)
    finally:
        opened.close()
    return replace(
        report,
        reserved=selected.reserved,
        in_training=selected.in_training,
        warnings=(*selected.warnings, *warnings),
    )


def limits_in_force(bundle: Bundle, runtime: RuntimeSettings) -> tuple[Limits | None, tuple[str, ...]]:
    """Return the limits for a runtime and precision, or None with a warning: scores need no limits."""
    key = limits_key(runtime.name, runtime.precision)
    limits = bundle.decision.limits.get(key)
    if limits is not None:
        return limits, ()
    return None, (f"{bundle.folder}: has no limits for {key}, so no verdicts. Calibrate it for that.",)


def read_samples(tests: Sequence[Labelled]) -> Iterator[Sample]:
    """Read test images one by one, each defect's size measured from its mask."""
    for test in tests:
        pixels = read_pixels(test.file)
        mask = None if test.mask is None else read_mask(test.mask, (pixels.shape[0], pixels.shape[1]))
        size = None if mask is None else longest_extent(mask)
        yield Sample(str(test.file), test.kind, pixels, mask, size, test.mask)


def measure(
    samples: Iterator[Sample],
    count: int,
    preparation: Preparation,
    image_size: int,
    runtime: Runtime,
    progress: StepProgress | None = None,
    limits: Limits | None = None,
) -> EvaluateReport:
    """Score samples as the line would, against their truth, and judge them by `limits` if given.

    Raises CalibrationError for a wrong size.
    """
    return measure_pixels(samples, count, preparation, image_size, runtime, progress, limits)[0]


def measure_pixels(
    samples: Iterator[Sample],
    count: int,
    preparation: Preparation,
    image_size: int,
    runtime: Runtime,
    progress: StepProgress | None = None,
    limits: Limits | None = None,
) -> tuple[EvaluateReport, PixelHistogram]:
    """Do as `measure`, and return the pixels' histograms as well: to compare two bundles."""
    started = time.monotonic()
    scorer = ImageScorer(preparation, image_size, runtime)
    pixels = PixelHistogram()
    results: list[ImageResult] = []
    without_mask = 0
    for sample in samples:
        scored = scorer.score(sample.pixels, sample.name)
        judged = None if limits is None else judge(scored.score, scored.unfit, limits)
        results.append(
            ImageResult(
                file=sample.name,
                kind=sample.kind,
                defective=sample.kind != GOOD,
                score=scored.score,
                verdict=None if judged is None else judged.verdict,
                reason="" if judged is None else judged.reason,
                unfit=scored.unfit,
                mask=sample.mask_file,
                size=sample.size,
            )
        )
        if sample.kind == GOOD or sample.mask is not None:
            pixels.add(at_size(scored.anomaly_map, sample.pixels.shape[:2]), sample.mask)
        else:
            without_mask += 1
        if progress is not None:
            progress(len(results), count, "scoring", None)
    return build_report(results, pixels, limits, without_mask, started, progress), pixels


def longest_extent(mask: NDArray[np.bool_]) -> float | None:
    """Return the longer side of the smallest rectangle around a defect, px; None for an empty mask."""
    rows, columns = np.nonzero(mask)
    if not len(rows):
        return None
    _, sides, _ = cv2.minAreaRect(np.stack((columns, rows), axis=1).astype(np.float32))
    return float(max(sides)) + 1
