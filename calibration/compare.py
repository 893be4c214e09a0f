"""Two bundles on one data set, image by image: how their figures differ, and which verdicts would change."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from inspectd.calibration.errors import CalibrationError
from inspectd.calibration.evaluate import limits_in_force, measure_pixels, read_samples
from inspectd.calibration.evaluate_report import BOOTSTRAP_SEED, EvaluateReport
from inspectd.calibration.layout import read_layout
from inspectd.calibration.metrics import F64, percentiles, resample, resampling
from inspectd.calibration.pixels import Counted, PixelHistogram, resampled_auroc
from inspectd.calibration.rates import Interval
from inspectd.calibration.selection import select_tests
from inspectd.inference.bundle import load_bundle
from inspectd.inference.runtime import open_runtime

if TYPE_CHECKING:
    from pathlib import Path

    from inspectd.calibration.key_scores import StepProgress
    from inspectd.calibration.verdicts import Verdict
    from inspectd.inference.runtime import RuntimeSettings


@dataclass(frozen=True, slots=True)
class Difference:
    """A figure of both bundles and b - a, with a 95 % interval from paired resamples; None: undefined."""

    name: str
    a: float | None
    b: float | None
    difference: float | None
    interval: Interval | None

    @property
    def clear(self) -> bool:
        """Whether the interval leaves out 0: the data tell the two apart."""
        return self.interval is not None and not self.interval[0] <= 0 <= self.interval[1]


@dataclass(frozen=True, slots=True)
class Change:
    """An image on which the two bundles give different verdicts.

    `a_of_threshold` and `b_of_threshold` are each score as a share of its own bundle's threshold: the two
    bundles' scores have different scales.
    """

    file: str
    kind: str
    a: Verdict
    b: Verdict
    a_reason: str
    b_reason: str
    a_of_threshold: float
    b_of_threshold: float


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two evaluations of the same images in the same order."""

    a: EvaluateReport
    b: EvaluateReport
    differences: tuple[Difference, ...]
    changes: tuple[Change, ...] | None
    """None where one of the bundles has no limits for the runtime."""
    reserved: int
    in_training: int
    warnings: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """Return the comparison as a JSON object."""
        return {
            "images": self.a.images,
            "good": self.a.good,
            "defective": self.a.defective,
            "reserved": self.reserved,
            "in_training": self.in_training,
            "warnings": list(self.warnings),
            "differences": [{**asdict(each), "clear": each.clear} for each in self.differences],
            "changes": None if self.changes is None else [asdict(each) for each in self.changes],
            "a": self.a.to_json(),
            "b": self.b.to_json(),
        }


def compare(
    folders: tuple[Path, Path],
    data: Path,
    runtime: RuntimeSettings,
    progress: StepProgress | None = None,
) -> Comparison:
    """Evaluate two bundles on the test images that neither was chosen by or trained with.

    Raises CalibrationError for data that cannot be used, BundleError and EngineError as open_engine does.
    """
    tests = read_layout(data).test
    if not tests:
        raise CalibrationError(f"{data}: no images in test/<kind>. Lay it out as test/good, test/<kind>.")
    first, second = load_bundle(folders[0]), load_bundle(folders[1])
    selected = select_tests(data, tests, [first, second])
    warnings = [*selected.warnings]
    if first.manifest.class_name != second.manifest.class_name:
        names = f"{first.manifest.class_name!r} and {second.manifest.class_name!r}"
        warnings.append(f"the bundles are of two classes, {names}")
    count = len(selected.tests)
    measured: list[tuple[EvaluateReport, PixelHistogram]] = []
    for turn, bundle in enumerate((first, second)):
        limits, missing = limits_in_force(bundle, runtime)
        warnings.extend(missing)

        def show(done: int, total: int, text: str, left: float | None, turn: int = turn) -> None:
            if progress is not None:
                progress(done, total, f"{'ab'[turn]}, {text}", left)

        size = bundle.manifest.image_size
        opened = open_runtime(runtime, bundle.graph_file(runtime.precision), size)
        try:
            samples = read_samples(selected.tests)
            preparation = bundle.manifest.preparation
            measured.append(measure_pixels(samples, count, preparation, size, opened, show, limits))
        finally:
            opened.close()
    (a, a_pixels), (b, b_pixels) = measured
    return Comparison(
        a=a,
        b=b,
        differences=compare_figures(a, a_pixels, b, b_pixels, progress),
        changes=_changes(a, b),
        reserved=selected.reserved,
        in_training=selected.in_training,
        warnings=tuple(warnings),
    )


def compare_figures(
    a: EvaluateReport,
    a_pixels: PixelHistogram,
    b: EvaluateReport,
    b_pixels: PixelHistogram,
    progress: StepProgress | None = None,
) -> tuple[Difference, ...]:
    """Compare the threshold-free figures; each resample draws the same images for both bundles."""
    defective = np.asarray([each.defective for each in a.per_image], np.bool_)
    weights = resample(defective, BOOTSTRAP_SEED)

    def image_aurocs(report: EvaluateReport) -> F64:
        scores = np.asarray([each.score for each in report.per_image], np.float64)
        return resampled_auroc(Counted.of_scores(scores, defective), weights)

    found = [_difference("image_auroc", a.image_auroc, b.image_auroc, image_aurocs(b) - image_aurocs(a))]
    undrawn = np.zeros(0)
    if a.pixel_auroc is None or b.pixel_auroc is None:
        pixel = region = undrawn
    else:
        drawn = resample(a_pixels.defective, BOOTSTRAP_SEED)
        tell = resampling(progress, runs=4)
        pixel = b_pixels.resampled_auroc(drawn, tell) - a_pixels.resampled_auroc(drawn, tell)
        region = b_pixels.resampled_aupro(drawn, tell) - a_pixels.resampled_aupro(drawn, tell)
    found.extend(
        (
            _difference("pixel_auroc", a.pixel_auroc, b.pixel_auroc, pixel),
            _difference("aupro", a.aupro, b.aupro, region),
        )
    )
    return tuple(found)


def _difference(name: str, a: float | None, b: float | None, resampled: F64) -> Difference:
    if a is None or b is None:
        return Difference(name, a, b, None, None)
    return Difference(name, a, b, b - a, percentiles(resampled))


def _changes(a: EvaluateReport, b: EvaluateReport) -> tuple[Change, ...] | None:
    if a.limits is None or b.limits is None:
        return None
    return tuple(
        Change(
            file=before.file,
            kind=before.kind,
            a=before.verdict,
            b=after.verdict,
            a_reason=before.reason,
            b_reason=after.reason,
            a_of_threshold=before.score / a.limits.threshold,
            b_of_threshold=after.score / b.limits.threshold,
        )
        for before, after in zip(a.per_image, b.per_image, strict=True)
        if before.verdict is not None and after.verdict is not None and before.verdict != after.verdict
    )
