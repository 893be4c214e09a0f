"""BufferResults and ACK_SEQ: results one at a time, in order; Overrun where one was given up."""

from __future__ import annotations

import pytest
from handshake_bench import Bench
from handshake_level_bench import ENABLED, LevelBench
from handshake_start_bench import Started, left_behind

from inspectd.io.handshake_buffer import BUFFERED_RESULTS, LastResult, ResultBuffer
from inspectd.io.plc import Control, PlcImage, Reason, Status, Verdict, next_id
from inspectd.io.plc_events import RecordedIds, Result, Trigger

BUFFERED = ENABLED | Control.BUFFER_RESULTS


def buffered_bench() -> Bench:
    """Give a bench with BufferResults whose first result, UNKNOWN/40 of the id found, was taken."""
    bench = Bench(trig_id=1, control=BUFFERED)
    bench.poll(ack_seq=bench.vision.result_seq)
    return bench


def judge(bench: Bench, verdict: Verdict = Verdict.ACCEPT) -> Trigger:
    part = bench.next_part()
    bench.publish(part, verdict)
    bench.write()
    return part


def take(bench: Bench) -> int:
    """The PLC takes the result that stands there; gives its trigger id."""
    taken = bench.vision.result_trig_id
    bench.poll(ack_seq=bench.vision.result_seq)
    return taken


def test_results_are_shown_one_at_a_time_in_order() -> None:
    """The next one stands there once ACK_SEQ is the RESULT_SEQ before it; the ring waits for nobody."""
    bench = buffered_bench()
    verdicts = [Verdict.REJECT, Verdict.ACCEPT, Verdict.UNKNOWN, Verdict.ACCEPT]
    parts = [judge(bench, verdict) for verdict in verdicts]
    first = bench.vision
    for _ in range(3):
        bench.poll()
        assert bench.vision.result_seq == first.result_seq
    for number, (part, verdict) in enumerate(zip(parts, verdicts, strict=True)):
        assert bench.verdict_of(part.trig_id) == (verdict, Reason.NONE)
        assert bench.vision.result_seq == first.result_seq + number
        assert (bench.vision.result_trig_id, bench.vision.verdict) == (part.trig_id, verdict)
        assert take(bench) == part.trig_id
    assert bench.vision.result_trig_id == parts[-1].trig_id, "the last one stands until there is another"
    assert Status.OVERRUN not in bench.vision.status


def test_without_buffer_results_the_newest_is_shown_at_once() -> None:
    bench = Bench(trig_id=1)
    for _ in range(3):
        part = judge(bench)
        assert bench.vision.result_trig_id == part.trig_id
    assert bench.vision.result_seq == 4


def test_an_ack_seq_of_before_takes_no_result() -> None:
    """It counts only once the result was in an acknowledged write: by chance it may be the same number."""
    bench = buffered_bench()
    bench.poll(ack_seq=next_id(bench.vision.result_seq))
    first, second = bench.next_part(), bench.next_part()
    bench.publish(first)
    bench.publish(second)
    bench.handshake.feed(bench.take_poll(), bench.state, bench.now)
    bench.write()
    assert bench.vision.result_trig_id == first.trig_id


def test_the_oldest_waiting_result_is_given_up_when_too_many_wait() -> None:
    """Overrun is set; the slots of the ring stand as they are, and the verdicts given up with them."""
    bench = buffered_bench()
    parts = [judge(bench, Verdict.REJECT) for _ in range(BUFFERED_RESULTS + 1)]
    assert Status.OVERRUN not in bench.vision.status
    parts.append(judge(bench))
    assert Status.OVERRUN in bench.vision.status
    for part in parts[-15:]:
        expected = Verdict.ACCEPT if part is parts[-1] else Verdict.REJECT
        assert bench.verdict_of(part.trig_id) == (expected, Reason.NONE)
    taken = [take(bench) for _ in range(BUFFERED_RESULTS + 1)]
    assert taken == [parts[0].trig_id, *(part.trig_id for part in parts[2:])]


def test_overrun_stands_until_clear_overrun_rises() -> None:
    bench = buffered_bench()
    clear = BUFFERED | Control.CLEAR_OVERRUN
    bench.poll(control=clear)
    for _ in range(BUFFERED_RESULTS + 2):
        judge(bench)
    assert Status.OVERRUN in bench.vision.status
    bench.poll()
    assert Status.OVERRUN in bench.vision.status, "a bit that stands is no edge"
    bench.poll(control=BUFFERED)
    assert Status.OVERRUN in bench.vision.status
    bench.poll(control=clear)
    assert Status.OVERRUN not in bench.vision.status
    judge(bench)
    assert Status.OVERRUN in bench.vision.status


def test_clear_overrun_that_stands_at_the_start_is_no_edge() -> None:
    results = ResultBuffer()
    standing = PlcImage(control=BUFFERED | Control.CLEAR_OVERRUN)
    results.start(standing)
    results.overrun = True
    results.follow(standing)
    assert results.overrun


def test_a_new_epoch_ends_overrun_and_forgets_what_waits() -> None:
    bench = buffered_bench()
    for _ in range(BUFFERED_RESULTS + 2):
        judge(bench)
    bench.poll(plc_epoch=8, trig_id=5)
    assert Status.OVERRUN not in bench.vision.status
    assert (bench.vision.result_trig_id, bench.vision.reason) == (5, Reason.RESTARTED)


@pytest.mark.parametrize("waiting", [0, 3])
def test_when_buffer_results_falls_the_newest_is_shown(waiting: int) -> None:
    bench = buffered_bench()
    parts = [judge(bench) for _ in range(1 + waiting)]
    bench.poll(control=ENABLED)
    assert bench.vision.result_trig_id == parts[-1].trig_id


