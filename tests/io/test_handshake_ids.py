"""Triggers, gaps, steps back and restarts of the PLC, each as the contract says."""

from __future__ import annotations

from dataclasses import replace

import pytest
from handshake_bench import READY, UNKNOWN_20, UNKNOWN_40, Bench, only

from inspectd.io.handshake import Poll
from inspectd.io.plc import (
    FaultCode,
    Reason,
    Status,
    Verdict,
    step_back,
)
from inspectd.io.plc_events import (
    Discarded,
    DropInFlight,
    EpochChanged,
    Placed,
    Settled,
    Trigger,
)


def test_the_next_id_is_a_trigger_with_what_the_plc_says_of_the_part() -> None:
    """D = 1: one trigger, carrying the part's recipe, encoder, serial and lot."""
    bench = Bench()
    part = bench.next_part(encoder=70000, serial="S1", lot="L1", recipe=2)
    assert (part.trig_id, part.epoch, part.recipe) == (101, 7, 2)
    assert (part.encoder, part.serial, part.lot) == (70000, "S1", "L1")
    assert bench.vision.acq_id == 101


def test_the_window_starts_with_the_previous_good_poll() -> None:
    """The pairing window runs from the start of the previous good poll, never from when the id was seen."""
    bench = Bench()
    bench.poll()
    previous_start = bench.now - 0.001
    part = bench.next_part()
    assert part.window_start == pytest.approx(previous_start)
    assert part.seen_at == pytest.approx(bench.now)


def test_the_same_id_triggers_once() -> None:
    bench = Bench()
    bench.next_part()
    assert bench.poll() == []


def test_65535_is_followed_by_1() -> None:
    bench = Bench(trig_id=65534)
    parts = [bench.next_part() for _ in range(3)]
    assert [part.trig_id for part in parts] == [65535, 1, 2]
    assert [part.part_id - parts[0].part_id for part in parts] == [0, 1, 2]


def test_a_torn_read_is_not_used() -> None:
    """Words 2 and 31 differ: nothing happens, and the poll does not count as a good one."""
    bench = Bench()
    bench.poll()
    good_start = bench.now - 0.001
    words = replace(bench.plc, trig_id=101).pack() + bench.block[:20]
    words[31] = 100
    bench.now += 0.005
    assert bench.handshake.feed(Poll(words, bench.now - 0.001, bench.now), READY, bench.now) == []
    assert bench.next_part().window_start == pytest.approx(good_start)


def test_an_id_older_than_the_limit_is_unknown_20() -> None:
    """The age is bounded by now minus the start of the previous good poll, not by the last poll's start."""
    bench = Bench()
    bench.poll()
    (settled,) = bench.poll(after_s=0.061, trig_id=101)
    assert isinstance(settled, Settled)
    assert (settled.reason, settled.published) == (Reason.TRIGGER_LATE, True)
    assert bench.verdict_of(101) == UNKNOWN_20
    assert Status.MISSED_ACQ in bench.vision.status


def test_an_id_just_within_the_limit_is_a_trigger_and_clears_missed_acq() -> None:
    bench = Bench()
    bench.poll(after_s=0.061, trig_id=101)
    bench.poll()
    (trigger,) = bench.poll(after_s=0.057, trig_id=102)
    assert isinstance(trigger, Trigger)
    assert Status.MISSED_ACQ not in bench.vision.status


def test_the_first_id_after_a_lost_link_is_unknown_20() -> None:
    """While the link was down nobody watched: the good poll before the outage bounds the age."""
    bench = Bench()
    bench.poll()
    (settled,) = bench.poll(after_s=2.0, trig_id=101)
    assert isinstance(settled, Settled)
    assert settled.reason is Reason.TRIGGER_LATE


@pytest.mark.parametrize("old", [100, 65530, 65535])
@pytest.mark.parametrize("distance", [2, 15, 16, 17, 500])
def test_a_gap_is_unknown_20_for_the_last_16_with_rows_for_all(old: int, distance: int) -> None:
    """Every missed id is told, oldest first; the last 16 stand in the ring, where the newer one wins."""
    bench = Bench(trig_id=old)
    new = (old - 1 + distance) % 65535 + 1
    events = bench.poll(trig_id=new)
    settled = only(events, Settled)
    ids = [step_back(new, steps) for steps in range(distance - 1, -1, -1)]
    assert [event.trig_id for event in settled] == ids
    assert {event.reason for event in settled} == {Reason.TRIGGER_LATE}
    assert [event.published for event in settled] == [steps < 16 for steps in range(distance - 1, -1, -1)]
    for number in ids[-15:]:
        assert bench.verdict_of(number) == UNKNOWN_20
    assert bench.vision.result_trig_id == new


