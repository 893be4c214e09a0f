"""What a camera may have lost, and how far it has been heard from: no more is said than is known."""

from __future__ import annotations

import json
import os
import signal
import socket
import time
from contextlib import contextmanager
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest

from inspectd.io.camera_process import CameraProcess
from inspectd.io.camera_settings import SimulatedCameraSettings

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from inspectd.io.camera import Frame

PATIENCE_S = 40.0
PATTERN: dict[str, Any] = {"pattern": "number", "width": 16, "height": 12, "restart_backoff_ms": 10}


def wait_for(true: Callable[[], object], what: str) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not true():
        assert time.monotonic() < deadline, f"waited {PATIENCE_S:g} s in vain for {what}"
        time.sleep(0.001)


class Line:
    """A camera triggered by hardware, and the wire that triggers it."""

    def __init__(self, camera: CameraProcess, port: int) -> None:
        self.camera = camera
        self._port = port
        self._wire = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.frames: list[Frame] = []

    def on_frame(self, frame: Frame) -> None:
        frame.release()
        self.frames.append(frame)

    def expose(self, part: int) -> float:
        """Expose a part; gives the moment."""
        at = time.monotonic()
        self._wire.sendto(json.dumps({"part": part, "at": at}).encode(), ("127.0.0.1", self._port))
        return at

    def expose_and_wait(self, part: int) -> Frame:
        before = len(self.frames)
        self.expose(part)
        wait_for(lambda: len(self.frames) > before, "the frame")
        return self.frames[-1]

    def looked_past(self, at: float) -> bool:
        return self.camera.status().looked_at >= at

    def close(self) -> None:
        self._wire.close()


@contextmanager
def line(*faults: dict[str, Any], **settings: Any) -> Generator[Line]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    values = {**PATTERN, "wire_port": port, "faults": faults, **settings}
    camera = CameraProcess(SimulatedCameraSettings.model_validate(values))
    made = Line(camera, port)
    camera.start(made.on_frame)
    try:
        wait_for(lambda: camera.status().alive, "the camera")
        yield made
    finally:
        camera.stop()
        made.close()


def test_frames_one_after_another_have_lost_nothing_between() -> None:
    """Nor before the first one."""
    with line() as made:
        frames = [made.expose_and_wait(part) for part in range(3)]
    assert [frame.unseen for frame in frames] == [None] * 3


def test_loss_of_the_device_is_told_as_a_span() -> None:
    """From the frame before to the one that tells of it."""
    with line({"fault": "drop", "part": 1}) as made:
        before = made.expose_and_wait(0)
        made.expose(1)
        after = made.expose_and_wait(2)
        assert made.expose_and_wait(3).unseen is None
    assert after.unseen == (before.exposed_at, after.exposed_at)
    assert after.number == before.number + 2


def test_loss_before_the_first_frame_is_told() -> None:
    """The span reaches back as far as one can think."""
    with line({"fault": "drop", "part": 0}) as made:
        made.expose(0)
        first = made.expose_and_wait(1)
    assert first.unseen is not None
    assert first.unseen[0] < first.exposed_at - 1.0
    assert first.unseen[1] == first.exposed_at


def test_restart_is_told_as_a_span_and_as_a_later_opening() -> None:
    """What was exposed between the last frame and the moment when the device was open again is unknown."""
    with line() as made:
        last = made.expose_and_wait(0)
        opened = made.camera.status().since
        pid = made.camera.status().pid
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        wait_for(lambda: made.camera.status().restarts and made.camera.status().alive, "the restart")
        again = made.camera.status().since
        assert again > last.exposed_at > opened
        first = made.expose_and_wait(1)
        assert first.unseen == (last.exposed_at, again)
        assert made.expose_and_wait(2).unseen is None


def test_look_is_answered_soon() -> None:
    """A part's verdict waits for it: a few milliseconds after the moment that was asked for."""
    with line() as made:
        delays: list[float] = []
        for _ in range(20):
            at = time.monotonic() + 0.01
            made.camera.look(at)
            wait_for(lambda since=at: made.looked_past(since), "the camera's word")
            delays.append(time.monotonic() - at)
    assert sorted(delays)[10] < 0.01


def test_camera_that_stands_still_says_nothing() -> None:
    """It counts as alive until `stall_ms` have passed, and no window is seen through meanwhile."""
    with line(stall_ms=5000) as made:
        pid = made.camera.status().pid
        assert pid is not None
        os.kill(pid, signal.SIGSTOP)
        try:
            time.sleep(0.1)
            at = made.expose(0)
            made.camera.look(at)
            time.sleep(0.5)
            status = made.camera.status()
            assert status.alive
            assert max(status.looked_at, status.last_exposed_at) < at
        finally:
            os.kill(pid, signal.SIGCONT)
        wait_for(lambda: made.looked_past(at), "the camera's word")
        assert [frame.exposed_at for frame in made.frames] == [at]


def test_status_tells_of_a_frame_when_it_was_handed_over() -> None:
    """Who reads of an exposure has been given it before."""
    told: list[float] = []
    with line() as made:
        take = made.on_frame

        def note(frame: Frame) -> None:
            told.append(made.camera.status().last_exposed_at)
            take(frame)

        made.on_frame = note  # pyright: ignore[reportAttributeAccessIssue]
        made.camera._on_frame = note  # pyright: ignore[reportPrivateUsage]
        frames = [made.expose_and_wait(part) for part in range(3)]
        wait_for(lambda: made.camera.status().last_exposed_at == frames[-1].exposed_at, "the last frame")
    assert all(before < frame.exposed_at for before, frame in zip(told, frames, strict=True))
    assert [frame.exposed_at for frame in frames[:-1]] == told[1:]


def test_frame_that_the_agent_could_not_take_is_a_loss() -> None:
    """Nothing is said past it until the next frame tells of it."""
    with line() as made:
        before = made.expose_and_wait(0)
        take = made.on_frame

        def fail(frame: Frame) -> None:
            made.camera._on_frame = take  # pyright: ignore[reportPrivateUsage]
            raise MemoryError(frame.number)

        made.camera._on_frame = fail  # pyright: ignore[reportPrivateUsage]
        failed_at = made.expose(1)
        wait_for(lambda: made.camera.status().callback_errors, "the error")
        time.sleep(0.5)
        status = made.camera.status()
        assert max(status.last_exposed_at, status.looked_at) < failed_at
        after = made.expose_and_wait(2)
        assert after.unseen == (before.exposed_at, after.exposed_at)
        wait_for(lambda: made.looked_past(after.exposed_at), "the camera's word")


@pytest.mark.parametrize("trigger", ["free", "hardware"])
def test_frames_exposed_without_a_slot_keep_their_numbers(trigger: str) -> None:
    """No span is unseen: each lost frame was told with its moment."""
    with line(trigger=trigger, rate_hz=100.0, slots=2) as made:
        held: list[Frame] = []
        made.camera._on_frame = held.append  # pyright: ignore[reportPrivateUsage]
        for part in range(8):
            if trigger == "hardware":
                made.expose(part)
            wait_for(lambda wanted=part: len(held) > wanted, "a frame")
        assert made.camera.status().lost >= 6
        told = list(held)
    assert all(later.number == earlier.number + 1 for earlier, later in pairwise(told))
    # In free running a frame may have come before there was anyone to hold it.
    assert {frame.unseen for frame in told[1:]} == {None}
