"""Makes the paper's pictures for a bundle and a test set: which images, scored how, timed how.

Figure 6 of the paper sets a model beside one trained without noise (its ablation). Given such a bundle, so
does this; otherwise the same weights are scored with the class's seeded noise field and without it, in torch
from the bundle's own parameters.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np

from inspectd.calibration.data import read_mask, read_pixels
from inspectd.calibration.errors import CalibrationError
from inspectd.calibration.figures import (
    Example,
    Shown,
    Timing,
    inference_times,
    localisation,
    with_and_without_noise,
)
from inspectd.calibration.scoring import ImageScorer, open_scorer
from inspectd.inference.export import load_graph_from_onnx
from inspectd.inference.graph import ScoringGraph
from inspectd.inference.runtime_torch import TorchRuntime

if TYPE_CHECKING:
    from inspectd.calibration.evaluate_report import EvaluateReport, ImageResult
    from inspectd.inference.bundle import Bundle
    from inspectd.inference.runtime import RuntimeSettings

LOCALISATION_FILE = "figures-5-8-9-localisation.png"
NOISE_FILE = "figure-6-noise.png"
TIMES_FILE = "figure-7-inference-time.png"

_LOCALISED, _COMPARED = 12, 6
_WARM_UP, _TIMED = 5, 50


@dataclass(frozen=True, slots=True)
class FigureRequest:
    """What the pictures are made of. `others` are further classes' bundles for Figure 7.

    `without_noise` is a bundle of the same class trained without noise, for Figure 6; `machine` names the
    computer in Figure 7.
    """

    bundle: Bundle
    runtime: RuntimeSettings
    report: EvaluateReport
    machine: str
    others: tuple[Bundle, ...] = ()
    without_noise: Bundle | None = None
    timed_frames: int = _TIMED


@dataclass(frozen=True, slots=True)
class WrittenFigures:
    """The files written, and what could not be made and why."""

    files: tuple[Path, ...]
    notes: tuple[str, ...]


def write_figures(
    folder: Path, request: FigureRequest, progress: Callable[[int, int], None]
) -> WrittenFigures:
    """Write the pictures into a folder, made if need be; `progress` is told how many are done.

    Raises CalibrationError if the folder cannot be written, BundleError or EngineError for a bundle that does
    not run.
    """
    make_folder(folder)
    files: list[Path] = []
    notes: list[str] = []
    makers = (
        (LOCALISATION_FILE, _localisation),
        (NOISE_FILE, _noise),
        (TIMES_FILE, _times),
    )
    for done, (name, make) in enumerate(makers):
        progress(done, len(makers))
        made = make(request)
        if isinstance(made, str):
            notes.append(f"{name}: {made}")
            continue
        files.append(_write(folder, name, made))
    progress(len(makers), len(makers))
    return WrittenFigures(tuple(files), tuple(notes))


def choose_examples(results: Sequence[ImageResult], count: int) -> list[ImageResult]:
    """Choose defective images to show: kinds share alike, each spread from lowest to highest score."""
    by_kind: dict[str, list[ImageResult]] = {}
    for each in sorted((each for each in results if each.defective), key=lambda each: each.score):
        by_kind.setdefault(each.kind, []).append(each)
    kinds = sorted(by_kind)
    shares = dict.fromkeys(kinds, 0)
    left = min(count, sum(len(each) for each in by_kind.values()))
    while left:
        for kind in kinds:
            if left and shares[kind] < len(by_kind[kind]):
                shares[kind] += 1
                left -= 1
    return [
        by_kind[kind][int((place + 0.5) * len(by_kind[kind]) / shares[kind])]
        for kind in kinds
        for place in range(shares[kind])
    ]


def _localisation(request: FigureRequest) -> bytes | str:
    chosen = choose_examples(request.report.per_image, _LOCALISED)
    if not chosen:
        return "there is no defective test image"
    with open_scorer(request.bundle, request.runtime) as scorer:
        examples = [_example(each, (scorer,)) for each in chosen]
    limits = request.report.limits
    return localisation(
        request.bundle.manifest.class_name, examples, None if limits is None else limits.threshold
    )


def _noise(request: FigureRequest) -> bytes | str:
    chosen = choose_examples(request.report.per_image, _COMPARED)
    if not chosen:
        return "there is no defective test image"
    bundle, other = request.bundle, request.without_noise
    if other is not None:
        with open_scorer(bundle, request.runtime) as first, open_scorer(other, request.runtime) as second:
            examples = [_example(each, (first, second)) for each in chosen]
        how = "Left: the bundle as it scores. Right: a bundle trained without noise."
        return with_and_without_noise(bundle.manifest.class_name, examples, how)
    found = noise_scorers(bundle)
    if found is None:
        return "the bundle was trained without noise and scores without it, so there is nothing to compare"
    examples = [_example(each, found.scorers) for each in chosen]
    how = f"The same weights with the seeded noise field (sigma {found.sigma:g}) and without it."
    if not bundle.manifest.noise.sigma:
        how += " On the line this bundle scores without it."
    return with_and_without_noise(bundle.manifest.class_name, examples, how)


@dataclass(frozen=True, slots=True)
class NoiseScorers:
    """The same weights with a noise field of `sigma`, and without it."""

    sigma: float
    scorers: tuple[ImageScorer, ImageScorer]


def noise_scorers(bundle: Bundle) -> NoiseScorers | None:
    """Open a bundle's weights twice, in torch: with the noise field of its seed, and without it.

    The field has the rate that the bundle scores with or, where it scores without noise, that of its
    training; None if that was without noise as well. Raises BundleError if the graph is none of ours.
    """
    graph = load_graph_from_onnx(bundle.graph_file("float32"))
    trained = bundle.manifest.training.get("sigma")
    sigma = graph.sigma or (float(trained) if isinstance(trained, (int, float)) else 0.0)
    if not sigma:
        return None

    def scorer(rate: float) -> ImageScorer:
        runtime = TorchRuntime(ScoringGraph(graph.model, rate, graph.seed))
        return ImageScorer(bundle.manifest.preparation, bundle.manifest.image_size, runtime)

    return NoiseScorers(sigma, (scorer(sigma), scorer(0.0)))


def _times(request: FigureRequest) -> bytes | str:
    bundles = (request.bundle, *request.others)
    timings = [time_bundle(each, request.runtime, request.timed_frames) for each in bundles]
    where = (
        f"{request.runtime.name} {request.runtime.precision} on {request.machine},"
        f" {request.timed_frames} frames each"
    )
    return inference_times(timings, where)


def time_bundle(bundle: Bundle, runtime: RuntimeSettings, frames: int = _TIMED) -> Timing:
    """Time a bundle on its own golden frame, after a warm-up: preparation and inference, one at a time."""
    golden = min(bundle.manifest.golden, key=lambda each: not each.camera_size)
    pixels = read_pixels(bundle.folder / golden.file)
    camera = bundle.manifest.preparation.camera_size
    if camera is not None:
        # A golden frame kept at the graph's size: its time counts at the camera's.
        pixels = np.asarray(cv2.resize(pixels, camera[::-1]), np.uint8)
    taken: list[float] = []
    with open_scorer(bundle, runtime) as scorer:
        for frame in range(_WARM_UP + frames):
            started = time.perf_counter()
            scorer.score(pixels, golden.file)
            if frame >= _WARM_UP:
                taken.append((time.perf_counter() - started) * 1000)
    median, p95 = np.quantile(taken, (0.5, 0.95))
    return Timing(bundle.manifest.class_name, float(median), float(p95), frames)


def _example(result: ImageResult, scorers: Sequence[ImageScorer]) -> Example:
    pixels = read_pixels(Path(result.file))
    mask = None if result.mask is None else read_mask(result.mask, (pixels.shape[0], pixels.shape[1]))
    shown: list[Shown] = []
    for scorer in scorers:
        scored = scorer.score(pixels, result.file)
        shown.append(Shown(scored.reconstruction, scored.anomaly_map, scored.score))
    return Example(result.kind, result.verdict or "", pixels, mask, tuple(shown))


def make_folder(folder: Path) -> None:
    """Make the pictures' folder, before the work that would be lost without it. Raises CalibrationError."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise CalibrationError(
            f"{folder}: cannot be made a folder ({error.strerror}). Name another one."
        ) from error


def _write(folder: Path, name: str, content: bytes) -> Path:
    try:
        (folder / name).write_bytes(content)
    except OSError as error:
        raise CalibrationError(
            f"{folder / name}: cannot be written ({error.strerror}). Free space or name another folder."
        ) from error
    return folder / name
