"""One training, from a recipe and images in memory to a model: no folder, no bundle."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from inspectd.calibration.device import Wanted, choose_device
from inspectd.calibration.errors import CalibrationError
from inspectd.calibration.trainer import Trainer
from inspectd.calibration.weights import start_at_mean_colour
from inspectd.inference.model import EncoderDecoder
from inspectd.inference.vgg19 import LoadedWeights, load_vgg19, thaw_missing

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray

    from inspectd.calibration.checkpoint import Checkpoint
    from inspectd.calibration.settings import Recipe
    from inspectd.calibration.trainer import LookCallback, ProgressCallback

_DARKEST = 16
"""An image whose 99th percentile is not above this, of 255, is black to anyone who looks at it."""
_FLATTEST = 4
"""Levels from the 1st to the 99th percentile, of 255: less is the camera's noise on one colour."""


@dataclass(frozen=True, slots=True)
class Fitted:
    """A trained model, on the CPU, with the weights of the best held-out loss, and how it came about."""

    model: EncoderDecoder
    trainer: Trainer
    weights: LoadedWeights
    """What of VGG19 it began with."""


def fit(  # noqa: PLR0913  what a training depends on, then what it may tell
    recipe: Recipe,
    train_images: NDArray[np.uint8],
    stopping_images: NDArray[np.uint8],
    seed: int,
    vgg19: str | Path,
    *,
    device: Wanted = "auto",
    progress: ProgressCallback | None = None,
    save: Callable[[Checkpoint], None] | None = None,
    checkpoint: Checkpoint | None = None,
    look: LookCallback | None = None,
) -> Fitted:
    """Train on good images, uint8 [N, S, S, 3]; `stopping_images` say which weights are best.

    The same arguments give the same model on the same machine. `checkpoint` is one that `save` was given by a
    run with the same arguments: this one goes on exactly there. `look` is called every CHECK_STEPS steps with
    the step and the model as it would be used if training ended there, in evaluation mode and on the device;
    True ends it. It must not change the model. Raises CalibrationError, or WeightsError for `vgg19`.
    """
    refuse_blank(train_images, "the images to train with")
    chosen = choose_device(device)
    torch.manual_seed(seed)
    model = EncoderDecoder(recipe.network())
    weights = load_vgg19(model, vgg19)
    if recipe.freeze_vgg:
        if not weights.loaded:
            raise CalibrationError(
                "a frozen VGG19 without its weights would stay noise. Name a file of them (--vgg19), or train"
                " it too (without --frozen-vgg)."
            )
        thaw_missing(model, weights)
    start_at_mean_colour(model, train_images)
    trainer = Trainer(model, recipe, train_images, stopping_images, seed, chosen)
    if checkpoint is not None:
        trainer.restore(checkpoint)
    trainer.run(save or _keep_nothing, progress or _tell_nobody, look)
    return Fitted(trainer.model, trainer, weights)


def refuse_blank(images: NDArray[np.uint8], where: str) -> None:
    """Raise CalibrationError, naming `where`, if most of the images, uint8 [N, S, S, 3], show nothing."""
    every_fourth = images[:, ::4, ::4].reshape(len(images), -1)
    low, high = np.percentile(every_fourth, (1, 99), axis=1)
    black = int(np.count_nonzero(high <= _DARKEST))
    flat = int(np.count_nonzero(high - low <= _FLATTEST))
    if 2 * max(black, flat) > len(images):
        count, what = (black, "black") if black >= flat else (flat, "of one colour")
        raise CalibrationError(
            f"{where}: {count} of {len(images)} images are {what}: there is nothing to learn."
            " Check light, exposure and lens cap, then take them again."
        )


def _keep_nothing(_: object) -> None:
    """Save no checkpoint."""


def _tell_nobody(_: object) -> None:
    """Show no progress."""
