"""The level handshake with a PLC that does not keep to it: no step of it becomes an ACCEPT."""

from __future__ import annotations

from dataclasses import replace

import pytest
from handshake_bench import READY, UNKNOWN_41, only
from handshake_level_bench import ENABLED, LevelBench

from inspectd.io.plc import Control, Reason, Status, Verdict, next_id
from inspectd.io.plc_events import DropInFlight, Settled, Trigger

UNKNOWN_42 = (Verdict.UNKNOWN, Reason.QUEUE_OVERRUN)
LATE_S = 0.061


def refused(bench: LevelBench, reason: Reason) -> None:
    """A Trigger is raised and gets UNKNOWN with this reason, MissedAcq, TriggerAck and its own result."""
    settled = bench.raise_trigger()
    assert isinstance(settled, Settled)
    assert settled.reason is reason
    assert Status.MISSED_ACQ in bench.vision.status
    bench.poll()
    assert bench.bits == Status.TRIGGER_ACK | Status.RESULTS_VALID
    assert (bench.vision.result_trig_id, bench.vision.verdict) == (settled.trig_id, Verdict.UNKNOWN)
    assert bench.vision.reason == reason
    assert bench.verdict_of(settled.trig_id) == (Verdict.UNKNOWN, reason)


def test_a_trigger_while_a_part_is_under_way_is_unknown_42() -> None:
    """The part before keeps its verdict in the ring; it is not shown as if it were the new part's."""
    bench = LevelBench()
    part = bench.triggered()
    refused(bench, Reason.QUEUE_OVERRUN)
    bench.judged(part)
    assert bench.verdict_of(part.trig_id) == (Verdict.ACCEPT, Reason.NONE)
    assert (bench.vision.result_trig_id, bench.vision.verdict) == (102, Verdict.UNKNOWN)


@pytest.mark.parametrize("control", [ENABLED | Control.SET_OFFLINE, Control(0)])
def test_a_trigger_while_offline_is_unknown_41(control: Control) -> None:
    bench = LevelBench()
    bench.poll(control=control)
    refused(bench, Reason.OFFLINE)


def test_missed_acq_falls_with_the_next_good_trigger() -> None:
    bench = LevelBench()
    bench.poll(control=ENABLED | Control.SET_OFFLINE)
    refused(bench, Reason.OFFLINE)
    bench.poll(control=ENABLED)
    bench.acknowledge()
    assert Status.MISSED_ACQ in bench.vision.status
    bench.triggered()
    assert Status.MISSED_ACQ not in bench.vision.status


def test_a_trigger_without_a_new_id_belongs_to_no_part() -> None:
    """No TriggerAck, ever; the last result is withdrawn at once, and MissedAcq tells it."""
    bench = LevelBench()
    bench.judged(bench.triggered())
    assert bench.set(Control.TRIGGER) == []
    assert (bench.bits, bench.vision.verdict) == (Status(0), Verdict.NONE)
    assert bench.poll(after_s=LATE_S) == []
    assert Status.MISSED_ACQ in bench.vision.status
    for _ in range(3):
        bench.poll(after_s=LATE_S)
        assert (bench.bits, bench.vision.verdict) == (Status(0), Verdict.NONE)
    bench.drop(Control.TRIGGER)
    assert (bench.bits, bench.vision.verdict) == (Status.TRIGGER_READY, Verdict.NONE)
    assert isinstance(bench.raise_trigger(), Trigger)


def test_a_verdict_that_comes_under_such_a_trigger_is_not_shown() -> None:
    """It is the part's before, for which the PLC does not wait any more."""
    bench = LevelBench()
    part = bench.triggered()
    bench.set(Control.TRIGGER)
    bench.judged(part)
    assert bench.verdict_of(part.trig_id) == (Verdict.ACCEPT, Reason.NONE)
    assert (bench.bits, bench.vision.verdict) == (Status(0), Verdict.NONE)


