"""Two agents for one station: of them, at most one may write."""

from __future__ import annotations

from plc_session_bench import FakePlc, Station

from inspectd.io.plc import Control, FaultCode, Verdict, next_id
from inspectd.io.plc_events import (
    RecordedIds,
    StartRefused,
)


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


def test_an_agent_that_was_held_up_reads_before_it_writes() -> None:
    """Another may have begun meanwhile, and given its parts in flight their verdict."""
    plc = FakePlc()
    held_up = Station(plc)
    held_up.publish(held_up.trigger())
    held_up.wire.done()
    plc.now += 0.6
    held_up.session.wake_up()
    assert held_up.wire.done() == []
    held_up.cycle()
    assert held_up.wire.done() == ["read 0 52", "write 32 100"]


def test_an_agent_held_up_between_poll_and_write_does_not_write() -> None:
    plc = FakePlc()
    held_up = Station(plc)

    def stand_still(events: object) -> None:
        del events
        plc.now += 0.6

    held_up.agent.on_events = stand_still
    held_up.wire.done()
    held_up.cycle(trig_id=1)
    assert held_up.wire.done() == ["read 0 52"]


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
