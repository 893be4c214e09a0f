"""A handshake fed by hand, for the tests of its rules."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Literal, TypeVar

from inspectd.io.handshake import Handshake, Poll
from inspectd.io.plc import (
    Control,
    PlcImage,
    Reason,
    Ring,
    Verdict,
    VisionImage,
    next_id,
)
from inspectd.io.plc_events import (
    AgentState,
    Discarded,
    Event,
    Placed,
    RecordedIds,
    Result,
    Trigger,
)
from inspectd.io.plc_settings import PlcSettings

READY = AgentState(beating=True, online=True, trigger_ready=True, recipe_in_force=1)
BOOT_ID = 4242
DEADLINE = 0.4

Kind = TypeVar("Kind")


def only(events: list[Event], kind: type[Kind]) -> list[Kind]:
    return [event for event in events if isinstance(event, kind)]


class Bench:
    """A handshake fed by hand: 5 ms between polls of 1 ms, unless a test says otherwise."""

    def __init__(
        self,
        trig_id: int = 100,
        epoch: int = 7,
        *,
        free_running: bool = False,
        block: list[int] | None = None,
        recipes: frozenset[int] = frozenset({1, 2}),
        handshake: Literal["id_change", "level"] = "id_change",
        control: Control = Control.TRIGGER_ENABLE,
    ) -> None:
        settings = PlcSettings(
            host="127.0.0.1",
            station=9,
            mode="free_running" if free_running else "plc_triggered",
            handshake=handshake,
            max_trigger_age_ms=60,
            max_speed_counts_per_s=1000,
        )
        self.handshake = Handshake(settings, recipes, BOOT_ID)
        self.state = READY
        self.plc = PlcImage(heartbeat=1, control=control, trig_id=trig_id, recipe=1, plc_epoch=epoch)
        self.block = block or [0] * 100
        self.now: float = 1000.0
        self.begun = self.handshake.begin(self.take_poll(), self.block, RecordedIds(), self.now)
        self.write()

    def take_poll(self) -> Poll:
        started = self.now
        self.now += 0.001
        return Poll(self.plc.pack() + self.block[:20], started, self.now)

    def poll(self, after_s: float = 0.004, **changes: Any) -> list[Event]:
        """One regular cycle: the PLC changes, the agent reads and writes."""
        self.now += after_s
        self.plc = replace(self.plc, heartbeat=next_id(self.plc.heartbeat), **changes)
        events = self.handshake.feed(self.take_poll(), self.state, self.now)
        self.write()
        return events

    def next_part(self, **changes: Any) -> Trigger:
        (trigger,) = self.poll(trig_id=next_id(self.plc.trig_id), **changes)
        assert isinstance(trigger, Trigger)
        return trigger

    def write(self) -> list[int]:
        if not self.handshake.may_write:
            return []
        self.block = self.handshake.words(self.state, self.now)
        return self.handshake.acknowledge()

    def publish(self, part: Trigger, verdict: Verdict = Verdict.ACCEPT, **changes: Any) -> Placed | Discarded:
        result = Result(
            part.part_id,
            part.trig_id,
            part.epoch,
            part.recipe,
            verdict,
            Reason.NONE,
            0.5,
            0.1,
            part.seen_at,
            part.seen_at + DEADLINE,
        )
        return self.handshake.publish(replace(result, **changes), self.now)

    @property
    def vision(self) -> VisionImage:
        return VisionImage.unpack(self.block)

    @property
    def ring(self) -> Ring:
        return Ring(self.block[20:])

    def verdict_of(self, trig_id: int) -> tuple[int, int] | None:
        """Verdict and reason that the PLC finds for an id, checked as the gate does."""
        entry = self.ring.find(trig_id)
        if entry is None or not entry.holds(self.plc.plc_epoch, self.plc.recipe):
            return None
        return entry.verdict, entry.reason


UNKNOWN_20 = (Verdict.UNKNOWN, Reason.TRIGGER_LATE)
UNKNOWN_40 = (Verdict.UNKNOWN, Reason.RESTARTED)
UNKNOWN_41 = (Verdict.UNKNOWN, Reason.OFFLINE)
