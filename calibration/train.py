"""Calibrate a product class: from a folder of good images to a bundle."""

from __future__ import annotations

import math
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from pydantic import JsonValue

from inspectd.calibration.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from inspectd.calibration.data import GoodImages, Split, load_good, split_good
from inspectd.calibration.device import choose_device
from inspectd.calibration.errors import CalibrationError
from inspectd.calibration.events import EVENT_FILES, Events
from inspectd.calibration.fit import Fitted, fit, refuse_blank
from inspectd.calibration.history import HISTORY_FILE, History, write_history
from inspectd.calibration.package import Trained, package
from inspectd.calibration.sigma_origin import check_origin
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
    history: History


def train(settings: TrainSettings, progress: ProgressCallback | None = None) -> TrainReport:
    """Train on the good images of a folder and write the bundle.

    A run that was cut off, by whatever, goes on from its last checkpoint when it is called again with
    the same settings and data; one whose training was over goes on by packaging. Beside the bundle stay
    the training's history and TensorBoard's events. Raises CalibrationError for data or settings that cannot
    be used, BundleError if the bundle cannot be written, WeightsError for pre-trained weights that cannot be
    loaded.
    """
    tell = progress or _silent
    if settings.out.exists() and not settings.replace:
        raise CalibrationError(
            f"{settings.out}: exists already. Choose another folder, or ask to replace it (--replace)."
        )
    recipe = settings.recipe()
    recipe.network()  # a size that does not fit is told before the images are read
    tell(_stage("read"))
    good = load_good(settings.data, recipe.image_size, mixed_sizes=settings.mixed_sizes)
    refuse_blank(good.images, str(settings.data))
    warning = check_origin(settings.origin, settings.product_class, settings.seed, good.sha256)
    if warning:
        tell(replace(_stage("read"), message=warning))
    split = split_good(len(good.files), settings.seed)
    fitted, resumed_at = _fit(settings, recipe, good, split, tell)
    trainer, history = fitted.trainer, fitted.trainer.history()
    write_history(settings.work_folder / HISTORY_FILE, history)
    metrics: dict[str, Any] = {
        "held_out_loss": trainer.held_out_loss,
        "steps": trainer.step,
        "training_minutes": round(trainer.elapsed_s / 60, 2),
        "good_images": len(split.train),
        "good_images_held_out": len(good.files) - len(split.train),
        "good_images_left_out": good.left_out,
    }
    trained = Trained(fitted.model, recipe, good, split, fitted.weights, history, metrics)
    bundle = package(settings, trained, lambda stage: tell(_stage(stage)))
    (settings.work_folder / CHECKPOINT_FILE).unlink(missing_ok=True)
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
        history=history,
    )


def _fit(
    settings: TrainSettings, recipe: Recipe, good: GoodImages, split: Split, tell: ProgressCallback
) -> tuple[Fitted, int]:
    """Train, from the checkpoint if there is one; return also the step at which this began."""
    identity = {
        "recipe": recipe.model_dump(mode="json"),
        "seed": settings.seed,
        "vgg19": settings.vgg19,
        "data": good.sha256,
        "device": choose_device(settings.device).kind,
    }
    folder = settings.work_folder
    checkpoint = _last_checkpoint(settings, identity)
    resumed_at = 0 if checkpoint is None else int(checkpoint.state["step"])
    stopping = good.images[split.stopping]
    events = Events(folder, recipe, stopping, settings.seed, resumed_at)
    begun = checkpoint is not None

    def begin() -> None:
        """Give up what a run before left, now that this one has made a step."""
        nonlocal begun
        if not begun:
            begun = True
            for old in (folder / CHECKPOINT_FILE, folder / HISTORY_FILE, *folder.glob(EVENT_FILES)):
                old.unlink(missing_ok=True)

    def save(new: Checkpoint) -> None:
        begin()
        state = {**new.state, "run": identity}
        save_checkpoint(folder / CHECKPOINT_FILE, Checkpoint(new.tensors, state))

    def show(progress: Progress) -> None:
        begin()
        events.step(progress)
        tell(progress)

    try:
        fitted = fit(
            recipe,
            good.images[split.train],
            stopping,
            settings.seed,
            settings.vgg19,
            device=settings.device,
            progress=show,
            save=save,
            checkpoint=checkpoint,
            look=events.look,
        )
        if fitted.trainer.step > resumed_at:
            events.reconstructions(fitted.trainer.step, fitted.model)
    finally:
        events.close()
        with suppress(OSError):
            folder.rmdir()  # if nothing is in it: a training refused before its first step leaves nothing
    return fitted, resumed_at


def _last_checkpoint(settings: TrainSettings, identity: dict[str, Any]) -> Checkpoint | None:
    """Return what to go on from, None to begin anew. Makes the folder for it."""
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
    return checkpoint


def _check_same_run(file: Path, found: Any, expected: dict[str, Any]) -> None:
    if found == expected:
        return
    differing = [
        name for name in expected if not isinstance(found, dict) or found.get(name) != expected[name]
    ]
    raise CalibrationError(
        f"{file}: belongs to a run with another {', '.join(differing)}."
        " Use the same settings and data to go on, or start anew without resuming (--no-resume)."
    )


def _stage(name: str) -> Progress:
    return Progress(name, 0, 0, math.nan, math.nan, math.nan)


def _silent(_: Progress) -> None:
    """Tell nobody."""
