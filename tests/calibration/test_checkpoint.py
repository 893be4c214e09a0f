"""Checkpoints: what is read is what was written, and a damaged file is an error with a remedy."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from inspectd.calibration.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from inspectd.calibration.errors import CalibrationError


def test_a_checkpoint_is_read_back_exactly(tmp_path: Path) -> None:
    """Tensors to the last bit and the state, of the last checkpoint saved."""
    file = tmp_path / "checkpoint.safetensors"
    assert load_checkpoint(file) is None
    for step in (1, 2):
        weights = torch.randn(3, 4, generator=torch.Generator().manual_seed(step))
        save_checkpoint(file, Checkpoint({"w": weights.t()}, {"step": step, "losses": [0.1, 1 / 3]}))
    loaded = load_checkpoint(file)
    assert loaded is not None
    assert loaded.state == {"step": 2, "losses": [0.1, 1 / 3]}
    assert torch.equal(loaded.tensors["w"], weights.t())
    assert [path.name for path in tmp_path.iterdir()] == [file.name]


def test_a_write_cut_off_leaves_the_one_before(tmp_path: Path) -> None:
    """The new file takes the old one's name only when it is complete."""
    file = tmp_path / "checkpoint.safetensors"
    save_checkpoint(file, Checkpoint({"w": torch.ones(2)}, {"step": 1}))
    with pytest.raises(ValueError, match="JSON"):
        save_checkpoint(file, Checkpoint({"w": torch.zeros(2)}, {"step": float("nan")}))
    (tmp_path / "checkpoint.new").write_bytes(b"half")
    loaded = load_checkpoint(file)
    assert loaded is not None
    assert loaded.state == {"step": 1}


@pytest.mark.parametrize("content", [b"", b"not a checkpoint", b"\x02\0\0\0\0\0\0\0{}"])
def test_a_damaged_checkpoint_is_refused(tmp_path: Path, content: bytes) -> None:
    """The text names the file and says how to go on without it."""
    file = tmp_path / "checkpoint.safetensors"
    file.write_bytes(content)
    with pytest.raises(CalibrationError, match=r"checkpoint\.safetensors: damaged.*without resuming"):
        load_checkpoint(file)


def test_a_folder_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    """Disk full or gone: the error says what to do; the run's own state is not touched."""
    with pytest.raises(CalibrationError, match="cannot be written"):
        save_checkpoint(tmp_path / "gone" / "c.safetensors", Checkpoint({"w": torch.ones(1)}, {}))
