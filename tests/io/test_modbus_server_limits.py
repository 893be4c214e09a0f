"""Clients that hang, flood, send garbage or come in crowds: the PLC's own connection does not notice."""

from __future__ import annotations

import random
import socket
import threading
import time
from contextlib import ExitStack, suppress

import pytest
from modbus_server_bench import (
    answer_from,
    ask,
    await_,
    frame,
    plc_words,
    read_request,
    served,
    socket_to,
    write_request,
)

from inspectd.io import modbus_reception
from inspectd.io.modbus_reception import MOST_CONNECTIONS

BUSY = 6
ENDLESS = 50_000_000


def closed_by_server(connection: socket.socket) -> bool:
    """Whether the server has closed the connection, within the socket's time-out."""
    try:
        return connection.recv(1) == b""
    except ConnectionError:
        return True


def test_a_hundred_connections_leave_the_plc_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """No more than eight stand at once, and the one that asks is not the one to go."""
    monkeypatch.setattr(modbus_reception, "_SPARE_AFTER_S", 60.0)
    with served() as (server, port), ExitStack() as stack, socket_to(port) as plc:
        ask(plc, read_request(0, 1))
        crowd = [stack.enter_context(socket_to(port)) for _ in range(100)]
        for connection in crowd[MOST_CONNECTIONS - 1 :]:
            assert closed_by_server(connection)
        assert ask(plc, write_request(0, plc_words()))[0] == 16
        assert len(server.take()) == 1
        for connection in crowd[: MOST_CONNECTIONS - 1]:
            assert ask(connection, read_request(0, 1))[0] == 3


def test_a_newcomer_gets_the_place_of_the_one_that_was_silent_longest(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A PLC that lost its power comes back, though its old connections were never closed."""
    monkeypatch.setattr(modbus_reception, "_SPARE_AFTER_S", 0.05)
    with served() as (_, port), ExitStack() as stack:
        dead = [stack.enter_context(socket_to(port)) for _ in range(MOST_CONNECTIONS)]
        for connection in dead:
            ask(connection, read_request(0, 1))
        time.sleep(0.06)
        newcomer = stack.enter_context(socket_to(port))
        assert ask(newcomer, read_request(0, 1))[0] == 3
        assert closed_by_server(dead[0])
        assert ask(dead[1], read_request(0, 1))[0] == 3


def test_a_connection_that_says_nothing_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Half a request is nothing."""
    monkeypatch.setattr(modbus_reception, "_IDLE_S", 0.05)
    monkeypatch.setattr(modbus_reception, "_SWEEP_S", 0.01)
    with served() as (_, port), socket_to(port) as connection:
        connection.sendall(frame(read_request(0, 1))[:5])
        assert closed_by_server(connection)


@pytest.mark.parametrize("seed", range(3))
def test_garbage_closes_its_connection_and_no_other(seed: int) -> None:
    """Whatever comes: an answer that refuses, or the end of that connection."""
    draw = random.Random(seed)
    with served() as (server, port), socket_to(port) as plc:
        ask(plc, read_request(0, 1))
        for _ in range(20):
            with socket_to(port) as connection:
                connection.sendall(draw.randbytes(draw.randrange(1, 600)))
                connection.shutdown(socket.SHUT_WR)
                while answer := answer_from(connection):
                    assert answer[0] & 0x80
        assert server.take() == []
        assert ask(plc, write_request(0, plc_words()))[0] == 16
        assert len(server.take()) == 1


def test_damaged_requests_never_change_the_agents_words() -> None:
    """Bits flipped anywhere in good requests: the agent's own block stays as it is, the server alive."""
    draw = random.Random(4)
    with served() as (server, port):
        server.write(32, [3] * 100)
        for _ in range(60):
            damaged = bytearray(frame(write_request(0, plc_words())))
            damaged[draw.randrange(len(damaged))] ^= 1 << draw.randrange(8)
            with socket_to(port) as connection:
                connection.sendall(bytes(damaged))
                connection.shutdown(socket.SHUT_WR)
                while answer_from(connection):
                    pass
        assert server.read(32, 100) == [3] * 100
        with socket_to(port) as connection:
            assert ask(connection, read_request(32, 1))[0] == 3


def test_a_flood_is_slowed_down_and_the_plc_is_answered_meanwhile() -> None:
    """A client that asks without pause gets a bounded number of answers; another one has none to wait for."""
    done = threading.Event()
    answered = 0
    with served() as (_, port), socket_to(port) as flooding, socket_to(port) as plc:

        def flood() -> None:
            nonlocal answered
            flooding.sendall(frame(read_request(0, 1)) * 1000)
            while not done.is_set() and answered < 1000:
                answered += bool(answer_from(flooding))

        began = time.monotonic()
        thread = threading.Thread(target=flood)
        thread.start()
        try:
            await_(lambda: answered >= 100)
            for _ in range(20):
                assert ask(plc, read_request(32, 100))[0] == 3
            await_(lambda: answered >= 350)
        finally:
            done.set()
            thread.join(5.0)
        # A hundred in a tenth of a second: the 350th comes in the fourth one.
        assert time.monotonic() - began >= 0.3


def sent_until_stopped(connection: socket.socket) -> int:
    """Send requests until nobody takes them any more; gives how many bytes that were."""
    requests, sent = frame(read_request(0, 125)) * 50, 0
    with suppress(ConnectionError, TimeoutError):
        while sent < ENDLESS:
            sent += connection.send(requests)
    return sent


def test_a_client_that_does_not_read_its_answers_is_read_no_more() -> None:
    """What it leaves unread is bounded, and so is what the server takes from it."""
    with served() as (_, port), socket_to(port) as hung, socket_to(port) as plc:
        hung.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        hung.settimeout(0.05)
        assert sent_until_stopped(hung) < ENDLESS
        assert ask(plc, read_request(32, 100))[0] == 3


def test_only_the_clients_named_may_connect_and_this_pc_may_read() -> None:
    with served(allowed_clients=["127.0.0.2"]) as (server, port):
        with socket_to(port, source="127.0.0.3") as stranger:
            assert closed_by_server(stranger)
        with socket_to(port, source="127.0.0.2") as plc, socket_to(port) as own:
            assert ask(own, read_request(0, 1))[0] == 3
            assert ask(own, write_request(0, plc_words())) == bytes([0x90, BUSY])
            assert ask(plc, read_request(0, 1))[0] == 3
            assert ask(plc, write_request(0, plc_words()))[0] == 16
            assert len(server.take()) == 1


def test_one_address_writes_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """A second PLC, or somebody's test tool, is refused as long as the first one writes; it may read."""
    monkeypatch.setattr(modbus_reception, "PLC_SILENCE_S", 0.1)
    with served() as (server, port), socket_to(port) as plc, socket_to(port, source="127.0.0.2") as tool:
        ask(plc, write_request(0, plc_words(5)))
        assert ask(tool, write_request(0, plc_words(9))) == bytes([0x90, BUSY])
        assert ask(tool, b"\x05\x03\xe8\xff\x00") == bytes([0x85, BUSY])
        assert ask(tool, read_request(0, 3))[-1] == 5
        time.sleep(0.11)
        assert ask(tool, write_request(0, plc_words(9)))[0] == 16
        assert [poll.words[2] for poll in server.take()] == [9]
