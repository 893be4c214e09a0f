"""A camera in a process of its own: frames come whole and in order, and every failure is mended."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from itertools import pairwise
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
    """Takes frames and keeps them until told to release."""

    def __init__(self) -> None:
        self.frames: list[Frame] = []

    def __call__(self, frame: Frame) -> None:
        self.frames.append(frame)

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


def process_exists(pid: int) -> bool:
    """Tell whether a process runs; a zombie does not."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"


def test_large_frames_come_whole_and_in_order() -> None:
    """2048 x 1536 at 60 frames/s: numbers rise, gaps are exactly the lost frames, no frame is torn.

    (That none is lost is measured by tests/benchmarks/camera_throughput.py: here others share the machine.)
    """
    seen: list[tuple[int, int, bool]] = []
    shapes: set[tuple[int, ...]] = set()

    def look(frame: Frame) -> None:
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
    assert numbers[-1] + 1 - len(numbers) <= status.lost + 1
    assert status.lost <= 30, "half of the frames were lost"
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
    """With all slots in the agent's hands frames are lost and counted; after a release a gap shows it."""
    keeper = Keeper()
    with running(pattern_camera(slots=3), keeper) as camera:
        wait_for(lambda: camera.status().lost >= 10, "10 lost frames")
        held = list(keeper.frames)
        assert [frame.number for frame in held] == [0, 1, 2]
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


def test_killed_camera_is_started_again_and_held_frames_stay() -> None:
    """Frames go on after kill -9, with a gap in their numbers; a held frame of the dead process stays."""
    keeper = Keeper()
    with running(pattern_camera(slots=4), keeper) as camera:
        wait_for(lambda: len(keeper.frames) >= 2, "2 frames")
        pid = camera.status().pid
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        wait_for(lambda: not process_exists(pid), "the end of the process")
        before = len(keeper.frames)
        wait_for(
            lambda: len(keeper.frames) > before and camera.status().restarts, "a frame after the restart"
        )
        status = camera.status()
        assert "SIGKILL" in status.error
        assert (status.alive, status.restarts) == (True, 1)
        assert status.pid != pid
        numbers = [frame.number for frame in keeper.frames]
        assert numbers == sorted(set(numbers))
        assert any(after - earlier > 1 for earlier, after in pairwise(numbers))
        assert is_whole(keeper.frames[0])
        keeper.frames[0].release()


@pytest.mark.parametrize("how", ["stopped", "hangs in the driver"])
def test_silent_camera_is_killed_and_started_again(how: str) -> None:
    """A stopped process, or a grab that never returns while its other thread lives, is noticed and mended."""
    faults = ({"fault": "hang", "part": 5},) if how == "hangs in the driver" else ()
    settings = pattern_camera(stall_ms=300, faults=faults)
    with running(settings, lambda frame: frame.release()) as camera:
        wait_for(lambda: camera.status().frames >= 3, "3 frames")
        pid = camera.status().pid
        assert pid is not None
        if how == "stopped":
            os.kill(pid, signal.SIGSTOP)
        wait_for(lambda: camera.status().restarts, "the restart")
        frames = camera.status().frames
        wait_for(lambda: camera.status().frames > frames, "a frame after the restart")
        assert "no sign of life for 300 ms" in camera.status().error
        assert not process_exists(pid)


def test_held_up_agent_does_not_blame_the_camera() -> None:
    """When the agent itself stands still for longer than `stall_ms`, the camera is not restarted for it."""
    blocked = threading.Event()

    def block_once(frame: Frame) -> None:
        frame.release()
        if not blocked.is_set():
            blocked.set()
            time.sleep(1.0)

    with running(pattern_camera(stall_ms=300), block_once) as camera:
        wait_for(lambda: camera.status().frames >= 30, "30 frames")
        assert camera.status().restarts == 0


def test_failing_callback_is_counted_and_its_frame_released() -> None:
    """An error in the agent's callback costs that frame only."""

    def fail(_frame: Frame) -> None:
        raise ValueError("a bug")

    with running(pattern_camera(slots=2), fail) as camera:
        wait_for(lambda: camera.status().callback_errors >= 5, "5 failed callbacks")
        assert camera.status().restarts == 0


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
    assert not any(map(process_exists, pids))
    assert not any(Path(f"/proc/{pid}").exists() for pid in pids), "a zombie is left"


def test_memory_lives_as_long_as_a_held_frame() -> None:
    """A frame outlives its camera; when it is released, the memory goes."""
    keeper = Keeper()
    with running(pattern_camera(slots=2), keeper):
        wait_for(lambda: keeper.frames, "a frame")
    assert all(map(is_whole, keeper.frames))
    keeper.release()
    assert "inspectd-frames" not in Path("/proc/self/maps").read_text()


def test_camera_dies_with_its_parent() -> None:
    """When the agent is killed, no camera process is left holding the device, not even one that hangs."""
    settings = {**PATTERN, "stall_ms": 60_000}
    program = (
        "import time\n"
        "from inspectd.io.camera_process import CameraProcess\n"
        "from inspectd.io.camera_settings import SimulatedCameraSettings\n"
        f"camera = CameraProcess(SimulatedCameraSettings.model_validate({settings!r}))\n"
        "camera.start(lambda frame: frame.release())\n"
        "while not camera.status().frames: time.sleep(0.01)\n"
        "print('pid', camera.status().pid, flush=True)\n"
        "time.sleep(60)\n"
    )
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) as agent:
        assert agent.stdout is not None
        pid = next(int(line.split()[1]) for line in agent.stdout if line.startswith("pid"))
        assert process_exists(pid)
        os.kill(pid, signal.SIGSTOP)
        agent.kill()
        wait_for(lambda: not process_exists(pid), "the end of the camera's process")


def test_signals_to_the_camera() -> None:
    """Ctrl-C, which reaches the whole group, is ignored; SIGTERM ends the process; output goes to stderr."""
    with running(pattern_camera(), lambda frame: frame.release()) as camera:
        wait_for(lambda: camera.status().alive, "the camera")
        pid = camera.status().pid
        assert pid is not None
        assert Path(f"/proc/{pid}/fd/1").readlink() == Path("/proc/self/fd/2").readlink()
        os.kill(pid, signal.SIGINT)
        frames = camera.status().frames
        wait_for(lambda: camera.status().frames > frames + 3, "frames after SIGINT")
        assert camera.status().pid == pid
        os.kill(pid, signal.SIGTERM)
        wait_for(lambda: camera.status().restarts, "the restart")
        assert "ended with exit status 0" in camera.status().error


def test_missing_folder_is_told_retried_and_mended(tmp_path: Path) -> None:
    """No such folder: status tells what, where and the remedy; once it is there, frames come."""
    folder = tmp_path / "parts"
    settings = FolderCameraSettings(path=folder, restart_backoff_ms=10, restart_backoff_max_ms=20)
    keeper = Keeper()
    with running(settings, keeper) as camera:
        wait_for(lambda: camera.status().restarts, "a retry")
        status = camera.status()
        assert not status.alive
        assert str(folder) in status.error
        assert "correct `path`" in status.error
        camera.trigger()
        assert camera.status().triggers_lost == 1
        made = tmp_path / "made"
        made.mkdir()
        cv2.imwrite(str(made / "a.png"), np.full((4, 5, 3), 9, np.uint8))
        made.rename(folder)
        wait_for(lambda: keeper.frames, "the image")
        assert (keeper.frames[0].label, int(keeper.frames[0].pixels.min())) == ("a.png", 9)
        wait_for(lambda: camera.status().finished, "the end of the replay")
        assert camera.status().alive


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
