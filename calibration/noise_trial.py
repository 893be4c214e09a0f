"""One trial of a noise search: train with a rate, look at what it detects every so many steps, and judge."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from inspectd.calibration.errors import CalibrationError
from inspectd.calibration.fit import fit
from inspectd.calibration.noise_ranking import Figures, RankingImages, look_at
from inspectd.calibration.noise_storage import FIGURES
from inspectd.calibration.trainer import CHECK_STEPS

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray
    from optuna.trial import Trial

    from inspectd.calibration.device import Wanted
    from inspectd.calibration.noise_storage import Worker
    from inspectd.calibration.settings import Recipe
    from inspectd.calibration.trainer import Progress
    from inspectd.inference.model import EncoderDecoder

_LOOKS = 10
"""Looks in a training, about: each costs as much as several steps."""
_LAST_LOOKS = 3
"""A training's figures are the mean of its last looks: those of a single one jump."""

OnStep = Callable[[int], None]
OnLook = Callable[[int, Figures], bool]
"""Is given a step and what the model detects there; True ends the training."""
TrainRate = Callable[[float, int, OnStep, OnLook], None]
"""Trains with (sigma, seed), and looks `Schedule.looks` times."""


@dataclass(frozen=True, slots=True)
class Schedule:
    """When to look: every `every` steps, up to `steps`."""

    steps: int
    every: int

    @property
    def looks(self) -> int:
        """Looks in one training."""
        return self.steps // self.every


def plan_looks(steps: int) -> Schedule:
    """Plan about ten looks in a training of `steps` steps, which is rounded up to a whole number of them."""
    every = CHECK_STEPS * max(1, round(steps / CHECK_STEPS / _LOOKS))
    return Schedule(math.ceil(steps / every) * every, every)


@dataclass(frozen=True, slots=True)
class TrialImages:
    """Prepared images uint8 [N, S, S, 3] of a trial; none stands in two of the three."""

    train: NDArray[np.uint8]
    stopping: NDArray[np.uint8]
    ranking: RankingImages


def rate_training(
    recipe: Recipe, images: TrialImages, schedule: Schedule, vgg19: str | Path, device: Wanted
) -> TrainRate:
    """Return what trains with a rate by a recipe, for as many steps as the schedule says."""
    epochs = math.ceil(schedule.steps * recipe.batch / len(images.train))
    bounded = recipe.model_copy(
        # Every trial is as long as the others: no clock, no early end.
        update={"epochs": epochs, "minutes": None, "stop_after_epochs": epochs}
    )

    def train(sigma: float, seed: int, on_step: OnStep, on_look: OnLook) -> None:
        def told(progress: Progress) -> None:
            on_step(progress.step)

        def look(step: int, model: EncoderDecoder) -> bool:
            if step % schedule.every:
                return False
            figures = look_at(model, sigma * recipe.test_noise, seed, images.ranking)
            return on_look(step, figures) or step >= schedule.steps

        own = bounded.model_copy(update={"sigma": sigma})
        fit(own, images.train, images.stopping, seed, vgg19, device=device, progress=told, look=look)

    return train


class RatedTrial:
    """Runs one trial and keeps its figures on record as they come."""

    def __init__(
        self,
        trial: Trial,
        worker: Worker,
        schedule: Schedule,
        seeds: range,
        tell: Callable[[float, str], None],
    ) -> None:
        """`tell` is given the share of the trial that is done, and how it stands."""
        self._trial, self._worker, self._schedule = trial, worker, schedule
        self._seeds, self._tell = seeds, tell
        self._began = time.monotonic()
        self._finished: list[Figures] = []
        self._looks: list[Figures] = []
        self._pruned = False
        self._text = "first look to come"

    def run(self, train: TrainRate, sigma: float) -> float | None:
        """Train once with each seed; return the value, None if the pruner stopped it.

        Raises CalibrationError if training fails, OptunaError if another worker took the trial away.
        """
        self._worker.sign(self._trial, now=True)
        for seed in self._seeds:
            self._looks = []
            train(sigma, seed, self._on_step, self._on_look)
            if self._pruned:
                return None
            if not self._looks:
                raise CalibrationError("the training ended before its first look: give it more steps.")
            self._finished.append(mean_figures(self._looks[-_LAST_LOOKS:]))
        value = mean_figures(self._finished).value
        self._keep()
        return value

    def _on_step(self, step: int) -> None:
        self._worker.sign(self._trial)
        done = len(self._finished) + step / self._schedule.steps
        self._tell(done / len(self._seeds), self._text)

    def _on_look(self, _step: int, figures: Figures) -> bool:
        self._looks.append(figures)
        now = self._so_far()
        self._keep()
        number = len(self._finished) * self._schedule.looks + len(self._looks)
        self._trial.report(now.value, number - 1)
        pixel = "" if now.pixel_auroc is None else f", pixel {now.pixel_auroc:.3f}"
        self._text = f"image AUROC {now.image_auroc:.3f}{pixel}"
        # At the very last look nothing is saved by stopping, and a complete trial lost.
        self._pruned = number < len(self._seeds) * self._schedule.looks and self._trial.should_prune()
        return self._pruned

    def _so_far(self) -> Figures:
        last = [mean_figures(self._looks[-_LAST_LOOKS:])] if self._in_training() else []
        return mean_figures([*self._finished, *last])

    def _in_training(self) -> bool:
        return bool(self._looks) and len(self._finished) < len(self._seeds)

    def _keep(self) -> None:
        now = self._so_far()
        steps = len(self._finished) * self._schedule.steps
        steps += len(self._looks) * self._schedule.every if self._in_training() else 0
        record = {
            "value": now.value,
            "image_auroc": now.image_auroc,
            "pixel_auroc": now.pixel_auroc,
            "seed_values": [each.value for each in self._finished],
            "steps": steps,
            "seconds": round(time.monotonic() - self._began, 2),
        }
        self._trial.set_user_attr(FIGURES, record)


def mean_figures(figures: list[Figures]) -> Figures:
    """Average image and pixel AUROC over looks or seeds; at least one."""
    pixels = [each.pixel_auroc for each in figures if each.pixel_auroc is not None]
    return Figures(
        sum(each.image_auroc for each in figures) / len(figures),
        sum(pixels) / len(pixels) if pixels else None,
    )
