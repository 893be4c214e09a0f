"""Frames from a station's camera for the commands that need some: capture, repeatability.

    with open_camera(settings.camera) as camera:
        while (shot := camera.grab()) is not None:
            ...

The agent is not involved, and the PLC is not touched. Two programs cannot hold one camera: the agent of the
station must be stopped meanwhile.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from inspectd.io.camera import Camera, Frame
from inspectd.io.camera_process import CameraProcess
from inspectd.io.camera_settings import CameraSettings, Trigger
from inspectd.io.errors import CameraError

# How long one frame is waited for: a part may come late on a line, the answer to a command may not.
WAIT_S: dict[Trigger, float] = {"software": 10.0, "free": 10.0, "hardware": 60.0}
MOST_WAITING = 8
_LOOK_S = 0.05


@dataclass(frozen=True, slots=True)
class Shot:
    """One frame, copied out of the camera's memory.

    `pixels` is uint8 RGB [H, W, 3], writable, and [0, 0, 3] with a `problem`. `exposed_at` is in s on the
    monotonic clock.
    """

    pixels: NDArray[np.uint8]
    number: int
    exposed_at: float
    exposure_stamped: bool
    problem: str
    label: str
    missed: int
    """Frames that came since the shot before and were not taken."""


class Grabber:
    """A started camera that gives one frame at a time. Use `open_camera`."""

    def __init__(self, camera: Camera, trigger: Trigger, wait_s: float | None = None) -> None:
        """`wait_s` bounds the wait for one frame, s; None: as `WAIT_S` says for the trigger."""
        self._camera = camera
        self._trigger = trigger
        self._wait_s = WAIT_S[trigger] if wait_s is None else wait_s
        self._arrived = threading.Condition()
        self._waiting: deque[Shot] = deque()
        self._missed = 0

    def take(self, frame: Frame) -> None:
        """Keep a frame; the oldest goes when too many wait. Runs on the camera's thread."""
        shot = Shot(
            pixels=np.array(frame.pixels, np.uint8),  # a copy: the slot is given back
            number=frame.number,
            exposed_at=frame.exposed_at,
            exposure_stamped=frame.exposure_stamped,
            problem=frame.problem,
            label=frame.label,
            missed=0,
        )
        frame.release()
        with self._arrived:
            self._waiting.append(shot)
            if len(self._waiting) > MOST_WAITING:
                self._waiting.popleft()
                self._missed += 1
            self._arrived.notify()

    def grab(self) -> Shot | None:
        """Give the next frame; None at the end of a replay.

        A camera triggered by software exposes now; one that runs free gives the first frame exposed from now
        on; one that the line triggers gives its frames in order. Raises CameraError, with what to check, if
        none comes in time.
        """
        began = time.monotonic()
        give_up = began + self._wait_s
        not_before = 0.0 if self._trigger == "hardware" else began
        if self._trigger == "software":
            self._camera.trigger()
        while True:
            # Asked first: what it says of the end holds for the frames that had come before.
            finished = self._camera.status().finished
            shot = self._next(not_before)
            if shot is not None:
                return shot
            if finished:
                return None
            if time.monotonic() >= give_up:
                raise CameraError(self._why_none())

    def _next(self, not_before: float) -> Shot | None:
        """Give the first waiting frame exposed since `not_before`; None if there is none in a moment."""
        with self._arrived:
            self._arrived.wait_for(lambda: self._waiting, _LOOK_S)
            while self._waiting:
                shot = self._waiting.popleft()
                if shot.exposed_at >= not_before:
                    missed, self._missed = self._missed, 0
                    return replace(shot, missed=missed)
                self._missed += 1
        return None

    def _why_none(self) -> str:
        name, status = self._camera.name, self._camera.status()
        text = f"camera {name}: no frame came within {self._wait_s:g} s"
        if not status.alive:
            return f"{text}; {status.error or 'its device does not answer'}"
        if self._trigger == "hardware":
            return (
                f"{text}. It waits for the line's own trigger: let parts pass the photo-eye, and look at the"
                " trigger cable and the camera's trigger input; or set its trigger to software for now"
            )
        if self._trigger == "software":
            return f"{text} of the trigger. Check that the device takes software triggers, and its cable"
        return f"{text} although its device is open. Check cable, power and frame rate"


@contextmanager
def open_camera(
    settings: CameraSettings,
    wait_s: float | None = None,
    make: Callable[[CameraSettings], Camera] = CameraProcess,
) -> Generator[Grabber]:
    """Open a station's camera, and close it at the end. Raises CameraError if it cannot be opened.

    `wait_s` bounds the wait for each frame, s; None: as the camera's trigger asks for.
    """
    camera = make(settings)
    grabber = Grabber(camera, settings.trigger, wait_s)
    camera.start(grabber.take)
    try:
        _await_open(camera, (settings.start_timeout_ms + settings.stall_ms) / 1000)
        yield grabber
    finally:
        camera.stop()


def _await_open(camera: Camera, limit_s: float) -> None:
    give_up = time.monotonic() + limit_s
    while not (status := camera.status()).alive:
        if status.error:
            raise CameraError(
                f"{status.error}. If the station's agent runs, it holds the camera: stop it meanwhile"
            )
        if time.monotonic() >= give_up:
            raise CameraError(f"camera {camera.name}: could not be opened within {limit_s:g} s")
        time.sleep(_LOOK_S)
