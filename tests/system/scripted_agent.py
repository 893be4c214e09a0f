"""A vision agent that judges nothing: it writes to the PLC exactly what a test tells it to.

It builds its words by hand from the contract's tables and shares no code with the agent or the PLC twin, so
that an error in the register image cannot hide on both sides.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Protocol

from pymodbus.client import ModbusTcpClient

if TYPE_CHECKING:
    from collections.abc import Callable

ACCEPT, REJECT, UNKNOWN = 1, 2, 3
ONLINE, FAULT, SHADOW = 1 << 0, 1 << 9, 1 << 13


def crc(words: tuple[int, ...]) -> int:
    """CRC-16/MODBUS over the big-endian bytes of `words`, bit by bit."""
    value = 0xFFFF
    for byte in struct.pack(f">{len(words)}H", *words):
        value ^= byte
        for _ in range(8):
            value = value >> 1 ^ 0xA001 if value & 1 else value >> 1
    return value


class Transport(Protocol):
    """The two requests of the contract."""

    def read(self) -> list[int]:
        """Words 0 to 51."""
        ...

    def write(self, words: list[int]) -> None:
        """Words 32 to 131."""
        ...


class ModbusTransport:
    """The two requests over Modbus TCP; any failure ends the test with an AssertionError."""

    def __init__(self, port: int) -> None:
        self._client = ModbusTcpClient("127.0.0.1", port=port, timeout=2, retries=0)
        assert self._client.connect()

    def read(self) -> list[int]:
        answer = self._client.read_holding_registers(0, count=52, device_id=1)
        assert not answer.isError(), answer
        return list(answer.registers)

    def write(self, words: list[int]) -> None:
        answer = self._client.write_registers(32, words, device_id=1)
        assert not answer.isError(), answer

    def close(self) -> None:
        self._client.close()


class ScriptedAgent:
    """Calls `script(agent, part)` for each part that comes, the first one being 1.

    The script sets what the agent says of itself (`status`, `station`, ...) and writes slots with `put` and
    `put_at`; a part that it truly judged it adds to `judged`. In free-running mode part n passes at n pitches
    of the encoder, which is all that the agent must know of the line.
    """

    def __init__(
        self, transport: Transport, script: Callable[[ScriptedAgent, int], None], free_running_pitch: int = 0
    ) -> None:
        self.judged: set[int] = set()
        self.status = ONLINE
        self.station = 1
        self.version = 1
        self.beating = True
        self.echo_off = 0
        """Added to the epoch that it echoes."""
        self.epoch: int = 0
        self.recipe = 0
        self.trig_id = 0
        self.encoder = 0
        self.sequence = 0
        self.ring = [0] * 80
        self._transport = transport
        self._script = script
        self._pitch = free_running_pitch
        self._part = 0
        self._heartbeat = 0

    def cycle(self) -> None:
        """Read, let the script act if a part came, write."""
        words = self._transport.read()
        if words[8] == 0 or words[2] != words[31]:
            return
        self.encoder = words[10] << 16 | words[11]
        self.recipe = words[3]
        if words[8] != self.epoch:
            self.epoch, self.trig_id, self.ring = words[8], words[2], [0] * 80
        if self.encoder >= (self._part + 1) * self._pitch if self._pitch else words[2] != self.trig_id:
            self.trig_id = words[2]
            self._part += 1
            self._script(self, self._part)
        if self.beating:
            self._heartbeat = self._heartbeat % 65535 + 1
        self._transport.write(self._block() + self.ring)

    def put(
        self,
        verdict: int,
        *,
        trig_id: int = 0,
        reason: int = 0,
        epoch_off: int = 0,
        recipe: int | None = None,
    ) -> None:
        """Write a verdict for `trig_id`, by default the part that came last.

        Its CHECK covers the epoch plus `epoch_off`, and `recipe`, by default the part's own.
        """
        self._slot(trig_id or self.trig_id, verdict << 8 | reason, 500, 0, self.epoch + epoch_off, recipe)

    def put_at(self, position: int, verdict: int) -> None:
        """Write a verdict for what was exposed when the encoder stood at `position`."""
        self.sequence += 1
        position %= 1 << 32
        self._slot(self.sequence, verdict << 8, position >> 16, position & 0xFFFF, self.epoch, None)

    def _slot(self, number: int, outcome: int, a: int, b: int, epoch: int, recipe: int | None) -> None:
        recipe = self.recipe if recipe is None else recipe
        check = crc((number, outcome, a, b, epoch & 0xFFFF, recipe))
        start = number % 16 * 5
        self.ring[start : start + 5] = [number, outcome, a, b, check]

    def _block(self) -> list[int]:
        block = [0] * 20
        block[0] = self._heartbeat
        block[1] = self.status
        block[2] = 4711
        block[4] = self.trig_id
        block[5] = block[15] = self.sequence
        block[16] = self.version
        block[17] = self.epoch + self.echo_off & 0xFFFF
        block[18] = self.recipe
        block[19] = self.station
        return block
