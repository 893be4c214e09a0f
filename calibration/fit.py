"""One training, from a recipe and images in memory to a model: no folder, no bundle."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from inspectd.calibration.trainer import Trainer, start_at_mean_colour
from inspectd.inference.model import EncoderDecoder
from inspectd.inference.vgg19 import LoadedWeights, load_vgg19

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from inspectd.calibration.checkpoint import Checkpoint
    from inspectd.calibration.settings import Recipe
    from inspectd.calibration.trainer import LookCallback, ProgressCallback


@dataclass(frozen=True, slots=True)
class Fitted:
    """A trained model, with the weights of the best held-out loss, and how it came about."""

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
    progress: ProgressCallback | None = None,
    save: Callable[[Checkpoint], None] | None = None,
    checkpoint: Checkpoint | None = None,
    look: LookCallback | None = None,
) -> Fitted:
    """Train on good images, uint8 [N, S, S, 3]; `stopping_images` say which weights are best.

    The same arguments give the same model on the same machine. `checkpoint` is one that `save` was given by a
    run with the same arguments: this one goes on exactly there. `look` is called every CHECK_STEPS steps with
    the step and the model as it would be used if training ended there, in evaluation mode; True ends it. It
    must not change the model. Raises CalibrationError, or WeightsError for `vgg19`.
    """
    torch.manual_seed(seed)
    model = EncoderDecoder(recipe.network())
    weights = load_vgg19(model, vgg19)
    start_at_mean_colour(model, train_images)
    trainer = Trainer(model, recipe, train_images, stopping_images, seed)
    if checkpoint is not None:
        trainer.restore(checkpoint)
    trainer.run(save or _keep_nothing, progress or _tell_nobody, look)
    return Fitted(model, trainer, weights)


def _keep_nothing(_: object) -> None:
    """Save no checkpoint."""


def _tell_nobody(_: object) -> None:
    """Show no progress."""
