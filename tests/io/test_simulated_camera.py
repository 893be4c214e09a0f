"""The simulated camera: what it exposes, when, and how it misbehaves on command."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import numpy as np
import pytest
from simulated_camera_bench import PATIENCE_S, SIZE, rig

from inspectd.io.buttons import empty_frame
from inspectd.io.camera_settings import SimulatedCameraSettings
from inspectd.io.errors import CameraError
from inspectd.io.marker import read_marker
from inspectd.io.simulated_camera import SimulatedSource
from inspectd.io.simulated_sensor import MOST_WAITING, SimulatedSensor

if TYPE_CHECKING:
    from numpy.typing import NDArray


def test_hardware_trigger_exposes_the_announced_part_at_once() -> None:
    """Each announced part gives one frame of that part, stamped between sending and hand-over."""
    with rig(seed=3) as line:
        for part in (1, 2, 65_536, 7):
            sent_at = time.monotonic()
            line.send({"part": part})
            grab = line.grab()
            assert grab.label == f"part {part}"
            assert grab.exposure_stamped
            assert sent_at <= grab.exposed_at <= time.monotonic()
            np.testing.assert_array_equal(line.pixels, line.picture(part))
        assert line.nothing_comes()


def test_hardware_trigger_stamps_the_moment_at_the_photo_eye() -> None:
    """A part announced late was exposed when it stood there, not when this process had time to hear of it."""
    with rig() as line:
        at = time.monotonic() - 0.05
        line.send({"part": 1, "at": at})
        assert line.grab().exposed_at == at


def test_software_trigger_sees_what_was_announced_before_it() -> None:
    """A part announced just before the trigger is the one that stands there, read from the wire or not."""
    with rig(trigger="software") as line:
        for part in range(1, 100):
            line.send({"part": part})
            line.source.trigger()
            assert line.grab().label == f"part {part}"


def test_next_part_is_rendered_before_it_comes() -> None:
    """After part n, the slot already shows part n + 1, before anything is announced."""
    with rig(seed=3) as line:
        line.send({"part": 5})
        line.grab()
        line.pixels.fill(0)
        assert line.source.grab(0.01, line.slot) is None
        np.testing.assert_array_equal(line.pixels, line.picture(6))


def test_software_trigger_exposes_the_part_that_stands_there() -> None:
    """Announcing alone gives nothing; each trigger exposes the part announced last, also twice."""
    with rig(trigger="software") as line:
        line.send({"part": 1})
        line.send({"part": 2})
        assert line.nothing_comes()
        deadline = time.monotonic() + PATIENCE_S
        while not np.array_equal(line.pixels, line.picture(2)):  # it is rendered ahead of the trigger
            assert line.source.grab(0.05, line.slot) is None
            assert time.monotonic() < deadline
        for _ in range(2):
            before = time.monotonic()
            line.source.trigger()
            after = time.monotonic()
            grab = line.grab()
            assert before <= grab.exposed_at <= after
            assert grab.label == "part 2"
            np.testing.assert_array_equal(line.pixels, line.picture(2))


def test_before_the_first_part_the_belt_is_empty() -> None:
    """A trigger with no part announced yet shows the belt."""
    with rig(trigger="software", seed=4) as line:
        line.source.trigger()
        assert line.grab().label == "empty"
        np.testing.assert_array_equal(line.pixels, empty_frame(4, 0, SIZE))


def test_free_running_shows_part_after_part() -> None:
    """Without a trigger, parts come in order from `start_part`, and a trigger changes nothing."""
    with rig(trigger="free", rate_hz=8.0, start_part=10, pattern="number", width=SIZE, height=SIZE) as line:
        line.source.trigger()
        shown = [(line.grab().label, int(line.pixels.max())) for _ in range(5)]
        assert shown == [(f"part {part}", part) for part in range(10, 15)]


def test_marker_tells_part_and_truth() -> None:
    """With `marker`, the frame itself says which part it shows."""
    with rig(marker=True, defect_rate=1.0) as line:
        line.send({"part": 70_000})
        line.grab()
        marker = read_marker(line.pixels)
        assert marker is not None
        assert (marker.part, marker.defective) == (70_000, True)


@pytest.mark.parametrize("by_wire", [True, False])
def test_drop_gives_no_frame_and_counts_it(by_wire: bool) -> None:  # noqa: FBT001
    """The dropped part has no frame; the next one tells that one was lost before it."""
    fault = {"fault": "drop", "part": 2}
    with rig(faults=() if by_wire else (fault,)) as line:
        if by_wire:
            line.send(fault)
        seen: list[tuple[str, int]] = []
        for part in (1, 2, 3):
            line.send({"part": part})
            if part != 2:
                grab = line.grab()
                seen.append((grab.label, grab.lost_before))
        assert seen == [("part 1", 0), ("part 3", 1)]


def test_duplicate_delivers_the_part_twice_with_a_later_stamp() -> None:
    """Two frames of one part: the same pixels, the second stamp later by the ordered time."""
    with rig() as line:
        line.send({"fault": "duplicate", "part": 4, "ms": 30})
        line.send({"part": 4})
        stamps: list[float] = []
        for _ in range(2):
            grab = line.grab()
            assert grab.label == "part 4"
            np.testing.assert_array_equal(line.pixels, line.picture(4))
            stamps.append(grab.exposed_at)
        assert stamps[1] - stamps[0] == pytest.approx(0.03)
        assert line.nothing_comes()


def test_stray_shows_the_part_again_in_another_picture() -> None:
    """A second frame of the same part, later by the ordered time, that is no copy of the first."""
    with rig(marker=True) as line:
        line.send({"fault": "stray", "part": 4, "ms": 30})
        line.send({"part": 4})
        first = line.grab()
        picture: NDArray[np.uint8] = np.array(line.pixels)
        np.testing.assert_array_equal(picture, line.picture(4))
        second = line.grab()
        assert second.label == "part 4"
        assert second.exposed_at - first.exposed_at == pytest.approx(0.03)
        marker = read_marker(line.pixels)
        assert marker is not None
        assert marker.part == 4
        assert (line.pixels != picture).any(axis=(1, 2)).all(), "rows are the same"
        line.send({"part": 5})
        line.grab()
        np.testing.assert_array_equal(line.pixels, line.picture(5))


def test_nothing_announced_stays_unheard_when_the_camera_says_that_nothing_was_exposed() -> None:
    """What came by wire before the camera is asked is exposed, however late its thread for that runs."""
    with rig() as line:
        listening = line.source._hear_all  # pyright: ignore[reportPrivateUsage]  its thread shall not hear
        line.source._hear_all = lambda: None  # pyright: ignore[reportPrivateUsage]
        line.send({"part": 1})
        assert line.source.grab(0.01, line.slot) is None
        line.source._hear_all = listening  # pyright: ignore[reportPrivateUsage]
        grab = line.source.grab(0.0, line.slot)
        assert grab is not None
        assert grab.label == "part 1"


def test_freeze_shows_the_previous_part_with_a_new_stamp() -> None:
    """The pixels are the previous part's, the stamp is this part's; the next part is itself again."""
    with rig() as line:
        line.send({"fault": "freeze", "part": 2})
        stamps: list[float] = []
        for part, shown in ((1, 1), (2, 1), (3, 3)):
            line.send({"part": part})
            stamps.append(line.grab().exposed_at)
            np.testing.assert_array_equal(line.pixels, line.picture(shown))
        assert stamps == sorted(set(stamps))


def test_delay_hands_over_later_with_an_honest_stamp() -> None:
    """The frame comes late and says when it was exposed; a part exposed meanwhile overtakes it."""
    with rig() as line:
        line.send({"fault": "delay", "part": 1, "ms": 1000})
        line.send({"part": 1})
        line.send({"part": 2})
        second, first = line.grab(), line.grab()
        assert (second.label, first.label) == ("part 2", "part 1")
        assert first.exposed_at <= second.exposed_at
        assert time.monotonic() - first.exposed_at >= 1.0
        np.testing.assert_array_equal(line.pixels, line.picture(1))


def test_fault_holds_for_one_exposure_only() -> None:
    """The same part announced again is a usual part."""
    with rig() as line:
        line.send({"fault": "drop", "part": 1})
        line.send({"part": 1})
        line.send({"part": 1})
        assert line.grab().lost_before == 1


def test_nonsense_on_the_wire_is_passed_over(capfd: pytest.CaptureFixture[str]) -> None:
    """What is neither part nor fault is told on standard error, and the next part is seen."""
    with rig() as line:
        for nonsense in ({"part": -1}, {"part": "1"}, {"fault": "explode", "part": 1}, [1]):
            line.send(nonsense)
        line.send({"part": 1})
        assert line.grab().label == "part 1"
    assert capfd.readouterr().err.count("neither part nor fault") == 4


def test_taken_port_is_an_error_with_remedy() -> None:
    """Two cameras cannot listen on one wire; the error names the port."""
    with rig() as line:
        other = SimulatedSource(line.settings)
        with pytest.raises(CameraError, match=rf"wire_port {line.port} .* choose another port"):
            other.open()


def test_sensor_keeps_a_bounded_number_of_exposures() -> None:
    """When nobody takes the exposures, the newest are lost and counted."""
    sensor = SimulatedSensor(SimulatedCameraSettings(trigger="free"))
    for at in range(MOST_WAITING + 5):
        sensor.expose_next_part(float(at))
    taken = [sensor.wait(0) for _ in range(MOST_WAITING + 1)]
    assert [exposure and exposure.part for exposure in taken] == [*range(MOST_WAITING), None]
    for part, lost in ((MOST_WAITING + 5, 5), (MOST_WAITING + 6, 0)):
        sensor.expose_next_part(float(part))
        exposure = sensor.wait(0)
        assert exposure is not None
        assert (exposure.part, sensor.take_lost(exposure.at)) == (part, lost)


def test_loss_is_told_by_the_first_frame_exposed_after_it() -> None:
    """As a device's own frame counter would: not by one that waited for its hand-over meanwhile."""
    sensor = SimulatedSensor(SimulatedCameraSettings(trigger="free"))
    for at in range(MOST_WAITING + 1):
        sensor.expose_next_part(float(at))
    assert [sensor.take_lost(before) for before in (MOST_WAITING, MOST_WAITING + 0.5, 99.0)] == [0, 1, 0]
