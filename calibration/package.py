"""From a trained model to a bundle: export, golden frames, limits for each runtime, metrics."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import torch
from pydantic import JsonValue, TypeAdapter

from inspectd.calibration.contents import short_id
from inspectd.calibration.data import GoodImages, Split, read_pixels
from inspectd.calibration.errors import CalibrationError
from inspectd.calibration.evaluate import measure, read_samples
from inspectd.calibration.layout import read_layout
from inspectd.calibration.sigma_origin import RECORD
from inspectd.calibration.synthetic import add_defects
from inspectd.calibration.threshold import ChosenLimits, choose_limits
from inspectd.calibration.weights import in_memory_order
from inspectd.inference.bundle import Bundle, file_hashes, write_bundle
from inspectd.inference.errors import EngineError
from inspectd.inference.export import export_onnx
from inspectd.inference.graph import ScoringGraph
from inspectd.inference.manifest import GoldenFrame, Manifest, Noise, limits_key
from inspectd.inference.model_config import ModelConfig
from inspectd.inference.prepare import Preparation, learn_preparation
from inspectd.inference.runtime import Runtime, RuntimeSettings, open_runtime

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from inspectd.calibration.history import History
    from inspectd.calibration.settings import Recipe, TrainSettings
    from inspectd.inference.model import EncoderDecoder
    from inspectd.inference.vgg19 import LoadedWeights

RUNTIMES = (
    RuntimeSettings(name="openvino", precision="float32"),
    RuntimeSettings(name="openvino", precision="bfloat16"),
    RuntimeSettings(name="torch", precision="float32"),
)
TOLERANCE = {"float32": 1e-3, "bfloat16": 3e-2}
"""Largest relative error of a golden score: another CPU sums in another order, and bfloat16 has 8 bits."""

GRAPH_FILE = "float32.onnx"
WORKSHOP = "package"
"""Folder in which a bundle's files are made, beside the checkpoint."""
GOLDEN_FILES = ("golden-camera.png", "golden-defect.png")
"""The first at camera size, through preparation; the other as the graph takes it."""


@dataclass(frozen=True, slots=True)
class Trained:
    """What a training run hands over."""

    model: EncoderDecoder
    recipe: Recipe
    good: GoodImages
    split: Split
    vgg19: LoadedWeights
    history: History
    metrics: dict[str, Any]


def package(settings: TrainSettings, trained: Trained, progress: Callable[[str], None]) -> Bundle:
    """Write the bundle of a trained model; `progress` is told what is being done.

    The limits come from the good images that neither training nor stopping used. If the data has test images,
    their figures go into the metrics; nothing is chosen by them. Raises CalibrationError or BundleError.
    """
    work = settings.work_folder / WORKSHOP
    try:
        work.mkdir(parents=True, exist_ok=True)
        return _package(settings, trained, work, progress)
    except OSError as error:
        raise CalibrationError(
            f"{settings.out}: could not be made ({error}). Free space, then run the same again: the training"
            " is over and kept."
        ) from error
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _package(
    settings: TrainSettings, trained: Trained, work: Path, progress: Callable[[str], None]
) -> Bundle:
    size = trained.recipe.image_size
    progress("export")
    graph_file = work / GRAPH_FILE
    noise = Noise(sigma=trained.recipe.sigma * trained.recipe.test_noise, seed=settings.seed)
    graph = ScoringGraph(in_memory_order(trained.model, torch.contiguous_format), noise.sigma, noise.seed)
    export_onnx(graph, graph_file)
    preparation = learn_preparation(list(trained.good.images), trained.good.camera_size)
    golden_files, golden_images = _golden_frames(work, trained, settings.seed)
    progress("limits")
    unseen = trained.good.images[trained.split.threshold]
    chosen: dict[str, ChosenLimits] = {}
    golden_scores: dict[str, list[float]] = {}
    for runtime in _runtimes(graph_file, size):
        key = limits_key(runtime.name, runtime.precision)
        chosen[key] = choose_limits(_scores(runtime, unseen))
        golden_scores[key] = _scores(runtime, golden_images)
    progress("test")
    metrics = trained.metrics | _test_metrics(settings, preparation, graph_file, size)
    files = {GRAPH_FILE: graph_file, **{file.name: file for file in golden_files}}
    manifest = Manifest(
        class_name=settings.product_class,
        image_size=size,
        model=TypeAdapter(ModelConfig).dump_python(trained.model.config, mode="json"),
        preparation=preparation,
        noise=noise,
        graphs={"float32": GRAPH_FILE},
        golden=tuple(
            GoldenFrame(
                file=file.name,
                camera_size=index == 0,
                scores={key: scores[index] for key, scores in golden_scores.items()},
            )
            for index, file in enumerate(golden_files)
        ),
        tolerance=TOLERANCE,
        metrics=metrics,
        training=_training_record(settings, trained),
        training_data=trained.good.sha256,
        code_version=version("inspectd"),
        vgg19={
            "source": Path(trained.vgg19.source).name,
            "loaded": list(trained.vgg19.loaded),
            "missing": list(trained.vgg19.missing),
        },
        files=file_hashes(files),
    )
    progress("write")
    return write_bundle(
        settings.out,
        manifest,
        files,
        {key: each.limits for key, each in chosen.items()},
        how=next(iter(chosen.values())).how,
        provisional=next(iter(chosen.values())).provisional,
        why="first calibration of this bundle",
        by=settings.decided_by,
        chosen_by=tuple(_ids(trained, "threshold")),
        replace=settings.replace,
    )


