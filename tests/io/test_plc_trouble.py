"""What a PLC refuses is told in plain words: each code by its meaning, each with a remedy."""

from __future__ import annotations

import errno
import os
import socket
import struct
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress

import pytest

from inspectd.io.errors import PlcError
from inspectd.io.modbus import ModbusTransport
from inspectd.io.plc_settings import ModbusTcpSettings, S7Settings
from inspectd.io.plc_trouble import (
    Trouble,
    told_of_connection,
    told_of_modbus,
    told_of_modbus_answer,
    told_of_s7_header,
    told_of_s7_item,
)
from inspectd.io.s7 import S7Transport


@pytest.mark.parametrize(
    ("number", "trouble"),
    [
        (errno.ECONNREFUSED, Trouble.REFUSED),
        (errno.ETIMEDOUT, Trouble.NO_CONNECTION),
        (errno.EHOSTUNREACH, Trouble.UNREACHABLE),
        (errno.ENETUNREACH, Trouble.UNREACHABLE),
        (errno.EIO, Trouble.OTHER),
    ],
)
def test_why_no_connection_came_about_is_told(number: int, trouble: Trouble) -> None:
    """A port that is closed, a PLC that is off and a wrong netmask are three things to look at."""
    told = told_of_connection(OSError(number, os.strerror(number)), 502, 200.0, "switch it on")
    assert told.trouble is trouble
    assert told.meaning
    assert told.remedy


@pytest.mark.parametrize(
    ("code", "trouble", "told"),
    [
        (1, Trouble.NO_FUNCTION, "functions 3 and 16"),
        (2, Trouble.NO_ADDRESS, "plc.base_address, counted from 0"),
        (3, Trouble.NO_ADDRESS, "not so many registers"),
        (4, Trouble.OTHER, "may not be written"),
        (6, Trouble.BUSY, "plc.cycle_ms"),
        (10, Trouble.NO_DEVICE, "plc.device_id"),
        (11, Trouble.NO_DEVICE, "plc.device_id"),
        (99, Trouble.OTHER, "Modbus exception 99"),
    ],
)
def test_modbus_exceptions_are_told(code: int, trouble: Trouble, told: str) -> None:
    assert told_of_modbus(code).trouble is trouble
    assert told in str(told_of_modbus(code))


@pytest.mark.parametrize(
    ("code", "trouble", "told"),
    [
        (0x03, Trouble.DENIED, "PUT/GET"),
        (0x05, Trouble.NO_ADDRESS, "264 bytes long"),
        (0x0A, Trouble.NO_BLOCK, "Optimized block access"),
        (0x99, Trouble.OTHER, "return code 0x99"),
    ],
)
def test_s7_return_codes_are_told(code: int, trouble: Trouble, told: str) -> None:
    assert told_of_s7_item(code).trouble is trouble
    assert told in str(told_of_s7_item(code))


@pytest.mark.parametrize(
    ("code", "trouble"),
    [
        (0x8104, Trouble.DENIED),
        (0xD241, Trouble.DENIED),
        (0xD209, Trouble.NO_BLOCK),
        (0x8701, Trouble.NO_ADDRESS),
        (0x8404, Trouble.NOT_WRITABLE),
        (0x8302, Trouble.BUSY),
        (0x1234, Trouble.OTHER),
    ],
)
def test_s7_header_errors_are_told(code: int, trouble: Trouble) -> None:
    assert told_of_s7_header(code).trouble is trouble


def test_what_comes_instead_of_an_answer_is_told() -> None:
    """Silence points to the unit identifier, a closed connection to the list of permitted clients."""
    silent = told_of_modbus_answer(TimeoutError())
    assert (silent.trouble, "plc.device_id" in silent.remedy) == (Trouble.SILENT, True)
    closed = told_of_modbus_answer(ConnectionResetError())
    assert (closed.trouble, "permitted clients" in closed.remedy) == (Trouble.CLOSED, True)
    assert "ValueError: odd" in told_of_modbus_answer(ValueError("odd")).meaning


# --- by wire ---------------------------------------------------------------------------------------------

Answer = Callable[[bytes], bytes | None]


