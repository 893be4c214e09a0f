"""A camera in a process of its own: frames come whole, in order, and leave nothing behind."""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import pytest

from inspectd.io.camera_process import CameraProcess, check_camera
from inspectd.io.camera_settings import FolderCameraSettings, SimulatedCameraSettings
from inspectd.io.errors import CameraError

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from inspectd.io.camera import Frame
    from inspectd.io.camera_settings import CameraSettings

PATIENCE_S = 40.0
PATTERN: dict[str, Any] = {
    "pattern": "number",
    "trigger": "free",
    "rate_hz": 60.0,
    "width": 160,
    "height": 120,
    "restart_backoff_ms": 10,
}


def wait_for(true: Callable[[], object], what: str) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not true():
        assert time.monotonic() < deadline, f"waited {PATIENCE_S:g} s in vain for {what}"
        time.sleep(0.01)


def pattern_camera(**settings: Any) -> SimulatedCameraSettings:
    return SimulatedCameraSettings.model_validate({**PATTERN, **settings})


def part_of(frame: Frame) -> int:
    return int(frame.label.removeprefix("part "))


def is_whole(frame: Frame) -> bool:
    """Tell whether each pixel of a `number` image is its part's number."""
    return bool((frame.pixels == part_of(frame) % 256).all())


class Keeper:
    """Takes frames and keeps them until told to release; apart those without an image, for want of a slot."""

    def __init__(self) -> None:
        self.frames: list[Frame] = []
        self.lost: list[Frame] = []

    def __call__(self, frame: Frame) -> None:
        (self.lost if frame.problem.startswith("no free slot") else self.frames).append(frame)

    def release(self) -> None:
        for frame in self.frames:
            frame.release()


@contextmanager
def running(settings: CameraSettings, on_frame: Callable[[Frame], None]) -> Generator[CameraProcess]:
    camera = CameraProcess(settings)
    camera.start(on_frame)
    try:
        yield camera
    finally:
        camera.stop()


def test_large_frames_come_whole_and_in_order() -> None:
    """2048 x 1536 at 60 frames/s: numbers rise, gaps are exactly the lost frames, no frame is torn.

    (That none is lost is measured by tests/benchmarks/camera_throughput.py: here others share the machine.)
    """
    seen: list[tuple[int, int, bool]] = []
    shapes: set[tuple[int, ...]] = set()

    def look(frame: Frame) -> None:
        if frame.problem:
            return
        seen.append((frame.number, part_of(frame), is_whole(frame)))
        shapes.add(frame.pixels.shape)
        frame.release()

    with running(pattern_camera(width=2048, height=1536), look) as camera:
        wait_for(lambda: len(seen) >= 60, "60 frames")
    status = camera.status()
    numbers = [number for number, _part, _whole in seen]
    assert all(whole for _number, _part, whole in seen)
    assert all(number == part for number, part, _whole in seen)
    assert numbers == sorted(set(numbers))
    assert shapes == {(1536, 2048, 3)}
    assert numbers[-1] + 1 - len(numbers) <= status.lost
    assert (status.restarts, status.error) == (0, "")


def test_frames_are_stamped_on_this_process_s_clock() -> None:
    """Exposure comes before receipt, and both lie in the time of the test."""
    keeper = Keeper()
    began = time.monotonic()
    with running(pattern_camera(), keeper):
        wait_for(lambda: len(keeper.frames) >= 3, "3 frames")
    for frame in keeper.frames:
        assert frame.exposure_stamped
        assert began < frame.exposed_at <= frame.received_at < time.monotonic()
        assert (frame.camera, frame.problem) == ("camera", "")
        assert not frame.pixels.flags.writeable


def test_held_frames_keep_their_content_and_the_newest_are_lost() -> None:
    """With all slots in the agent's hands frames are lost and counted, and come without an image."""
    keeper = Keeper()
    with running(pattern_camera(slots=3), keeper) as camera:
        wait_for(lambda: camera.status().lost >= 10, "10 lost frames")
        held = list(keeper.frames)
        assert [frame.number for frame in held] == [0, 1, 2]
        assert [frame.number for frame in keeper.lost[:5]] == [3, 4, 5, 6, 7]
        assert all(frame.pixels.size == 0 and frame.unseen is None for frame in keeper.lost)
        assert held[-1].exposed_at < keeper.lost[0].exposed_at < keeper.lost[1].exposed_at
        assert all(map(is_whole, held))
        assert camera.status().held == 3
        held[1].release()
        wait_for(lambda: len(keeper.frames) == 4, "the frame for the released slot")
        assert keeper.frames[3].number >= 10
        assert is_whole(held[0])
        assert is_whole(held[2])
        assert held[1].pixels.shape == (0, 0, 3)