def test_a_trigger_that_is_not_dropped_serves_no_other_part() -> None:
    """Its next id is UNKNOWN/42 once it is older than a trigger may be, and TriggerReady stays low."""
    bench = LevelBench()
    bench.raise_trigger()
    bench.state = replace(READY, busy=True)
    bench.poll()
    assert bench.poll(trig_id=102) == []
    (settled,) = bench.poll(after_s=LATE_S)
    assert isinstance(settled, Settled)
    assert (settled.trig_id, settled.reason) == (102, Reason.QUEUE_OVERRUN)
    assert bench.verdict_of(102) == UNKNOWN_42
    assert Status.MISSED_ACQ in bench.vision.status
    bench.poll()
    assert Status.TRIGGER_READY not in bench.vision.status
    bench.drop(Control.TRIGGER)
    assert Status.TRIGGER_READY not in bench.vision.status, "part 101 is under way"
    bench.state = READY
    bench.poll()
    assert Status.TRIGGER_READY in bench.vision.status


def test_trigger_ack_falls_before_it_stands_for_another_part() -> None:
    """Under a Trigger not dropped, the last part's result stands until the next id counts."""
    bench = LevelBench()
    part = bench.raise_trigger()
    assert isinstance(part, Trigger)
    bench.poll()
    bench.judged(part)
    assert bench.bits == Status.TRIGGER_ACK | Status.RESULTS_VALID
    bench.poll(trig_id=102)
    bench.poll(after_s=LATE_S)
    assert (bench.bits, bench.vision.verdict) == (Status(0), Verdict.NONE)
    bench.poll()
    assert bench.bits == Status.TRIGGER_ACK | Status.RESULTS_VALID
    assert (bench.vision.result_trig_id, bench.vision.reason) == (102, Reason.QUEUE_OVERRUN)


def test_an_id_may_be_announced_before_its_predecessors_trigger_is_dropped() -> None:
    bench = LevelBench()
    part = bench.raise_trigger()
    assert isinstance(part, Trigger)
    bench.poll(trig_id=102)
    bench.drop(Control.TRIGGER)
    bench.judged(part)
    (following,) = bench.set(Control.TRIGGER)
    assert isinstance(following, Trigger)
    assert following.trig_id == 102


def test_a_result_that_is_never_acknowledged_is_withdrawn_by_the_next_trigger() -> None:
    bench = LevelBench()
    for number in range(5):
        part = bench.triggered()
        assert (part.trig_id, bench.vision.verdict) == (101 + number, Verdict.NONE)
        bench.judged(part)
        assert (bench.vision.result_trig_id, bench.vision.verdict) == (part.trig_id, Verdict.ACCEPT)


def test_a_result_ack_that_is_not_dropped_takes_no_other_result() -> None:
    """The next result is shown once ResultAck has fallen, and TriggerReady waits for it too."""
    bench = LevelBench()
    bench.judged(bench.triggered())
    (part,) = bench.set(Control.TRIGGER | Control.RESULT_ACK, trig_id=102)
    assert isinstance(part, Trigger), "the PLC takes the result and triggers in one scan"
    bench.poll()
    bench.drop(Control.TRIGGER)
    bench.judged(part)
    assert Status.RESULTS_VALID not in bench.vision.status
    assert Status.TRIGGER_READY not in bench.vision.status
    bench.drop(Control.RESULT_ACK)
    assert Status.RESULTS_VALID in bench.vision.status
    assert bench.vision.result_trig_id == part.trig_id


def test_a_result_ack_without_a_result_takes_none() -> None:
    """Nor does one that rises before the write with ResultsValid was acknowledged."""
    bench = LevelBench()
    part = bench.triggered()
    bench.set(Control.RESULT_ACK)
    bench.drop(Control.RESULT_ACK)
    bench.publish(part)
    bench.poll_unacknowledged()
    assert Status.RESULTS_VALID in bench.vision.status
    bench.poll_unacknowledged(control=ENABLED | Control.RESULT_ACK)
    assert Status.RESULTS_VALID in bench.vision.status
    bench.poll()
    assert Status.RESULTS_VALID in bench.vision.status
    bench.poll()
    assert Status.RESULTS_VALID not in bench.vision.status