@contextmanager
def peer(answer: Answer) -> Generator[int]:
    """A TCP server that answers each packet of one connection; None: it closes the connection."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(5.0)

        def serve() -> None:
            connection, _ = listener.accept()
            with connection, suppress(ConnectionError):
                while request := connection.recv(1000):
                    if (reply := answer(request)) is None:
                        return
                    connection.sendall(reply)

        thread = threading.Thread(target=serve)
        thread.start()
        yield int(listener.getsockname()[1])
        thread.join(5.0)


def modbus_trouble(answer: Answer) -> PlcError:
    with peer(answer) as port:
        transport = ModbusTransport(ModbusTcpSettings(host="127.0.0.1", port=port, timeout_ms=100.0))
        transport.connect()
        with pytest.raises(PlcError) as caught:
            transport.read(0, 52)
        transport.close()
    return caught.value


def told(error: PlcError) -> Trouble | None:
    assert error.told is not None
    assert str(error.told) in str(error)
    return error.told.trouble


def test_a_modbus_device_that_keeps_silent_is_told() -> None:
    assert told(modbus_trouble(lambda _: b"")) is Trouble.SILENT


def test_a_modbus_device_that_hangs_up_is_told() -> None:
    assert told(modbus_trouble(lambda _: None)) is Trouble.CLOSED


def test_a_gateway_without_the_device_is_told() -> None:
    def refuse(request: bytes) -> bytes:
        return request[:4] + struct.pack(">HBBB", 3, request[6], 0x83, 11)

    error = modbus_trouble(refuse)
    assert told(error) is Trouble.NO_DEVICE
    assert "reading 52 registers from 0: the device behind the gateway does not answer" in str(error)


def tpkt(content: bytes) -> bytes:
    return struct.pack(">BBH", 3, 0, 4 + len(content)) + content


SHORTEST_REQUEST = 17
CONFIRM = tpkt(bytes((6, 0xD0, 0, 1, 0, 1, 0)))
REFUSE = tpkt(bytes((6, 0x80, 0, 1, 0, 0, 0)))


def s7_answers(error: int) -> Answer:
    """Confirm the connection and the size of requests, then refuse everything with this error word."""

    def answer(request: bytes) -> bytes | None:
        if request[5] == 0xE0:
            return CONFIRM
        if len(request) <= SHORTEST_REQUEST:
            return None  # it hangs up
        number = request[11:13]
        if request[17] == 0xF0:
            parameters = struct.pack(">BBHHH", 0xF0, 0, 1, 1, 480)
            pdu = b"\x32\x03\0\0" + number + struct.pack(">HHH", len(parameters), 0, 0) + parameters
        else:
            pdu = b"\x32\x02\0\0" + number + struct.pack(">HHH", 0, 0, error)
        return tpkt(b"\x02\xf0\x80" + pdu)

    return answer


def s7_trouble(answer: Answer) -> PlcError:
    with peer(answer) as port:
        transport = S7Transport(
            S7Settings(kind="s7", host="127.0.0.1", port=port, data_block=1, timeout_ms=150.0)
        )
        with pytest.raises(PlcError) as caught:
            connect_and_read(transport)
        transport.close()
    return caught.value


def connect_and_read(transport: S7Transport) -> None:
    transport.connect()
    transport.read(0, 52)


def test_put_get_that_is_not_permitted_is_told() -> None:
    """As an S7-1200 or 1500 says it: the connection stands, and each request is refused in its header."""
    error = s7_trouble(s7_answers(0x8104))
    assert told(error) is Trouble.DENIED
    assert 'permit "PUT/GET communication from remote partner"' in str(error)


@pytest.mark.parametrize("answer", [REFUSE, None])
def test_a_rack_and_slot_without_a_cpu_are_told(answer: bytes | None) -> None:
    """Whether the PLC answers with a disconnect request or just hangs up."""
    error = s7_trouble(lambda _: answer)
    assert told(error) is Trouble.NO_CPU
    assert "plc.rack and plc.slot" in str(error)


def test_an_s7_plc_that_keeps_silent_is_told() -> None:
    assert told(s7_trouble(lambda _: b"")) is Trouble.SILENT


def test_a_device_that_speaks_something_else_is_told() -> None:
    error = s7_trouble(lambda _: b"HTTP/1.1 400 Bad Request\r\n\r\n")
    assert told(error) is Trouble.OTHER
    assert "S7 PLC listens" in str(error)
