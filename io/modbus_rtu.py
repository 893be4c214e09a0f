"""Modbus RTU as the link's transport: the agent is the client (master) on a serial line, the PLC the server.

Frames and their contents are pymodbus', the line is pyserial's. An RTU frame bears no number, so nothing but
time and shape tells a late answer from the next one. Therefore: after any error the port is closed, and a new
connection begins with silence on the line; its first request is always a read, which a late answer to a write
does not fit; and each connection reads a few words more or less than the one before, so that a late answer to
its read does not fit either.
"""

from __future__ import annotations

import contextlib
import errno
import select
import struct
import termios
import time
from typing import TYPE_CHECKING

import serial
from pymodbus.framer import FramerRTU
from pymodbus.pdu import DecodePDU

from inspectd.io.errors import PlcError, PlcRefusedError
from inspectd.io.plc import WORDS
from inspectd.io.plc_trouble import told_of_modbus

if TYPE_CHECKING:
    from collections.abc import Sequence

    from inspectd.io.plc_settings import ModbusRtuSettings

_PARITY = {"none": serial.PARITY_NONE, "even": serial.PARITY_EVEN, "odd": serial.PARITY_ODD}
_READ, _WRITE, _REFUSED = 3, 16, 0x80
_REFUSAL_SIZE = 5
_ACKNOWLEDGEMENT_SIZE = 8
_SHAPES = 4
_MOST_READ = 125
_QUIET_S = 0.05
_LEAST_SILENCE_S = 0.00175  # between two frames; the specification's, from 19200 baud on
_LARGEST = 256
_LINE_ERRORS = (OSError, termios.error)  # pyserial's own errors are among the first


