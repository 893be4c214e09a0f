"""The PLC twin's S7 server (python-snap7), on 127.0.0.1 alone."""

from __future__ import annotations

import asyncio
import logging
import struct
from typing import TYPE_CHECKING, Any

from snap7.error import S7Error
from snap7.server import Server
from snap7.type import SrvArea

from inspectd.io.errors import PlcError
from inspectd.io.plc import PLC_WORDS, WORDS
from inspectd.io.port_reservation import HOST, reserve_port

if TYPE_CHECKING:
    from inspectd.io.plc_memory import PlcMemory

logging.getLogger("snap7").setLevel(logging.CRITICAL)


class S7Server:
    """Serves a `PlcMemory` as one data block; words 0 to 31 are read-only.

    `port` 0 takes a free one. PlcError: the port cannot be bound. Requests come on the library's threads, and
    each sees and leaves the memory as one piece, by the memory's own lock.
    """

    def __init__(self, memory: PlcMemory, port: int = 0, *, data_block: int = 1, base_byte: int = 0) -> None:
        self._block = _Block(memory, base_byte)
        self._data_block = data_block
        self._server: Server | None = None
        self._reservation = reserve_port(port, shared=True)
        self.port = int(self._reservation.getsockname()[1])

    async def start(self) -> None:
        """Listen; PlcError if the port cannot be listened on."""
        server = Server(log=False)
        server.register_area(SrvArea.DB, self._data_block, self._block)
        try:
            server.start_to(HOST, self.port)
        except S7Error as error:
            raise PlcError(f"cannot listen on {HOST}:{self.port}: {error}; choose another port") from error
        self._server = server

    async def stop(self) -> None:
        """Drop every connection and refuse new ones until `start`."""
        if self._server is None:
            return
        server, self._server = self._server, None
        await asyncio.to_thread(server.stop)

    def close(self) -> None:
        """Give the port back."""
        self._reservation.close()


class _Block(bytearray):
    """A data block whose bytes are the memory's words, big-endian, from `base_byte` on."""

    def __init__(self, memory: PlcMemory, base_byte: int) -> None:
        super().__init__(base_byte + 2 * WORDS)
        self._memory = memory
        self._base = base_byte

    def __getitem__(self, place: Any) -> Any:
        content: Any = bytes(self._base) + struct.pack(f">{WORDS}H", *self._memory.read())
        return content[place]

    def __setitem__(self, place: Any, data: Any) -> None:
        """Take the bytes of whole words; ValueError for words 0 to 31, half words and single bytes."""
        start = place.start - self._base
        if start < 2 * PLC_WORDS or start % 2 or len(data) % 2:
            raise ValueError(f"a client writes whole words from {PLC_WORDS} on, not byte {start}")
        self._memory.write(start // 2, list(struct.unpack(f">{len(data) // 2}H", data)))
