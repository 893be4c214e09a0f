"""A camera's own process: it opens the device, grabs into the shared memory, and tells the agent.

    python -m inspectd.io.camera_child LINK MEMORY PARENT

with the file descriptors of the socket and of the frames' memory, and the process id of the parent. Two
threads: the main thread drives the device and gives the signs of life, so that a hanging driver is noticed;
the other takes the parent's commands, so that a software trigger exposes at once and slots come back.

It never waits for the parent: what cannot be handed over is lost and counted. A frame for which no slot is
free is told all the same, since it was exposed: its part must not be judged by another frame.

It ends when the connection ends, at SIGTERM, and with its parent, however that ends. A Ctrl-C goes to the
whole group, but the parent decides about it: SIGINT is blocked here, from before the first instruction, by
inheritance.
"""

from __future__ import annotations

import ctypes
import os
import signal
import socket
import sys
import threading
import time
import traceback
from collections import deque
from typing import TYPE_CHECKING

from inspectd.io.camera import Grab, Skipped, SourceEndError
from inspectd.io.camera_messages import (
    BEAT_S,
    LARGEST_MESSAGE,
    TRIGGER,
    Beat,
    Failed,
    FrameTaken,
    Opened,
    decode_settings,
    encode_message,
    look_asked_by,
    slot_returned_by,
)
from inspectd.io.camera_settings import FolderCameraSettings, VideoCameraSettings
from inspectd.io.errors import CameraError
from inspectd.io.frame_ring import RingShape, RingWriter

if TYPE_CHECKING:
    from inspectd.io.camera import FrameSource
    from inspectd.io.camera_messages import ChildMessage
    from inspectd.io.camera_settings import CameraSettings

# A wait for a frame cannot be broken off, and what the parent asks must not wait long for its end.
GRAB_TIMEOUT_S = 0.005
NO_SLOT = "no free slot: the agent holds as many frames as `slots` allows"
FAREWELL_TIMEOUT_S = 0.2
LONGEST_ERROR = 4000
PR_SET_PDEATHSIG = 1


def open_source(settings: CameraSettings) -> FrameSource:
    """Give the source of the configured kind, not yet opened. Loads that kind's libraries only."""
    if isinstance(settings, FolderCameraSettings):
        from inspectd.io.folder import FolderSource  # noqa: PLC0415  each child loads what it needs

        return FolderSource(settings)
    if isinstance(settings, VideoCameraSettings):
        from inspectd.io.video import VideoSource  # noqa: PLC0415  likewise

        return VideoSource(settings)
    from inspectd.io.simulated_camera import SimulatedSource  # noqa: PLC0415  likewise

    return SimulatedSource(settings)