class ModbusRtuTransport:
    """Holding registers of one PLC over one serial line. For one thread; every method raises PlcError.

    A call takes at most the configured time-out to send and the same again for the answer, `connect` at most
    one. After an error the port is closed: `connect` again.
    """

    def __init__(self, settings: ModbusRtuSettings) -> None:
        self._settings = settings
        self._where = f"Modbus RTU {settings.serial_port}, device {settings.device_id}"
        self._timeout_s = settings.timeout_ms / 1000.0
        self._silence_s = max(_LEAST_SILENCE_S, 3.5 * 11 / settings.baud_rate)
        self._framer = FramerRTU(DecodePDU(is_server=False))
        self._port: serial.Serial | None = None
        self._connections = 0
        self._heard_at = 0.0

    def connect(self) -> None:
        """Open the port, and wait until the line has been silent for 50 ms."""
        self.close()
        settings = self._settings
        try:
            port = serial.Serial(
                settings.serial_port,
                baudrate=settings.baud_rate,
                parity=_PARITY[settings.parity],
                stopbits=settings.stop_bits,
                timeout=0,
                write_timeout=self._timeout_s,
                exclusive=True,
            )
        except (*_LINE_ERRORS, ValueError) as error:
            raise self._told(error) from error
        # Some adapters keep what they receive for 16 ms unless asked not to; not all can be asked.
        with contextlib.suppress(ValueError):
            port.set_low_latency_mode(True)
        self._port = port
        self._connections += 1
        self._await_silence(port)

    def read(self, start: int, count: int) -> list[int]:
        """Read `count` words from word `start` of the image (FC 3)."""
        # Another size than the last connection's, see above.
        asked = min(count + self._connections % _SHAPES, WORDS - start, _MOST_READ)
        address = self._settings.base_address + start
        doing = f"reading {count} registers from {address}"
        answer = self._ask(doing, struct.pack(">BHH", _READ, address, asked), 5 + 2 * asked)
        if answer[1] != 2 * asked:
            raise self._failed(doing, "the answer holds another number of registers than were asked")
        return list(struct.unpack(f">{asked}H", answer[2:]))[:count]

    def write(self, start: int, words: Sequence[int]) -> None:
        """Write `words` (each 0..65535) from word `start` of the image in one request (FC 16)."""
        address, count = self._settings.base_address + start, len(words)
        doing = f"writing {count} registers from {address}"
        try:
            request = struct.pack(f">BHHB{count}H", _WRITE, address, count, 2 * count, *words)
        except struct.error as error:
            raise self._failed(doing, f"a word is no number from 0 to 65535 ({error})") from error
        if self._ask(doing, request, _ACKNOWLEDGEMENT_SIZE)[1:] != struct.pack(">HH", address, count):
            raise self._failed(doing, "the answer acknowledges other registers than were written")

    def close(self) -> None:
        """Close the port, if it is open."""
        if self._port is not None:
            with contextlib.suppress(*_LINE_ERRORS):  # an adapter may be unplugged
                self._port.close()
            self._port = None

    # --- one exchange ----------------------------------------------------------------------------------

    def _ask(self, doing: str, request: bytes, size: int) -> bytes:
        """Send a request and give its answer without address and check sum; `size` is a good one's."""
        if self._port is None:
            raise PlcError(f"{self._where}: {doing}: not connected")
        unit = self._settings.device_id
        frame = self._framer.encode(request, unit, 0)
        try:
            time.sleep(max(0.0, self._heard_at + self._silence_s - time.monotonic()))
            self._port.reset_input_buffer()
            self._port.write(frame)
            answer = self._receive(self._port, size)
        except _LINE_ERRORS as error:
            raise self._failed(
                doing, f"the line failed ({error}); check the adapter and its cable"
            ) from error
        if len(answer) < _REFUSAL_SIZE:
            raise self._failed(
                doing,
                f"no answer within {self._settings.timeout_ms:g} ms ({len(answer)} bytes came); check "
                "wiring, plc.baud_rate, plc.parity, plc.stop_bits and plc.device_id, or raise plc.timeout_ms",
            )
        body, check = answer[:-2], int.from_bytes(answer[-2:], "big")
        if not self._framer.check_CRC(body, check) or body[0] != unit or body[1] & ~_REFUSED != request[0]:
            if frame.startswith(answer):
                raise self._failed(doing, "the line gives back what is sent; switch the adapter's echo off")
            raise self._failed(
                doing,
                f"no usable answer ({len(answer)} bytes of {size}); check wiring and termination, "
                "plc.parity and plc.stop_bits, and that no other master talks on this line",
            )
        if body[1] & _REFUSED:
            told = told_of_modbus(body[2])
            self.close()
            raise PlcError(f"{self._where}: {doing}: {told}", told)
        return body[1:]

    def _receive(self, port: serial.Serial, size: int) -> bytes:
        """Receive an answer of `size` bytes, or one that refuses, or what came until the time-out."""
        until = time.monotonic() + self._timeout_s
        answer = b""
        while len(answer) < _size_of(answer, size) and (left := until - time.monotonic()) > 0:
            if select.select([port.fileno()], [], [], left)[0]:
                answer += port.read(_size_of(answer, size) - len(answer))
        self._heard_at = time.monotonic()
        return answer

    def _await_silence(self, port: serial.Serial) -> None:
        """Let everything pass by that is still on its way to somebody."""
        until = time.monotonic() + self._timeout_s
        try:
            while select.select([port.fileno()], [], [], _QUIET_S)[0]:
                port.read(_LARGEST)
                if time.monotonic() >= until:
                    raise self._failed(
                        "listening",
                        "the line is never silent; see that no other master talks on it, and check "
                        "plc.baud_rate",
                    )
        except _LINE_ERRORS as error:
            raise self._failed("listening", f"the line failed ({error}); check the adapter") from error

    # --- errors ----------------------------------------------------------------------------------------

    def _failed(self, doing: str, why: str) -> PlcError:
        self.close()
        return PlcError(f"{self._where}: {doing}: {why}")

    def _told(self, error: Exception) -> PlcError:
        number = error.errno if isinstance(error, OSError) else None
        if number == errno.ENOENT:
            return PlcError(
                f"{self._where}: there is no such port; plug the adapter in, or correct plc.serial_port "
                "(a name in /dev/serial/by-id stays the same)"
            )
        if number in {errno.EACCES, errno.EPERM}:
            return PlcRefusedError(
                f"{self._where}: this user may not open the port; add the agent's user to the group dialout"
            )
        if number in {errno.EAGAIN, errno.EBUSY}:
            return PlcRefusedError(
                f"{self._where}: another program has the port; stop it, or name another plc.serial_port"
            )
        return PlcError(
            f"{self._where}: the port cannot be opened ({error}); see that it is a serial port, and that it "
            "knows plc.baud_rate, plc.parity and plc.stop_bits"
        )


def _size_of(answer: bytes, size: int) -> int:
    """Size of an answer of which this much has come; `size` is a good one's."""
    refused = len(answer) > 1 and bool(answer[1] & _REFUSED)
    return _REFUSAL_SIZE if refused else max(size, _REFUSAL_SIZE)
