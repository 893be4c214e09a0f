"""The level handshake as both sides keep it: one bit after the other, and no result taken for another's."""

from __future__ import annotations

from dataclasses import replace

import pytest
from handshake_bench import READY, Bench
from handshake_level_bench import ENABLED, LevelBench
from pydantic import ValidationError

from inspectd.io.handshake import Poll
from inspectd.io.plc import Control, FaultCode, Reason, Status, Verdict, VisionImage
from inspectd.io.plc_events import AgentState, Trigger
from inspectd.io.plc_settings import PlcSettings

NOTHING = Status(0)


def test_one_part_bit_by_bit() -> None:
    """TriggerReady, Trigger, TriggerAck, ExposureDone, ResultsValid, ResultAck, and back to TriggerReady."""
    bench = LevelBench()
    assert bench.bits == Status.TRIGGER_READY
    part = bench.raise_trigger()
    assert isinstance(part, Trigger)
    assert (bench.bits, bench.vision.acq_id) == (NOTHING, 101)
    bench.poll()
    assert bench.bits == Status.TRIGGER_ACK
    bench.drop(Control.TRIGGER)
    assert bench.bits == NOTHING
    bench.expose(part)
    bench.poll()
    assert bench.bits == Status.EXPOSURE_DONE
    bench.judged(part, Verdict.REJECT)
    assert bench.bits == Status.EXPOSURE_DONE | Status.RESULTS_VALID | Status.TRIGGER_READY
    assert (bench.vision.verdict, bench.vision.result_trig_id) == (Verdict.REJECT, 101)
    bench.set(Control.RESULT_ACK)
    assert bench.bits == Status.EXPOSURE_DONE
    assert bench.vision.verdict == Verdict.NONE
    bench.drop(Control.RESULT_ACK)
    assert bench.bits == Status.EXPOSURE_DONE | Status.TRIGGER_READY
    assert bench.verdict_of(101) == (Verdict.REJECT, Reason.NONE)


@pytest.mark.parametrize("acknowledged", [True, False])
def test_the_last_result_is_gone_before_trigger_ack(*, acknowledged: bool) -> None:
    """Whether the PLC has taken it or not: one image without it comes before the one with TriggerAck."""
    bench = LevelBench()
    bench.judged(bench.triggered())
    assert bench.vision.verdict == Verdict.ACCEPT
    if acknowledged:
        bench.acknowledge()
    bench.written.clear()
    bench.raise_trigger()
    bench.poll()
    cleared, answered = bench.written
    assert Status.TRIGGER_ACK not in cleared.status
    assert Status.TRIGGER_ACK in answered.status
    for image in (cleared, answered):
        assert image.verdict == Verdict.NONE
        assert Status.RESULTS_VALID not in image.status


def test_trigger_ack_waits_until_that_write_was_acknowledged() -> None:
    """A write that failed may not have reached the PLC, where the last result would still stand."""
    bench = LevelBench()
    bench.judged(bench.triggered())
    bench.raise_trigger_unacknowledged()
    for _ in range(3):
        bench.poll_unacknowledged()
        assert (bench.vision.verdict, bench.bits) == (Verdict.NONE, NOTHING)
    bench.poll()
    assert bench.bits == NOTHING
    bench.poll()
    assert bench.bits == Status.TRIGGER_ACK


def test_an_acknowledgement_counts_for_the_words_that_were_written() -> None:
    """A Trigger seen after they were put together is not cleared by them."""
    bench = LevelBench()
    bench.handshake.words(bench.state, bench.now)
    control = bench.plc.control | Control.TRIGGER
    bench.plc = replace(bench.plc, control=control, trig_id=101, heartbeat=bench.plc.heartbeat + 1)
    bench.handshake.feed(bench.take_poll(), bench.state, bench.now)
    bench.handshake.acknowledge()
    bench.write()
    assert Status.TRIGGER_ACK not in bench.vision.status
    bench.write()
    assert Status.TRIGGER_ACK in bench.vision.status


def test_a_verdict_found_before_trigger_ack_waits_for_it() -> None:
    """The PLC must have seen VERDICT = 0 before it sees this part's."""
    bench = LevelBench()
    part = bench.raise_trigger_unacknowledged()
    assert isinstance(part, Trigger)
    bench.publish(part)
    bench.block = bench.handshake.words(bench.state, bench.now)
    assert bench.vision.verdict == Verdict.NONE
    bench.handshake.acknowledge()
    bench.write()
    assert bench.bits == Status.TRIGGER_ACK | Status.RESULTS_VALID
    assert bench.vision.verdict == Verdict.ACCEPT


def test_an_id_without_its_trigger_is_merely_announced() -> None:
    """The PLC may set TRIG_ID long before the part comes; recipe and encoder are those at the Trigger."""
    bench = LevelBench()
    assert bench.poll(trig_id=101, recipe=1) == []
    assert bench.poll(after_s=5.0) == []
    assert bench.bits == Status.TRIGGER_READY
    before = bench.now - 0.001
    (part,) = bench.set(Control.TRIGGER, recipe=2, encoder=77)
    assert isinstance(part, Trigger)
    assert (part.trig_id, part.recipe, part.encoder) == (101, 2, 77)
    assert part.window_start == pytest.approx(before)