def test_a_gap_of_ids_is_unknown_20_whatever_trigger_says() -> None:
    """The ids that had no Trigger are told; the newest one's Trigger is acknowledged with its result."""
    bench = LevelBench()
    settled = only(bench.poll(trig_id=103), Settled)
    assert [(one.trig_id, one.reason) for one in settled] == [
        (number, Reason.TRIGGER_LATE) for number in (101, 102, 103)
    ]
    assert Status.MISSED_ACQ in bench.vision.status
    bench.poll()
    assert bench.set(Control.TRIGGER) == []
    bench.poll(after_s=LATE_S)
    assert bench.bits == Status.TRIGGER_ACK | Status.RESULTS_VALID
    assert (bench.vision.result_trig_id, bench.vision.reason) == (103, Reason.TRIGGER_LATE)


def test_a_late_trigger_of_a_missed_id_is_answered_after_the_clearing_write() -> None:
    bench = LevelBench()
    bench.poll(trig_id=103)
    bench.poll()
    assert bench.vision.result_trig_id == 103
    bench.poll_unacknowledged(control=ENABLED | Control.TRIGGER)
    bench.poll_unacknowledged(after_s=LATE_S)
    assert (bench.bits, bench.vision.verdict) == (Status(0), Verdict.NONE)
    bench.poll()
    assert (bench.bits, bench.vision.verdict) == (Status(0), Verdict.NONE)
    bench.poll()
    assert bench.bits == Status.TRIGGER_ACK | Status.RESULTS_VALID


def test_an_announced_id_that_was_never_triggered_makes_a_gap() -> None:
    bench = LevelBench()
    bench.poll(trig_id=101)
    settled = only(bench.set(Control.TRIGGER, trig_id=102), Settled)
    assert [one.trig_id for one in settled] == [101, 102]
    bench.poll()
    assert bench.bits == Status.TRIGGER_ACK | Status.RESULTS_VALID


def test_ids_that_step_back_clear_everything() -> None:
    bench = LevelBench()
    part = bench.triggered()
    events = bench.set(Control.TRIGGER, trig_id=90)
    assert only(events, DropInFlight)
    assert only(events, Settled)[0].reason is Reason.TRIGGER_LATE
    bench.judged(part)
    bench.poll()
    assert bench.bits == Status.TRIGGER_ACK | Status.RESULTS_VALID
    assert (bench.vision.result_trig_id, bench.vision.verdict) == (90, Verdict.UNKNOWN)
    assert bench.verdict_of(part.trig_id) is None


def test_ids_wrap() -> None:
    """65535 is followed by 1 in the level handshake too."""
    bench = LevelBench(trig_id=65533)
    for expected in (65534, 65535, 1, 2):
        part = bench.triggered()
        assert part.trig_id == expected == bench.plc.trig_id
        bench.judged(part)
        bench.acknowledge()
        assert bench.verdict_of(expected) == (Verdict.ACCEPT, Reason.NONE)
    assert next_id(65535) == 1


def test_an_unknown_recipe_is_unknown_41_and_the_handshake_goes_on() -> None:
    bench = LevelBench()
    settled = bench.raise_trigger(recipe=9)
    assert isinstance(settled, Settled)
    assert bench.verdict_of(101) == UNKNOWN_41
    bench.poll()
    assert bench.bits == Status.TRIGGER_ACK | Status.RESULTS_VALID
    bench.drop(Control.TRIGGER)
    bench.acknowledge()
    bench.poll(recipe=1)
    assert isinstance(bench.raise_trigger(), Trigger)
