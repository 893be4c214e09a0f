"""One cycle after another of the PLC link, on a scripted PLC and a clock that only moves when told."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, TypeVar

from structlog.testing import capture_logs

from inspectd.io.errors import PlcError
from inspectd.io.plc import Control, FaultCode, PlcImage, Reason, Ring, Status, Verdict, VisionImage, next_id
from inspectd.io.plc_events import (
    AgentState,
    Discarded,
    EpochChanged,
    LinkDown,
    LinkUp,
    Placed,
    RecordedIds,
    Result,
    StartRefused,
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
        self.before_write: Callable[[], None] | None = None

    def connect(self) -> None:
        self._pass("connect")
        self.open = True

    def read(self, start: int, count: int) -> list[int]:
        self._pass(f"read {start} {count}")
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

    def on_events(self, events: Sequence[Event]) -> None:
        self.events += events
        self._maybe_fail("on_events")

    def on_cycle(self, now: float) -> AgentState:
        assert now > 0
        self.cycles += 1
        self._maybe_fail("on_cycle")
        return AgentState(beating=True, online=True, trigger_ready=True)

    def on_written(self, part_ids: Sequence[int], at: float) -> None:
        assert at > 0
        self.written += part_ids
        self._maybe_fail("on_written")

    def recorded(self, epoch: int) -> RecordedIds:
        assert epoch >= 0
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

    def __init__(self, plc: FakePlc, *, begin: bool = True) -> None:
        self.plc = plc
        self.wire = FakeWire(plc)
        self.agent = FakeAgent()
        self.guard = HostGuard(self.agent)
        settings = PlcSettings(host="127.0.0.1", timeout_ms=TIMEOUT_S * 1000)
        self.session = PlcSession(settings, self.wire, self.guard, frozenset({1}), clock=lambda: plc.now)
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

    def publish(self, part: Trigger, verdict: Verdict = Verdict.ACCEPT) -> None:
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
            )
        )


def test_nothing_is_written_before_600_ms_of_silence() -> None:
    """The first write follows the listening, and shows the station Online with a changed heartbeat."""
    station = Station(FakePlc(), begin=False)
    station.run(0.55)
    assert not any(call.startswith("write") for call in station.wire.done())
    assert station.session.fault() is FaultCode.PLC_LOST
    station.run(0.1)
    assert station.agent.of(LinkUp) == [LinkUp()]
    assert Status.ONLINE in station.plc.vision.status
    assert station.plc.vision.heartbeat != 0
    assert station.session.fault() is FaultCode.NONE


def test_a_regular_cycle_reads_then_writes_each_as_one_request() -> None:
    station = Station(FakePlc())
    station.cycle()
    assert station.wire.done() == ["read 0 52", "write 32 100"]


def test_a_wake_up_only_writes() -> None:
    """And the verdict stands in the ring at once."""
    station = Station(FakePlc())
    part = station.trigger()
    station.wire.done()
    station.publish(part)
    station.session.wake_up()
    assert station.wire.done() == ["write 32 100"]
    assert station.plc.verdict_of(1) == Verdict.ACCEPT
    assert station.agent.written == [part.part_id]
    assert [event.part_id for event in station.agent.of(Placed)] == [part.part_id]


def test_a_second_agent_refuses_to_start() -> None:
    """It writes nothing, tells why, and goes on calling its agent."""
    plc = FakePlc()
    first = Station(plc)
    second = Station(plc, begin=False)
    for _ in range(150):
        first.cycle()
        second.cycle()
    assert "another agent" in second.session.refusal
    assert len(second.agent.of(StartRefused)) == 1
    assert second.session.fault() is FaultCode.TWO_WRITERS
    assert not any(call.startswith("write") for call in second.wire.done())
    assert not second.wire.open
    assert second.agent.cycles == 150
    assert first.session.fault() is FaultCode.NONE


def test_an_agent_that_starts_while_this_one_reads_its_records_is_noticed() -> None:
    plc = FakePlc()
    station = Station(plc, begin=False)

    def another_begins() -> None:
        plc.words[32] = next_id(plc.words[32])

    station.agent.while_reading_records = another_begins
    station.run(0.7)
    assert station.session.refusal


def test_of_two_agents_that_start_in_the_same_instant_at_most_one_goes_on_writing() -> None:
    """Neither hears the other: the second begins between the first one's last read and its first write."""
    plc = FakePlc()
    first, second = Station(plc, begin=False), Station(plc, begin=False)
    first.wire.before_write = second.session.cycle
    for _ in range(125):
        plc.now += 0.004
        first.session.cycle()
        if not second.session.begun:
            second.session.cycle()
    assert first.session.begun
    assert second.session.begun
    for _ in range(3):
        plc.now += 0.004
        first.session.cycle()
        second.session.cycle()
    faults = [station.session.fault() for station in (first, second)]
    assert sorted(faults) == [FaultCode.NONE, FaultCode.TWO_WRITERS]
    stopped = (first, second)[faults.index(FaultCode.TWO_WRITERS)]
    stopped.wire.done()
    stopped.cycle()
    assert stopped.wire.done() == ["read 0 52"]