def test_a_gap_leaves_parts_in_flight_whose_slot_is_still_theirs() -> None:
    bench = Bench()
    part = bench.next_part()
    bench.poll(trig_id=103)
    assert isinstance(bench.publish(part), Placed)
    bench.write()
    assert bench.verdict_of(101) == (Verdict.ACCEPT, Reason.NONE)
    assert bench.verdict_of(103) == UNKNOWN_20


@pytest.mark.parametrize("new", [99, 32868, 0])
def test_a_step_back_clears_the_ring_drops_what_is_in_flight_and_latches(new: int) -> None:
    """Beyond 32767: all slots to ID 0, in flight UNKNOWN/40, the present id UNKNOWN/20, a latched fault."""
    bench = Bench()
    judged = bench.next_part()
    bench.publish(judged)
    waiting = bench.next_part()
    new_id = new if new in {0, 99} else (102 - 1 + 32768) % 65535 + 1
    events = bench.poll(trig_id=new_id)
    assert only(events, DropInFlight) == [DropInFlight(Reason.RESTARTED)]
    assert bench.verdict_of(101) is None
    assert isinstance(bench.publish(waiting), Discarded)
    if new_id:
        assert bench.verdict_of(new_id) == UNKNOWN_20
        assert [entry.id for entry in bench.ring if entry.id] == [new_id]
    assert bench.vision.fault == FaultCode.IDS_STEPPED_BACK
    bench.poll()
    assert Status.FAULT in bench.vision.status


def test_0_is_no_id_but_a_step_back() -> None:
    """Within an epoch TRIG_ID never returns to 0; 65534 + 1 is 65535."""
    bench = Bench(trig_id=65534)
    assert bench.poll(trig_id=0) == [DropInFlight(Reason.RESTARTED)]
    assert bench.vision.fault == FaultCode.IDS_STEPPED_BACK


def test_32767_ids_ahead_is_still_a_gap() -> None:
    bench = Bench()
    events = bench.poll(trig_id=100 + 32767)
    assert len(only(events, Settled)) == 32767
    assert bench.vision.fault == FaultCode.NONE


def test_a_new_epoch_drops_everything_and_the_present_id_is_unknown_40() -> None:
    """All slots to ID 0, the new epoch echoed, the present TRIG_ID UNKNOWN/40, old parts' verdicts void."""
    bench = Bench()
    bench.publish(bench.next_part())
    waiting = bench.next_part()
    events = bench.poll(plc_epoch=8, trig_id=103)
    (changed,) = only(events, EpochChanged)
    assert (changed.old, changed.new) == (7, 8)
    assert changed.good_poll_start == pytest.approx(bench.now - 0.001)
    assert [(event.trig_id, event.reason) for event in only(events, Settled)] == [(103, Reason.RESTARTED)]
    assert only(events, Trigger) == []
    assert bench.vision.plc_epoch == 8
    assert [entry.id for entry in bench.ring if entry.id] == [103]
    assert bench.verdict_of(103) == UNKNOWN_40
    assert isinstance(bench.publish(waiting), Discarded)


def test_a_new_epoch_has_no_last_result_and_nothing_left_to_report() -> None:
    """VERDICT and ResultsValid tell of this epoch; what was not written by now never will be."""
    bench = Bench()
    part = bench.next_part()
    bench.publish(part)
    bench.plc = replace(bench.plc, plc_epoch=8, trig_id=0)
    bench.handshake.feed(bench.take_poll(), READY, bench.now)
    assert bench.write() == []
    assert (bench.vision.verdict, bench.vision.result_trig_id) == (Verdict.NONE, 0)
    assert Status.RESULTS_VALID not in bench.vision.status


def test_in_epoch_0_the_station_is_not_online_even_if_the_rest_is_in_order() -> None:
    bench = Bench()
    bench.poll(plc_epoch=0)
    assert Status.ONLINE not in bench.vision.status


def test_epoch_0_is_a_plc_that_starts_not_online_and_no_fault() -> None:
    """Also with VERSION 0 and a heartbeat that stands still."""
    bench = Bench()
    events = bench.poll(plc_epoch=0, trig_id=0, version=0)
    assert only(events, Settled) == []
    bench.now += 1.0
    bench.write()
    assert Status.ONLINE not in bench.vision.status
    assert Status.FAULT not in bench.vision.status
    assert bench.vision.fault == FaultCode.NONE
    assert bench.vision.plc_epoch == 0
    events = bench.poll(plc_epoch=9, trig_id=55, version=1)
    assert [(event.trig_id, event.reason) for event in only(events, Settled)] == [(55, Reason.RESTARTED)]
    assert Status.ONLINE in bench.vision.status


def test_a_plc_that_has_not_issued_an_id_yet_has_no_present_part() -> None:
    bench = Bench()
    assert only(bench.poll(plc_epoch=8, trig_id=0), Settled) == []
    (trigger,) = bench.poll(trig_id=1)
    assert isinstance(trigger, Trigger)
