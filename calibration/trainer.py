"""A training run: when to measure, what to keep, when to end. A resumed run is the same run."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from inspectd.calibration.batches import to_tensor
from inspectd.calibration.checkpoint import Checkpoint
from inspectd.calibration.device import Device, choose_device
from inspectd.calibration.errors import CalibrationError
from inspectd.calibration.history import History
from inspectd.calibration.learner import Learner
from inspectd.calibration.weights import copied, weights_of
from inspectd.inference.graph import noise_field

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor

    from inspectd.calibration.settings import Recipe
    from inspectd.inference.model import EncoderDecoder

CHECK_STEPS = 40
"""Steps between two looks at the held-out images."""
SAVE_EVERY_S = 60.0
"""A checkpoint, which is large, follows the first look and then those that come so long after the last."""
_FULL_SIZE = 224


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a calibration is. `seconds_left` is an upper estimate; losses are NaN before they are known."""

    stage: str
    step: int
    steps: int
    loss: float
    held_out_loss: float
    seconds_left: float
    learning_rate: float = math.nan
    batch: int = 0
    message: str = ""
    """What a person is to be told, once."""


ProgressCallback = Callable[[Progress], None]
LookCallback = Callable[[int, "EncoderDecoder"], bool]
"""Is given the step and the averaged model in evaluation mode, on its device; True ends the training."""


