"""One life of a camera's process, as the agent holds it: started, listened to, commanded, ended."""

from __future__ import annotations

import itertools
import os
import select
import signal
import socket
import subprocess
import sys
import threading
from functools import partial
from typing import TYPE_CHECKING

import structlog

from inspectd.io.camera_messages import (
    LARGEST_MESSAGE,
    TRIGGER,
    asked_look,
    decode_message,
    encode_settings,
    returned_slot,
)
from inspectd.io.errors import CameraError
from inspectd.io.frame_ring import RingReader, RingShape, create_memory

if TYPE_CHECKING:
    from collections.abc import Callable

    from inspectd.io.camera_messages import ChildMessage
    from inspectd.io.camera_settings import CameraSettings

REAP_S = 0.3
"""How long a killed process may take to vanish."""
STANDARD_ERROR = 2

log = structlog.get_logger(__name__)


class Commands:
    """The way to the child: triggers, returned slots, looks. Any thread; never waits."""

    def __init__(self, link: socket.socket) -> None:
        self._link = link
        self._lock = threading.Lock()
        self._open = True
        self._loan_numbers = itertools.count()
        self._loans: dict[int, int] = {}
        self._unsent: list[int] = []

    @property
    def held(self) -> int:
        """Slots lent and not returned."""
        return len(self._loans)

    def trigger(self) -> bool:
        """Ask for an exposure; False if the child cannot be reached."""
        with self._lock:
            return self._send(TRIGGER)

    def look(self, at: float) -> None:
        """Have the device asked for a frame at this moment. Where that gets lost, the next beat tells it."""
        with self._lock:
            self._send(asked_look(at))

    def lend(self, slot: int) -> Callable[[], None]:
        """Note that a slot is in use. Returns what gives it back, once, however often it is called."""
        with self._lock:
            loan = next(self._loan_numbers)
            self._loans[loan] = slot
        return partial(self._give_back, loan)

    def _give_back(self, loan: int) -> None:
        with self._lock:
            slot = self._loans.pop(loan, None)
            if slot is not None:
                self._unsent.append(slot)
                self._send_returns()

    def send_unsent(self) -> None:
        """Send the returns for which the socket had no room."""
        with self._lock:
            self._send_returns()

    def _send_returns(self) -> None:
        while self._unsent and self._send(returned_slot(self._unsent[-1])):
            self._unsent.pop()

    def _send(self, data: bytes) -> bool:
        if not self._open:
            return False
        try:
            self._link.send(data, socket.MSG_DONTWAIT | socket.MSG_NOSIGNAL)
        except (BlockingIOError, ConnectionError):  # it hangs, or is gone: the watcher will see to it
            return False
        return True

    def close(self) -> None:
        """End the connection, which tells the child to end."""
        with self._lock:
            self._open = False
            self._link.close()


class CameraHandle:
    """A started camera process. Used from one thread, which must live as long as the process shall.

    (The kernel ends a process with the *thread* that started it, if asked to end it with its parent.)
    """

    def __init__(self, settings: CameraSettings) -> None:
        """Start the process. Raises `CameraError` if the system cannot."""
        self._name = settings.name
        shape = RingShape(settings.slots, settings.width, settings.height)
        try:
            memory = create_memory(shape)
            try:
                self._ring = RingReader(memory, shape)
                self._link, self._process = _spawn(settings, memory)
            finally:
                os.close(memory)
        except OSError as error:
            raise CameraError(f"camera {self._name}: its process cannot be started: {error}") from error
        self._readable = select.poll()
        self._readable.register(self._link, select.POLLIN)
        self.commands = Commands(self._link)
        self.pixels = self._ring.pixels
        """The image in a slot, see `RingReader.pixels`."""

    @property
    def pid(self) -> int:
        """Process id of the camera."""
        return self._process.pid

    def receive(self, timeout_s: float) -> ChildMessage | None:
        """Give the next message; None if none came in time. Raises `CameraError` when the process is gone."""
        if not self._readable.poll(timeout_s * 1000):
            return None
        try:
            data = self._link.recv(LARGEST_MESSAGE)
        except ConnectionError:
            data = b""
        if not data:
            raise CameraError(f"camera {self._name}: its process {self._how_it_ended()}; it is started again")
        try:
            return decode_message(data)
        except ValueError as error:
            raise CameraError(f"camera {self._name}: its process sent what is no message: {error}") from error

    def _how_it_ended(self) -> str:
        try:
            status = self._process.wait(REAP_S)
        except subprocess.TimeoutExpired:
            return "closed the connection and still runs"
        if status < 0:
            return f"was ended by {signal.Signals(-status).name}"
        return f"ended with exit status {status}, see its last words on standard error"

    def end(self, grace_s: float) -> None:
        """End the process: by asking, if it may have `grace_s` to close the device, then by killing it."""
        self.commands.close()
        try:
            self._process.wait(grace_s)
        except subprocess.TimeoutExpired:
            self._process.kill()
            try:
                self._process.wait(REAP_S)
            except subprocess.TimeoutExpired:
                log.error("camera_process_unkillable", camera=self._name, pid=self.pid)


def _spawn(settings: CameraSettings, memory: int) -> tuple[socket.socket, subprocess.Popen[bytes]]:
    """Start the child with both descriptors. The settings go over the socket: a URL may hold a password."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    try:
        with theirs:
            ours.send(encode_settings(settings), socket.MSG_DONTWAIT)
            descriptors = (theirs.fileno(), memory)
            process = subprocess.Popen(  # noqa: S603  our own interpreter and module
                [sys.executable, "-m", "inspectd.io.camera_child", *map(str, descriptors), str(os.getpid())],
                stdin=subprocess.DEVNULL,
                stdout=STANDARD_ERROR,  # standard output is the agent's own: reports go there
                pass_fds=descriptors,
                env=os.environ | _ENVIRONMENT,
            )
    except BaseException:
        ours.close()
        raise
    return ours, process


_ENVIRONMENT = {
    "PYTHONSAFEPATH": "1",  # never import from the working folder
    "OPENBLAS_NUM_THREADS": "1",  # the cores are the inference's
    "OMP_NUM_THREADS": "1",
}
