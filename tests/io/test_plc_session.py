"""One cycle after another of the PLC link, on a scripted PLC."""

from __future__ import annotations

from itertools import pairwise

import pytest
from plc_session_bench import TIMEOUT_S, FakePlc, Station
from structlog.testing import capture_logs

from inspectd.io.plc import FaultCode, Reason, Status, Verdict
from inspectd.io.plc_events import (
    Discarded,
    EpochChanged,
    LinkDown,
    LinkUp,
    Placed,
    Trigger,
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
    station.publish(part, Verdict.REJECT, deadline_s=5.0)
    station.run(0.3)
    assert (station.agent.of(Placed), station.agent.written) == ([], [])
    station.wire.fault = ""
    station.run(0.6)
    assert station.plc.verdict_of(part.trig_id) == Verdict.REJECT
    assert station.agent.written == [part.part_id]


@pytest.mark.parametrize("verdict", [Verdict.ACCEPT, Verdict.REJECT])
def test_verdicts_that_an_outage_held_up_past_their_deadline_are_late(verdict: Verdict) -> None:
    """UNKNOWN/21 is what the PLC and the agent hear of them; they do not wait for the link either."""
    station = Station(FakePlc())
    part = station.trigger()
    station.wire.fault = "refuse"
    station.run(0.1)
    station.publish(part, verdict, deadline_s=0.2)
    station.run(0.3)
    (placed,) = station.agent.of(Placed)
    assert (placed.verdict, placed.reason) == (Verdict.UNKNOWN, Reason.VERDICT_LATE)
    station.wire.fault = ""
    station.run(0.6)
    assert station.plc.verdict_of(part.trig_id) == Verdict.UNKNOWN
    assert station.agent.written == [part.part_id]


def test_a_verdict_that_the_read_before_its_write_holds_up_is_late() -> None:
    """The deadline counts at the write, not when the cycle began."""
    station = Station(FakePlc())
    part = station.trigger()
    station.publish(part, deadline_s=0.1)
    station.wire.read_takes_s = 0.15
    station.cycle()
    assert station.plc.verdict_of(part.trig_id) == Verdict.UNKNOWN


def test_a_verdict_whose_write_failed_stays_what_it_was() -> None:
    """The PLC may have it: a second verdict after the deadline would be one too many for the part."""
    station = Station(FakePlc())
    part = station.trigger()
    station.publish(part, Verdict.ACCEPT, deadline_s=0.1)
    station.wire.fault = "write"
    station.session.wake_up()
    (placed,) = station.agent.of(Placed)
    assert (placed.verdict, placed.acknowledged) == (Verdict.ACCEPT, False)
    station.run(0.3)
    station.wire.fault = ""
    station.run(0.6)
    assert station.plc.verdict_of(part.trig_id) == Verdict.ACCEPT
    assert station.agent.written == [part.part_id]


def test_nothing_is_written_by_an_agent_that_was_held_up_just_before() -> None:
    """Another may have taken its place meanwhile: it reads first, and then writes."""
    station = Station(FakePlc())
    part = station.trigger()
    station.wire.done()
    station.publish(part)

    def hold_up() -> None:
        station.plc.now += 0.6

    station.agent.while_asked = hold_up
    station.session.wake_up()
    assert station.wire.done() == []
    assert [placed.acknowledged for placed in station.agent.of(Placed)] == [False]
    station.agent.while_asked = lambda: None
    station.cycle()
    assert station.agent.written == [part.part_id]


def test_the_agent_is_asked_how_it_is_right_before_a_write() -> None:
    """A fault that arose while the PLC was read stands in the very next write."""
    station = Station(FakePlc())
    station.wire.read_takes_s = 0.15
    station.agent.fault_from = station.plc.now + 0.1
    station.cycle()
    assert station.plc.vision.fault == FaultCode.CAMERA_LOST


def test_a_lost_acknowledgement_is_mended_by_the_next_write() -> None:
    station = Station(FakePlc())
    part = station.trigger()
    station.publish(part)
    station.wire.fault = "lose acknowledgement"
    station.session.wake_up()
    assert station.agent.written == []
    assert [placed.acknowledged for placed in station.agent.of(Placed)] == [False]
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


def test_a_verdict_given_while_the_poll_is_taken_goes_with_the_same_cycle() -> None:
    """The agent may answer a trigger at once: its verdict does not wait for the next write."""
    station = Station(FakePlc())
    station.agent.on_trigger = station.publish
    part = station.trigger()
    assert station.plc.verdict_of(part.trig_id) == Verdict.ACCEPT
    assert station.agent.written == [part.part_id]


def test_a_plc_restart_while_the_records_are_read_asks_for_the_new_epochs_records() -> None:
    """Records of one epoch say nothing of another one's ids."""
    station = Station(FakePlc(), begin=False)

    def restart() -> None:
        station.agent.while_reading_records = lambda: None
        station.plc.show(plc_epoch=8, trig_id=3)

    station.agent.while_reading_records = restart
    station.run(0.65)
    assert station.agent.asked_for == [7, 8]
    assert station.plc.vision.plc_epoch == 8
    assert station.plc.verdict_of(3) == Verdict.UNKNOWN
