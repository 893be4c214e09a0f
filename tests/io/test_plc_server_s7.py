"""The PLC twin's S7 server, through the agent's own transport."""

from __future__ import annotations

import asyncio
import socket

import pytest

from inspectd.io.errors import PlcError
from inspectd.io.plc_memory import PlcMemory
from inspectd.io.plc_server_s7 import S7Server
from inspectd.io.plc_settings import S7Settings
from inspectd.io.s7 import S7Transport

BASE_BYTE = 10


def transport_to(server: S7Server) -> S7Transport:
    return S7Transport(
        S7Settings(kind="s7", host="127.0.0.1", port=server.port, data_block=3, base_byte=BASE_BYTE)
    )


def test_the_block_is_the_memory() -> None:
    """What the program shows is read, what a client writes the program sees; words 0 to 31 are its own."""
    memory = PlcMemory()
    server = S7Server(memory, data_block=3, base_byte=BASE_BYTE)
    asyncio.run(server.start())
    transport = transport_to(server)
    try:
        memory.show([*range(100, 132)])
        transport.connect()
        transport.write(32, [65535, *range(99)])
        assert memory.vision() == [65535, *range(99)]
        assert transport.read(0, 52) == [*range(100, 132), 65535, *range(19)]
        with pytest.raises(PlcError):
            transport.write(31, [1, 2])
        assert memory.read()[:33] == [*range(100, 132), 65535]
    finally:
        transport.close()
        asyncio.run(server.stop())
        server.close()


def test_a_plc_that_is_off_refuses_and_comes_back() -> None:
    """On the same port, which nobody else can take meanwhile."""
    server = S7Server(PlcMemory(), data_block=3, base_byte=BASE_BYTE)
    transport = transport_to(server)
    try:
        with pytest.raises(PlcError):
            transport.connect()
        for _ in range(2):
            asyncio.run(server.start())
            transport.connect()
            assert transport.read(0, 1) == [0]
            transport.close()
            asyncio.run(server.stop())
            with pytest.raises(PlcError):
                transport.connect()
    finally:
        server.close()


def test_a_port_that_is_taken_is_named() -> None:
    """By a listener that does not share it."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = int(taken.getsockname()[1])
        with pytest.raises(PlcError, match=f"{port}.*choose another port"):
            S7Server(PlcMemory(), port=port)
