"""The PLC twin in the client's role: it reads words 32 to 131 from the agent, then writes words 0 to 31.

As in a PLC the exchange runs beside the scans, which never wait for it. When it fails the twin keeps the
inputs that it had: that they have become old shows in the agent's heartbeat alone.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from pymodbus.client import AsyncModbusTcpClient
from pymodbus.exceptions import ModbusException

from inspectd.io.errors import PlcError
from inspectd.io.plc import PLC_WORDS, VISION_START, WORDS
from inspectd.io.port_reservation import HOST

if TYPE_CHECKING:
    from pymodbus.pdu import ModbusPDU

    from inspectd.io.plc_memory import PlcMemory

logging.getLogger("pymodbus").setLevel(logging.CRITICAL)

_TIMEOUT_S = 0.3
_RETRY_S = 0.05


class PlcClient:
    """Exchanges a `PlcMemory` with the agent at 127.0.0.1:`agent_port`, `period_s` from one to the next."""

    def __init__(
        self, memory: PlcMemory, agent_port: int, *, device_id: int, base_address: int, period_s: float
    ) -> None:
        self._memory = memory
        self._device_id = device_id
        self._base = base_address
        self._period_s = period_s
        self._agent_port = agent_port
        self._task: asyncio.Task[None] | None = None
        self.port = 0
        """Nothing can be connected to it."""

    async def start(self) -> None:
        """Begin to exchange; it connects, and connects again, by itself."""
        self._task = asyncio.create_task(self._run())

    async def stop(self) -> None:
        """Close the connection, as a PLC does whose power goes."""
        task, self._task = self._task, None
        # Where an answer comes at the very moment, Python before 3.12 loses a cancellation.
        while task is not None and not task.done():
            task.cancel()
            await asyncio.wait({task}, timeout=_RETRY_S)

    def close(self) -> None:
        """Nothing to give back."""

    async def _run(self) -> None:
        while True:
            client = AsyncModbusTcpClient(
                HOST, port=self._agent_port, timeout=_TIMEOUT_S, retries=0, reconnect_delay=0
            )
            try:
                if await client.connect():
                    await self._exchange(client)
            except (PlcError, ModbusException, OSError, asyncio.TimeoutError):
                pass  # the link failed in one of many ways: the inputs stay, and it begins anew
            finally:
                client.close()
            await asyncio.sleep(_RETRY_S)

    async def _exchange(self, client: AsyncModbusTcpClient) -> None:
        loop = asyncio.get_running_loop()
        while True:
            due = loop.time() + self._period_s
            answer = _checked(
                await client.read_holding_registers(
                    self._base + VISION_START, count=WORDS - VISION_START, device_id=self._device_id
                )
            )
            if len(answer.registers) != WORDS - VISION_START:
                raise PlcError("an answer of another length")
            self._memory.write(VISION_START, answer.registers)
            # Right after an answer: that is what bounds the age of what is written.
            image = self._memory.read()[:PLC_WORDS]
            _checked(await client.write_registers(self._base, image, device_id=self._device_id))
            await asyncio.sleep(max(0.0, due - loop.time()))


def _checked(answer: ModbusPDU) -> ModbusPDU:
    if answer.isError():
        raise PlcError(f"the agent refused it: {answer}")
    return answer
