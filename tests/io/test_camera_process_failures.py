"""What goes wrong with a camera's process, its parent or its device, and that it is mended."""

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

from inspectd.io.camera_process import CameraProcess
from inspectd.io.camera_settings import FolderCameraSettings, SimulatedCameraSettings

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


@contextmanager
def running(settings: CameraSettings, on_frame: Callable[[Frame], None]) -> Generator[CameraProcess]:
    camera = CameraProcess(settings)
    camera.start(on_frame)
    try:
        yield camera
    finally:
        camera.stop()


def has_gap(frames: list[Frame]) -> bool:
    return any(later.number - earlier.number > 1 for earlier, later in pairwise(frames))


def process_exists(pid: int) -> bool:
    """Tell whether a process runs; a zombie does not."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"


def test_killed_camera_is_started_again_and_held_frames_stay() -> None:
    """Frames go on after kill -9, with a gap in their numbers; a held frame of the dead process stays."""
    frames: list[Frame] = []
    with running(pattern_camera(slots=4), frames.append) as camera:
        wait_for(lambda: len(frames) >= 2, "2 frames")
        pid = camera.status().pid
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        wait_for(lambda: not process_exists(pid), "the end of the process")
        wait_for(lambda: has_gap(frames), "a frame after the restart")
        status = camera.status()
        assert "SIGKILL" in status.error
        assert (status.alive, status.restarts) == (True, 1)
        assert status.pid != pid
        numbers = [frame.number for frame in frames]
        assert numbers == sorted(set(numbers))
        first = frames[0]
        assert (first.pixels == int(first.label.removeprefix("part ")) % 256).all()
        first.release()


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
            time.sleep(2.5)

    with running(pattern_camera(stall_ms=1000), block_once) as camera:
        wait_for(lambda: camera.status().frames >= 30, "30 frames")
        assert camera.status().restarts == 0


def test_failing_callback_is_counted_and_its_frame_released() -> None:
    """An error in the agent's callback costs that frame only."""

    def fail(_frame: Frame) -> None:
        raise ValueError("a bug")

    with running(pattern_camera(slots=2), fail) as camera:
        wait_for(lambda: camera.status().callback_errors >= 5, "5 failed callbacks")
        assert camera.status().restarts == 0


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
    frames: list[Frame] = []
    with running(settings, frames.append) as camera:
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
        wait_for(lambda: frames, "the image")
        assert (frames[0].label, int(frames[0].pixels.min())) == ("a.png", 9)
        wait_for(lambda: camera.status().finished, "the end of the replay")
        assert camera.status().alive
