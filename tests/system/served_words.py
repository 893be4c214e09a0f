"""The scripted agent's words as pymodbus' own Modbus TCP server: the PLC twin calls it."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING

from pymodbus.server import ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice

if TYPE_CHECKING:
    from typing_extensions import Self

WORDS = 132


class ServedWords:
    """A transport for `ScriptedAgent` and a context manager: 132 holding registers at a port of 127.0.0.1."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._words = [0] * WORDS
        self._lock = threading.Lock()
        self._loop = asyncio.new_event_loop()
        self._done = asyncio.Event()
        self._listening = threading.Event()
        self._thread = threading.Thread(target=lambda: self._loop.run_until_complete(self._serve()))

    def read(self) -> list[int]:
        """Words 0 to 51."""
        with self._lock:
            return self._words[:52]

    def write(self, words: list[int]) -> None:
        """Words 32 to 131."""
        with self._lock:
            self._words[32:] = words

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._listening.wait(10)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._done.set)
        self._thread.join(10)
        self._loop.close()

    async def _serve(self) -> None:
        registers = [SimData(0, count=WORDS, datatype=DataType.REGISTERS)]
        device = SimDevice(1, simdata=registers, action=self._access)
        server = ModbusTcpServer(device, address=("127.0.0.1", self._port))
        await server.serve_forever(background=True)
        self._listening.set()
        await self._done.wait()
        await server.shutdown()
        await asyncio.sleep(0.02)

    async def _access(
        self,
        _function: int,
        _first: int,
        address: int,
        _count: int,
        registers: list[int],
        values: list[int] | list[bool] | None,
    ) -> None:
        with self._lock:
            if values is None:
                registers[:WORDS] = self._words
            else:
                self._words[address : address + len(values)] = [int(value) for value in values]
