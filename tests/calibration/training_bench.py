"""Tiny trainings: settings of a whole calibration, and a recipe with images in memory."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from conftest import disk
from numpy.typing import NDArray

from inspectd.calibration.checkpoint import Checkpoint
from inspectd.calibration.device import Device
from inspectd.calibration.settings import Recipe, TrainSettings
from inspectd.calibration.trainer import Trainer
from inspectd.calibration.weights import copied
from inspectd.inference.model import EncoderDecoder

EPOCHS = 40


def settings(data: Path, out: Path, **changes: object) -> TrainSettings:
    """Settings of a run of 55 steps at 32 px in a few seconds."""
    tiny = {
        "profile": "demo",
        "class_name": "disk",
        "vgg19": "none",
        "device": "cpu",
        "image_size": 32,
        "widths": (8, 8, 8),
        "dim": 16,
        "epochs": EPOCHS,
        "batch": 8,
        "synthetic": 0.5,
    }
    return TrainSettings.model_validate({"data": data, "out": out, **tiny, **changes})


def recipe(**changes: object) -> Recipe:
    """A recipe of 30 steps on 12 images."""
    tiny = {
        "image_size": 32,
        "widths": (8, 8, 8),
        "dim": 16,
        "batch": 8,
        "epochs": 20,
        "sigma": 0.1,
        "learning_rate": 1e-3,
        "gain": 0.1,
    }
    return Recipe.model_validate({**tiny, **changes})


def images(count: int = 14) -> NDArray[np.uint8]:
    """Disks, uint8 [count, 32, 32, 3]."""
    return np.stack([disk(seed)[8:40, 8:40] for seed in range(count)])


def trainer(wanted: Recipe) -> Trainer:
    """A trainer of 12 images with 2 held out, about to begin."""
    every = images()
    torch.manual_seed(5)
    model = EncoderDecoder(wanted.network())
    return Trainer(model, wanted, every[:12], every[12:], 5, Device("cpu", "float32"))


class Kept:
    """Keeps the last checkpoint as a file would: what training does later does not change it."""

    def __init__(self) -> None:
        self.steps: list[int] = []
        self.last: Checkpoint | None = None

    def __call__(self, checkpoint: Checkpoint) -> None:
        """Take a checkpoint."""
        self.steps.append(checkpoint.state["step"])
        self.last = Checkpoint(copied(checkpoint.tensors), dict(checkpoint.state))
        self.last.state.update(
            {name: list(self.last.state[name]) for name in ("losses", "held_out", "batches")}
        )


def nobody(_: object) -> None:
    """Be told and do nothing."""
