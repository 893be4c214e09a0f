"""The word to systemd."""

import os
import socket
from pathlib import Path

import pytest

from inspectd.agent.notify import Notifier


def test_state_reaches_the_socket(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """READY=1 arrives as one datagram at the socket that the manager named."""
    path = tmp_path / "notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(path))
        manager.settimeout(2)
        monkeypatch.setenv("NOTIFY_SOCKET", str(path))
        Notifier().send("READY=1")
        assert manager.recv(100) == b"READY=1"


def test_no_manager_no_trouble(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Without a manager, or with one that is gone, the agent goes on."""
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    Notifier().send("READY=1")
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "gone"))
    Notifier().send("READY=1")


def test_watchdog_interval_is_half_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    """The watchdog is fed twice within its limit, and only if it is meant for this process."""
    monkeypatch.setenv("WATCHDOG_USEC", "4000000")
    monkeypatch.setenv("WATCHDOG_PID", str(os.getpid()))
    assert Notifier().interval_s == 2.0
    monkeypatch.setenv("WATCHDOG_PID", "1")
    assert Notifier().interval_s == 1.0
