"""The training loop. A step's random numbers follow from seed and step: a resumed run is the same run."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

import numpy as np
import torch
from torch.nn.utils import clip_grad_norm_  # pyright: ignore[reportUnknownVariableType]  incomplete annotations

from inspectd.calibration.checkpoint import Checkpoint
from inspectd.calibration.errors import CalibrationError
from inspectd.calibration.loss import reconstruction_loss
from inspectd.calibration.synthetic import add_defects
from inspectd.inference.graph import IMAGENET_MEAN, IMAGENET_STD, noise_field

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor

    from inspectd.calibration.settings import Recipe
    from inspectd.inference.model import EncoderDecoder

CHECK_STEPS = 40
"""Steps between two looks at the held-out images, each followed by a checkpoint."""
_WARM_UP_STEPS = 20
_LARGEST_GRADIENT = 1.0
_AVERAGE_POWER = 7.0
_FULL_SIZE = 224
_SEED_STRIDE = 1_000_003


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a calibration is. `seconds_left` is an upper estimate; losses are NaN before they are known."""

    stage: str
    step: int
    steps: int
    loss: float
    held_out_loss: float
    seconds_left: float


ProgressCallback = Callable[[Progress], None]
LookCallback = Callable[[int, "EncoderDecoder"], bool]
"""Is given the step and the averaged model in evaluation mode; True ends the training."""


