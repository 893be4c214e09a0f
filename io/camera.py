"""What the agent sees of a camera, and what a device family implements.

    device -> FrameSource.grab, in the child process -> slot of the shared memory -> Frame -> the agent

A `Camera` is what the agent holds; a `FrameSource` is what one device family implements. They meet in
`camera_process.py` (parent) and `camera_child.py` (child): every camera runs in a process of its own, since
drivers hold the interpreter, hang and crash, and the remedy for all of it is to kill and start again.

Stamps are seconds of `time.monotonic()` (CLOCK_MONOTONIC), which is one clock for all processes of a machine.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from inspectd.io.frame_ring import Slot


def no_pixels() -> NDArray[np.uint8]:
    """Give the empty image, uint8 [0, 0, 3], that stands where there is nothing to look at."""
    return np.zeros((0, 0, 3), dtype=np.uint8)


def _nothing() -> None:
    """Release a frame that holds no slot."""


@dataclass(slots=True)
class Frame:
    """One image on its way through the agent.

    Whoever takes a frame calls `release` when done with it: until then its slot is not written again, and a
    camera whose slots are all taken loses its newest frames.
    """

    camera: str
    """Name of the camera, as configured."""
    number: int
    """The camera's own counter, rising over restarts too; a gap means lost frames, see `unseen`."""
    exposed_at: float
    """Start of the exposure, s on the monotonic clock; of the arrival if `exposure_stamped` is False."""
    exposure_stamped: bool
    """False: the source knows no time of exposure, and the frame can never be accepted."""
    received_at: float
    """When the agent's process had the frame, s on the monotonic clock."""
    pixels: NDArray[np.uint8]
    """RGB, uint8 [H, W, 3], read-only view into the slot; [0, 0, 3] with a problem, or once released."""
    problem: str = ""
    """Why there is no image; empty for a good frame. A frame lost for want of a slot comes so too."""
    unseen: tuple[float, float] | None = None
    """Exposures may have been lost between these moments, s on the monotonic clock, both excluded.

    None: nothing was lost between the frame before and this one. Where the moment of a lost exposure is
    known, it comes as a frame of its own, with a problem.
    """
    label: str = ""
    """Name of the image where it has one (a file's path inside the replayed folder), to join results with."""
    give_back: Callable[[], None] = field(default=_nothing, repr=False, compare=False)
    """Returns the slot; calls after the first do nothing."""

    def release(self) -> None:
        """Give the slot back. Idempotent, from any thread; views of `pixels` must not be used after it."""
        self.pixels = no_pixels()
        self.give_back()
        self.give_back = _nothing


@dataclass(frozen=True, slots=True)
class Grab:
    """What a source says about the image that it has just written into the slot.

    The image is `slot.pixels(height, width)`. With a `problem` there is none, and both are 0.
    """

    exposed_at: float
    """Start of the exposure, s on the monotonic clock; of the arrival if `exposure_stamped` is False."""
    exposure_stamped: bool
    height: int = 0
    width: int = 0
    problem: str = ""
    label: str = ""
    lost_before: int = 0
    """Frames that the device is known to have exposed and lost since the previous grab, nobody knows when.

    One that is known with its moment of exposure is a `Grab` of its own, with a problem.
    """


@dataclass(frozen=True, slots=True)
class Skipped:
    """What a source says about an image that nobody had asked for: it was not written into the slot."""

    exposed_at: float
    """Start of the exposure, s on the monotonic clock; every exposure before it has been handed over."""


class SourceEndError(Exception):
    """A replay is at its end: there will be no more frames, and nothing is wrong."""


class FrameSource(Protocol):
    """One device family. It lives in the camera's process, which drives it from its main thread."""

    def open(self) -> list[str]:
        """Open the device; give notes on what differs from the settings (a property that was not taken).

        Raises `CameraError`. May take as long as the setting `start_timeout_ms` allows.
        """
        ...

    def grab(self, timeout_s: float, slot: Slot) -> Grab | Skipped | None:
        """Wait for the next image and write it into the slot; None if none came within about `timeout_s`.

        Images are given in the order of their exposure, and None means that the device had none when it was
        asked: parts are accepted on that word. A source that can wait in longer steps only is asked too
        seldom, and its parts wait for the next frame.

        A source takes `slot.pixels(height, width)`, uint8 RGB, and decodes, renders or copies into it: the
        only copy that a pixel makes after the grab. It may write ahead of the exposure: the same slot is
        passed until a `Grab` is returned, after which its content is given away. Raises `CameraError` when
        the device is lost, and `SourceEndError` at the end of a replay.
        """
        ...

    def trigger(self) -> None:
        """Expose now (software trigger). Called on another thread than `grab`; must not block."""
        ...

    def close(self) -> None:
        """Close the device. Called once, whatever happened before; must not raise."""
        ...


@dataclass(frozen=True, slots=True)
class CameraStatus:
    """How a camera is, at one moment."""

    alive: bool
    """The device is open and its process has given a sign of life within `stall_ms`."""
    since: float
    """When `alive` last changed, s on the monotonic clock."""
    frames: int
    """Frames handed to the agent since `start`."""
    lost: int
    """Frames exposed and lost: no slot was free, or the device lost them itself."""
    restarts: int
    """How often the process was started again since `start`."""
    error: str
    """Why the camera is not alive, or was last not alive: what, where, remedy. Empty: never."""
    pid: int | None
    """The camera's process, or None between two of them."""
    finished: bool = False
    """A replay is at its end. The camera stays alive; no more frames come."""
    held: int = 0
    """Frames of the present process handed out and not yet released."""
    callback_errors: int = 0
    """Frames at which `on_frame` raised; they were released."""
    triggers_lost: int = 0
    """Software triggers that found no camera to take them."""
    looked_at: float = 0.0
    """When the device was last asked for a frame and had none, or none but one that nobody had asked for.

    In s on the monotonic clock; with such a frame, its exposure.

    What was exposed before that, and takes no longer on its way than the device promises, has been handed to
    the agent.
    """
    last_exposed_at: float = 0.0
    """Exposure of the last frame handed to the agent, s on the monotonic clock."""
    notes: tuple[str, ...] = ()
    """What the open device does otherwise than configured (a property that read back differently)."""


class Camera(Protocol):
    """What the agent holds of a camera."""

    @property
    def name(self) -> str:
        """Name of the camera, as configured."""
        ...

    def start(self, on_frame: Callable[[Frame], None]) -> None:
        """Start grabbing, now and after every failure. `on_frame` runs on the camera's own thread.

        Returns at once; `status` tells whether the device could be opened. `on_frame` must not block.
        """
        ...

    def trigger(self) -> None:
        """Ask for one exposure (software trigger). Never blocks; a camera that is down ignores it."""
        ...

    def look(self, at: float) -> None:
        """Have the device asked for a frame at this moment, s on the monotonic clock, or right after.

        That is how `CameraStatus.looked_at` comes to stand past the end of a part's window without delay.
        Never blocks; nothing is promised.
        """
        ...

    def status(self) -> CameraStatus:
        """Tell how the camera is. Never blocks.

        What it says has happened, and every frame from before has been handed to `on_frame`.
        """
        ...

    def stop(self) -> None:
        """End the camera's process, within 1 s. Frames still held stay readable."""
        ...
