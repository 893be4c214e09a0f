"""The link's session where the agent is the server: the same handshake on the PLC's own writes."""

from __future__ import annotations

from plc_served_bench import AGE_S, WRITE_S, ServedStation

from inspectd.io.errors import PlcRefusedError
from inspectd.io.plc import Control, FaultCode, Reason, Status, Verdict
from inspectd.io.plc_events import (
    EpochChanged,
    FaultCleared,
    LinkDown,
    LinkUp,
    RecordedIds,
    Result,
    Settled,
    StartRefused,
    Trigger,
)

UNKNOWN = int(Verdict.UNKNOWN)


def begun() -> ServedStation:
    station = ServedStation()
    station.cycle()
    assert station.session.up
    station.agent.events.clear()
    return station


def test_the_image_is_empty_until_the_plc_has_written() -> None:
    """No heartbeat, not Online, no slot: nothing that could be taken for a verdict."""
    station = ServedStation()
    station.run(1.0, plc_writes=False)
    assert station.wire.open
    assert station.wire.image.read(0, 132) == [0] * 132
    assert station.session.fault() is FaultCode.PLC_LOST


def test_it_begins_with_the_first_complete_write() -> None:
    """In one's own memory there is no other agent to listen for."""
    station = ServedStation()
    station.cycle()
    assert station.agent.of(LinkUp) == [LinkUp()]
    assert Status.ONLINE in station.vision.status
    assert station.vision.heartbeat
    assert station.session.fault() is FaultCode.NONE


def test_the_first_id_written_is_unknown_and_the_next_one_a_trigger() -> None:
    """Its window begins at the answer before the last write that did not show it."""
    station = ServedStation()
    station.cycle()
    assert station.verdict_of(40) == (UNKNOWN, Reason.RESTARTED)
    assert station.agent.of(Settled)[-1].trig_id == 40
    station.cycle()
    before = station.now
    station.cycle(trig_id=41)
    (trigger,) = station.agent.of(Trigger)
    assert trigger.trig_id == 41
    assert trigger.window_start == before - WRITE_S
    assert trigger.seen_at == station.now


def test_an_id_with_a_verdict_on_record_gets_no_second_one_after_a_restart() -> None:
    """The ring is empty then, and the slot stays empty: the PLC rejects that part."""
    station = ServedStation()
    station.agent.records = RecordedIds(100, {39: 99, 40: 100})
    station.cycle()
    assert station.verdict_of(40) is None
    assert station.agent.of(Settled) == []


def test_a_write_that_was_under_way_for_long_makes_the_next_trigger_too_old() -> None:
    """Its part may have passed long ago, while the write that did not show it was on its way.

    By the arrivals alone the trigger would be ten milliseconds old, and the next part's frame be taken.
    """
    station = begun()
    station.cycle(delay_s=AGE_S)
    station.cycle(trig_id=41)
    assert station.agent.of(Trigger) == []
    assert station.verdict_of(41) == (UNKNOWN, Reason.TRIGGER_LATE)
    station.cycle()
    station.cycle(trig_id=42)
    assert len(station.agent.of(Trigger)) == 1


def test_a_trigger_is_as_old_as_its_own_writes_say_however_late_it_is_looked_at() -> None:
    """Several writes between two cycles are taken one by one: none is passed over, none made older."""
    station = begun()
    for trig_id in (40, 41, 41, 42):
        station.plc_writes(trig_id=trig_id)
    station.session.cycle()
    triggers = station.agent.of(Trigger)
    assert [trigger.trig_id for trigger in triggers] == [41, 42]
    first, second = (station.now - trigger.window_start for trigger in triggers)
    assert round(first / WRITE_S) == 4
    assert round(second / WRITE_S) == 2


def test_a_cycle_without_a_new_write_changes_no_age() -> None:
    station = begun()
    station.cycle()
    began = station.now - WRITE_S
    station.run(0.03, plc_writes=False)
    station.cycle(trig_id=41)
    (trigger,) = station.agent.of(Trigger)
    assert trigger.window_start == began


def test_a_plc_that_stops_writing_is_lost_after_500_ms_and_sees_that_it_is() -> None:
    """It may still read: the image goes on beating, with the fault in it; told once, and once when back."""
    station = begun()
    station.run(0.45, plc_writes=False)
    assert station.session.up
    station.run(1.0, plc_writes=False)
    assert not station.session.up
    assert station.session.fault() is FaultCode.PLC_LOST
    (down,) = station.agent.of(LinkDown)
    assert "nothing complete for 500 ms" in down.why
    heartbeat = station.vision.heartbeat
    station.run(0.2, plc_writes=False)
    assert station.vision.heartbeat != heartbeat
    assert Status.PLC_HEARTBEAT_LOST in station.vision.status
    assert station.vision.fault == FaultCode.PLC_LOST
    assert station.wire.open
    station.cycle()
    assert station.session.up
    assert len(station.agent.of(LinkUp)) == 1
    assert station.vision.fault == FaultCode.NONE


