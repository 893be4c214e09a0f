"""How a training went, kept beside the bundle as `OUT.training/history.json` for reports and for people."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from inspectd.calibration.errors import CalibrationError
from inspectd.inference.documents import sync_folder

HISTORY_FILE = "history.json"


class HeldOut(BaseModel):
    """The loss of Eq. 6 on the images that stop the training, at a step."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    step: int = Field(ge=1)
    loss: float


class BatchFrom(BaseModel):
    """The batch in use from a step on; the first entry's step is 0, every later one was out of memory."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    step: int = Field(ge=0)
    batch: int = Field(ge=1)


class History(BaseModel):
    """One training from its first step, interruptions left out."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format_version: Literal[1] = 1
    losses: tuple[float, ...] = Field(description="of Eq. 6 on the training images, one per step")
    held_out: tuple[HeldOut, ...] = Field(description="in the order of steps")
    best_step: int = Field(ge=0, description="whose weights were kept; 0: none was measured")
    steps: int = Field(ge=0)
    images: int = Field(ge=1, description="to train with, in an epoch")
    epochs: float = Field(ge=0, description="passes over them")
    seconds: float = Field(ge=0, description="of training")
    ended: Literal["epochs", "minutes", "early stopping", "stopped", ""] = Field(
        description="why training ended; empty: it has not"
    )
    batches: tuple[BatchFrom, ...]
    device: Literal["cpu", "cuda"]
    precision: Literal["float32", "bfloat16", "float16"]


def history_file(bundle: Path) -> Path:
    """Return where the training of a bundle keeps its history."""
    return bundle.absolute().with_name(f"{bundle.absolute().name}.training") / HISTORY_FILE


def write_history(file: Path, history: History) -> None:
    """Write a history; the file is there complete or not at all. Raises CalibrationError if it cannot be."""
    new = file.with_suffix(".new")
    try:
        with new.open("w", encoding="utf-8") as opened:
            json.dump(history.model_dump(mode="json"), opened)
            opened.flush()
            os.fsync(opened.fileno())
        new.replace(file)
        sync_folder(file.parent)
    except OSError as error:
        new.unlink(missing_ok=True)
        raise CalibrationError(
            f"{file}: cannot be written ({error}). Free space, then train again."
        ) from error


def read_history(file: Path) -> History | None:
    """Read a history; None if there is none. Raises CalibrationError, naming file and remedy, if damaged."""
    if not file.exists():
        return None
    try:
        return History.model_validate_json(file.read_bytes())
    except (OSError, ValidationError) as error:
        reason = error.errors()[0]["msg"] if isinstance(error, ValidationError) else error
        raise CalibrationError(
            f"{file}: damaged ({reason}). Move it away; the bundle does not need it."
        ) from error