def test_an_agent_that_wakes_up_beside_its_successor_writes_nothing_any_more() -> None:
    """It was stopped, not killed: its next cycle reads first and finds the other's BOOT_ID."""
    plc = FakePlc()
    stopped = Station(plc)
    successor = Station(plc, begin=False)
    successor.run(0.65)
    assert successor.session.up
    stopped.wire.done()
    stopped.cycle()
    stopped.session.wake_up()
    assert stopped.wire.done() == ["read 0 52"]
    assert stopped.session.fault() is FaultCode.TWO_WRITERS
    successor.cycle()
    assert successor.session.fault() is FaultCode.NONE


def test_clear_fault_lets_an_agent_write_again_only_if_the_other_one_is_silent() -> None:
    """Otherwise a forgotten agent would take the station from the one that works."""
    plc = FakePlc()
    stopped = Station(plc)
    successor = Station(plc, begin=False)
    successor.run(0.65)
    for control in (Control.TRIGGER_ENABLE, Control.TRIGGER_ENABLE | Control.CLEAR_FAULT):
        for _ in range(10):
            successor.cycle(control=control)
            stopped.cycle()
    assert stopped.session.fault() is FaultCode.TWO_WRITERS
    assert successor.session.fault() is FaultCode.NONE
    for control in (Control.TRIGGER_ENABLE, Control.TRIGGER_ENABLE | Control.CLEAR_FAULT):
        stopped.run(0.7)
        stopped.cycle(control=control)
    stopped.cycle()
    assert stopped.session.fault() is FaultCode.NONE
    assert stopped.wire.done()[-1] == "write 32 100"


def test_an_error_closes_the_connection_and_is_told_once() -> None:
    """LinkDown once per outage, while the agent is asked every cycle all the time."""
    station = Station(FakePlc())
    station.wire.fault = "read"
    station.cycle()
    assert not station.wire.open
    assert not station.session.up
    before = station.agent.cycles
    station.wire.fault = "refuse"
    station.run(2.0)
    assert station.agent.cycles - before >= 300
    assert len(station.agent.of(LinkDown)) == 1
    assert station.session.fault() is FaultCode.PLC_LOST
    station.wire.fault = ""
    station.run(0.6)
    assert station.session.up
    assert len(station.agent.of(LinkUp)) == 2
    assert station.session.fault() is FaultCode.NONE


def test_reconnects_are_at_most_half_a_second_apart_and_not_in_every_cycle() -> None:
    station = Station(FakePlc())
    station.wire.fault = "refuse"
    station.run(10.0)
    times = [at for call, at in station.wire.calls if call == "connect"]
    gaps = [later - earlier for earlier, later in pairwise(times)]
    assert max(gaps) <= 0.51
    assert 18 <= len(times) <= 30


def test_a_hang_delays_the_agent_by_one_time_out_at_most() -> None:
    station = Station(FakePlc())
    station.wire.fault = "hang"
    began = station.plc.now
    station.cycle()
    assert station.plc.now - began <= TIMEOUT_S + 0.01


def test_verdicts_of_an_outage_are_written_when_the_link_is_back() -> None:
    """In the same epoch the ring is kept; a part counts as written only after the acknowledgement."""
    station = Station(FakePlc())
    part = station.trigger()
    station.wire.fault = "refuse"
    station.run(0.1)
    station.publish(part, Verdict.REJECT)
    station.run(0.3)
    assert station.agent.of(Placed)
    assert station.agent.written == []
    station.wire.fault = ""
    station.run(0.6)
    assert station.plc.verdict_of(part.trig_id) == Verdict.REJECT
    assert station.agent.written == [part.part_id]


