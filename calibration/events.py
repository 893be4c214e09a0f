"""What TensorBoard shows of a training: `tensorboard --logdir OUT.training`."""

from __future__ import annotations

import time
from contextlib import contextmanager, suppress
from importlib import import_module
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
        self._summary: Any = None
        self._file: _EventFile | None = None

    def step(self, progress: Progress) -> None:
        """Write the numbers of a training step. Raises CalibrationError if they cannot be written."""
        if progress.stage != "train":
            return
        numbers = {
            "loss/training": progress.loss,
            "learning rate": progress.learning_rate,
            "batch": progress.batch,
        }
        checked = progress.step % CHECK_STEPS == 0
        if checked:
            numbers["loss/held out"] = progress.held_out_loss
        with self._open() as file:
            for name, number in numbers.items():
                file.add(progress.step, self._summary.scalar(name, number))
            if checked:
                file.flush()

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
        with self._open() as file:
            for index, strip in enumerate(strips):
                name = f"held out {index}: input, noisy, reconstruction"
                file.add(step, self._summary.image(name, strip, dataformats="CHW"))
            file.flush()

    def close(self) -> None:
        """Write what is left."""
        if self._file is not None:
            with self._open() as file:
                file.close()

    @contextmanager
    def _open(self) -> Generator[_EventFile]:
        """Give the file, made at the first call; an error closes it for good."""
        try:
            if self._file is None:
                from torch.utils.tensorboard import summary  # noqa: PLC0415  takes a second to import

                self._summary = summary
                self._file = _EventFile(self._folder, self._resumed_at)
            yield self._file
        except OSError as error:
            if self._file is not None:
                with suppress(OSError):  # what could not be written cannot be written now
                    self._file.close()
                self._file = None
            raise CalibrationError(
                f"{self._folder}: TensorBoard's events cannot be written ({error})."
                " Free space, then train again: it goes on from the last checkpoint."
            ) from error


class _EventFile:
    """One file of TensorBoard's records, written at once.

    torch's SummaryWriter leaves writing to a thread, which on a full disk dies with a traceback of its own.
    """

    def __init__(self, folder: Path, resumed_at: int) -> None:
        from tensorboard.summary.writer.record_writer import RecordWriter  # noqa: PLC0415  see above

        self._proto: Any = import_module(
            "tensorboard.compat.proto.event_pb2"
        )  # its names are made at run time
        # TensorBoard reads a folder's files in the order of their names.
        file = folder / f"events.out.tfevents.{time.time_ns():020d}.inspectd"
        self._records: Any = RecordWriter(file.open("xb"))
        self._write(file_version="brain.Event:2")
        if resumed_at:
            start = self._proto.SessionLog(status=self._proto.SessionLog.START)
            self._write(step=resumed_at + 1, session_log=start)

    def add(self, step: int, summary: Any) -> None:
        """Add a number or a picture to a step."""
        self._write(step=step, summary=summary)

    def flush(self) -> None:
        """Let TensorBoard see what there is."""
        self._records.flush()

    def close(self) -> None:
        """Write what is left; no more can be added."""
        self._records.close()

    def _write(self, **content: Any) -> None:
        self._records.write(self._proto.Event(wall_time=time.time(), **content).SerializeToString())