def _golden_frames(work: Path, trained: Trained, seed: int) -> tuple[list[Path], NDArray[np.uint8]]:
    """Write the golden frames as PNG; return their files and the graph's input for each, [2, S, S, 3]."""
    first, second = (int(index) for index in trained.split.threshold[:2])
    good = trained.good.images[second]
    defect = add_defects(good.astype(np.float32) / 255, np.random.default_rng(seed))
    images = np.stack((trained.good.images[first], np.round(defect * 255).astype(np.uint8)))
    stored = (read_pixels(trained.good.files[first]), images[1])
    files = [work / name for name in GOLDEN_FILES]
    for file, pixels in zip(files, stored, strict=True):
        smallest = (cv2.IMWRITE_PNG_COMPRESSION, 9)
        done, data = cv2.imencode(".png", cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR), smallest)
        if not done:
            raise CalibrationError(f"{file}: OpenCV could not encode it as PNG. Check the good images.")
        file.write_bytes(data.tobytes())
    return files, images


def _training_record(settings: TrainSettings, trained: Trained) -> dict[str, JsonValue]:
    """Return the manifest's `training`: what was asked for, what came of it, and which image was for what."""
    went = trained.history.model_dump(mode="json", include={"ended", "batches", "device", "precision"})
    return {
        "profile": settings.profile,
        "seed": settings.seed,
        **trained.recipe.model_dump(mode="json"),
        **went,
        RECORD: settings.origin.model_dump(mode="json"),
        "images": {name: list[JsonValue](_ids(trained, name)) for name in ("train", "stopping", "threshold")},
    }


def _ids(trained: Trained, part: str) -> list[str]:
    return [trained.good.ids[int(index)] for index in getattr(trained.split, part)]


def _runtimes(graph_file: Path, size: int) -> Iterator[Runtime]:
    """Open the runtimes one after the other, less those whose precision this machine lacks.

    A bundle has no limits for those: what was never measured is not decided on.
    """
    for settings in RUNTIMES:
        try:
            runtime = open_runtime(settings, graph_file, size)
        except EngineError:
            if settings.precision == "float32":
                raise
            continue
        try:
            yield runtime
        finally:
            runtime.close()


def _scores(runtime: Runtime, images: NDArray[np.uint8]) -> list[float]:
    """Score images, uint8 [N, S, S, 3], one by one as the line does."""
    return [float(runtime.infer(image[np.newaxis]).score[0]) for image in images]


def _test_metrics(
    settings: TrainSettings, preparation: Preparation, graph_file: Path, size: int
) -> dict[str, Any]:
    study = settings.origin.study
    ranked = () if study is None else study.ranked_by
    tests = [test for test in read_layout(settings.data).test if short_id(test.file) not in ranked]
    if not tests:
        return {}
    runtime = open_runtime(RUNTIMES[0], graph_file, size)
    try:
        report = measure(read_samples(tests), len(tests), preparation, size, runtime)
    finally:
        runtime.close()
    figures = {name: value for name, value in report.to_json().items() if name != "seconds"}
    return {"test": json.loads(json.dumps(figures))}
