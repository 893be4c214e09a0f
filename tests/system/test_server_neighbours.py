"""Who else comes to an agent that is the server: a second agent, and clients that mean no good."""

from __future__ import annotations

import random
import socket
import threading
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from tests.system.law import assert_lawful, assert_recovered
from tests.system.line_rig import STARTUP_S, LineOptions, LineRig

if TYPE_CHECKING:
    from pathlib import Path

OPTIONS = LineOptions(rate=8.0, protocol="modbus_server")
CLIENTS = 12


@pytest.mark.line
def test_second_agent_finds_the_port_taken(tmp_path: Path) -> None:
    """It ends with an error that says so; the first goes on as if nothing had been."""
    with LineRig(tmp_path, OPTIONS) as rig:
        rig.wait_at_eye(10)
        other = rig.start_other_agent()
        assert other.wait(STARTUP_S) != 0
        assert "the port is in use" in rig.logs()
        rig.finish(50)
        assert_lawful(rig)
        assert_recovered(rig, 1)


def molest(port: int, number: int, done: threading.Event) -> None:
    """Connect again and again: to say nothing, to ask without end, or to send anything at all."""
    draw = random.Random(number)
    while not done.is_set():
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), 1.0) as connection:
            connection.settimeout(0.2)
            kind = number % 3
            while not done.is_set():
                if kind == 1:
                    connection.sendall(b"\0\1\0\0\0\6\1\3\0\0\0\x7d" * 20)
                elif kind == 2:
                    connection.sendall(draw.randbytes(300))
                connection.recv(10_000)
        done.wait(0.02)


@pytest.mark.line
def test_clients_that_hang_flood_and_send_garbage(tmp_path: Path) -> None:
    """The PLC's connection keeps its place and its answers, and the inspection its time."""
    with LineRig(tmp_path, replace(OPTIONS, rate=4.0)) as rig:
        since = rig.wait_online()
        done = threading.Event()
        clients = [
            threading.Thread(target=molest, args=(rig.agent_port, number, done)) for number in range(CLIENTS)
        ]
        for client in clients:
            client.start()
        try:
            rig.wait_at_gate(since + 25)
        finally:
            done.set()
            for client in clients:
                client.join(5)
        rig.finish(since + 28)
        assert_lawful(rig)
        assert_recovered(rig, since)