class Trainer:
    """Trains a model on good images, uint8 [N, S, S, 3]; watches the loss on held-out ones."""

    def __init__(
        self,
        model: EncoderDecoder,
        recipe: Recipe,
        images: NDArray[np.uint8],
        held_out: NDArray[np.uint8],
        seed: int,
    ) -> None:
        self.model = in_memory_order(model, torch.channels_last)
        self.recipe = recipe
        self.step = 0
        self.losses: list[float] = []
        self.held_out_loss = math.nan
        self.elapsed_s = 0.0
        self._images = images
        self._held_out = held_out
        self._seed = seed
        epoch_steps = len(images) / recipe.batch
        self.steps = math.ceil(recipe.epochs * epoch_steps)
        self._stop_after = recipe.stop_after_epochs * epoch_steps
        self._patience = recipe.patience_epochs * epoch_steps
        self._optimizer = torch.optim.Adam(
            [parameter for parameter in model.parameters() if parameter.requires_grad], recipe.learning_rate
        )
        self._average = _copy(_weights(model))
        self._best = _copy(self._average)
        self._best_loss, self._best_step = math.inf, 0
        self._bfloat16 = has_fast_bfloat16()
        mean, std = (torch.tensor(values).view(1, 3, 1, 1) for values in (IMAGENET_MEAN, IMAGENET_STD))
        self._mean, self._std = mean, std
        self._check_noise = recipe.sigma * recipe.test_noise * noise_field(recipe.image_size, seed)

    def run(
        self,
        save: Callable[[Checkpoint], None],
        progress: ProgressCallback,
        look: LookCallback | None = None,
    ) -> None:
        """Train until the recipe's epochs or minutes are over, or early stopping or `look` ends it.

        `save` is given a checkpoint every CHECK_STEPS steps. The model then holds the best weights.
        """
        enough = False
        limit_s = self._limit_s()
        began = time.monotonic() - self.elapsed_s
        first_step, first_s = self.step, self.elapsed_s
        while self.step < self.steps and self.elapsed_s < limit_s and not (enough or self._out_of_patience()):
            self.losses.append(self._train_step())
            self.step += 1
            self.elapsed_s = time.monotonic() - began
            if self.step % CHECK_STEPS == 0:
                enough = self._check(look)
                self.elapsed_s = time.monotonic() - began
                save(self.checkpoint())
            per_step = (self.elapsed_s - first_s) / (self.step - first_step)
            left = min((self.steps - self.step) * per_step, limit_s - self.elapsed_s)
            progress(
                Progress("train", self.step, self.steps, self.losses[-1], self.held_out_loss, max(0.0, left))
            )
        self._check()
        self.model.load_state_dict(self._best)
        self.model.eval()

    def checkpoint(self) -> Checkpoint:
        """Return all that a run needs to go on exactly as if it had not been cut off."""
        parts = {"model": _weights(self.model), "average": self._average, "best": self._best}
        moments: dict[int, dict[str, Tensor]] = self._optimizer.state_dict()["state"]
        for index, tensors in moments.items():
            parts[f"optimizer.{index}"] = tensors
        named = {
            f"{part}.{name}": tensor for part, tensors in parts.items() for name, tensor in tensors.items()
        }
        state = {
            "step": self.step,
            "losses": self.losses,
            "elapsed_s": self.elapsed_s,
            "held_out_loss": self.held_out_loss,
            "best_loss": self._best_loss,
            "best_step": self._best_step,
            "bfloat16": self._bfloat16,
        }
        return Checkpoint(named, state)

    def restore(self, checkpoint: Checkpoint) -> None:
        """Go on from a checkpoint of a run with the same model, recipe, images and seed."""
        parts: dict[str, dict[str, Tensor]] = {"model": {}, "average": {}, "best": {}, "optimizer": {}}
        for name, tensor in checkpoint.tensors.items():
            part, _, rest = name.partition(".")
            parts[part][rest] = tensor
        self.model.load_state_dict(parts["model"])
        self._average, self._best = parts["average"], parts["best"]
        optimizer = self._optimizer.state_dict()
        for name, tensor in parts["optimizer"].items():
            index, _, moment = name.partition(".")
            optimizer["state"].setdefault(int(index), {})[moment] = tensor
        self._optimizer.load_state_dict(optimizer)
        state = checkpoint.state
        self.step, self.losses = state["step"], list(state["losses"])
        self.elapsed_s, self.held_out_loss = state["elapsed_s"], state["held_out_loss"]
        self._best_loss, self._best_step = state["best_loss"], state["best_step"]
        self._bfloat16 = state["bfloat16"]

    def _train_step(self) -> float:
        # Noise, dropout and synthetic defects of this step, whatever happened before it.
        torch.manual_seed(_SEED_STRIDE * self._seed + self.step)
        generator = np.random.default_rng((self._seed, self.step))
        clean, corrupted = self._batch(generator)
        deviation = torch.full((len(clean), 1, 1, 1), self.recipe.sigma)
        if self.recipe.sigma_drawn:
            deviation *= torch.rand_like(deviation)
        noisy = corrupted + deviation * torch.randn_like(corrupted)  # Eq. 4, not clamped
        self.model.train()
        loss = self._loss(clean, noisy)
        self._optimizer.zero_grad()
        loss.backward()
        clip_grad_norm_(self.model.parameters(), _LARGEST_GRADIENT)
        self._optimizer.param_groups[0]["lr"] = self._learning_rate()
        self._optimizer.step()
        self._update_average()
        value = float(loss.detach())
        if not math.isfinite(value):
            raise CalibrationError(
                f"the loss of step {self.step} is {value}: training diverged. Use a lower learning rate."
            )
        return value

    def _learning_rate(self) -> float:
        """Rise over the first steps, then, if the recipe says so, fall to 0 at the run's end."""
        rate = self.recipe.learning_rate * min(1.0, (self.step + 1) / _WARM_UP_STEPS)
        if not self.recipe.decay:
            return rate
        done = max(self.step / self.steps, self.elapsed_s / self._limit_s())
        return rate * (1 + math.cos(math.pi * min(1.0, done))) / 2

    def _batch(self, generator: np.random.Generator) -> tuple[Tensor, Tensor]:
        """Return this step's clean images and those to be repaired, float32 [B, 3, S, S] in [0, 1]."""
        count, batch = len(self._images), self.recipe.batch
        positions = range(self.step * batch, (self.step + 1) * batch)
        clean = np.empty((batch, *self._images.shape[1:]), np.float32)
        for slot, position in enumerate(positions):
            epoch, index = divmod(position, count)
            order = np.random.default_rng((self._seed, epoch)).permutation(count)
            clean[slot] = self._images[order[index]]
        clean /= 255
        if self.recipe.gain:
            gains = generator.uniform(1 - self.recipe.gain, 1 + self.recipe.gain, (batch, 1, 1, 1))
            clean = np.minimum(clean * gains.astype(np.float32), np.float32(1))
        corrupted = np.array(clean, np.float32)
        for slot in range(batch):
            if generator.random() < self.recipe.synthetic:
                corrupted[slot] = add_defects(clean[slot], generator)
        return _to_tensor(clean), _to_tensor(corrupted)

    def _loss(self, clean: Tensor, noisy: Tensor) -> Tensor:
        return reconstruction_loss(clean, self._reconstruct(noisy), borders=self.recipe.borders)

    def _reconstruct(self, noisy: Tensor) -> Tensor:
        with torch.autocast("cpu", torch.bfloat16, enabled=self._bfloat16):
            return self.model((noisy - self._mean) / self._std).float()

    def _update_average(self) -> None:
        """Keep a mean of the weights over about the last tenth of the run, however long it is.

        The weight of step t grows as a power of t (Karras et al. 2024, "Analyzing and Improving the Training
        Dynamics of Diffusion Models", eq. 127), so no horizon has to be chosen for short and long runs.
        """
        keep = (1 - 1 / (self.step + 1)) ** (_AVERAGE_POWER + 1) if self.recipe.average else 0.0
        for name, tensor in _weights(self.model).items():
            self._average[name].lerp_(tensor, 1 - keep)

    def _check(self, look: LookCallback | None = None) -> bool:
        """Measure the averaged weights on the held-out images and keep them if they are the best so far.

        Return whether `look` has seen enough of them.
        """
        current = _copy(_weights(self.model))
        self.model.load_state_dict(self._average)
        self.model.eval()
        losses: list[float] = []
        with torch.inference_mode():
            for start in range(0, len(self._held_out), self.recipe.batch):
                images = np.asarray(self._held_out[start : start + self.recipe.batch], np.float32)
                clean = _to_tensor(images) / 255
                loss = self._loss(clean, clean + self._check_noise)
                losses.append(float(loss) * len(clean))
        enough = look is not None and look(self.step, self.model)
        self.model.load_state_dict(current)
        self.held_out_loss = sum(losses) / len(self._held_out)
        if self.held_out_loss < self._best_loss:
            self._best_loss, self._best_step = self.held_out_loss, self.step
            self._best = _copy(self._average)
        return enough

    def _out_of_patience(self) -> bool:
        return self.step >= self._stop_after and self.step - self._best_step > self._patience

    def _limit_s(self) -> float:
        """Time to train, s: a step's work goes with the number of pixels."""
        minutes = math.inf if self.recipe.minutes is None else self.recipe.minutes
        return 60 * minutes * min(1.0, (self.recipe.image_size / _FULL_SIZE) ** 2)


