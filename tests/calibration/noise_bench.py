"""A noise search on tiny data, with a scripted training in the place of the real one."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

from inspectd.calibration.noise_plan import NoiseSettings, plan_search
from inspectd.calibration.noise_ranking import Figures
from inspectd.calibration.noise_trial import OnLook, OnStep, TrainRate
from inspectd.calibration.settings import TrainSettings

LOOKS = 10
STEPS = 400
"""Of a training: a look every 40."""


def settings(data: Path, study: Path, training: dict[str, Any] | None = None, **search: Any) -> NoiseSettings:
    """Settings of a search at 32 px with a network of next to nothing."""
    tiny = {
        "profile": "demo",
        "class_name": "disk",
        "vgg19": "none",
        "device": "cpu",
        "image_size": 32,
        "widths": (8, 8, 8),
        "dim": 16,
        "synthetic": 0.0,
    }
    given = {"data": data, "out": study, **tiny, **(training or {})}
    wanted: dict[str, Any] = {"steps": STEPS, "trials": 4, **search}
    return NoiseSettings(training=TrainSettings.model_validate(given), **wanted)


def scripted(value: Callable[[float, int], float], begun: list[float] | None = None) -> TrainRate:
    """Return a training whose every look finds `value(sigma, seed)`; `begun` collects the rates."""

    def train(sigma: float, seed: int, on_step: OnStep, on_look: OnLook) -> None:
        if begun is not None:
            begun.append(sigma)
        for number in range(1, LOOKS + 1):
            step = number * STEPS // LOOKS
            on_step(step)
            found = value(sigma, seed)
            if on_look(step, Figures(found, found)):
                return

    return train


PEAK = 0.15


def peaked(sigma: float, _seed: int = 0) -> float:
    """Figures that are best at PEAK."""
    return 0.95 - 0.2 * abs(math.log(sigma / PEAK))


def plan_identity(own: NoiseSettings) -> dict[str, Any]:
    """Return what the workers of this search share."""
    return plan_search(own).identity()
