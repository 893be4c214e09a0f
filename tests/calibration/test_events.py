"""TensorBoard's events of a training: read back by TensorBoard's own reader."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from training_bench import Kept, images, nobody, recipe, trainer

from inspectd.calibration.errors import CalibrationError
from inspectd.calibration.events import Events
from inspectd.calibration.trainer import Progress

PICTURE = "held out 0: input, noisy, reconstruction"


def events_in(folder: Path, resumed_at: int = 0) -> Events:
    return Events(folder, recipe(), images()[12:], 5, resumed_at)


def read(folder: Path) -> Any:
    accumulator: Any = EventAccumulator(str(folder), size_guidance={"scalars": 0, "images": 0})
    accumulator.Reload()
    return accumulator


def run(folder: Path, kept: Kept, until: int | None = None, resumed: bool = False) -> None:  # noqa: FBT001, FBT002
    """Train 90 steps with events, or go on; `until` is the step at which the power is cut."""
    training = trainer(recipe(epochs=60))
    if resumed:
        assert kept.last is not None
        training.restore(kept.last)
    events = events_in(folder, training.step)

    def progress(told: Progress) -> None:
        events.step(told)
        if told.step == until:
            raise RuntimeError("power")

    try:
        training.run(kept, progress, events.look)
    finally:
        events.close()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Events of a run that was cut off at step 55, after its checkpoint of step 40, and went on."""
    folder = tmp_path_factory.mktemp("events")
    kept = Kept()
    with pytest.raises(RuntimeError, match="power"):
        run(folder, kept, until=55)
    assert kept.steps == [40]
    run(folder, kept, resumed=True)
    return folder


def test_every_step_is_shown_once(folder: Path) -> None:
    """Steps 41 to 55 were written twice, by the run that was cut off and by the one that went on."""
    written = read(folder)
    assert set(written.Tags()["scalars"]) == {
        "loss/training",
        "loss/held out",
        "learning rate",
        "batch",
    }
    for name in ("loss/training", "learning rate", "batch"):
        assert [each.step for each in written.Scalars(name)] == list(range(1, 91))
    assert [each.step for each in written.Scalars("loss/held out")] == [40, 80]


def test_events_hold_what_the_training_measured(folder: Path) -> None:
    """Losses to float32, the learning rate's warm-up, the batch."""
    whole = trainer(recipe(epochs=60))
    told: list[Progress] = []
    whole.run(nobody, told.append)
    written = read(folder)
    assert [each.value for each in written.Scalars("loss/training")] == pytest.approx(whole.losses)
    assert [each.value for each in written.Scalars("loss/held out")] == pytest.approx(
        [loss for step, loss in whole.held_out if step in {40, 80}]
    )
    assert [each.value for each in written.Scalars("learning rate")[:19]] == pytest.approx(
        [each.learning_rate for each in told[:19]], rel=1e-3
    )
    assert {each.value for each in written.Scalars("batch")} == {8.0}


def test_reconstructions_are_shown_more_and_more_rarely(folder: Path) -> None:
    """At looks 1 and 2 here, each of the two held-out images: input, noisy and reconstruction in a row."""
    written = read(folder)
    assert [each.step for each in written.Images(PICTURE)] == [40, 80]
    picture = Image.open(io.BytesIO(written.Images(PICTURE)[0].encoded_image_string))
    assert picture.size == (3 * 32, 32)
    events = events_in(folder)
    shown: list[int] = []
    events.reconstructions = lambda step, _model: shown.append(step)  # type: ignore[method-assign]  a stand-in
    for look in range(1, 33):
        events.look(40 * look, trainer(recipe()).model)
    assert shown == [40, 80, 160, 320, 640, 1280]


def test_no_file_before_the_first_step(tmp_path: Path) -> None:
    """A training that is refused leaves nothing."""
    events_in(tmp_path).close()
    assert not list(tmp_path.iterdir())


def test_events_that_cannot_be_written_are_an_error_with_a_remedy(tmp_path: Path) -> None:
    """Where the folder should be there is a file: what, where, and how to go on."""
    (tmp_path / "file").write_bytes(b"")
    progress = Progress("train", 1, 2, 0.5, 0.5, 1.0, 1e-3, 8)
    with pytest.raises(CalibrationError, match=r"file: TensorBoard.*Free space.*last checkpoint"):
        events_in(tmp_path / "file").step(progress)
