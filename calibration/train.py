"""Calibrate a product class: from a folder of good images to a bundle."""

from __future__ import annotations

import math
import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pydantic import JsonValue

from inspectd.calibration.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from inspectd.calibration.data import GoodImages, Split, load_good, split_good
from inspectd.calibration.errors import CalibrationError
from inspectd.calibration.fit import Fitted, fit
from inspectd.calibration.package import Trained, package
from inspectd.calibration.trainer import Progress, ProgressCallback

if TYPE_CHECKING:
    from pathlib import Path

    from inspectd.calibration.settings import Recipe, TrainSettings
    from inspectd.inference.bundle import Bundle

CHECKPOINT_FILE = "checkpoint.safetensors"


@dataclass(frozen=True, slots=True)
class TrainReport:
    """What a calibration did. Losses by Eq. 6, `losses` one per step; times in s."""

    bundle: Bundle
    steps: int
    resumed_at: int
    losses: tuple[float, ...]
    held_out_loss: float
    training_s: float
    images: int
    held_out: int
    vgg19: dict[str, JsonValue]
    """As in the manifest: source, loaded, missing."""


def train(settings: TrainSettings, progress: ProgressCallback | None = None) -> TrainReport:
    """Train on the good images of a folder and write the bundle.

    A run that was cut off, by whatever, goes on from its last checkpoint when it is called again with
    the same settings and data. Raises CalibrationError for data or settings that cannot be used, BundleError
    if the bundle cannot be written, WeightsError for pre-trained weights that do not fit.
    """
    tell = progress or _silent
    if settings.out.exists() and not settings.replace:
        raise CalibrationError(
            f"{settings.out}: exists already. Choose another folder, or ask to replace it."
        )
    recipe = settings.recipe()
    recipe.network()  # a size that does not fit is told before the images are read
    tell(_stage("read"))
    good = load_good(settings.data, recipe.image_size, mixed_sizes=settings.mixed_sizes)
    split = split_good(len(good.files), settings.seed)
    fitted, resumed_at = _run(settings, recipe, good, split, tell)
    trainer = fitted.trainer
    metrics: dict[str, Any] = {
        "held_out_loss": trainer.held_out_loss,
        "steps": trainer.step,
        "training_minutes": round(trainer.elapsed_s / 60, 2),
        "good_images": len(split.train),
        "good_images_held_out": len(good.files) - len(split.train),
    }
    trained = Trained(fitted.model, recipe, good, split, fitted.weights, metrics)
    bundle = package(settings, trained, lambda stage: tell(_stage(stage)))
    shutil.rmtree(settings.work_folder, ignore_errors=True)
    return TrainReport(
        bundle=bundle,
        steps=trainer.step,
        resumed_at=resumed_at,
        losses=tuple(trainer.losses),
        held_out_loss=trainer.held_out_loss,
        training_s=trainer.elapsed_s,
        images=len(split.train),
        held_out=len(good.files) - len(split.train),
        vgg19=bundle.manifest.vgg19,
    )


def _run(
    settings: TrainSettings, recipe: Recipe, good: GoodImages, split: Split, progress: ProgressCallback
) -> tuple[Fitted, int]:
    """Train, from the checkpoint if there is one; return also the step at which this began."""
    identity = {
        "recipe": recipe.model_dump(mode="json"),
        "seed": settings.seed,
        "vgg19": settings.vgg19,
        "data": good.sha256,
    }
    file = settings.work_folder / CHECKPOINT_FILE
    try:
        settings.work_folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise CalibrationError(
            f"{settings.work_folder}: cannot be made ({error}). Choose another --out."
        ) from error
    checkpoint = load_checkpoint(file) if settings.resume else None
    if checkpoint is not None:
        _check_same_run(file, checkpoint.state.get("run"), identity)

    def save(checkpoint: Checkpoint) -> None:
        save_checkpoint(file, Checkpoint(checkpoint.tensors, {**checkpoint.state, "run": identity}))

    fitted = fit(
        recipe,
        good.images[split.train],
        good.images[split.stopping],
        settings.seed,
        settings.vgg19,
        progress=progress,
        save=save,
        checkpoint=checkpoint,
    )
    return fitted, 0 if checkpoint is None else checkpoint.state["step"]


def _check_same_run(file: Path, found: Any, expected: dict[str, Any]) -> None:
    if found == expected:
        return
    differing = [
        name for name in expected if not isinstance(found, dict) or found.get(name) != expected[name]
    ]
    raise CalibrationError(
        f"{file}: belongs to a run with another {', '.join(differing)}."
        " Use the same settings and data to go on, or start anew without resuming."
    )


def _stage(name: str) -> Progress:
    return Progress(name, 0, 0, math.nan, math.nan, math.nan)


def _silent(_: Progress) -> None:
    """Tell nobody."""