def test_a_plc_that_writes_without_beating_is_lost_too() -> None:
    station = begun()
    for _ in range(60):
        station.cycle(heartbeat=9)
    assert station.vision.fault == FaultCode.PLC_LOST


def test_an_agent_that_stood_still_takes_up_its_own_words_again() -> None:
    """Nobody else can have written there: no listening, no second writer."""
    station = begun()
    station.now += 5.0
    station.run(0.1)
    assert station.session.fault() is FaultCode.NONE
    assert Status.ONLINE in station.vision.status


def test_what_waited_meets_the_plcs_restart_before_it_is_written() -> None:
    """A verdict that was ready before a long stop is void when the PLC restarted meanwhile."""
    station = begun()
    station.cycle()
    station.cycle(trig_id=41)
    (trigger,) = station.agent.of(Trigger)
    publish(station, trigger)
    station.plc_writes(plc_epoch=8, trig_id=2)
    station.session.wake_up()
    assert station.verdict_of(41) is None
    assert station.vision.plc_epoch == 8


def publish(station: ServedStation, part: Trigger) -> None:
    """Give a part its ACCEPT."""
    names = (part.part_id, part.trig_id, part.epoch, part.recipe)
    seen_at = part.seen_at
    station.session.queue(Result(*names, Verdict.ACCEPT, Reason.NONE, 0.5, 0.1, seen_at, seen_at + 0.4))


def test_a_verdict_stands_in_the_image_at_once() -> None:
    station = begun()
    station.cycle()
    station.cycle(trig_id=41)
    publish(station, station.agent.of(Trigger)[0])
    station.session.wake_up()
    assert station.verdict_of(41) == (Verdict.ACCEPT, Reason.NONE)
    assert station.agent.written[-1] == station.agent.of(Trigger)[0].part_id


def test_a_coil_clears_a_latched_fault() -> None:
    """ClearFault set and taken back between two cycles is seen all the same."""
    station = begun()
    station.cycle(trig_id=30)
    assert station.vision.fault == FaultCode.IDS_STEPPED_BACK
    bit = Control.CLEAR_FAULT.bit_length() - 1
    station.wire.image.write_control(bit, [True], composed_after=station.now)
    station.wire.image.write_control(bit, [False], composed_after=station.now)
    station.now += 0.005
    station.session.cycle()
    assert len(station.agent.of(FaultCleared)) == 1
    assert station.vision.fault == FaultCode.NONE


def test_a_torn_write_is_counted_and_not_used() -> None:
    station = begun()
    station.now += WRITE_S
    words = station.plc.pack()
    words[31] = 41
    station.wire.image.write(
        station._round,  # pyright: ignore[reportPrivateUsage]  the connection's own
        0,
        words,
        composed_after=station.now - WRITE_S,
        at=station.now,
    )
    station.session.cycle()
    assert station.session.statistics.torn_reads == 1
    assert station.agent.of(Trigger) == []


def test_a_restart_of_the_plc_empties_the_ring() -> None:
    station = begun()
    station.cycle(plc_epoch=0, trig_id=0)
    station.cycle(plc_epoch=8, trig_id=3)
    assert [event.new for event in station.agent.of(EpochChanged)] == [0, 8]
    assert station.verdict_of(40) is None
    assert station.verdict_of(3) == (UNKNOWN, Reason.RESTARTED)
    assert station.vision.plc_epoch == 8


def test_a_port_that_another_has_ends_the_agent() -> None:
    """Told once, and not tried again."""
    station = ServedStation()
    station.wire.refusal = PlcRefusedError("the port is in use")
    station.run(1.0, plc_writes=False)
    assert station.agent.of(StartRefused) == [StartRefused("the port is in use")]
    assert station.session.refusal == "the port is in use"


def test_the_farewell_shows_the_plc_that_the_agent_left() -> None:
    station = begun()
    station.session.farewell()
    assert Status.ONLINE not in station.vision.status
    assert not station.wire.open


def test_a_new_id_is_taken_before_the_next_cycle() -> None:
    """The write itself wakes the loop."""
    station = begun()
    woken: list[float] = []
    station.session.call_at_news(lambda: woken.append(station.now))
    station.plc_writes(trig_id=41)
    assert woken == [station.now]
    station.session.wake_up()
    assert [trigger.trig_id for trigger in station.agent.of(Trigger)] == [41]
