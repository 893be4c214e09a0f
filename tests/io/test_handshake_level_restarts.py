"""The level handshake over restarts: of the PLC and of the agent, in every phase of a part."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from handshake_bench import UNKNOWN_40
from handshake_level_bench import ENABLED, LevelBench

from inspectd.io.plc import Control, Reason, Status, Verdict
from inspectd.io.plc_events import Settled, Trigger

LATE_S = 0.061


def idle(_: LevelBench) -> None:
    """No part is under way."""


def raised(bench: LevelBench) -> None:
    bench.raise_trigger()


def answered(bench: LevelBench) -> None:
    bench.raise_trigger()
    bench.poll()


def under_way(bench: LevelBench) -> None:
    bench.triggered()


def judged(bench: LevelBench) -> None:
    bench.judged(bench.triggered())


def taken(bench: LevelBench) -> None:
    judged(bench)
    bench.set(Control.RESULT_ACK)


PHASES: list[Callable[[LevelBench], None]] = [idle, raised, answered, under_way, judged, taken]


@pytest.mark.parametrize("phase", PHASES)
@pytest.mark.parametrize("trigger", [False, True])
def test_the_plc_restarts(phase: Callable[[LevelBench], None], *, trigger: bool) -> None:
    """A new epoch resets all: the id that stands there is UNKNOWN/40, with its Trigger or without."""
    bench = LevelBench()
    phase(bench)
    bits = Control.TRIGGER if trigger else Control(0)
    bench.poll(control=Control(0), plc_epoch=0, trig_id=0)
    assert (bench.bits, bench.vision.verdict) == (Status(0), Verdict.NONE)
    (_, settled) = bench.poll(control=ENABLED | bits, plc_epoch=8, trig_id=40)
    assert isinstance(settled, Settled)
    assert settled.reason is Reason.RESTARTED
    assert (bench.bits, bench.vision.verdict) == (Status(0), Verdict.NONE)
    bench.poll()
    assert (Status.TRIGGER_ACK in bench.vision.status) == trigger
    assert (bench.vision.result_trig_id, bench.vision.verdict) == (40, Verdict.UNKNOWN)
    bench.drop(Control.TRIGGER)
    bench.acknowledge()
    assert bench.bits == Status.TRIGGER_READY
    assert isinstance(bench.raise_trigger(), Trigger)


@pytest.mark.parametrize("phase", PHASES)
def test_the_agent_restarts(phase: Callable[[LevelBench], None]) -> None:
    """A part without a verdict is UNKNOWN/40, and its Trigger answered; nothing of before is shown."""
    before = LevelBench()
    phase(before)
    present = before.plc.trig_id
    had_verdict = before.verdict_of(present) is not None
    trigger = before.plc.control & Control.TRIGGER
    bench = LevelBench(trig_id=present, control=ENABLED | trigger, block=before.block)
    assert not had_verdict or not trigger
    first, second = bench.written[:2]
    assert (first.verdict, first.status & Status.TRIGGER_ACK) == (Verdict.NONE, Status(0))
    assert bench.verdict_of(present) == (before.verdict_of(present) or UNKNOWN_40)
    if not had_verdict:
        assert (second.result_trig_id, second.reason) == (present, Reason.RESTARTED)
        assert bool(second.status & Status.TRIGGER_ACK) == bool(trigger)
    else:
        assert second.verdict == Verdict.NONE
    bench.drop(Control.TRIGGER)
    bench.acknowledge()
    assert isinstance(bench.raise_trigger(), Trigger)


def test_a_trigger_that_stands_at_the_start_over_a_judged_id_is_not_answered() -> None:
    """The verdict in the ring is of a part that the last agent saw; this Trigger may be another's."""
    before = LevelBench()
    before.judged(before.triggered())
    bench = LevelBench(trig_id=101, control=ENABLED | Control.TRIGGER, block=before.block)
    for _ in range(3):
        assert (bench.bits, bench.vision.verdict) == (Status(0), Verdict.NONE)
        assert Status.MISSED_ACQ in bench.vision.status
        bench.poll(after_s=LATE_S)
    bench.drop(Control.TRIGGER)
    assert isinstance(bench.raise_trigger(), Trigger)


def test_a_trigger_raised_again_for_an_id_judged_before_the_start_is_not_answered() -> None:
    before = LevelBench()
    before.judged(before.triggered())
    bench = LevelBench(trig_id=101, block=before.block)
    bench.set(Control.TRIGGER)
    bench.poll(after_s=LATE_S)
    bench.poll()
    assert (bench.bits, bench.vision.verdict) == (Status(0), Verdict.NONE)
    assert Status.MISSED_ACQ in bench.vision.status


def test_what_the_start_gave_is_not_shown_under_the_next_trigger() -> None:
    """UNKNOWN/40 of the id that stood there, not taken by the PLC, is not the next part's."""
    bench = LevelBench(control=ENABLED | Control.CLEAR_FAULT)
    assert (bench.vision.result_trig_id, bench.vision.reason) == (100, Reason.RESTARTED)
    bench.raise_trigger()
    bench.write()
    assert (bench.bits, bench.vision.verdict) == (Status.TRIGGER_ACK, Verdict.NONE)


def test_the_end_of_buffer_results_takes_no_result_for_the_one_acknowledged() -> None:
    """ResultsValid falls before the newest result takes the place of one whose ResultAck may be coming."""
    bench = LevelBench()
    bench.set(Control.BUFFER_RESULTS)
    parts: list[Trigger] = []
    for _ in range(2):
        parts.append(bench.triggered())
        bench.expose(parts[-1])
        bench.poll()
    bench.judged(parts[0], Verdict.ACCEPT)
    bench.judged(parts[1], Verdict.REJECT)
    bench.poll()
    assert (bench.vision.result_trig_id, bench.vision.verdict) == (101, Verdict.ACCEPT)
    bench.drop(Control.BUFFER_RESULTS)
    assert (Status.RESULTS_VALID in bench.bits, bench.vision.verdict) == (False, Verdict.NONE)
    bench.set(Control.RESULT_ACK)
    assert Status.RESULTS_VALID not in bench.bits
    bench.drop(Control.RESULT_ACK)
    assert Status.RESULTS_VALID in bench.bits
    assert (bench.vision.result_trig_id, bench.vision.verdict) == (102, Verdict.REJECT)
