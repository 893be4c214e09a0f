"""What a training run needs to go on after it was cut off: one safetensors file, replaced atomically."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file  # pyright: ignore[reportUnknownVariableType]  incomplete annotations

from inspectd.calibration.errors import CalibrationError
from inspectd.inference.documents import sync_folder

if TYPE_CHECKING:
    from contextlib import AbstractContextManager
    from pathlib import Path

    from torch import Tensor

_STATE = "state"


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """`tensors` by name (weights, their mean, the optimizer's moments) and `state`, a JSON object."""

    tensors: dict[str, Tensor]
    state: dict[str, Any]


def save_checkpoint(file: Path, checkpoint: Checkpoint) -> None:
    """Write a checkpoint: after a power cut at any moment the file holds this one or the one before.

    Raises CalibrationError if it cannot be written.
    """
    new = file.with_suffix(".new")
    try:
        tensors = {name: tensor.contiguous() for name, tensor in checkpoint.tensors.items()}
        save_file(tensors, new, metadata={_STATE: json.dumps(checkpoint.state, allow_nan=False)})
        with new.open("rb") as written:
            os.fsync(written.fileno())
        new.replace(file)
        sync_folder(file.parent)
    except (OSError, SafetensorError) as error:
        raise CalibrationError(
            f"{file}: cannot be written ({error}). Free space, then train again."
        ) from error


def load_checkpoint(file: Path) -> Checkpoint | None:
    """Read a checkpoint; None if there is none. Raises CalibrationError if it is damaged."""
    if not file.exists():
        return None
    try:
        with cast("AbstractContextManager[Any]", safe_open(file, framework="pt")) as opened:
            state = json.loads(opened.metadata()[_STATE])
            tensors: dict[str, Tensor] = {name: opened.get_tensor(name) for name in opened.offset_keys()}
        return Checkpoint(tensors, state)
    except (OSError, SafetensorError, KeyError, TypeError, ValueError) as error:
        raise CalibrationError(f"{file}: damaged ({error}). Start anew, without resuming.") from error
