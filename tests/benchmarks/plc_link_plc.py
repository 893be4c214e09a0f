"""The PLC's side of the link's benchmark: issues parts one after another and stamps their verdicts.

Runs in a process of its own. Commands come over a pipe: "stop" and "start" take the server away and back,
"stamps" answers with a dict of trigger id to the moment (s, monotonic) at which its verdict was in memory.
"""

from __future__ import annotations

import asyncio
import time
from multiprocessing.connection import Connection
from typing import TYPE_CHECKING, Any

from inspectd.io.plc import RING_START, SLOT_WORDS, Control, PlcImage, next_id
from inspectd.io.plc_memory import PlcMemory
from inspectd.io.plc_server import PlcServer
from inspectd.io.plc_server_s7 import S7Server

if TYPE_CHECKING:
    from collections.abc import Sequence

EPOCH, RECIPE, DATA_BLOCK = 99, 1, 1
FIRST_ID = 65_000  # the wrap comes early
SCAN_S = 0.002
BEAT_S = 0.1
# A part may be issued as soon as the last one has its verdict, but not quicker than this.
INTERVAL_S = 0.02


class StampingMemory(PlcMemory):
    """Notes when each id's verdict first stands in the ring."""

    def __init__(self) -> None:
        super().__init__()
        self.stamps: dict[int, float] = {}

    def write(self, start: int, words: Sequence[int]) -> None:
        super().write(start, words)
        now = time.monotonic()
        for slot in range(RING_START - start, len(words), SLOT_WORDS):
            if words[slot]:
                self.stamps.setdefault(words[slot], now)


class Program:
    """Counts the ids up, each once the one before has its verdict."""

    def __init__(self, memory: StampingMemory) -> None:
        self._memory = memory
        self._beat = 1
        self._beat_at = 0.0
        self._next_at = time.monotonic() + 1.0
        self.id = FIRST_ID
        self.issuing = False

    def scan(self) -> None:
        """One scan: heartbeat, next part, words 0 to 31."""
        now = time.monotonic()
        if now - self._beat_at >= BEAT_S:
            self._beat_at, self._beat = now, next_id(self._beat)
        answered = self.id == FIRST_ID or self.id in self._memory.stamps
        if self.issuing and now >= self._next_at and answered:
            self._next_at = now + INTERVAL_S
            self.id = next_id(self.id)
            # An id comes round again only after 65,535 parts; no run is so long.
        self._memory.show(
            PlcImage(
                heartbeat=self._beat,
                control=Control.TRIGGER_ENABLE,
                trig_id=self.id,
                recipe=RECIPE,
                plc_epoch=EPOCH,
            ).pack()
        )


def serve(protocol: str, pipe: Connection[Any, Any]) -> None:
    """Run until the pipe says "end"; the first message sent is the port."""
    asyncio.run(_serve(protocol, pipe))


async def _serve(protocol: str, pipe: Connection[Any, Any]) -> None:
    memory = StampingMemory()
    program = Program(memory)
    server = S7Server(memory, data_block=DATA_BLOCK) if protocol == "s7" else PlcServer(memory)
    await server.start()
    pipe.send(server.port)
    while True:
        program.scan()
        await asyncio.sleep(SCAN_S)
        if not pipe.poll():
            continue
        command = pipe.recv()
        if command == "issue":
            program.issuing = True
        elif command == "stop":
            await server.stop()
            pipe.send(time.monotonic())
        elif command == "start":
            await server.start()
            pipe.send(time.monotonic())
        elif command == "stamps":
            program.issuing = False
            pipe.send(memory.stamps)
        else:
            await server.stop()
            server.close()
            return
