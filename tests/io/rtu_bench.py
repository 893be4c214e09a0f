"""A serial line of two pty ends, and a Modbus RTU device on the far one that answers as a test tells it."""

from __future__ import annotations

import os
import pty
import select
import struct
import threading
import tty
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

DEVICE = 3
BASE = 1000


def crc(data: bytes) -> bytes:
    """CRC-16/MODBUS, bit by bit, low byte first as on the line."""
    value = 0xFFFF
    for byte in data:
        value ^= byte
        for _ in range(8):
            value = value >> 1 ^ 0xA001 if value & 1 else value >> 1
    return struct.pack("<H", value)


def framed(body: bytes) -> bytes:
    """Give an answer with its check sum; `body` begins with the device's address."""
    return body + crc(body)


class Line:
    """The near end's name, and what goes over the far one."""

    def __init__(self, answer: Callable[[Line, bytes], None]) -> None:
        self._far, self._near = pty.openpty()
        tty.setraw(self._far)
        tty.setraw(self._near)
        self.name = os.ttyname(self._near)
        self.requests: list[bytes] = []
        self._answer = answer
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def send(self, data: bytes) -> None:
        """Put bytes on the line, towards the near end."""
        os.write(self._far, data)

    def close(self) -> None:
        self._done.set()
        self._thread.join(5.0)
        os.close(self._far)
        os.close(self._near)

    def _run(self) -> None:
        buffer = b""
        while not self._done.is_set():
            if select.select([self._far], [], [], 0.02)[0]:
                buffer += os.read(self._far, 1000)
            while len(buffer) >= 8:
                size = 9 + buffer[6] if buffer[1] == 16 else 8
                if len(buffer) < size:
                    break
                request, buffer = buffer[:size], buffer[size:]
                assert crc(request[:-2]) == request[-2:]
                self.requests.append(request)
                self._answer(self, request)


class Words:
    """132 registers from BASE on: the device as it should be."""

    def __init__(self) -> None:
        self.words = [0] * 132

    def __call__(self, line: Line, request: bytes) -> None:
        line.send(self.good(request))

    def good(self, request: bytes) -> bytes:
        function, address, count = struct.unpack(">BHH", request[1:6])
        start = address - BASE
        if start < 0 or start + count > len(self.words):
            return framed(bytes([request[0], function | 0x80, 2]))
        if function == 16:
            self.words[start : start + count] = struct.unpack(f">{count}H", request[7:-2])
            return framed(request[:6])
        data = struct.pack(f">{count}H", *self.words[start : start + count])
        return framed(bytes([request[0], function, len(data)]) + data)


@contextmanager
def line_with(answer: Callable[[Line, bytes], None]) -> Generator[Line]:
    line = Line(answer)
    try:
        yield line
    finally:
        line.close()


@contextmanager
def cable() -> Generator[tuple[str, str]]:
    """Two ports, joined as by a cable: gives both names."""
    ends = [pty.openpty(), pty.openpty()]
    for descriptor in (*ends[0], *ends[1]):
        tty.setraw(descriptor)
    (one, near_one), (other, near_other) = ends
    done = threading.Event()

    def carry() -> None:
        while not done.is_set():
            for source in select.select([one, other], [], [], 0.02)[0]:
                os.write(other if source == one else one, os.read(source, 1000))

    thread = threading.Thread(target=carry)
    thread.start()
    try:
        yield os.ttyname(near_one), os.ttyname(near_other)
    finally:
        done.set()
        thread.join(5.0)
        for descriptor in (*ends[0], *ends[1]):
            os.close(descriptor)
