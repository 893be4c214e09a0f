"""The history of a training: what is read is what was written, and what is damaged is said to be."""

from __future__ import annotations

from pathlib import Path

import pytest
from training_bench import nobody, recipe, trainer

from inspectd.calibration.errors import CalibrationError
from inspectd.calibration.history import history_file, read_history, write_history


def test_a_history_is_read_back(tmp_path: Path) -> None:
    """All of it, to the last digit; beside the bundle, whatever the bundle is called."""
    training = trainer(recipe(epochs=2))
    training.run(nobody, nobody)
    file = history_file(tmp_path / "screw.v2")
    assert file == tmp_path / "screw.v2.training" / "history.json"
    assert read_history(file) is None
    file.parent.mkdir()
    write_history(file, training.history())
    assert read_history(file) == training.history()
    assert [path.name for path in file.parent.iterdir()] == [file.name]
    assert training.history().losses == tuple(training.losses)


def test_a_damaged_history_is_an_error_with_a_remedy(tmp_path: Path) -> None:
    """What, where, and that the bundle does without."""
    file = tmp_path / "history.json"
    file.write_text("{")
    with pytest.raises(CalibrationError, match=r"history\.json: damaged.*Move it away"):
        read_history(file)


def test_a_history_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    """No folder for it: what, where, remedy."""
    with pytest.raises(CalibrationError, match=r"history\.json: cannot be written.*Free space"):
        write_history(tmp_path / "gone" / "history.json", trainer(recipe()).history())
