"""What a training run needs to go on after it was cut off: one safetensors file, replaced atomically."""

from __future__ import annotations

import json
import os
import zlib
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

_STATE, _CHECKSUM = "state", "crc32"


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """`tensors` by name (weights, their mean, the optimizer's moments) and `state`, a JSON object."""

    tensors: dict[str, Tensor]
    state: dict[str, Any]


def save_checkpoint(file: Path, checkpoint: Checkpoint) -> None:
    """Write a checkpoint: after a power cut at any moment the file holds this one or the one before.

    Raises CalibrationError if it cannot be written; the one before then stands.
    """
    new = file.with_suffix(".new")
    state = json.dumps(checkpoint.state, allow_nan=False)
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in checkpoint.tensors.items()}
    try:
        save_file(tensors, new, metadata={_STATE: state, _CHECKSUM: _checksum(tensors, state)})
        with new.open("rb") as written:
            os.fsync(written.fileno())
        new.replace(file)
        sync_folder(file.parent)
    except (OSError, SafetensorError) as error:
        new.unlink(missing_ok=True)  # half a file would take the room that the next attempt needs
        stands = " The last checkpoint stands." if file.exists() else ""
        raise CalibrationError(
            f"{file}: cannot be written ({error}).{stands} Free space, then train again."
        ) from error


def load_checkpoint(file: Path) -> Checkpoint | None:
    """Read a checkpoint; None if there is none. Raises CalibrationError if it is damaged."""
    if not file.exists():
        return None
    try:
        with cast("AbstractContextManager[Any]", safe_open(file, framework="pt")) as opened:
            metadata: dict[str, str] = opened.metadata()
            tensors: dict[str, Tensor] = {name: opened.get_tensor(name) for name in opened.offset_keys()}
        checkpoint = Checkpoint(tensors, json.loads(metadata[_STATE]))
        intact = metadata[_CHECKSUM] == _checksum(tensors, metadata[_STATE])
    except (OSError, SafetensorError, KeyError, TypeError, ValueError) as error:
        raise CalibrationError(
            f"{file}: damaged ({error}). Start anew, without resuming (--no-resume)."
        ) from error
    if not intact:
        raise CalibrationError(
            f"{file}: damaged (its content does not match its checksum)."
            " Start anew, without resuming (--no-resume)."
        )
    return checkpoint


def _checksum(tensors: dict[str, Tensor], state: str) -> str:
    """Sum over names, numbers and state: safetensors itself would not notice a changed weight."""
    value = zlib.crc32(state.encode())
    for name in sorted(tensors):
        value = zlib.crc32(name.encode(), value)
        numbers: Any = tensors[name].reshape(-1).numpy()
        value = zlib.crc32(numbers, value)
    return f"{value:08x}"