class Trainer:
    """Trains a model on good images, uint8 [N, S, S, 3]; watches the loss on held-out ones."""

    def __init__(
        self,
        model: EncoderDecoder,
        recipe: Recipe,
        images: NDArray[np.uint8],
        held_out: NDArray[np.uint8],
        seed: int,
        device: Device | None = None,
    ) -> None:
        self.recipe = recipe
        self.losses: list[float] = []
        self.held_out: list[tuple[int, float]] = []  # step, loss
        self.elapsed_s = 0.0
        self.learner = Learner(model, recipe, images, seed, device or choose_device("cpu"))
        self._held_out_images = held_out
        self._count = len(images)
        self._best = copied(self.learner.average)
        self._best_loss, self._best_step, self._best_seen = math.inf, 0, 0
        self._ended = ""
        self._check_noise = recipe.sigma * recipe.test_noise * noise_field(recipe.image_size, seed)

    @property
    def model(self) -> EncoderDecoder:
        """The model in training; once `run` is over it holds the best weights."""
        return self.learner.model

    @property
    def step(self) -> int:
        """Steps made."""
        return self.learner.step

    @property
    def batch(self) -> int:
        """Images of a step: the recipe's, or what of it fits into the memory."""
        return self.learner.batch

    @property
    def steps(self) -> int:
        """How many steps the recipe's epochs take, made and to be made, at the batch in use."""
        return self.step + math.ceil(max(0, self._images_in_all() - self.learner.seen) / self.batch)

    @property
    def held_out_loss(self) -> float:
        """The last one measured; NaN before."""
        return self.held_out[-1][1] if self.held_out else math.nan

    def run(
        self,
        save: Callable[[Checkpoint], None],
        progress: ProgressCallback,
        look: LookCallback | None = None,
    ) -> None:
        """Train until the recipe's epochs or minutes are over, or early stopping or `look` ends it.

        `save` is given a checkpoint now and then and at the end. The model then holds the best weights, on
        the CPU. `progress` is called after each step: a KeyboardInterrupt that it raises lies between two
        steps, and goes on after a checkpoint of the step just made.
        """
        began = time.monotonic() - self.elapsed_s
        first_step, first_s = self.step, self.elapsed_s
        saved_s = -math.inf
        while not self._over():
            batch = self.batch
            self.losses.append(self.learner.make_step(self._done()))
            checked = self.step % CHECK_STEPS == 0
            if checked and self._check(look):
                self._ended = "stopped"
            self.elapsed_s = time.monotonic() - began
            # Also after halving the batch, so that a resumed run halves it at the same step.
            if (checked and self.elapsed_s - saved_s >= SAVE_EVERY_S) or self.batch != batch:
                save(self.checkpoint())
                saved_s = self.elapsed_s
            per_step = (self.elapsed_s - first_s) / (self.step - first_step)
            try:
                progress(self._progress(per_step, batch))
            except KeyboardInterrupt:
                save(self.checkpoint())
                raise
        if not self.held_out or self.held_out[-1][0] != self.step:
            self._check(None)
        save(self.checkpoint())  # whatever comes next may fail without costing the training
        self.model.load_state_dict(self._best)
        self.model.eval().to("cpu")

    def history(self) -> History:
        """Return how the training has gone until now."""
        return History.model_validate(
            {
                "losses": tuple(self.losses),
                "held_out": tuple({"step": step, "loss": loss} for step, loss in self.held_out),
                "best_step": self._best_step,
                "steps": self.step,
                "images": self._count,
                "epochs": self.learner.seen / self._count,
                "seconds": self.elapsed_s,
                "ended": self._ended,
                "batches": tuple({"step": step, "batch": batch} for step, batch in self.learner.batches),
                "device": self.learner.device.kind,
                "precision": self.learner.device.precision,
            }
        )

    def checkpoint(self) -> Checkpoint:
        """Return all that a run needs to go on exactly as if it had not been cut off.

        Its tensors are the training's own, which the next step changes: write them before it.
        """
        named = {
            f"{part}/{name}": tensor
            for part, tensors in ({"best": self._best} | self.learner.tensors()).items()
            for name, tensor in tensors.items()
        }
        state: dict[str, Any] = self.learner.state() | {
            "losses": self.losses,
            "held_out": self.held_out,
            "best": [self._best_loss, self._best_step, self._best_seen] if self.held_out else None,
            "elapsed_s": self.elapsed_s,
            "ended": self._ended,
        }
        return Checkpoint(named, state)

    def restore(self, checkpoint: Checkpoint) -> None:
        """Go on from a checkpoint of a run with the same model, recipe, images, seed and device.

        Raises CalibrationError if it is not one.
        """
        parts: dict[str, dict[str, Tensor]] = {}
        for name, tensor in checkpoint.tensors.items():
            part, _, rest = name.partition("/")
            parts.setdefault(part, {})[rest] = tensor
        state = checkpoint.state
        try:
            self.learner.restore(parts, state)
            self._best = parts["best"]
            self.losses = list(state["losses"])
            self.held_out = [(step, loss) for step, loss in state["held_out"]]
            self._best_loss, self._best_step, self._best_seen = state["best"] or (math.inf, 0, 0)
            self.elapsed_s, self._ended = state["elapsed_s"], state["ended"]
        except (KeyError, IndexError, TypeError, ValueError, RuntimeError) as error:
            raise CalibrationError(
                f"the checkpoint does not fit this training ({error!r}): damaged, or of another version of"
                " the program. Start anew, without resuming (--no-resume)."
            ) from error

    def _progress(self, per_step_s: float, batch_before: int) -> Progress:
        left = min((self.steps - self.step) * per_step_s, self._limit_s() - self.elapsed_s)
        message = (
            f"out of memory with a batch of {batch_before}: goes on with {self.batch} images"
            if self.batch != batch_before
            else ""
        )
        return Progress(
            stage="train",
            step=self.step,
            steps=self.steps,
            loss=self.losses[-1],
            held_out_loss=self.held_out_loss,
            seconds_left=max(0.0, left),
            learning_rate=self.learner.learning_rate(self._done()),
            batch=self.batch,
            message=message,
        )

    def _check(self, look: LookCallback | None) -> bool:
        """Measure the averaged weights on the held-out images and keep them if they are the best so far.

        Return whether `look` has seen enough of them.
        """
        current = copied(weights_of(self.model))
        self.model.load_state_dict(self.learner.average)
        self.model.eval()
        loss = self._measure()
        enough = look is not None and look(self.step, self.model)
        self.model.load_state_dict(current)
        self.held_out.append((self.step, loss))
        if loss < self._best_loss:
            self._best_loss, self._best_step, self._best_seen = loss, self.step, self.learner.seen
            self._best = copied(self.learner.average)
        return enough

    def _measure(self) -> float:
        """Return the mean loss on the held-out images, with the noise that the scoring graph will add."""
        kind, losses = self.learner.device.kind, list[float]()
        with torch.inference_mode():
            for start in range(0, len(self._held_out_images), self.batch):
                images = np.asarray(self._held_out_images[start : start + self.batch], np.float32)
                clean = to_tensor(images).to(kind) / 255
                loss = self.learner.loss(clean, clean + self._check_noise.to(kind))
                losses.append(float(loss) * len(clean))
        return sum(losses) / len(self._held_out_images)

    def _over(self) -> bool:
        """Whether the training is to end; `_ended` then says why."""
        if not self._ended:
            if self.learner.seen >= self._images_in_all():
                self._ended = "epochs"
            elif self.elapsed_s >= self._limit_s():
                self._ended = "minutes"
            elif self._out_of_patience():
                self._ended = "early stopping"
        return bool(self._ended)

    def _out_of_patience(self) -> bool:
        """Whether the held-out loss has not improved for the recipe's patience.

        The paper's early stopping is "activated from epoch 800": what came before does not count as waiting.
        """
        since = max(self._best_seen, self.recipe.stop_after_epochs * self._count)
        return self.learner.seen - since >= self.recipe.patience_epochs * self._count

    def _done(self) -> float:
        """Share of the run that is over, by images or by time."""
        return max(self.learner.seen / self._images_in_all(), self.elapsed_s / self._limit_s())

    def _images_in_all(self) -> int:
        return self.recipe.epochs * self._count

    def _limit_s(self) -> float:
        """Time to train, s: a step's work goes with the number of pixels."""
        minutes = math.inf if self.recipe.minutes is None else self.recipe.minutes
        return 60 * minutes * min(1.0, (self.recipe.image_size / _FULL_SIZE) ** 2)
