"""From the settings in ms to the times that the loops work with, in seconds."""

import pytest
from station_files import settings_with

from inspectd.agent.times import PartTimes, line_times, part_times

FREE_RUNNING = {"mode": "free_running", "cycle_ms": 5.0}
SOFTWARE = {"kind": "folder", "trigger": "software", "path": "images"}


def test_times_of_a_part_triggered_by_hardware() -> None:
    """The window is as long as a trigger may age and an exposure take; the photo-eye is a scan ahead."""
    assert part_times(settings_with()) == PartTimes(window=0.05, early=0.01, deadline=0.3)


def test_times_of_a_part_triggered_by_software() -> None:
    """No exposure comes before the agent has seen the trigger."""
    assert part_times(settings_with(camera=SOFTWARE)).early == 0.0


def test_times_of_the_line() -> None:
    """A window waits for frames on their way; a frame waits for its trigger for twice what it may take."""
    times = line_times(settings_with(line={"frame_transfer_ms": 20.0}))
    assert (times.step, times.claim, times.transfer) == pytest.approx((0.25, 0.12, 0.02))


def test_free_running_line_waits_for_its_position() -> None:
    """25 ms and a cycle after an exposure its position is certain, or certainly not trustworthy."""
    free = settings_with(plc=FREE_RUNNING, line={"min_pitch_counts": 1000.0})
    assert line_times(free).transfer == pytest.approx(0.03)
