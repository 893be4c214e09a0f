"""The PLC twin's Modbus TCP server (pymodbus), on 127.0.0.1 alone."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from pymodbus.constants import ExcCodes
from pymodbus.server import ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice

from inspectd.io.errors import PlcError
from inspectd.io.plc import PLC_WORDS, WORDS
from inspectd.io.port_reservation import HOST, reserve_port

if TYPE_CHECKING:
    from inspectd.io.plc_memory import PlcMemory

# Read holding registers, write one, write several, read and write several.
_REGISTER_FUNCTIONS = (3, 6, 16, 23)


class PlcServer:
    """Serves a `PlcMemory` as 132 holding registers from `base_address`; words 0 to 31 are read-only.

    `port` 0 takes a free one. PlcError: the port cannot be bound.

    Each request sees and leaves the memory as one piece, since it runs between two scans on the same loop.
    """

    def __init__(
        self, memory: PlcMemory, port: int = 0, *, device_id: int = 1, base_address: int = 0
    ) -> None:
        self._memory = memory
        self._base = base_address
        self._device_id = device_id
        self._server: ModbusTcpServer | None = None
        self._reservation = reserve_port(port)
        self.port = int(self._reservation.getsockname()[1])

    async def start(self) -> None:
        """Listen; PlcError if the port cannot be listened on."""
        device = SimDevice(
            id=self._device_id,
            simdata=[
                SimData(self._base, count=PLC_WORDS, datatype=DataType.REGISTERS, readonly=True),
                SimData(self._base + PLC_WORDS, count=WORDS - PLC_WORDS, datatype=DataType.REGISTERS),
            ],
            action=self._access,
        )
        self._server = ModbusTcpServer(device, address=(HOST, self.port))
        try:
            await self._server.serve_forever(background=True)
        except RuntimeError as error:
            self._server = None
            raise PlcError(f"cannot listen on {HOST}:{self.port}: {error}; choose another port") from error

    async def stop(self) -> None:
        """Drop every connection and refuse new ones until `start`."""
        if self._server is None:
            return
        await self._server.shutdown()
        self._server = None
        await asyncio.sleep(0)

    def close(self) -> None:
        """Give the port back."""
        self._reservation.close()

    async def _access(
        self,
        function: int,
        _first: int,
        address: int,
        _count: int,
        registers: list[int],
        values: list[int] | list[bool] | None,
    ) -> ExcCodes | None:
        """Let pymodbus' registers follow the memory before a read, and the memory a write."""
        if function not in _REGISTER_FUNCTIONS:
            return ExcCodes.ILLEGAL_FUNCTION
        if values is None:
            registers[:WORDS] = self._memory.read()
            return None
        self._memory.write(address - self._base, [int(value) for value in values])
        return None