def test_a_lost_acknowledgement_is_mended_by_the_next_write() -> None:
    station = Station(FakePlc())
    part = station.trigger()
    station.publish(part)
    station.wire.fault = "lose acknowledgement"
    station.session.wake_up()
    assert station.agent.written == []
    station.wire.fault = ""
    station.run(0.6)
    assert station.agent.written == [part.part_id]
    assert station.plc.vision.result_trig_id == part.trig_id


def test_a_restart_of_the_plc_during_an_outage_voids_what_waited() -> None:
    """The read before the first write shows the new epoch, so an old ACCEPT never reaches the new ring."""
    station = Station(FakePlc())
    part = station.trigger()
    station.wire.fault = "refuse"
    station.run(0.1)
    station.publish(part)
    station.cycle()
    station.wire.fault = ""
    station.plc.words[32:] = [0] * 100
    station.plc.show(plc_epoch=8, trig_id=part.trig_id)
    station.run(0.6)
    assert [event.new for event in station.agent.of(EpochChanged)] == [8]
    assert station.plc.verdict_of(part.trig_id) == Verdict.UNKNOWN
    assert station.agent.written.count(part.part_id) == 0
    assert station.session.fault() is FaultCode.NONE


def test_a_verdict_before_the_start_is_discarded() -> None:
    station = Station(FakePlc(), begin=False)
    station.publish(Trigger(1, 1, 7, 1, 0, "", "", 0.0, 0.0))
    station.cycle()
    assert len(station.agent.of(Discarded)) == 1
    assert station.session.statistics.discarded == 1


def test_torn_reads_are_counted_and_the_write_goes_on() -> None:
    station = Station(FakePlc())
    station.plc.words[31] += 1
    station.plc.now += 0.005
    station.session.cycle()
    assert station.session.statistics.torn_reads == 1
    assert station.wire.done() == ["read 0 52", "write 32 100"]


def test_an_error_of_the_host_leads_to_the_safe_state_for_good() -> None:
    """Not Online, heartbeat standing still, a fault; logged once, counted, and the callbacks go on."""
    for where in ("on_events", "on_cycle", "on_written"):
        station = Station(FakePlc())
        part = station.trigger()
        station.publish(part)
        station.agent.fail_in = where
        with capture_logs() as logs:
            station.trigger()
            station.run(0.1)
        station.agent.fail_in = ""
        station.cycle()
        heartbeat = station.plc.vision.heartbeat
        cycles = station.agent.cycles
        station.run(0.5)
        assert station.plc.vision.heartbeat == heartbeat
        assert Status.ONLINE not in station.plc.vision.status
        assert station.plc.vision.fault == FaultCode.INTERNAL_ERROR
        assert station.session.fault() is FaultCode.INTERNAL_ERROR
        assert station.agent.cycles > cycles
        assert station.guard.errors >= 1
        assert [entry["where"] for entry in logs if entry["log_level"] == "critical"] == [where]


def test_records_that_cannot_be_read_keep_the_station_in_its_safe_state() -> None:
    station = Station(FakePlc(), begin=False)
    station.agent.fail_in = "recorded"
    station.run(0.7)
    assert station.plc.vision.fault == FaultCode.INTERNAL_ERROR
    assert Status.ONLINE not in station.plc.vision.status


def test_the_farewell_takes_the_station_offline_and_closes() -> None:
    """Verdicts that still wait go with it."""
    station = Station(FakePlc())
    part = station.trigger()
    station.publish(part, Verdict.UNKNOWN)
    station.session.farewell()
    assert Status.ONLINE not in station.plc.vision.status
    assert station.plc.verdict_of(part.trig_id) == Verdict.UNKNOWN
    assert not station.wire.open


def test_the_next_agent_takes_over_after_a_kill() -> None:
    """The dead one's verdicts stay, its part in flight is UNKNOWN/40, and the new one is not refused."""
    plc = FakePlc()
    killed = Station(plc)
    judged, in_flight = killed.trigger(), killed.trigger()
    killed.publish(judged)
    killed.cycle()
    successor = Station(plc, begin=False)
    successor.agent.records = RecordedIds(judged.part_id, {judged.trig_id: judged.part_id})
    successor.run(0.65)
    assert successor.session.up
    assert plc.verdict_of(judged.trig_id) == Verdict.ACCEPT
    assert plc.verdict_of(in_flight.trig_id) == Verdict.UNKNOWN
    killed.cycle()
    assert killed.session.fault() is FaultCode.TWO_WRITERS
