"""The Modbus TCP transport against a pymodbus server, and against servers that misbehave."""

from __future__ import annotations

import asyncio
import random
import socket
import struct
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest
from pymodbus.server import ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice
from raw_server import serving

from inspectd.io.errors import PlcError
from inspectd.io.modbus import ModbusTransport
from inspectd.io.plc_settings import ModbusTcpSettings

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator

DEVICE = 3
BASE = 1000


def transport_to(port: int, timeout_ms: float = 200) -> ModbusTransport:
    return ModbusTransport(
        ModbusTcpSettings(
            host="127.0.0.1", port=port, device_id=DEVICE, base_address=BASE, timeout_ms=timeout_ms
        )
    )


@pytest.fixture(scope="module")
def server_port() -> Iterator[int]:
    """A pymodbus server with the image's 132 registers at BASE."""
    ports: list[int] = []
    ready = threading.Event()
    loop = asyncio.new_event_loop()

    async def serve() -> None:
        device = SimDevice(DEVICE, simdata=[SimData(BASE, count=132, datatype=DataType.REGISTERS)])
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = int(probe.getsockname()[1])
        server = ModbusTcpServer(device, address=("127.0.0.1", port))
        await server.serve_forever(background=True)
        ports.append(port)
        ready.set()
        await done.wait()
        await server.shutdown()
        await asyncio.sleep(0.02)

    done = asyncio.Event()
    thread = threading.Thread(target=lambda: loop.run_until_complete(serve()))
    thread.start()
    assert ready.wait(5.0)
    yield ports[0]
    loop.call_soon_threadsafe(done.set)
    thread.join(5.0)
    loop.close()


@contextmanager
def raw_server(answer: Callable[[socket.socket, bytes], None]) -> Generator[int]:
    """A TCP server that calls `answer` with each request of each connection."""

    def handle(connection: socket.socket) -> None:
        while request := connection.recv(1000):
            answer(connection, request)

    with serving(handle) as port:
        yield port


def answer_read(request: bytes, words: list[int]) -> bytes:
    """Answer a read request in its own transaction."""
    data = struct.pack(f">{len(words)}H", *words)
    return request[:4] + struct.pack(">HBBB", 3 + len(data), DEVICE, 3, len(data)) + data


def test_words_are_counted_from_the_base_address(server_port: int) -> None:
    """What one connection writes from word 32 on, another reads there."""
    transport = transport_to(server_port)
    transport.connect()
    words = [0, 1, 65535, *range(97)]
    transport.write(32, words)
    other = transport_to(server_port)
    other.connect()
    assert other.read(32, 100) == words
    assert other.read(0, 52)[32:] == words[:20]
    transport.close()
    other.close()


def test_registers_that_the_plc_does_not_have_are_an_error(server_port: int) -> None:
    """A Modbus exception is an answer, not a Python exception: it must not be taken for words."""
    transport = transport_to(server_port)
    transport.connect()
    with pytest.raises(PlcError, match=r"registers from 1100.*illegal data address.*plc\.base_address"):
        transport.read(100, 52)
    with pytest.raises(PlcError, match="not connected"):
        transport.read(0, 52)


def test_a_word_that_does_not_fit_is_an_error_of_the_link(server_port: int) -> None:
    transport = transport_to(server_port)
    transport.connect()
    with pytest.raises(PlcError, match=r"writing 1 registers from 1032.*struct|error"):
        transport.write(32, [65536])


def test_a_plc_that_refuses_is_named() -> None:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        port = int(bound.getsockname()[1])
        with pytest.raises(PlcError, match=f"127.0.0.1:{port}.*nothing listens at port"):
            transport_to(port).connect()


def test_a_hang_ends_with_the_time_out_and_closes_the_connection() -> None:
    with raw_server(lambda _connection, _request: None) as port:
        transport = transport_to(port, timeout_ms=100)
        transport.connect()
        began = time.monotonic()
        with pytest.raises(PlcError):
            transport.read(0, 52)
        assert 0.09 < time.monotonic() - began < 2.0
        with pytest.raises(PlcError, match="not connected"):
            transport.write(32, [0])


def test_a_late_answer_is_never_taken_for_the_next_one() -> None:
    """The first answer comes after the time-out; the next request gets its own words."""
    asked: list[bytes] = []

    def slow_once(connection: socket.socket, request: bytes) -> None:
        asked.append(request)
        if len(asked) == 1:
            time.sleep(0.2)
        connection.sendall(answer_read(request, [len(asked)] * 2))

    with raw_server(slow_once) as port:
        transport = transport_to(port, timeout_ms=100)
        transport.connect()
        with pytest.raises(PlcError):
            transport.read(0, 2)
        transport.connect()
        time.sleep(0.15)
        assert transport.read(0, 2) == [2, 2]
        transport.close()


def test_a_duplicated_answer_is_never_taken_for_the_next_one() -> None:
    """It belongs to another transaction: the next request gets its own words or an error."""
    asked: list[bytes] = []

    def twice(connection: socket.socket, request: bytes) -> None:
        asked.append(request)
        connection.sendall(answer_read(request, [len(asked)] * 2) * 2)

    with raw_server(twice) as port:
        transport = transport_to(port)
        transport.connect()
        assert transport.read(0, 2) == [1, 1]
        try:
            assert transport.read(0, 2) == [2, 2]
        except PlcError:
            transport.connect()
            assert transport.read(0, 2)[0] in {2, 3}
        transport.close()


def test_a_reset_is_an_error_of_the_link() -> None:
    def reset(connection: socket.socket, _request: bytes) -> None:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        connection.close()

    with raw_server(reset) as port:
        transport = transport_to(port)
        transport.connect()
        with pytest.raises(PlcError):
            transport.read(0, 52)


def test_fewer_words_than_asked_are_an_error() -> None:
    with raw_server(lambda connection, request: connection.sendall(answer_read(request, [1]))) as port:
        transport = transport_to(port)
        transport.connect()
        with pytest.raises(PlcError, match="1 registers answered, 2 were asked"):
            transport.read(0, 2)


def test_an_acknowledgement_of_other_registers_is_an_error() -> None:
    def acknowledge(connection: socket.socket, request: bytes) -> None:
        connection.sendall(request[:4] + struct.pack(">HBBHH", 6, DEVICE, 16, BASE + 32, 99))

    with raw_server(acknowledge) as port:
        transport = transport_to(port)
        transport.connect()
        with pytest.raises(PlcError, match="acknowledges 99 registers"):
            transport.write(32, [0] * 100)


def test_whatever_comes_by_wire_ends_as_words_or_as_plc_error() -> None:
    """Random bytes, truncated answers and flipped bits: no other exception leaves the transport."""
    draw = random.Random(7)

    def damage(connection: socket.socket, request: bytes) -> None:
        good = bytearray(answer_read(request, [5] * 4))
        kind = draw.randrange(3)
        if kind == 0:
            good = bytearray(draw.randbytes(draw.randrange(1, 40)))
        elif kind == 1:
            del good[draw.randrange(1, len(good)) :]
        else:
            good[draw.randrange(len(good))] ^= 1 << draw.randrange(8)
        connection.sendall(bytes(good))
        connection.shutdown(socket.SHUT_WR)

    failures = 0
    with raw_server(damage) as port:
        for _ in range(60):
            transport = transport_to(port, timeout_ms=50)
            transport.connect()
            try:
                assert len(transport.read(0, 4)) == 4
            except PlcError:
                failures += 1
            transport.close()
    assert failures >= 30