def test_a_trigger_may_be_read_before_its_id() -> None:
    """A read may hold the new CONTROL and the old TRIG_ID; the window opens before that read."""
    bench = LevelBench()
    before = bench.now
    assert bench.set(Control.TRIGGER) == []
    (part,) = bench.poll(trig_id=101)
    assert isinstance(part, Trigger)
    assert part.window_start == pytest.approx(before - 0.001)
    assert Status.MISSED_ACQ not in bench.vision.status


def test_a_trigger_older_than_the_limit_is_unknown_20() -> None:
    """Its age is bounded by the start of the last good poll with Trigger low."""
    bench = LevelBench()
    (settled,) = bench.set(Control.TRIGGER, after_s=0.061, trig_id=101)
    assert not isinstance(settled, Trigger)
    assert bench.verdict_of(101) == (Verdict.UNKNOWN, Reason.TRIGGER_LATE)
    assert Status.MISSED_ACQ in bench.vision.status
    bench.poll()
    assert bench.bits == Status.TRIGGER_ACK | Status.RESULTS_VALID
    assert bench.vision.reason == Reason.TRIGGER_LATE


def test_exposure_done_is_of_the_part_triggered_last() -> None:
    bench = LevelBench()
    part = bench.triggered()
    bench.expose(part)
    bench.poll()
    assert Status.EXPOSURE_DONE in bench.vision.status
    bench.judged(part)
    bench.acknowledge()
    assert Status.EXPOSURE_DONE in bench.vision.status
    following = bench.triggered()
    assert Status.EXPOSURE_DONE not in bench.vision.status
    bench.expose(following)
    bench.poll()
    assert Status.EXPOSURE_DONE in bench.vision.status


def test_exposure_done_is_told_with_the_trigger_by_id_change_too() -> None:
    bench = Bench()
    part = bench.next_part()
    assert Status.EXPOSURE_DONE not in bench.vision.status
    bench.state = replace(READY, exposed_part_id=part.part_id)
    bench.poll()
    assert Status.EXPOSURE_DONE in bench.vision.status
    bench.next_part()
    assert Status.EXPOSURE_DONE not in bench.vision.status


@pytest.mark.parametrize(
    "state",
    [
        replace(READY, busy=True),
        replace(READY, trigger_ready=False),
        replace(READY, online=False),
    ],
)
def test_trigger_ready_falls_with_what_the_agent_says(state: AgentState) -> None:
    bench = LevelBench()
    bench.state = state
    bench.poll()
    assert Status.TRIGGER_READY not in bench.vision.status


@pytest.mark.parametrize("control", [Control(0), ENABLED | Control.SET_OFFLINE, ENABLED | Control.RESULT_ACK])
def test_trigger_ready_falls_with_what_the_plc_says(control: Control) -> None:
    bench = LevelBench()
    bench.poll(control=control)
    assert Status.TRIGGER_READY not in bench.vision.status
    bench.poll(control=ENABLED)
    assert Status.TRIGGER_READY in bench.vision.status


def test_one_part_is_under_way_at_a_time() -> None:
    """TriggerReady comes back with the verdict, not before, even if the agent says that it is idle."""
    bench = LevelBench()
    part = bench.triggered()
    bench.expose(part)
    for _ in range(5):
        bench.poll()
        assert Status.TRIGGER_READY not in bench.vision.status
    bench.judged(part)
    assert Status.TRIGGER_READY in bench.vision.status


def test_the_ring_is_the_same_with_either_handshake() -> None:
    plain, level = Bench(trig_id=65530), LevelBench(trig_id=65530)
    for number in range(12):
        verdict = Verdict.REJECT if number % 3 == 0 else Verdict.ACCEPT
        plain.publish(plain.next_part(), verdict)
        plain.write()
        level.judged(level.triggered(), verdict)
        level.acknowledge()
    assert plain.ring.pack() == level.ring.pack()


def test_an_agents_fault_refuses_the_trigger() -> None:
    """The part is UNKNOWN/41; TriggerAck and the result come all the same, so that the PLC goes on."""
    bench = LevelBench()
    bench.state = replace(READY, fault=FaultCode.CAMERA_LOST, trigger_ready=False)
    settled = bench.raise_trigger()
    assert not isinstance(settled, Trigger)
    bench.poll()
    assert bench.bits == Status.TRIGGER_ACK | Status.RESULTS_VALID
    assert (bench.vision.verdict, bench.vision.reason) == (Verdict.UNKNOWN, Reason.OFFLINE)
    assert bench.verdict_of(101) == (Verdict.UNKNOWN, Reason.OFFLINE)
    assert Status.MISSED_ACQ in bench.vision.status


def test_a_torn_read_changes_nothing() -> None:
    bench = LevelBench()
    words = replace(bench.plc, trig_id=101, control=ENABLED | Control.TRIGGER).pack() + bench.block[:20]
    words[31] = 100
    before = VisionImage.unpack(bench.block)
    assert bench.handshake.feed(Poll(words, bench.now, bench.now), bench.state, bench.now) == []
    bench.write()
    assert bench.vision == before
    assert isinstance(bench.raise_trigger(), Trigger)


def test_the_level_handshake_is_refused_in_free_running_mode() -> None:
    with pytest.raises(ValidationError, match="leave `handshake` out, or set `mode` to plc_triggered"):
        PlcSettings(host="127.0.0.1", mode="free_running", handshake="level")
