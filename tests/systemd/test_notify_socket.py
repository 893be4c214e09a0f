"""The agent's word to systemd, heard at the socket that systemd would name, from a whole line."""

import os
import signal
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.system.line_rig import LineOptions, LineRig

WATCHDOG_USEC = 1_000_000
HANGING_PART = 4
STARTUP_S = 120.0
# The watchdog is fed every 0.2 s; a machine under load may take its time.
SILENCE_S = 3.0


class Manager:
    """Plays systemd: takes what the agent sends."""

    def __init__(self, path: Path) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(str(path))
        self.heard: list[tuple[float, str]] = []

    def listen(self, seconds: float) -> list[str]:
        """Take all that comes within so many seconds."""
        came: list[str] = []
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            self._socket.settimeout(left)
            try:
                came.append(self._socket.recv(1024).decode())
            except TimeoutError:
                break
        return came

    def wait_for(self, state: str) -> list[str]:
        """Wait for a state; gives what came before it."""
        came: list[str] = []
        until = time.monotonic() + STARTUP_S
        while time.monotonic() < until:
            for word in self.listen(0.1):
                if word == state:
                    return came
                came.append(word)
        raise AssertionError(f"no {state}; only {came}")

    def close(self) -> None:
        self._socket.close()


@pytest.fixture
def manager(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Manager]:
    """Name the socket to every process started from here, as systemd does."""
    path = tmp_path / "notify"
    manager = Manager(path)
    monkeypatch.setenv("NOTIFY_SOCKET", str(path))
    monkeypatch.setenv("WATCHDOG_USEC", str(WATCHDOG_USEC))
    monkeypatch.delenv("WATCHDOG_PID", raising=False)
    yield manager
    manager.close()


def test_agent_reports_ready_alive_hung_and_stopping(tmp_path: Path, manager: Manager) -> None:
    """READY once it runs, WATCHDOG as long as inspection lives and no longer, STOPPING at SIGTERM."""
    options = LineOptions(rate=5.0, script=f"{HANGING_PART} slow600")
    with LineRig(tmp_path, options) as rig:
        assert manager.wait_for("READY=1") == [], "nothing is said before READY"
        alive = manager.listen(1.0)
        assert alive, "the watchdog is fed while all is well"
        assert set(alive) == {"WATCHDOG=1"}
        rig.wait_for_log("inspection_overdue")
        manager.listen(0.5)
        assert manager.listen(SILENCE_S) == [], "a hung inspection loop must not feed the watchdog"
        os.kill(rig.agent.pid, signal.SIGTERM)
        manager.wait_for("STOPPING=1")
        rig.agent.wait(20)