def start_at_mean_colour(model: EncoderDecoder, images: NDArray[np.uint8]) -> None:
    """Let an untrained model begin with the mean colour of the images, uint8 [N, S, S, 3].

    Otherwise the first steps do nothing but pull the output to that colour, and so hard that ReLUs of the
    narrow last layers die of it.
    """
    colour = torch.from_numpy(images.mean(axis=(0, 1, 2), dtype=np.float64) / 255).float()
    with torch.no_grad():
        cast("Tensor", model.head.bias).copy_(torch.logit(colour, eps=0.01))


def has_fast_bfloat16() -> bool:
    """Whether this CPU computes in bfloat16 by itself; emulated, it would be slower than float32."""
    capabilities = getattr(torch.cpu, "get_capabilities", dict[str, object])()
    return bool(capabilities.get("avx512_bf16") or capabilities.get("amx_bf16"))


def _to_tensor(images: NDArray[np.float32]) -> Tensor:
    """float32 [N, S, S, 3] -> [N, 3, S, S], in the memory order in which convolutions are quickest here."""
    return torch.from_numpy(images).permute(0, 3, 1, 2)


def in_memory_order(model: EncoderDecoder, order: torch.memory_format) -> EncoderDecoder:
    """Lay out a model's 4-d weights in memory; channels_last halves a bfloat16 step's time and more."""
    return model.to(memory_format=order)  # pyright: ignore  its annotation lacks this call


def _weights(model: EncoderDecoder) -> dict[str, Tensor]:
    return model.state_dict()  # pyright: ignore  its annotation does not say of what


def _copy(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: tensor.detach().clone() for name, tensor in tensors.items()}
