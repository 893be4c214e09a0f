"""A served image on a free port, and clients to it: pymodbus' own and a bare socket."""

from __future__ import annotations

import socket
import struct
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from pymodbus.client import ModbusTcpClient

from inspectd.io.modbus_server import ModbusServer
from inspectd.io.plc import PlcImage
from inspectd.io.plc_settings import ModbusServerSettings

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

BASE = 1000
DEVICE = 3


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def served(**changes: Any) -> Generator[tuple[ModbusServer, int]]:
    """Serve an image; gives it with its port."""
    port = free_port()
    settings: dict[str, Any] = {
        "kind": "modbus_server",
        "listen": "127.0.0.1",
        "port": port,
        "device_id": DEVICE,
        "base_address": BASE,
    }
    server = ModbusServer(ModbusServerSettings.model_validate(settings | changes))
    server.connect()
    try:
        yield server, port
    finally:
        server.close()


@contextmanager
def client_of(port: int) -> Generator[ModbusTcpClient]:
    client = ModbusTcpClient("127.0.0.1", port=port, timeout=5.0, retries=0)
    assert client.connect()
    try:
        yield client
    finally:
        client.close()


@contextmanager
def socket_to(port: int, source: str = "127.0.0.1") -> Generator[socket.socket]:
    with socket.create_connection(("127.0.0.1", port), 5.0, (source, 0)) as connection:
        yield connection


def frame(request: bytes, *, number: int = 1, unit: int = DEVICE) -> bytes:
    """Give a request with its header."""
    return struct.pack(">HHHB", number, 0, len(request) + 1, unit) + request


def write_request(start: int, words: list[int]) -> bytes:
    return struct.pack(f">BHHB{len(words)}H", 16, BASE + start, len(words), 2 * len(words), *words)


def read_request(start: int, count: int) -> bytes:
    return struct.pack(">BHH", 3, BASE + start, count)


def answer_from(connection: socket.socket) -> bytes:
    """Receive one answer, without its header; b"" if the server closed the connection."""
    try:
        header = _exactly(connection, 7)
        return _exactly(connection, struct.unpack(">H", header[4:6])[0] - 1) if header else b""
    except ConnectionError:
        return b""


def _exactly(connection: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size and (piece := connection.recv(size - len(data))):
        data += piece
    return data


def ask(connection: socket.socket, request: bytes) -> bytes:
    connection.sendall(frame(request))
    return answer_from(connection)


def plc_words(trig_id: int = 5) -> list[int]:
    return PlcImage(heartbeat=1, trig_id=trig_id, plc_epoch=7).pack()


def await_(condition: Callable[[], object], timeout_s: float = 10.0) -> None:
    until = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < until, "waited in vain"
        time.sleep(0.002)
