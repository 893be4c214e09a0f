"""Modbus RTU over a pair of ptys: what a serial line does to frames, and what must never come of it."""

from __future__ import annotations

import asyncio
import random
import struct
import threading
import time
from itertools import pairwise

import pytest
from pymodbus.server import ModbusSerialServer
from pymodbus.simulator import DataType, SimData, SimDevice
from rtu_bench import BASE, DEVICE, Line, Words, cable, framed, line_with

from inspectd.io.errors import PlcError, PlcRefusedError
from inspectd.io.modbus_rtu import ModbusRtuTransport
from inspectd.io.plc_settings import ModbusRtuSettings


def transport_on(name: str, timeout_ms: float = 300) -> ModbusRtuTransport:
    return ModbusRtuTransport(
        ModbusRtuSettings(
            kind="modbus_rtu",
            serial_port=name,
            parity="none",  # a pty knows none
            device_id=DEVICE,
            base_address=BASE,
            timeout_ms=timeout_ms,
        )
    )


def test_words_are_counted_from_the_base_address() -> None:
    words = [0, 1, 65535, *range(97)]
    device = Words()
    with line_with(device) as line:
        transport = transport_on(line.name)
        transport.connect()
        transport.write(32, words)
        assert device.words[32:] == words
        device.words[:32] = range(100, 132)
        assert transport.read(0, 52) == [*range(100, 132), *words[:20]]
        assert transport.read(32, 100) == words
        transport.close()


def test_pymodbus_own_serial_server_understands_it() -> None:
    """Frames and answers of a peer that shares no code with this test's device."""
    ready, loop = threading.Event(), asyncio.new_event_loop()
    done = asyncio.Event()

    async def serve(port: str) -> None:
        device = SimDevice(DEVICE, simdata=[SimData(BASE, count=132, datatype=DataType.REGISTERS)])
        server = ModbusSerialServer(device, port=port, baudrate=115200)
        await server.serve_forever(background=True)
        ready.set()
        await done.wait()
        await server.shutdown()

    with cable() as (near, far):
        thread = threading.Thread(target=lambda: loop.run_until_complete(serve(far)))
        thread.start()
        try:
            assert ready.wait(5.0)
            transport = transport_on(near, timeout_ms=400)
            transport.connect()
            transport.write(32, [*range(100)])
            assert transport.read(32, 100) == [*range(100)]
            transport.close()
        finally:
            loop.call_soon_threadsafe(done.set)
            thread.join(5.0)
            loop.close()


def test_registers_that_the_plc_does_not_have_are_told() -> None:
    with line_with(Words()) as line:
        transport = transport_on(line.name)
        transport.connect()
        with pytest.raises(PlcError, match="illegal data address") as raised:
            transport.write(100, [0] * 50)
        assert raised.value.told is not None
        with pytest.raises(PlcError, match="not connected"):
            transport.read(0, 52)


def test_a_word_that_does_not_fit_is_an_error_of_the_link() -> None:
    with line_with(Words()) as line:
        transport = transport_on(line.name)
        transport.connect()
        with pytest.raises(PlcError, match="no number from 0 to 65535"):
            transport.write(32, [65536])


def test_a_hang_ends_with_the_time_out_and_closes_the_port() -> None:
    with line_with(lambda _line, _request: None) as line:
        transport = transport_on(line.name, timeout_ms=100)
        transport.connect()
        began = time.monotonic()
        with pytest.raises(PlcError, match=r"no answer within 100 ms \(0 bytes came\).*plc\.baud_rate"):
            transport.read(0, 52)
        assert 0.09 < time.monotonic() - began < 2.0
        with pytest.raises(PlcError, match="not connected"):
            transport.write(32, [0])


def test_an_answer_in_drops_is_taken_and_one_that_never_ends_is_not() -> None:
    device = Words()

    def drip(line: Line, request: bytes) -> None:
        for byte in device.good(request)[: 10_000 if len(line.requests) == 1 else 8]:
            line.send(bytes([byte]))
            time.sleep(0.0002)

    with line_with(drip) as line:
        transport = transport_on(line.name)
        transport.connect()
        assert transport.read(0, 10) == [0] * 10
        with pytest.raises(PlcError, match="no usable answer"):
            transport.read(0, 10)


def test_a_late_answer_is_never_taken_for_the_next_one() -> None:
    """It comes while the next connection asks already: it does not fit what is asked then."""
    device = Words()
    late: list[bytes] = []

    def slow_once(line: Line, request: bytes) -> None:
        if not late:
            late.append(device.good(request))
            return
        line.send(late[0])
        line.send(device.good(request))

    with line_with(slow_once) as line:
        device.words[0] = 1
        transport = transport_on(line.name, timeout_ms=100)
        transport.connect()
        with pytest.raises(PlcError, match="no answer"):
            transport.read(0, 52)
        device.words[0] = 2
        transport.connect()
        with pytest.raises(PlcError, match="no usable answer"):
            transport.read(0, 52)