def test_an_uncollected_result_keeps_its_place_when_buffer_results_rises() -> None:
    bench = Bench(trig_id=1)
    first = judge(bench)
    bench.poll(control=BUFFERED)
    second = judge(bench)
    assert take(bench) == first.trig_id
    assert take(bench) == second.trig_id


def test_free_running_numbers_that_wait_are_not_given_again_after_a_restart() -> None:
    """Word 37 lags behind the ring with BufferResults: the ring tells which number was given last."""
    block = left_behind([40, 41, 42, 43], result_seq=40)
    started = Started(0, block, RecordedIds(), free_running=True)
    assert [entry.id for entry in started.ring if entry.id] == [40, 41, 42, 43]
    result = Result(1, 0, 7, 1, Verdict.ACCEPT, Reason.NONE, 0.5, 0.1, 10.0, 10.5, 5)
    started.handshake.publish(result, 10.0)
    words = started.handshake.words(started.state, 10.0)
    assert words[5] == 44


# --- with the level handshake ----------------------------------------------------------------------------


def level_bench() -> LevelBench:
    bench = LevelBench(trig_id=1, control=BUFFERED)
    bench.acknowledge()
    return bench


def trigger(bench: LevelBench) -> Trigger:
    """Bring a part as far as its exposure."""
    part = bench.raise_trigger()
    assert isinstance(part, Trigger), part
    bench.poll()
    assert Status.TRIGGER_ACK in bench.vision.status
    bench.drop(Control.TRIGGER)
    assert Status.TRIGGER_READY not in bench.vision.status
    bench.expose(part)
    bench.poll()
    assert Status.TRIGGER_READY in bench.vision.status
    return part


def test_the_next_part_may_be_triggered_before_the_last_ones_verdict() -> None:
    """Results come one by one, each with its own ResultsValid and ResultAck."""
    bench = level_bench()
    parts = [trigger(bench) for _ in range(3)]
    for part in parts:
        bench.judged(part)
    for part in parts:
        assert Status.RESULTS_VALID in bench.vision.status
        assert (bench.vision.result_trig_id, bench.vision.verdict) == (part.trig_id, Verdict.ACCEPT)
        bench.set(Control.RESULT_ACK, ack_seq=bench.vision.result_seq)
        assert (bench.vision.verdict, Status.RESULTS_VALID in bench.vision.status) == (Verdict.NONE, False)
        bench.drop(Control.RESULT_ACK)
    assert Status.RESULTS_VALID not in bench.vision.status


@pytest.mark.parametrize("only", ["result_ack", "ack_seq"])
def test_the_next_result_waits_for_result_ack_and_ack_seq(only: str) -> None:
    bench = level_bench()
    parts = [trigger(bench), trigger(bench)]
    for part in parts:
        bench.judged(part)
    if only == "ack_seq":
        bench.poll(ack_seq=bench.vision.result_seq)
        bench.poll()
        assert bench.vision.result_trig_id == parts[0].trig_id
        bench.set(Control.RESULT_ACK)
        bench.drop(Control.RESULT_ACK)
    else:
        bench.set(Control.RESULT_ACK)
        bench.drop(Control.RESULT_ACK)
        bench.poll()
        assert (bench.vision.result_trig_id, bench.vision.verdict) == (parts[0].trig_id, Verdict.ACCEPT)
        bench.set(Control.RESULT_ACK)
        bench.drop(Control.RESULT_ACK, ack_seq=bench.vision.result_seq)
    assert (bench.vision.result_trig_id, bench.vision.verdict) == (parts[1].trig_id, Verdict.ACCEPT)


def test_a_result_not_taken_falls_at_the_next_trigger_and_comes_back() -> None:
    """VERDICT = 0 before TriggerAck holds for it too; RESULT_TRIG_ID then tells whose it is."""
    bench = level_bench()
    first = trigger(bench)
    bench.judged(first)
    bench.written.clear()
    bench.raise_trigger()
    bench.poll()
    cleared, answered = bench.written
    assert (cleared.verdict, Status.RESULTS_VALID in cleared.status) == (Verdict.NONE, False)
    assert Status.TRIGGER_ACK in answered.status
    assert (answered.result_trig_id, answered.verdict) == (first.trig_id, Verdict.ACCEPT)


def test_the_level_handshake_goes_on_when_nobody_takes_results() -> None:
    """Overrun tells it; parts are triggered and judged all the same, and stand in the ring."""
    bench = level_bench()
    for _ in range(BUFFERED_RESULTS + 2):
        part = trigger(bench)
        bench.judged(part)
        assert bench.verdict_of(part.trig_id) == (Verdict.ACCEPT, Reason.NONE)
    assert Status.OVERRUN in bench.vision.status


def test_when_buffer_results_falls_an_older_parts_result_goes() -> None:
    """From then on VERDICT is of the part triggered last."""
    bench = level_bench()
    first = trigger(bench)
    bench.judged(first)
    second = trigger(bench)
    assert bench.vision.result_trig_id == first.trig_id
    bench.poll(control=ENABLED)
    assert (bench.vision.verdict, Status.RESULTS_VALID in bench.vision.status) == (Verdict.NONE, False)
    bench.judged(second)
    assert (bench.vision.result_trig_id, bench.vision.verdict) == (second.trig_id, Verdict.ACCEPT)


def test_a_discarded_result_is_not_shown_again() -> None:
    """Without BufferResults a new Trigger ends what the last one's result had to say."""
    results = ResultBuffer(newest_part_alone=True)
    results.newest_trig_id = 5
    results.add(LastResult(3, 5, Verdict.ACCEPT))
    results.discard()
    assert results.shown == LastResult(3)
    results.add(LastResult(4, 4, Verdict.ACCEPT))
    assert results.shown == LastResult(3)
