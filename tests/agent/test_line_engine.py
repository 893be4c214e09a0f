"""The line loop with an engine that is late, fails, or crashes."""

import math
import threading
import time
from collections.abc import Callable

import pytest
from agent_rig import ACCEPT, DEADLINE, WINDOW, Rig, make_rig, one_row, unknown, wait_for
from stand_ins import GOOD

from inspectd.agent.supervision import ENGINE_BUDGET
from inspectd.agent.times import PartTimes
from inspectd.inference.errors import EngineError
from inspectd.io.plc import FaultCode, Reason, Verdict
from inspectd.io.plc_events import DropInFlight


def fails(error: Exception) -> Callable[[], None]:
    """Let the scorer fail with this error."""

    def fail() -> None:
        raise error

    return fail


def test_late_engine_gives_unknown_once(rig: Rig) -> None:
    """Past the deadline the PLC thread says UNKNOWN/21; what the engine says afterwards changes nothing."""
    part = rig.trigger()
    rig.expose(GOOD)

    def too_long() -> None:
        rig.host.on_cycle(rig.clock.advance(DEADLINE + 0.001))

    rig.scorer.while_judging = too_long
    rig.close_windows()
    assert rig.verdicts() == [unknown(Reason.VERDICT_LATE)]
    one_row(rig, part.part_id)
    assert rig.host.on_cycle(rig.clock.now).late == 1


def test_late_engine_waits_for_the_plc_thread(rig: Rig) -> None:
    """A result past the deadline is discarded even if nobody has said UNKNOWN/21 yet."""
    rig.trigger()
    rig.expose(GOOD)

    def too_long() -> None:
        rig.clock.advance(DEADLINE + 0.001)

    rig.scorer.while_judging = too_long
    rig.close_windows()
    assert rig.published == []
    rig.host.on_cycle(rig.clock.now)
    assert rig.verdicts() == [unknown(Reason.VERDICT_LATE)]


def test_expired_part_is_not_scored(rig: Rig) -> None:
    """A part that has its UNKNOWN/21 costs no inference that the next part waits for."""
    rig.trigger()
    rig.expose(GOOD)
    rig.host.on_cycle(rig.clock.advance(DEADLINE + 0.001))
    rig.close_windows()
    assert rig.scorer.judged == 0
    assert rig.held == set()


def test_dropped_part_is_not_scored(rig: Rig) -> None:
    """A part that has its UNKNOWN already costs no inference, though its window is still open."""
    rig.trigger(seen_after=0.0)
    rig.expose(GOOD)
    rig.host.on_events([DropInFlight(Reason.RESTARTED)])
    rig.turn()
    assert rig.scorer.judged == 0
    rig.close_windows()
    assert rig.held == set()


def test_engine_error_is_unknown(rig: Rig) -> None:
    """EngineError: UNKNOWN/30 with the error in the record; the next part is judged."""
    part = rig.trigger()
    rig.expose(GOOD)
    rig.scorer.while_judging = fails(EngineError("out of memory; restart"))
    rig.close_windows()
    assert rig.verdicts() == [unknown(Reason.INFERENCE_FAILED)]
    assert one_row(rig, part.part_id)["detail"] == "out of memory; restart"


@pytest.mark.parametrize("score", [math.nan, math.inf, -math.inf])
def test_score_that_is_not_finite_is_never_accepted(
    score: float, rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """NaN and infinity without an error from the engine are caught by the accept rule and counted."""
    judge = rig.scorer.judge

    def judge_badly(pixels: object) -> object:
        judged = judge(pixels)  # pyright: ignore[reportArgumentType]
        return type(judged)(score, (), None, None, None, 0.0, 0.0)

    monkeypatch.setattr(rig.scorer, "judge", judge_badly)
    for _ in range(ENGINE_BUDGET):
        rig.trigger()
        rig.expose(GOOD)
        rig.close_windows()
    assert Verdict.ACCEPT not in {verdict for verdict, _ in rig.verdicts()}
    assert rig.faults.current() is FaultCode.INFERENCE_FAILING


def test_engine_failures_in_a_row_latch_a_fault(rig: Rig) -> None:
    """The budget's last failure latches INFERENCE_FAILING; good parts are UNKNOWN until ClearFault."""
    rig.scorer.while_judging = fails(EngineError("broken"))
    for _ in range(ENGINE_BUDGET):
        assert rig.faults.current() is FaultCode.NONE
        rig.trigger()
        rig.expose(GOOD)
        rig.close_windows()
    assert rig.faults.current() is FaultCode.INFERENCE_FAILING
    rig.scorer.while_judging = lambda: None
    rig.trigger()
    rig.expose(GOOD)
    rig.close_windows()
    assert rig.verdicts()[-1] == unknown(Reason.OFFLINE)


def test_unfit_frames_are_no_failure_of_the_engine(rig: Rig) -> None:
    """A frame that preparation refuses has no score, and the engine is not to blame."""
    rig.scorer.unfit = ("blurred",)
    for _ in range(ENGINE_BUDGET + 1):
        rig.trigger()
        rig.expose(GOOD)
        rig.close_windows()
    assert rig.faults.current() is FaultCode.NONE


def test_unfit_frames_between_do_not_excuse_the_engine(rig: Rig) -> None:
    """A frame that the engine never saw is no success of the engine."""
    for _ in range(ENGINE_BUDGET):
        rig.scorer.while_judging = fails(EngineError("broken"))
        rig.trigger()
        rig.expose(GOOD)
        rig.close_windows()
        rig.trigger()
        rig.expose(problem="no image")
        rig.close_windows()
    assert rig.faults.current() is FaultCode.INFERENCE_FAILING


@pytest.mark.parametrize("seconds", [0.0, 0.1], ids=["window open", "window closed"])
def test_crash_of_the_scorer_costs_one_part(seconds: float, rig: Rig) -> None:
    """An error that nobody expected: UNKNOWN/30 for that part, its frame given back and not tried again."""
    part = rig.trigger()
    rig.expose(GOOD)
    rig.scorer.while_judging = fails(RuntimeError("bug"))
    with pytest.raises(RuntimeError, match="bug"):
        rig.turn(seconds)
    rig.scorer.while_judging = lambda: None
    rig.close_windows()
    assert rig.verdicts() == [unknown(Reason.INFERENCE_FAILED)]
    one_row(rig, part.part_id)
    assert rig.scorer.judged == 1


def test_loop_survives_a_crash(monkeypatch: pytest.MonkeyPatch) -> None:
    """An error in one turn is logged and counted; the next part is inspected by the same loop."""
    rig = make_rig(monkeypatch, times=PartTimes(WINDOW, 0.0, deadline=60.0))
    monkeypatch.setattr(rig.clock, "monotonic", time.monotonic)
    loop = threading.Thread(target=rig.line.run)
    loop.start()
    try:
        rig.scorer.while_judging = fails(RuntimeError("bug"))
        for expected in (1, 2):
            rig.clock.now = time.monotonic()
            rig.trigger()
            rig.expose(GOOD)
            wait_for(lambda wanted=expected: len(rig.published) == wanted)
            rig.scorer.while_judging = lambda: None
    finally:
        rig.line.stop()
        loop.join(5)
    assert not loop.is_alive()
    assert rig.line.errors == 1
    assert rig.verdicts() == [unknown(Reason.INFERENCE_FAILED), ACCEPT]
    assert rig.held == set()
