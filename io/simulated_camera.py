"""A camera on a simulated line: it sees generated buttons, and misbehaves when asked to.

The photo-eye's wire is a UDP port on 127.0.0.1 where the simulated PLC sends `{"part": n, "at": s}` when part
n comes to stand before the camera, at the moment `at` (s, monotonic). On the same wire, or in the settings, a
fault can be ordered for a single part: `{"fault": "drop" | "duplicate" | "stray" | "freeze" | "delay" |
"hang", "part": n, "ms": 20}` (see `SimulatedFault`).

The image that comes next is rendered ahead of its exposure, straight into the shared slot, so that from
exposure to hand-over no time goes into rendering.
"""

from __future__ import annotations

import itertools
import select
import socket
import sys
import threading
import time
from typing import TYPE_CHECKING

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from inspectd.io.buttons import empty_frame, render_into
from inspectd.io.camera import Grab
from inspectd.io.camera_settings import SimulatedFault
from inspectd.io.errors import CameraError
from inspectd.io.exposures import Exposures
from inspectd.io.simulated_sensor import EMPTY_BELT, SimulatedSensor

if TYPE_CHECKING:
    from inspectd.io.camera_settings import SimulatedCameraSettings
    from inspectd.io.frame_ring import Slot

LARGEST_DATAGRAM = 1024
LISTEN_S = 0.2
"""The threads of the wire and of the free-running clock look so often whether they shall end."""


class PartAnnounced(BaseModel):
    """What the photo-eye says: this part stands before the camera.

    A real trigger input exposes at once, however busy the machine is: `at` is that moment, s on the monotonic
    clock; without it the moment of receipt counts.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    part: int = Field(ge=0)
    at: float | None = None


_wire_message: TypeAdapter[PartAnnounced | SimulatedFault] = TypeAdapter(PartAnnounced | SimulatedFault)


class SimulatedSource:
    """See `inspectd.io.camera.FrameSource`."""

    def __init__(self, settings: SimulatedCameraSettings) -> None:
        self._settings = settings
        self._sensor = SimulatedSensor(settings)
        self._closed = threading.Event()
        self._wire: socket.socket | None = None
        self._hearing = threading.Lock()
        self._rendered: int | None = None
        self._shown = EMPTY_BELT
        self._empty_frames = itertools.count()

    def open(self) -> list[str]:
        """Connect to the wire, and start to run free. Raises `CameraError` if the wire's port is taken."""
        if self._settings.wire_port is not None:
            self._wire = self._open_wire(self._settings.wire_port)
            threading.Thread(target=self._listen, args=(self._wire,), name="photo-eye", daemon=True).start()
        if self._settings.trigger == "free":
            threading.Thread(target=self._run_free, name="free-running", daemon=True).start()
        return []

    def _open_wire(self, port: int) -> socket.socket:
        wire = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        wire.setblocking(False)
        try:
            wire.bind(("127.0.0.1", port))
        except OSError as error:
            wire.close()
            raise CameraError(
                f"camera {self._settings.name}: wire_port {port} on 127.0.0.1 cannot be opened: "
                f"{error.strerror}: choose another port, for this camera and for the simulated PLC"
            ) from error
        return wire

    def grab(self, timeout_s: float, slot: Slot) -> Grab | None:
        """Render ahead, wait for an exposure, and hand it over when it is due."""
        self._hear_all()  # who says that there was no exposure must have listened
        part, frozen = self._sensor.expected()
        self._render(slot, self._shown if frozen else part)
        exposure = self._sensor.wait(timeout_s)
        if exposure is None:
            return None
        if exposure.hangs:
            threading.Event().wait()  # as a driver that never returns; the process is killed for it
        shown = self._shown if exposure.frozen else exposure.part
        height, width = self._render(slot, shown)
        if exposure.stray:
            pixels = slot.pixels(height, width)
            np.bitwise_xor(pixels, 1, out=pixels)  # no two pictures of a sensor have the same noise
        self._shown, self._rendered = shown, None
        return Grab(
            exposed_at=exposure.at,
            exposure_stamped=True,
            height=height,
            width=width,
            label="empty" if shown == EMPTY_BELT else f"part {shown}",
            lost_before=self._sensor.take_lost(exposure.at),
        )

    def trigger(self) -> None:
        """Expose what stands before the camera now."""
        if self._settings.trigger == "software":
            self._hear_all()  # what stands there stands there, whether it was read from the wire yet or not
            self._sensor.expose(time.monotonic())

    def close(self) -> None:
        """Leave the wire."""
        self._closed.set()

    def _render(self, slot: Slot, part: int) -> tuple[int, int]:
        """Have the image of this part in the slot; give its height and width."""
        settings = self._settings
        if settings.pattern == "number":
            height, width = settings.height, settings.width
        else:
            height = width = settings.size
        if self._rendered == part:
            return height, width
        pixels = slot.pixels(height, width)
        if settings.pattern == "number":
            pixels.fill(part % 256)
        elif part == EMPTY_BELT:
            np.copyto(pixels, empty_frame(settings.seed, next(self._empty_frames), settings.size))
        else:
            render_into(pixels, settings.seed, part, settings.defect_rate, marker=settings.marker)
        self._rendered = part
        return height, width

    def _run_free(self) -> None:
        clock = Exposures(self._settings.rate_hz)
        while not self._closed.is_set():
            at = clock.next(LISTEN_S)
            if at is not None:
                self._sensor.expose_next_part(at)

    def _listen(self, wire: socket.socket) -> None:
        while not self._closed.is_set():
            readable, _, _ = select.select([wire], [], [], LISTEN_S)
            if readable:
                self._hear_all()
        with self._hearing:
            self._wire = None
            wire.close()

    def _hear_all(self) -> None:
        """Take in all that has come by wire."""
        with self._hearing:
            while self._wire is not None:
                try:
                    data = self._wire.recv(LARGEST_DATAGRAM)
                except BlockingIOError:
                    return
                self._hear(data, time.monotonic())

    def _hear(self, data: bytes, at: float) -> None:
        try:
            message = _wire_message.validate_json(data)
        except ValueError as error:
            text = f"camera {self._settings.name}: on the wire came what is neither part nor fault: {error}"
            print(text, file=sys.stderr)  # noqa: T201  the log of a camera's process
            return
        if isinstance(message, SimulatedFault):
            self._sensor.order_fault(message)
            return
        self._sensor.place(message.part)
        if self._settings.trigger == "hardware":
            self._sensor.expose(at if message.at is None else message.at)
