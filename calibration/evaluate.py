"""How well a bundle tells good from bad: image-level and pixel-level AUROC on images with a known truth."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, cast

import cv2
import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score  # pyright: ignore[reportUnknownVariableType]  untyped library

from inspectd.calibration.data import read_mask, read_pixels
from inspectd.calibration.errors import CalibrationError
from inspectd.calibration.layout import Labelled, read_layout
from inspectd.inference.bundle import load_bundle
from inspectd.inference.prepare import Preparation, Preparer
from inspectd.inference.runtime import RuntimeSettings, open_runtime

if TYPE_CHECKING:
    from pathlib import Path

    from inspectd.inference.runtime import Runtime

# Non-negative float32 numbers order as their bit patterns do. Without the lowest 12 bits 2^19 bins remain,
# each 0.05 % wide.
_DROPPED_BITS = 12
_BINS = 1 << (31 - _DROPPED_BITS)

EvaluateProgress = Callable[[int, int], None]


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


@dataclass(frozen=True, slots=True)
class Group:
    """Some of the defective images against all good ones."""

    name: str
    images: int
    image_auroc: float
    largest_size: float | None = None


@dataclass(frozen=True, slots=True)
class EvaluateReport:
    """AUROCs are None where one side has no image. Sizes as in the samples; px if measured from masks."""

    image_auroc: float | None
    pixel_auroc: float | None
    images: int
    good: int
    defective: int
    without_mask: int
    """Defective images that count for the image AUROC alone."""
    unfit: int
    """Images that the line would not judge but call UNKNOWN; scored here all the same."""
    per_kind: tuple[Group, ...]
    per_third: tuple[Group, ...]
    """Defective images of known size, in thirds from small to large."""
    larger_two_thirds_image_auroc: float | None
    seconds: float

    def to_json(self) -> dict[str, Any]:
        """Return the report as a JSON object."""
        groups = {
            name: [asdict(group) for group in getattr(self, name)] for name in ("per_kind", "per_third")
        }
        return {**asdict(self), **groups}


class PixelHistogram:
    """Counts of pixel scores, from which the AUROC follows without keeping or sorting them."""

    def __init__(self) -> None:
        self._good = np.zeros(_BINS, np.int64)
        self._defective = np.zeros(_BINS, np.int64)

    def add(self, anomaly_map: NDArray[np.float32], mask: NDArray[np.bool_] | None) -> None:
        """Count a map, float32 [H, W], never negative; `mask` bool [H, W] says where it is defective."""
        bins = np.ascontiguousarray(anomaly_map).view(np.uint32).ravel() >> _DROPPED_BITS
        everything = np.bincount(bins, minlength=_BINS)
        if mask is None:
            self._good += everything
            return
        defective = np.bincount(bins[mask.ravel()], minlength=_BINS)
        self._defective += defective
        self._good += everything - defective

    def auroc(self) -> float | None:
        """Return the probability that a defective pixel scores over a good one, ties counted half."""
        good, defective = int(self._good.sum()), int(self._defective.sum())
        if not good or not defective:
            return None
        below = np.cumsum(self._good) - self._good / 2
        return float(np.dot(self._defective.astype(np.float64), below) / good / defective)


def evaluate(
    bundle: Path, data: Path, runtime: RuntimeSettings, progress: EvaluateProgress | None = None
) -> EvaluateReport:
    """Evaluate a bundle on a folder in MVTec's layout.

    Raises CalibrationError for data that cannot be used, BundleError and EngineError as open_engine does.
    """
    tests = read_layout(data).test
    if not tests:
        raise CalibrationError(f"{data}: no images in test/<kind>. Lay it out as test/good, test/<kind>.")
    loaded = load_bundle(bundle)
    size = loaded.manifest.image_size
    opened = open_runtime(runtime, loaded.graph_file(runtime.precision), size)
    try:
        samples = read_samples(tests)
        return measure(samples, len(tests), loaded.manifest.preparation, size, opened, progress)
    finally:
        opened.close()


def read_samples(tests: Sequence[Labelled]) -> Iterator[Sample]:
    """Read test images one by one, each defect's size measured from its mask."""
    for test in tests:
        pixels = read_pixels(test.file)
        mask = None if test.mask is None else read_mask(test.mask, (pixels.shape[0], pixels.shape[1]))
        yield Sample(str(test.file), test.kind, pixels, mask, None if mask is None else longest_extent(mask))