class CameraChild:
    """The loop that grabs, and the thread that obeys."""

    def __init__(self, source: FrameSource, ring: RingWriter, link: socket.socket) -> None:
        self._source = source
        self._ring = ring
        self._link = link
        self._stop = threading.Event()
        self._number = -1
        self._lost = 0
        self._last_sent = 0.0
        self._finished = False
        self._looked_at = 0.0
        self._looks: deque[float] = deque()
        self._untold = False

    def stop(self) -> None:
        """End the loop after the present grab."""
        self._stop.set()

    def run(self) -> None:
        """Open the device and grab until told to stop. Raises `CameraError` when the device fails."""
        notes = self._source.open()
        threading.Thread(target=self._obey, name="commands", daemon=True).start()
        self._send(Opened(notes=tuple(notes)))
        while not self._stop.is_set():
            asked_at = time.monotonic()
            grab = self._grab(self._patience_s(asked_at))
            if isinstance(grab, Grab):
                self._hand_over(grab)
                answers = False
            else:
                answers = self._note_look(grab.exposed_at if grab else asked_at)
            if answers or time.monotonic() - self._last_sent >= BEAT_S:
                self._send(Beat(lost=self._lost, finished=self._finished, looked_at=self._looked_at))

    def _patience_s(self, now: float) -> float:
        """How long to wait for a frame: not past the moment at which the parent wants the device asked."""
        until_look = self._looks[0] - now if self._looks else GRAB_TIMEOUT_S
        return max(0.0, min(GRAB_TIMEOUT_S, until_look))

    def _grab(self, timeout_s: float) -> Grab | Skipped | None:
        if self._finished:
            self._stop.wait(timeout_s)
            return None
        try:
            return self._source.grab(timeout_s, self._ring.in_hand)
        except SourceEndError:
            self._finished = True
            return None

    def _note_look(self, looked_at: float) -> bool:
        """Note that the device had no frame from before; True if the parent waits to hear that."""
        answers = False
        while self._looks and self._looks[0] <= looked_at:
            self._looks.popleft()
            answers = True
        # While the parent does not know of a frame, it must not think that it has heard of them all.
        if not self._untold:
            self._looked_at = max(self._looked_at, looked_at)
        return answers

    def _hand_over(self, grab: Grab) -> None:
        self._number += 1 + grab.lost_before
        self._lost += grab.lost_before
        free = self._ring.can_hand_over
        message = FrameTaken(
            slot=self._ring.in_hand.index if free else None,
            number=self._number,
            exposed_at=grab.exposed_at,
            exposure_stamped=grab.exposure_stamped,
            height=grab.height if free else 0,
            width=grab.width if free else 0,
            problem=grab.problem if free else NO_SLOT,
            label=grab.label,
            lost=self._lost if free else self._lost + 1,
        )
        told = self._send(message)
        # The number of the next frame that is told shows the gap.
        self._untold = not told
        if told and free:
            self._ring.hand_over()
        else:
            self._lost += 1

    def _send(self, message: ChildMessage) -> bool:
        """Send without waiting. False: the parent does not read, or is gone."""
        try:
            self._link.send(encode_message(message), socket.MSG_DONTWAIT)
        except BlockingIOError:
            return False
        except OSError:
            self._stop.set()
            return False
        self._last_sent = time.monotonic()
        return True

    def _obey(self) -> None:
        """Take commands. Waits without a time-out: the end of the parent ends the connection too."""
        try:
            while data := self._link.recv(LARGEST_MESSAGE):
                if data == TRIGGER:
                    self._source.trigger()
                elif (slot := slot_returned_by(data)) is not None:
                    self._ring.take_back(slot)
                elif (moment := look_asked_by(data)) is not None:
                    self._looks.append(moment)
        except ConnectionError:
            pass
        except Exception:  # noqa: BLE001  a process that cannot obey is of no use: end it, the parent restarts it
            traceback.print_exc()
            os._exit(1)
        self._stop.set()


def die_with(parent: int) -> None:
    """Have the kernel kill this process when its parent's thread that started it ends."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0) != 0:
        raise CameraError(
            f"the camera's process cannot bind its life to its parent's: errno {ctypes.get_errno()}"
        )
    if os.getppid() != parent:  # it died before the call above
        os._exit(1)


def main(link_descriptor: int, memory: int, parent: int) -> int:
    """Run one camera until it is told to stop (returns 0) or fails (returns 1)."""
    die_with(parent)
    link = socket.socket(fileno=link_descriptor)
    settings = decode_settings(link.recv(LARGEST_MESSAGE))
    shape = RingShape(settings.slots, settings.width, settings.height)
    ring = RingWriter(memory, shape, settings.name)
    os.close(memory)
    source = open_source(settings)
    child = CameraChild(source, ring, link)
    signal.signal(signal.SIGTERM, lambda _number, _frame: child.stop())
    try:
        child.run()
    except CameraError as error:
        link.settimeout(FAREWELL_TIMEOUT_S)
        try:
            link.send(encode_message(Failed(error=str(error)[:LONGEST_ERROR])))
        except OSError as unsent:
            print(f"{error} (could not be told to the agent: {unsent})", file=sys.stderr)  # noqa: T201  last words
        return 1
    finally:
        source.close()
    return 0


if __name__ == "__main__":
    status = main(*map(int, sys.argv[1:]))
    sys.stderr.flush()
    os._exit(status)  # libraries have nothing to say after this, and some hang or crash while they unload
