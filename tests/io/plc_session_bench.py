"""A scripted PLC, wire and agent around one PLC session, on a clock that only moves when told."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from inspectd.io.errors import PlcError
from inspectd.io.plc import Control, FaultCode, PlcImage, Reason, Ring, Verdict, VisionImage, next_id
from inspectd.io.plc_events import (
    AgentState,
    RecordedIds,
    Result,
    Trigger,
)
from inspectd.io.plc_host_guard import HostGuard
from inspectd.io.plc_session import PlcSession
from inspectd.io.plc_settings import PlcSettings

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from inspectd.io.plc_events import Event

Kind = TypeVar("Kind")
TIMEOUT_S = 0.2
DEADLINE = 0.4


class FakePlc:
    """The words, a clock, and a wire that can refuse, hang or break; every call takes half a millisecond."""

    def __init__(self) -> None:
        self.now = 50.0
        self.words = (
            PlcImage(heartbeat=1, control=Control.TRIGGER_ENABLE, recipe=1, plc_epoch=7).pack() + [0] * 100
        )

    def show(self, **changes: int) -> None:
        """PLC program: next scan."""
        image = PlcImage.unpack(self.words)
        values = {name: getattr(image, name) for name in image.__slots__}
        values |= {"heartbeat": next_id(image.heartbeat)} | changes
        self.words[:32] = PlcImage(**values).pack()

    @property
    def vision(self) -> VisionImage:
        return VisionImage.unpack(self.words[32:])

    def verdict_of(self, trig_id: int) -> int | None:
        entry = Ring(self.words[52:]).find(trig_id)
        return entry.verdict if entry else None


class FakeWire:
    """Transport of one agent to a FakePlc; notes what is asked of it."""

    def __init__(self, plc: FakePlc) -> None:
        self.plc = plc
        self.fault = ""
        self.open = False
        self.calls: list[tuple[str, float]] = []
        self.read_takes_s = 0.0
        self.before_write: Callable[[], None] | None = None

    def connect(self) -> None:
        self._pass("connect")
        self.open = True

    def read(self, start: int, count: int) -> list[int]:
        self._pass(f"read {start} {count}")
        self.plc.now += self.read_takes_s
        return self.plc.words[start : start + count]

    def write(self, start: int, words: Sequence[int]) -> None:
        if self.before_write is not None:
            interruption, self.before_write = self.before_write, None
            interruption()
        self._pass(f"write {start} {len(words)}")
        self.plc.words[start : start + len(words)] = words
        if self.fault == "lose acknowledgement":
            raise PlcError("reset")

    def close(self) -> None:
        self.open = False

    def done(self) -> list[str]:
        """Calls since the last question."""
        made, self.calls = self.calls, []
        return [call for call, _ in made]

    def _pass(self, call: str) -> None:
        assert self.open or call == "connect", f"{call} on a closed connection"
        self.calls.append((call, self.plc.now))
        self.plc.now += TIMEOUT_S if self.fault == "hang" else 0.0005
        if self.fault in {"hang", "refuse", call.split(maxsplit=1)[0]}:
            raise PlcError(self.fault)


class FakeAgent:
    """Host that notes everything and fails where told."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.written: list[int] = []
        self.cycles = 0
        self.fail_in = ""
        self.records = RecordedIds()
        self.while_reading_records: Callable[[], None] = lambda: None
        self.on_trigger: Callable[[Trigger], None] = lambda _trigger: None
        self.asked_for: list[int] = []
        self.fault_from = float("inf")
        self.while_asked: Callable[[], None] = lambda: None

    def on_events(self, events: Sequence[Event]) -> None:
        self.events += events
        self._maybe_fail("on_events")
        for event in events:
            if isinstance(event, Trigger):
                self.on_trigger(event)

    def on_cycle(self, now: float) -> AgentState:
        assert now > 0
        self.cycles += 1
        self.while_asked()
        self._maybe_fail("on_cycle")
        fault = FaultCode.CAMERA_LOST if now >= self.fault_from else FaultCode.NONE
        return AgentState(beating=True, online=True, trigger_ready=True, fault=fault)

    def on_written(self, part_ids: Sequence[int], at: float) -> None:
        assert at > 0
        self.written += part_ids
        self._maybe_fail("on_written")

    def recorded(self, epoch: int) -> RecordedIds:
        self.asked_for.append(epoch)
        self._maybe_fail("recorded")
        self.while_reading_records()
        return self.records

    def _maybe_fail(self, where: str) -> None:
        if self.fail_in == where:
            raise ZeroDivisionError(where)

    def of(self, kind: type[Kind]) -> list[Kind]:
        return [event for event in self.events if isinstance(event, kind)]


class Station:
    """A session with its agent and its wire."""

    def __init__(self, plc: FakePlc, *, begin: bool = True, recipes: frozenset[int] = frozenset({1})) -> None:
        self.plc = plc
        self.wire = FakeWire(plc)
        self.agent = FakeAgent()
        self.guard = HostGuard(self.agent)
        settings = PlcSettings(host="127.0.0.1", timeout_ms=TIMEOUT_S * 1000)
        self.session = PlcSession(settings, self.wire, self.guard, recipes, clock=lambda: plc.now)
        if begin:
            self.run(0.62)
            assert self.session.up
            self.wire.done()

    def run(self, seconds: float) -> None:
        """Cycles every 5 ms."""
        until = self.plc.now + seconds
        while self.plc.now < until:
            self.cycle()

    def cycle(self, **changes: int) -> None:
        self.plc.now += 0.005
        self.plc.show(**changes)
        self.session.cycle()

    def trigger(self) -> Trigger:
        self.cycle(trig_id=next_id(PlcImage.unpack(self.plc.words).trig_id))
        return self.agent.of(Trigger)[-1]

    def publish(self, part: Trigger, verdict: Verdict = Verdict.ACCEPT, deadline_s: float = DEADLINE) -> None:
        self.session.queue(
            Result(
                part.part_id,
                part.trig_id,
                part.epoch,
                part.recipe,
                verdict,
                Reason.NONE,
                0.5,
                0.1,
                part.seen_at,
                part.seen_at + deadline_s,
            )
        )
