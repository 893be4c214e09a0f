"""An output that lives in a process of its own: started, fed, watched, and started again when it ends.

    parent -> child   the settings as JSON, once; then what the output has to say, one JSON object each
    child -> parent   `{"ready": ...}` once it works, `{"failed": TEXT}` before it gives up, and its own words

on a Unix socket pair that keeps messages apart. The end of the connection tells the child to end. Neither
side ever waits for the other: what the socket does not take is lost and counted.
"""

from __future__ import annotations

import json
import os
import select
import signal
import socket
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING, Any

import structlog

from inspectd.io.outputs import STOP_S, OutputStatus

if TYPE_CHECKING:
    from collections.abc import Callable

LARGEST_MESSAGE = 65_536
_LISTEN_S = 0.02
_FIRST_BACKOFF_S = 0.1
_LONGEST_BACKOFF_S = 5.0
_REAP_S = 0.35
"""How long a child may take to end once its connection is closed, before it is killed."""
_VANISH_S = 5.0
"""How long a killed child may take to vanish on a busy computer; nobody waits for that but its own thread."""
_STANDARD_ERROR = 2

log = structlog.get_logger(__name__)


class OutputProcess:
    """Keeps one child running from `start` to `stop`. Any thread may call.

    `on_message` is called on the watching thread with what the child says. `hangs(now)` is asked there every
    20 ms: a text says why the child is to be killed and started again. `on_end` is called when a child has
    ended and before there is another: what was sent to it and not answered is lost.
    """

    def __init__(
        self,
        name: str,
        module: str,
        settings: str,
        on_message: Callable[[dict[str, Any]], None],
        hangs: Callable[[float], str] = lambda _now: "",
        on_end: Callable[[], None] = lambda: None,
    ) -> None:
        self._name = name
        self._module = module
        self._settings = settings
        self._on_message = on_message
        self._hangs = hangs
        self._on_end = on_end
        self._lock = threading.Lock()
        self._link: socket.socket | None = None
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._watch, name=f"output-{name}", daemon=True)
        self.pid: int | None = None
        self.status = OutputStatus(healthy=False, detail="starting")
        self.restarts = 0

    def start(self) -> None:
        """Start the child; call it once."""
        self._thread.start()

    def send(self, message: dict[str, Any]) -> bool:
        """Hand a message to the child; False if it has none to take it, or no room."""
        with self._lock:
            if self._link is None:
                return False
            try:
                self._link.send(json.dumps(message).encode(), socket.MSG_DONTWAIT | socket.MSG_NOSIGNAL)
            except OSError:  # it hangs, or is gone: the watching thread sees to it
                return False
            return True

    def stop(self) -> None:
        """Let the child end, and kill it if it has not after `STOP_S`. Idempotent."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join(STOP_S + _REAP_S)

    def _watch(self) -> None:
        # The child inherits this: a Ctrl-C goes to the whole group, but the agent decides on it.
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        back_off = _FIRST_BACKOFF_S
        while not self._stopping.is_set():
            began = time.monotonic()
            why = self._live_once()
            if self._stopping.is_set():
                break
            self.restarts += 1
            if why != self.status.detail:
                log.error("output_down", output=self._name, error=why)
            self.status = OutputStatus(healthy=False, detail=why)
            back_off = _FIRST_BACKOFF_S if time.monotonic() - began > _LONGEST_BACKOFF_S else back_off
            self._stopping.wait(back_off)
            back_off = min(2 * back_off, _LONGEST_BACKOFF_S)
        self.status = OutputStatus(healthy=False, detail="stopped")

    def _live_once(self) -> str:
        """Start the child and follow it to its end; says why it ended."""
        try:
            link, process = _spawn(self._module, self._settings)
        except OSError as error:
            return f"output {self._name}: its process cannot be started: {error}"
        with self._lock:
            self._link = link
        self.pid = process.pid
        try:
            why = self._follow(link, process)
        except Exception as error:  # the loop's boundary
            log.exception("output_watcher_failed", output=self._name)
            why = f"output {self._name}: internal error, please report it: {error!r}"
        finally:
            with self._lock:
                self._link = None
            link.close()
            self.pid = None
            ended = self._end(process)
            self._on_end()
        return why or f"output {self._name}: its process ended ({ended}); it is started again"

    def _follow(self, link: socket.socket, process: subprocess.Popen[bytes]) -> str:
        """Take messages until the child ends, hangs, or is to be ended; says why if that is known."""
        readable = select.poll()
        readable.register(link, select.POLLIN)
        last_words = ""
        while not self._stopping.is_set():
            if readable.poll(_LISTEN_S * 1000):
                try:
                    data = link.recv(LARGEST_MESSAGE)
                except ConnectionError:
                    data = b""
                if not data:
                    return last_words
                last_words = self._take(json.loads(data)) or last_words
            if hang := self._hangs(time.monotonic()):
                process.kill()
                return f"output {self._name}: {hang}; its process is started again"
        return ""

    def _end(self, process: subprocess.Popen[bytes]) -> str:
        """End a child whose connection is closed, and say how it ended."""
        try:
            return _how(process.wait(_REAP_S))
        except subprocess.TimeoutExpired:
            process.kill()
        try:
            # Two at once would be in each other's way.
            return _how(process.wait(_VANISH_S))
        except subprocess.TimeoutExpired:
            log.error("output_process_unkillable", output=self._name, pid=process.pid)
            return "it cannot be killed"

    def _take(self, message: dict[str, Any]) -> str:
        if "failed" in message:
            return f"output {self._name}: {message['failed']}"
        if "ready" in message:
            self.status = OutputStatus(healthy=True)
            log.info("output_ready", output=self._name, what=message["ready"])
        else:
            self._on_message(message)
        return ""


def _how(status: int) -> str:
    return signal.Signals(-status).name if status < 0 else f"exit status {status}"


def _spawn(module: str, settings: str) -> tuple[socket.socket, subprocess.Popen[bytes]]:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    try:
        with theirs:
            ours.send(settings.encode(), socket.MSG_DONTWAIT)
            process = subprocess.Popen(  # noqa: S603  our own interpreter and module
                [sys.executable, "-m", module, str(theirs.fileno())],
                stdin=subprocess.DEVNULL,
                stdout=_STANDARD_ERROR,  # standard output is the agent's own: reports go there
                pass_fds=(theirs.fileno(),),
                env=os.environ | {"PYTHONSAFEPATH": "1"},  # never import from the working folder
            )
    except BaseException:
        ours.close()
        raise
    return ours, process
