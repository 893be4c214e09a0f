"""What TensorBoard shows of a training: `tensorboard --logdir OUT.training`."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from inspectd.calibration.errors import CalibrationError
from inspectd.calibration.trainer import CHECK_STEPS
from inspectd.inference.graph import ScoringGraph

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

    from numpy.typing import NDArray

    from inspectd.calibration.settings import Recipe
    from inspectd.calibration.trainer import Progress
    from inspectd.inference.model import EncoderDecoder

EVENT_FILES = "events.out.tfevents.*"
_SHOWN = 4
"""Held-out images whose reconstructions are shown."""


class Events:
    """Writes losses at every step and, more and more rarely, reconstructions of a few held-out images.

    At looks 1, 2, 4, 8 and so on: the pictures of a long training would otherwise fill the disk.
    """

    def __init__(
        self, folder: Path, recipe: Recipe, held_out: NDArray[np.uint8], seed: int, resumed_at: int
    ) -> None:
        """Show a training that goes on after step `resumed_at`, 0 for a new one, into a folder.

        What a run before wrote of later steps no longer counts: TensorBoard shows every step once. `held_out`
        is uint8 [N, S, S, 3]. No file is made before the first step.
        """
        self._folder = folder
        self._sigma, self._seed = recipe.sigma * recipe.test_noise, seed
        self._images = held_out[:_SHOWN]
        self._resumed_at = resumed_at
        self._writer: Any = None

    def step(self, progress: Progress) -> None:
        """Write the numbers of a training step. Raises CalibrationError if they cannot be written."""
        if progress.stage != "train":
            return
        with self._writing() as writer:
            writer.add_scalar("loss/training", progress.loss, progress.step)
            writer.add_scalar("learning rate", progress.learning_rate, progress.step)
            writer.add_scalar("batch", progress.batch, progress.step)
            if progress.step % CHECK_STEPS == 0:
                writer.add_scalar("loss/held out", progress.held_out_loss, progress.step)
                writer.flush()

    def look(self, step: int, model: EncoderDecoder) -> bool:
        """Write reconstructions by an averaged model if it is time to; never ends the training."""
        looks = step // CHECK_STEPS
        if looks & (looks - 1) == 0:
            self.reconstructions(step, model)
        return False

    def reconstructions(self, step: int, model: EncoderDecoder) -> None:
        """Write input, input with the scoring graph's noise, and reconstruction, side by side."""
        device = next(model.parameters()).device
        graph = ScoringGraph(model, self._sigma, self._seed).to(device)
        x = torch.from_numpy(np.asarray(self._images)).to(device).permute(0, 3, 1, 2) / 255
        with torch.inference_mode():
            noisy = x if graph.noise is None else x + graph.noise
            strips = torch.cat((x, noisy.clamp(0, 1), graph.reconstruct(x)), dim=3).cpu()
        with self._writing() as writer:
            for index, strip in enumerate(strips):
                writer.add_image(f"held out {index}: input, noisy, reconstruction", strip, step)
            writer.flush()

    def close(self) -> None:
        """Write what is left."""
        if self._writer is not None:
            with self._writing() as writer:
                writer.close()

    @contextmanager
    def _writing(self) -> Generator[Any]:
        try:
            if self._writer is None:
                from torch.utils.tensorboard import SummaryWriter  # noqa: PLC0415  takes a second to import

                purge_step = self._resumed_at + 1 if self._resumed_at else None
                self._writer = SummaryWriter(str(self._folder), purge_step=purge_step)
            yield self._writer
        except OSError as error:
            raise CalibrationError(
                f"{self._folder}: TensorBoard's events cannot be written ({error})."
                " Free space, then train again: it goes on from the last checkpoint."
            ) from error