def test_a_late_answer_on_the_line_is_waited_out() -> None:
    """A new connection begins with silence: what comes meanwhile is thrown away."""
    device = Words()
    with line_with(device) as line:
        transport = transport_on(line.name)
        stale = device.good(struct.pack(">BBHH", DEVICE, 3, BASE, 52))
        sending = threading.Timer(0.02, line.send, (stale,))
        sending.start()
        transport.connect()
        sending.join(5.0)
        device.words[0] = 7
        assert transport.read(0, 52)[0] == 7
        transport.close()


def test_a_late_acknowledgement_is_never_taken_for_the_next_one() -> None:
    """The first request of a connection is a read, which it does not fit."""
    with line_with(
        lambda line, _request: line.send(framed(struct.pack(">BBHH", DEVICE, 16, BASE + 32, 100)))
    ) as line:
        transport = transport_on(line.name)
        transport.connect()
        with pytest.raises(PlcError, match="no usable answer"):
            transport.read(0, 52)


def test_connections_in_a_row_read_in_different_sizes() -> None:
    with line_with(Words()) as line:
        transport = transport_on(line.name)
        for _ in range(5):
            transport.connect()
            assert len(transport.read(0, 52)) == 52
        transport.close()
        sizes = [struct.unpack(">H", request[4:6])[0] for request in line.requests]
        assert all(earlier != later for earlier, later in pairwise(sizes))


def other_acknowledgements(request: bytes) -> dict[str, bytes]:
    """Answers to a write that are not the one to it."""
    return {
        "another device": framed(bytes([DEVICE + 1]) + request[1:6]),
        "a wrong check sum": request[:6] + b"\0\0",
        "other registers": framed(request[:2] + struct.pack(">HH", BASE + 31, 100)),
        "fewer registers": framed(request[:4] + struct.pack(">H", 99)),
        "another function": framed(bytes([DEVICE, 6]) + request[2:6]),
    }


@pytest.mark.parametrize("name", other_acknowledgements(bytes(8)))
def test_an_acknowledgement_of_something_else_is_an_error(name: str) -> None:
    with line_with(lambda line, request: line.send(other_acknowledgements(request)[name])) as line:
        transport = transport_on(line.name)
        transport.connect()
        with pytest.raises(PlcError, match=r"no usable answer|other registers"):
            transport.write(32, [0] * 100)


def test_an_adapter_that_echoes_is_named() -> None:
    with line_with(lambda line, request: line.send(request)) as line:
        transport = transport_on(line.name)
        transport.connect()
        with pytest.raises(PlcError, match="switch the adapter's echo off"):
            transport.write(32, [0] * 100)


def test_whatever_comes_ends_as_words_or_as_plc_error() -> None:
    """Random bytes, cut frames and flipped bits: the right words or an error, nothing between."""
    draw = random.Random(7)
    device = Words()
    device.words[:4] = [5, 6, 7, 8]

    def damage(line: Line, request: bytes) -> None:
        good = bytearray(device.good(request))
        kind = draw.randrange(3)
        if kind == 0:
            good = bytearray(draw.randbytes(draw.randrange(1, 40)))
        elif kind == 1:
            del good[draw.randrange(1, len(good)) :]
        else:
            good[draw.randrange(len(good))] ^= 1 << draw.randrange(8)
        line.send(bytes(good))

    with line_with(damage) as line:
        for _ in range(25):
            transport = transport_on(line.name, timeout_ms=20)
            transport.connect()
            with pytest.raises(PlcError):
                transport.read(0, 4)
            transport.close()


def test_a_line_that_is_never_silent_is_told() -> None:
    """Another master, or the wrong baud rate."""
    with line_with(Words()) as line:
        done = threading.Event()

        def chatter() -> None:
            while not done.is_set():
                line.send(b"\x55")
                time.sleep(0.002)

        thread = threading.Thread(target=chatter)
        thread.start()
        try:
            with pytest.raises(PlcError, match=r"never silent.*other master"):
                transport_on(line.name, timeout_ms=100).connect()
        finally:
            done.set()
            thread.join(5.0)


def test_a_port_that_is_not_there_or_taken_is_told() -> None:
    """The first may still be plugged in; a port that another program has ends the agent."""
    with pytest.raises(PlcError, match=r"there is no such port.*plc\.serial_port") as raised:
        transport_on("/dev/no-such-port").connect()
    assert not isinstance(raised.value, PlcRefusedError)
    with pytest.raises(PlcError, match=r"cannot be opened.*see that it is a serial port"):
        transport_on("/dev/null").connect()
    with line_with(Words()) as line:
        holder = transport_on(line.name)
        holder.connect()
        with pytest.raises(PlcRefusedError, match="another program has the port"):
            transport_on(line.name).connect()
        holder.close()
