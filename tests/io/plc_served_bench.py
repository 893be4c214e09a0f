"""A PLC that writes to the agent, and a session around the served image, on a clock that moves when told."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from plc_session_bench import FakeAgent

from inspectd.io.errors import PlcError
from inspectd.io.plc import Control, PlcImage, Ring, VisionImage, next_id
from inspectd.io.plc_host_guard import HostGuard
from inspectd.io.plc_session import PlcSession
from inspectd.io.plc_settings import ModbusServerSettings
from inspectd.io.server_image import ServerImage, WriteRound

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from inspectd.io.handshake import Poll

AGE_S = 0.06
WRITE_S = 0.01


class ServedWire:
    """The served image without a network."""

    own_memory = True

    def __init__(self) -> None:
        self.image = ServerImage()
        self.refusal: PlcError | None = None
        self.open = False

    def connect(self) -> None:
        if self.refusal is not None:
            raise self.refusal
        self.open = True

    def read(self, start: int, count: int) -> list[int]:
        return self.image.read(start, count)

    def write(self, start: int, words: Sequence[int]) -> None:
        self.image.put(start, words)

    def close(self) -> None:
        self.open = False

    def take(self) -> Sequence[Poll]:
        return self.image.take()

    def silence(self, now: float) -> str:
        return self.image.silence(now)

    def call_at_news(self, news: Callable[[], None]) -> None:
        self.image.call_at_news(news)


class ServedStation:
    """A session, its agent, and a PLC that writes every 10 ms and composes each write as it sends it."""

    def __init__(self, handshake: Literal["id_change", "level"] = "id_change") -> None:
        self.now = 50.0
        self.wire = ServedWire()
        self.agent = FakeAgent()
        settings = ModbusServerSettings(
            kind="modbus_server",
            listen="127.0.0.1",
            handshake=handshake,
            max_trigger_age_ms=1000 * AGE_S,
        )
        guard = HostGuard(self.agent)
        self.session = PlcSession(settings, self.wire, guard, frozenset({1}), clock=lambda: self.now)
        self.plc = PlcImage(heartbeat=1, control=Control.TRIGGER_ENABLE, trig_id=40, recipe=1, plc_epoch=7)
        self._round = WriteRound()
        self._answered_at = self.now

    @property
    def vision(self) -> VisionImage:
        return VisionImage.unpack(self.wire.image.read(32, 20))

    def verdict_of(self, trig_id: int) -> tuple[int, int] | None:
        entry = Ring(self.wire.image.read(52, 80)).find(trig_id)
        return (entry.verdict, entry.reason) if entry else None

    def plc_writes(self, *, delay_s: float = 0.0, **changes: int) -> None:
        """The next write, answered as it arrives; `delay_s`: how long it was under way."""
        values = {name: getattr(self.plc, name) for name in self.plc.__slots__}
        values |= {"heartbeat": next_id(self.plc.heartbeat)} | changes
        self.plc = PlcImage(**values)
        self.now += WRITE_S + delay_s
        self.wire.image.write(self._round, 0, self.plc.pack(), composed_after=self._answered_at, at=self.now)
        self._answered_at = self.now

    def old_write_arrives(self, composed_after: float, **changes: int) -> None:
        """A write of a connection that the PLC has given up comes after all, on its own way."""
        values = {name: getattr(self.plc, name) for name in self.plc.__slots__} | changes
        words = PlcImage(**values).pack()
        self.wire.image.write(WriteRound(), 0, words, composed_after=composed_after, at=self.now)

    def cycle(self, *, delay_s: float = 0.0, **changes: int) -> None:
        self.plc_writes(delay_s=delay_s, **changes)
        self.session.cycle()

    def run(self, seconds: float, *, plc_writes: bool = True) -> None:
        until = self.now + seconds
        while self.now < until:
            if plc_writes:
                self.cycle()
            else:
                self.now += 0.005
                self.session.cycle()