def measure(
    samples: Iterator[Sample],
    count: int,
    preparation: Preparation,
    image_size: int,
    runtime: Runtime,
    progress: EvaluateProgress | None = None,
) -> EvaluateReport:
    """Score samples as the line would, against their truth. Raises CalibrationError for a wrong size."""
    started = time.monotonic()
    preparer = Preparer(preparation, image_size)
    pixels = PixelHistogram()
    scores: list[float] = []
    kinds: list[str] = []
    sizes: list[float | None] = []
    unfit = without_mask = 0
    for sample in samples:
        prepared = preparer.prepare(sample.pixels)
        if prepared.image is None:
            raise CalibrationError(
                f"{sample.name}: {'; '.join(prepared.unfit)}. Evaluate on this bundle's camera."
            )
        unfit += bool(prepared.unfit)
        result = runtime.infer(prepared.image)
        scores.append(float(result.score[0]))
        kinds.append(sample.kind)
        sizes.append(sample.size)
        if sample.kind == "good" or sample.mask is not None:
            # At the image's own size, where the truth was drawn: thin defects would vanish from a small mask.
            height, width = sample.pixels.shape[:2]
            full = np.empty((height, width), np.float32)
            cv2.resize(result.anomaly_map[0], (width, height), dst=full, interpolation=cv2.INTER_LINEAR)
            pixels.add(full, sample.mask)
        else:
            without_mask += 1
        if progress is not None:
            progress(len(scores), count)
    return _report(np.asarray(scores), kinds, sizes, pixels.auroc(), unfit, without_mask, started)


def longest_extent(mask: NDArray[np.bool_]) -> float | None:
    """Return the longer side of the smallest rectangle around a defect, px; None for an empty mask."""
    rows, columns = np.nonzero(mask)
    if not len(rows):
        return None
    _, sides, _ = cv2.minAreaRect(np.stack((columns, rows), axis=1).astype(np.float32))
    return float(max(sides)) + 1


def _report(
    scores: NDArray[np.float64],
    kinds: Sequence[str],
    sizes: Sequence[float | None],
    pixel_auroc: float | None,
    unfit: int,
    without_mask: int,
    started: float,
) -> EvaluateReport:
    good = np.asarray([kind == "good" for kind in kinds])
    defective = ~good
    by_kind = {kind: np.asarray([each == kind for each in kinds]) for kind in sorted(set(kinds) - {"good"})}
    sized = sorted((size, index) for index, size in enumerate(sizes) if size is not None and defective[index])
    order = np.asarray([index for _, index in sized], np.int64)
    thirds: list[NDArray[np.int64]] = [part for part in np.array_split(order, 3) if len(part)]
    larger = order[len(thirds[0]) :] if thirds else order

    def group(name: str, chosen: NDArray[Any], largest: float | None = None) -> Group | None:
        value = image_auroc(scores[good], scores[chosen])
        return None if value is None else Group(name, len(scores[chosen]), value, largest)

    names = ("smallest", "middle", "largest")
    kinds_groups = [group(kind, chosen) for kind, chosen in by_kind.items()]
    third_groups = [
        group(name, part, sizes[int(part[-1])]) for name, part in zip(names, thirds, strict=False)
    ]
    return EvaluateReport(
        image_auroc=image_auroc(scores[good], scores[defective]),
        pixel_auroc=pixel_auroc,
        images=len(scores),
        good=int(good.sum()),
        defective=int(defective.sum()),
        without_mask=without_mask,
        unfit=unfit,
        per_kind=tuple(each for each in kinds_groups if each is not None),
        per_third=tuple(each for each in third_groups if each is not None),
        larger_two_thirds_image_auroc=image_auroc(scores[good], scores[larger]),
        seconds=time.monotonic() - started,
    )


def image_auroc(good: NDArray[np.float64], defective: NDArray[np.float64]) -> float | None:
    """Return the probability that a defective image scores over a good one; None if either has none."""
    if not len(good) or not len(defective):
        return None
    truth = np.concatenate((np.zeros(len(good)), np.ones(len(defective))))
    return float(cast("Any", roc_auc_score)(truth, np.concatenate((good, defective))))
