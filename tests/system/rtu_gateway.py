"""A gateway from a serial line to Modbus TCP, as a PLC twin that speaks TCP alone needs one."""

from __future__ import annotations

import socket
import struct
from contextlib import suppress

from tests.io.rtu_bench import Line, framed

_TIMEOUT_S = 0.1


class RtuGateway:
    """Carries each request from the line to a port of 127.0.0.1; where that fails, the line stays silent."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._number = 0
        self._connection: socket.socket | None = None
        self.line = Line(self._carry)

    def close(self) -> None:
        """End the line."""
        self.line.close()
        self._hang_up()

    def _carry(self, line: Line, request: bytes) -> None:
        try:
            answer = self._ask(request[0], request[1:-2])
        except (OSError, struct.error):
            self._hang_up()
        else:
            line.send(framed(answer))

    def _ask(self, unit: int, request: bytes) -> bytes:
        """Give the answer with the unit before it; OSError: there was none, or another's."""
        if self._connection is None:
            self._connection = socket.create_connection(("127.0.0.1", self._port), _TIMEOUT_S)
        self._number = self._number % 65535 + 1
        self._connection.sendall(struct.pack(">HHHB", self._number, 0, len(request) + 1, unit) + request)
        number, _, size = struct.unpack(">HHH", self._receive(6))
        if number != self._number:
            raise OSError("the answer to another request")
        return self._receive(size)

    def _receive(self, size: int) -> bytes:
        assert self._connection is not None
        data = b""
        while len(data) < size:
            piece = self._connection.recv(size - len(data))
            if not piece:
                raise OSError("closed")
            data += piece
        return data

    def _hang_up(self) -> None:
        with suppress(OSError):
            if self._connection is not None:
                self._connection.close()
        self._connection = None