def test_release_is_idempotent() -> None:
    """Releasing a frame again does not give away the slot that another frame has by then."""
    keeper = Keeper()
    with running(pattern_camera(slots=2), keeper) as camera:
        wait_for(lambda: len(keeper.frames) == 2, "2 frames")
        give_back = keeper.frames[0].give_back
        keeper.frames[0].release()
        keeper.frames[0].release()
        wait_for(lambda: len(keeper.frames) == 3, "the frame for the released slot")
        lost = camera.status().lost
        wait_for(lambda: camera.status().lost >= lost + 5, "5 more lost frames")
        give_back()  # as a second thread would that released at the same moment
        wait_for(lambda: camera.status().lost >= lost + 10, "5 more lost frames")
        assert len(keeper.frames) == 3
        assert all(map(is_whole, keeper.frames[1:]))


def test_five_rounds_leave_nothing_behind() -> None:
    """After start and stop, descriptors, threads, mappings and processes are as before; stop is quick."""

    def count() -> tuple[int, int, int]:
        maps = Path("/proc/self/maps").read_text()
        return (
            len(list(Path("/proc/self/fd").iterdir())),
            threading.active_count(),
            maps.count("inspectd-frames"),
        )

    with running(pattern_camera(), lambda frame: frame.release()) as camera:
        wait_for(lambda: camera.status().frames, "a first frame")
    before = count()
    pids: list[int] = []
    for _ in range(5):
        camera = CameraProcess(pattern_camera())
        frames: list[int] = []
        camera.start(lambda frame, seen=frames: (seen.append(frame.number), frame.release())[1])
        wait_for(lambda seen=frames: len(seen) >= 2, "2 frames")
        pid = camera.status().pid
        assert pid is not None
        pids.append(pid)
        began = time.monotonic()
        camera.stop()
        assert time.monotonic() - began < 1.0
        assert not camera.status().alive
        camera.stop()
    assert count() == before
    assert not any(Path(f"/proc/{pid}").exists() for pid in pids), "a process or a zombie is left"


def test_memory_lives_as_long_as_a_held_frame() -> None:
    """A frame outlives its camera; when it is released, the memory goes."""
    keeper = Keeper()
    with running(pattern_camera(slots=2), keeper):
        wait_for(lambda: keeper.frames, "a frame")
    assert all(map(is_whole, keeper.frames))
    keeper.release()
    assert "inspectd-frames" not in Path("/proc/self/maps").read_text()


def test_software_trigger_brings_one_frame_stamped_at_the_trigger(tmp_path: Path) -> None:
    """One frame per trigger, bad images as frames with a problem, and then the end, with no restart."""
    for name, value in (("a.png", 1), ("c.png", 3)):
        cv2.imwrite(str(tmp_path / name), np.full((4, 5, 3), value, np.uint8))
    (tmp_path / "b.png").write_bytes(b"")
    keeper = Keeper()
    with running(FolderCameraSettings(path=tmp_path, trigger="software"), keeper) as camera:
        wait_for(lambda: camera.status().alive, "the camera")
        for number in range(3):
            assert len(keeper.frames) == number
            asked_at = time.monotonic()
            camera.trigger()
            wait_for(lambda expected=number + 1: len(keeper.frames) == expected, "the frame")
            assert asked_at <= keeper.frames[-1].exposed_at <= keeper.frames[-1].received_at
        wait_for(lambda: camera.status().finished, "the end of the replay")
        assert [frame.label for frame in keeper.frames] == ["a.png", "b.png", "c.png"]
        assert "is empty" in keeper.frames[1].problem
        assert keeper.frames[1].pixels.shape == (0, 0, 3)
        assert camera.status().restarts == 0


def test_check_camera_opens_once_and_tells(tmp_path: Path) -> None:
    """A camera that opens is reported open; one that does not raises with the remedy."""
    assert check_camera(pattern_camera()).alive
    with pytest.raises(CameraError, match="correct `path`"):
        check_camera(FolderCameraSettings(path=tmp_path / "none"))


def test_started_twice_is_a_mistake() -> None:
    """A second start would grab from one device twice."""
    with running(pattern_camera(), lambda frame: frame.release()) as camera:
        with pytest.raises(RuntimeError, match="started already"):
            camera.start(lambda frame: frame.release())
        wait_for(lambda: camera.status().alive, "the camera")
