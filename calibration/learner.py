"""Training steps: gradients within the memory there is, Adam, a running mean of the weights."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch.nn.utils import clip_grad_norm_  # pyright: ignore[reportUnknownVariableType]  incomplete annotations

from inspectd.calibration.batches import Batches
from inspectd.calibration.device import is_out_of_memory
from inspectd.calibration.errors import CalibrationError
from inspectd.calibration.loss import reconstruction_loss
from inspectd.calibration.weights import copied, in_memory_order, weights_of
from inspectd.inference.graph import IMAGENET_MEAN, IMAGENET_STD

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor

    from inspectd.calibration.device import Device
    from inspectd.calibration.settings import Recipe
    from inspectd.inference.model import EncoderDecoder

_WARM_UP_STEPS = 20
_LARGEST_GRADIENT = 1.0
_AVERAGE_POWER = 7.0
_SEED_STRIDE = 1_000_003


class Learner:
    """Makes steps on good images, uint8 [N, S, S, 3], and counts steps and images."""

    def __init__(
        self, model: EncoderDecoder, recipe: Recipe, images: NDArray[np.uint8], seed: int, device: Device
    ) -> None:
        self.model = in_memory_order(model, torch.channels_last).to(device.kind)
        self.recipe = recipe
        self.device = device
        self.step, self.seen = 0, 0  # steps made and images that they used
        self.batches: list[tuple[int, int]] = [(0, recipe.batch)]  # from this step on, so many images
        self.average = copied(weights_of(self.model))
        self._source = Batches(images, recipe, seed)
        self._seed = seed
        self._optimizer = torch.optim.Adam(
            [parameter for parameter in model.parameters() if parameter.requires_grad], recipe.learning_rate
        )
        self.scaler = _scaler(device)
        mean, std = (torch.tensor(values).view(1, 3, 1, 1) for values in (IMAGENET_MEAN, IMAGENET_STD))
        self._mean, self._std = mean.to(device.kind), std.to(device.kind)

    @property
    def batch(self) -> int:
        """Images of a step: the recipe's, or what of it fits into the memory."""
        return self.batches[-1][1]

    def make_step(self, done: float) -> float:
        """Make one step and return its loss; `done` is the share of the run that is over, in [0, 1].

        Raises CalibrationError if the loss is not finite, or one image alone does not fit into the memory.
        """
        value = self._gradients_in_memory()
        self.scaler.unscale_(self._optimizer)
        clip_grad_norm_(self.model.parameters(), _LARGEST_GRADIENT)
        self._optimizer.param_groups[0]["lr"] = self.learning_rate(done)
        self.scaler.step(self._optimizer)
        self.scaler.update()
        self._update_average()
        if not math.isfinite(value):
            raise CalibrationError(
                f"the loss of step {self.step} is {value}: training diverged. Use a lower learning rate."
            )
        self.step += 1
        self.seen += self.batch
        return value

    def learning_rate(self, done: float) -> float:
        """Rise over the first steps, then, if the recipe says so, fall to 0 at the run's end."""
        rate = self.recipe.learning_rate * min(1.0, (self.step + 1) / _WARM_UP_STEPS)
        if not self.recipe.decay:
            return rate
        return rate * (1 + math.cos(math.pi * min(1.0, done))) / 2

    def loss(self, clean: Tensor, noisy: Tensor) -> Tensor:
        """Return the loss (Eq. 6) of reconstructing `clean` from `noisy`, float32 [N, 3, S, S]."""
        with torch.autocast(self.device.kind, self.device.dtype, enabled=self.device.precision != "float32"):
            reconstruction = self.model((noisy - self._mean) / self._std)
        return reconstruction_loss(clean, reconstruction.float(), borders=self.recipe.borders)

    def tensors(self) -> dict[str, dict[str, Tensor]]:
        """Return weights, their mean and the optimizer's moments: by part, then by name."""
        parts = {"model": weights_of(self.model), "average": self.average}
        moments: dict[int, dict[str, Tensor]] = self._optimizer.state_dict()["state"]
        return parts | {f"optimizer.{index}": tensors for index, tensors in moments.items()}

    def state(self) -> dict[str, Any]:
        """Return what else a step depends on, as JSON."""
        return {
            "step": self.step,
            "seen": self.seen,
            "batches": self.batches,
            "precision": self.device.precision,
            "scaler": self.scaler.state_dict(),
        }

    def restore(self, parts: dict[str, dict[str, Tensor]], state: dict[str, Any]) -> None:
        """Go on from what `tensors` and `state` returned. Raises what their not fitting raises."""
        self.model.load_state_dict(parts["model"])
        self.average = {name: tensor.to(self.device.kind) for name, tensor in parts["average"].items()}
        optimizer = self._optimizer.state_dict()
        for part, tensors in parts.items():
            kind, _, index = part.partition(".")
            if kind == "optimizer":
                optimizer["state"][int(index)] = tensors
        self._optimizer.load_state_dict(optimizer)
        self.step, self.seen = state["step"], state["seen"]
        self.batches = [(step, batch) for step, batch in state["batches"]]
        self.device = replace(self.device, precision=state["precision"])
        self.scaler = _scaler(self.device)
        self.scaler.load_state_dict(state["scaler"])

    def _gradients_in_memory(self) -> float:
        """Compute this step's gradients; where the memory does not suffice, with half the batch.

        Nothing but the gradients has changed when that happens, so training goes on from where it was.
        """
        while True:
            try:
                return self._gradients()
            except (RuntimeError, MemoryError) as error:
                if not is_out_of_memory(error):
                    raise
                reason = str(error).partition("\n")[0]
            # Out of the except clause, because the error holds the step's tensors.
            self._optimizer.zero_grad()
            torch.cuda.empty_cache()  # does nothing without a GPU
            self._halve_batch(reason)

    def _halve_batch(self, reason: str) -> None:
        if self.batch == 1:
            raise CalibrationError(
                f"out of memory at step {self.step} with a single image of {self.recipe.image_size} px on"
                f" {self.device.kind} ({reason}). End other programs there, or train with a smaller --size."
            )
        self.batches.append((self.step, self.batch // 2))

    def _gradients(self) -> float:
        # Noise, dropout and synthetic defects of this step, whatever happened before it.
        torch.manual_seed(_SEED_STRIDE * self._seed + self.step)
        generator = np.random.default_rng((self._seed, self.step))
        clean, corrupted = self._source.compose(self.seen, self.batch, generator)
        clean, corrupted = clean.to(self.device.kind), corrupted.to(self.device.kind)
        deviation = torch.full((len(clean), 1, 1, 1), self.recipe.sigma, device=clean.device)
        if self.recipe.sigma_drawn:
            deviation *= torch.rand_like(deviation)
        noisy = corrupted + deviation * torch.randn_like(corrupted)  # Eq. 4, not clamped
        self.model.train()
        loss = self.loss(clean, noisy)
        self._optimizer.zero_grad()
        self.scaler.scale(loss).backward()
        return float(loss.detach())

    def _update_average(self) -> None:
        """Keep a mean of the weights over about the last tenth of the run, however long it is.

        The weight of step t grows as a power of t (Karras et al. 2024, "Analyzing and Improving the Training
        Dynamics of Diffusion Models", eq. 127), so no horizon has to be chosen for short and long runs.
        """
        keep = (1 - 1 / (self.step + 1)) ** (_AVERAGE_POWER + 1) if self.recipe.average else 0.0
        for name, tensor in weights_of(self.model).items():
            self.average[name].lerp_(tensor, 1 - keep)


def _scaler(device: Device) -> torch.amp.GradScaler:
    """Scale gradients that float16 would lose; in another precision everything passes through."""
    return torch.amp.GradScaler(device.kind, enabled=device.precision == "float16")
