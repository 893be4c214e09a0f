"""A camera in a process of its own, watched and started again: what the agent holds.

One thread per camera starts the process, hands its frames to the agent, and watches it. When the process
ends, says that its device failed, or gives no sign of life for `stall_ms`, it is killed and started again
after a back-off, for ever; `status` tells it.
"""

from __future__ import annotations

import signal
import threading
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import structlog

from inspectd.io.camera import CameraStatus, Frame, no_pixels
from inspectd.io.camera_handle import CameraHandle
from inspectd.io.camera_messages import Beat, Failed, FrameTaken, Opened
from inspectd.io.errors import CameraError

if TYPE_CHECKING:
    from collections.abc import Callable

    from inspectd.io.camera_messages import ChildMessage
    from inspectd.io.camera_settings import CameraSettings

LISTEN_S = 0.05
"""The watcher waits for a message in steps of this length, and looks in between whether it shall stop."""
CLOSE_S = 0.4
"""How long the process may take to close its device before it is killed."""
STOP_S = 1.0

log = structlog.get_logger(__name__)


class CameraProcess:
    """See `inspectd.io.camera.Camera`."""

    def __init__(self, settings: CameraSettings) -> None:
        self._settings = settings
        self._on_frame: Callable[[Frame], None] = Frame.release
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self._handle: CameraHandle | None = None
        self._status = CameraStatus(
            alive=False, since=time.monotonic(), frames=0, lost=0, restarts=0, error="", pid=None
        )
        self._triggers_lost = 0
        self._trigger_lock = threading.Lock()
        self._first_number = 0
        self._last_number = -1
        self._told_number = -1
        self._told_exposed_at = 0.0
        self._lost_before = 0

    @property
    def name(self) -> str:
        """Name of the camera, as configured."""
        return self._settings.name

    def start(self, on_frame: Callable[[Frame], None]) -> None:
        """See `Camera.start`. Raises `RuntimeError` if it is started already."""
        if self._thread is not None:
            raise RuntimeError(f"camera {self.name} is started already")
        self._on_frame = on_frame
        self._stopping.clear()
        self._thread = threading.Thread(target=self._watch, name=f"camera-{self.name}", daemon=True)
        self._thread.start()

    def trigger(self) -> None:
        """See `Camera.trigger`. Without effect unless the camera's trigger is `software`."""
        handle = self._handle
        if handle is None or not self._status.alive or not handle.commands.trigger():
            with self._trigger_lock:
                self._triggers_lost += 1

    def look(self, at: float) -> None:
        """See `Camera.look`."""
        handle = self._handle
        if handle is not None:
            handle.commands.look(at)

    def status(self) -> CameraStatus:
        """See `Camera.status`."""
        handle = self._handle
        held = 0 if handle is None else handle.commands.held
        return replace(self._status, held=held, triggers_lost=self._triggers_lost)

    def stop(self) -> None:
        """See `Camera.stop`. Idempotent; not to be called from `on_frame`."""
        thread = self._thread
        if thread is None:
            return
        self._stopping.set()
        thread.join(STOP_S)
        if thread.is_alive():
            log.error("camera_watcher_hangs", camera=self.name, remedy="its on_frame blocks, and must not")
        self._thread = None

    def _watch(self) -> None:
        # The camera's process inherits this: a Ctrl-C goes to the whole group, but the agent decides on it.
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        longest = self._settings.restart_backoff_max_ms / 1000
        back_off = shortest = self._settings.restart_backoff_ms / 1000
        while True:
            began = time.monotonic()
            self._live_once()
            if time.monotonic() - began > longest:
                back_off = shortest
            if self._stopping.wait(back_off):
                return
            back_off = min(2 * back_off, longest)
            self._status = replace(self._status, restarts=self._status.restarts + 1)

    def _live_once(self) -> None:
        """Start the process and follow it to its end, whatever that is."""
        error = self._status.error
        try:
            handle = CameraHandle(self._settings)
            self._handle = handle
            self._status = replace(self._status, pid=handle.pid)
            try:
                self._follow(handle)
            finally:
                self._handle = None
                handle.end(CLOSE_S if self._stopping.is_set() else 0)
        except CameraError as failure:
            error = str(failure)
            log.warning("camera_down", camera=self.name, error=error, restarts=self._status.restarts)
        except Exception as failure:
            error = f"camera {self.name}: internal error, please report it: {failure!r}"
            log.exception("camera_watcher_failed", camera=self.name)
        self._lost_before = self._status.lost
        self._first_number = self._last_number + 2  # a gap: nobody knows what was lost meanwhile
        self._set_alive(alive=False, error=error, pid=None)

    def _set_alive(self, *, alive: bool, **changes: Any) -> None:
        since = self._status.since if alive == self._status.alive else time.monotonic()
        self._status = replace(self._status, alive=alive, since=since, **changes)

    def _follow(self, handle: CameraHandle) -> None:
        """Take messages until told to stop. Raises `CameraError` when the process is gone, failed or silent.

        Silence is counted in steps that were waited for and brought nothing, not read from the clock: if this
        process itself was held up, the child's messages are waiting, and it is not to blame.
        """
        limit_ms = self._settings.start_timeout_ms
        silent_s = 0.0
        while not self._stopping.is_set():
            handle.commands.send_unsent()
            message = handle.receive(LISTEN_S)
            if message is not None:
                limit_ms = self._settings.stall_ms
                silent_s = 0.0
                self._take(handle, message)
                continue
            silent_s += LISTEN_S
            if silent_s * 1000 >= limit_ms:
                raise CameraError(
                    f"camera {self.name}: no sign of life for {limit_ms} ms: its driver or device hangs; its "
                    "process is started again. If that goes on, look at cable, power and driver"
                )

    def _take(self, handle: CameraHandle, message: ChildMessage) -> None:
        match message:
            case FrameTaken():
                self._hand_to_agent(handle, message)
            case Beat():
                lost = self._lost_before + message.lost
                # While the agent could not take a frame, it must not think that it has heard of them all.
                told = self._told_number == self._last_number
                looked_at = message.looked_at if told else self._status.looked_at
                self._status = replace(
                    self._status, lost=lost, finished=message.finished, looked_at=looked_at
                )
            case Opened():
                self._set_alive(alive=True, notes=message.notes, finished=False)
                log.info("camera_open", camera=self.name, pid=handle.pid, notes=message.notes)
            case Failed():
                raise CameraError(message.error)

    def _hand_to_agent(self, handle: CameraHandle, message: FrameTaken) -> None:
        number = self._first_number + message.number
        frame = Frame(
            camera=self.name,
            number=number,
            exposed_at=message.exposed_at,
            exposure_stamped=message.exposure_stamped,
            received_at=time.monotonic(),
            pixels=no_pixels(),
            problem=message.problem,
            unseen=self._unseen_before(number, message.exposed_at),
            label=message.label,
        )
        self._last_number = number
        if message.slot is not None:
            frame.pixels = handle.pixels(message.slot, message.height, message.width)
            frame.give_back = handle.commands.lend(message.slot)
        try:
            self._on_frame(frame)
        except Exception:
            frame.release()
            self._status = replace(self._status, callback_errors=self._status.callback_errors + 1)
            log.exception("camera_callback_failed", camera=self.name, frame=number)
        else:
            self._told_number, self._told_exposed_at = number, message.exposed_at
        # Only now: whoever reads of this exposure has been given its frame, and all those before.
        self._status = replace(
            self._status,
            frames=self._status.frames + (message.slot is not None),
            lost=self._lost_before + message.lost,
            last_exposed_at=self._told_exposed_at,
        )

    def _unseen_before(self, number: int, exposed_at: float) -> tuple[float, float] | None:
        """Give the span in which frames between the last one and this may have been exposed."""
        if number == self._told_number + 1:
            return None
        restarted = number == self._first_number
        # A process started again misses nothing from the moment on when its device was open.
        until = self._status.since if restarted else exposed_at
        return min(self._told_exposed_at, until), max(self._told_exposed_at, until)


def check_camera(settings: CameraSettings) -> CameraStatus:
    """Open a camera once and close it again. Returns its status while open; `CameraError` if it cannot be."""
    camera = CameraProcess(settings)
    camera.start(Frame.release)
    try:
        deadline = time.monotonic() + (settings.start_timeout_ms + settings.stall_ms) / 1000
        while time.monotonic() < deadline:
            status = camera.status()
            if status.alive:
                return status
            if status.error:
                raise CameraError(status.error)
            time.sleep(LISTEN_S)
        raise CameraError(
            f"camera {settings.name}: could not be opened within {settings.start_timeout_ms} ms"
        )
    finally:
        camera.stop()
