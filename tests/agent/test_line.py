"""The line loop: one part, one frame, one score, one verdict, and every frame given back."""

import math
import threading
import time
from collections.abc import Callable

import pytest
from stand_ins import DEADLINE, DEFECTIVE, EPOCH, GOOD, TRANSFER, WINDOW, Rig, make_rig

from inspectd.agent.supervision import ENGINE_BUDGET, MISMATCH_BUDGET
from inspectd.agent.times import PartTimes
from inspectd.inference.errors import EngineError
from inspectd.io.plc import FaultCode, Reason, Verdict
from inspectd.io.plc_events import DropInFlight, EpochChanged, FaultCleared

ACCEPT = (Verdict.ACCEPT, Reason.NONE)


def unknown(reason: Reason) -> tuple[Verdict, Reason]:
    return Verdict.UNKNOWN, reason


@pytest.fixture
def rig(monkeypatch: pytest.MonkeyPatch) -> Rig:
    return make_rig(monkeypatch)


def one_row(rig: Rig, part_id: int) -> dict[str, object]:
    """Give the one row of a part, which has one published verdict and holds no frame."""
    (row,) = rig.rows_of(part_id)
    assert [result.part_id for result in rig.published].count(part_id) == 1
    assert rig.held == set()
    return row


def fails(error: Exception) -> Callable[[], None]:
    """Let the scorer fail with this error."""

    def fail() -> None:
        raise error

    return fail


def test_good_part_is_accepted_once(rig: Rig) -> None:
    """Trigger, frame, score, ACCEPT: published and recorded once, with what it was judged by."""
    part = rig.trigger()
    rig.expose(GOOD)
    rig.close_windows()
    rig.close_windows()
    row = one_row(rig, part.part_id)
    assert rig.verdicts() == [ACCEPT]
    assert (row["verdict"], row["score"], row["threshold"]) == ("ACCEPT", GOOD, 1.0)
    assert (row["serial"], row["lot"], row["station"]) == (part.serial, "LOT", 3)
    assert (row["image"], row["bundle"], row["decision"]) == (
        "image 0",
        "bundle of class 1",
        "decision of class 1",
    )


def test_defective_part_is_rejected(rig: Rig) -> None:
    """A score at or over the threshold is REJECT/1, and the PLC learns how far over."""
    rig.trigger()
    rig.expose(DEFECTIVE)
    rig.close_windows()
    assert rig.verdicts() == [(Verdict.REJECT, Reason.OVER_THRESHOLD)]
    assert (rig.published[0].score, rig.published[0].score_relative) == (DEFECTIVE, DEFECTIVE / 1.0)


def test_frame_may_come_before_its_trigger(rig: Rig) -> None:
    """With a hardware trigger the frame is there first; it waits for its part."""
    rig.expose(GOOD)
    rig.turn(0.01)
    rig.trigger(seen_after=0.02)
    rig.close_windows()
    assert rig.verdicts() == [ACCEPT]


def test_no_verdict_before_the_window_is_closed(rig: Rig) -> None:
    """A second exposure may still come as long as the window is open, and its frame a little longer."""
    rig.trigger(seen_after=0.0)
    rig.expose(GOOD)
    rig.turn()
    rig.turn(WINDOW + TRANSFER - 0.001)
    assert rig.published == []
    rig.turn(0.002)
    assert rig.verdicts() == [ACCEPT]


def test_each_part_is_judged_by_its_own_frame(rig: Rig) -> None:
    """Frames that come together and in the wrong order go to the parts in whose windows they were exposed."""
    rig.trigger()
    rig.clock.advance(0.1)
    rig.trigger()
    rig.expose(DEFECTIVE)
    rig.expose(GOOD, ago=0.1)
    rig.close_windows()
    by_part = {result.part_id: result.verdict for result in rig.published}
    assert by_part == {1: Verdict.ACCEPT, 2: Verdict.REJECT}


def test_each_recipe_is_judged_by_its_own_class(monkeypatch: pytest.MonkeyPatch) -> None:
    """A part keeps the class that it was triggered with."""
    rig = make_rig(monkeypatch, recipes=(1, 2))
    rig.trigger(recipe=1)
    rig.expose()
    rig.clock.advance(0.1)
    rig.trigger(recipe=2)
    rig.expose()
    rig.close_windows()
    assert [row["class"] for row in rig.recorder.rows] == ["class 1", "class 2"]
    assert (rig.scorers[1].judged, rig.scorers[2].judged) == (1, 1)
    assert rig.host.on_cycle(rig.clock.now).recipe_in_force == 2


# --- frames that are missing, too many, or bad -----------------------------------------------------------


def test_no_frame_is_a_mismatch(rig: Rig) -> None:
    """A living camera without a frame in the window: UNKNOWN/32."""
    part = rig.trigger()
    rig.close_windows()
    assert rig.verdicts() == [unknown(Reason.FRAME_MISMATCH)]
    assert one_row(rig, part.part_id)["score"] != GOOD


def test_no_frame_from_a_lost_camera_is_named(rig: Rig) -> None:
    """Without a frame because the camera is gone: UNKNOWN/31, and a fault until it is back."""
    rig.camera.alive = False
    assert rig.host.on_cycle(rig.clock.now).fault is FaultCode.CAMERA_LOST
    rig.trigger()
    rig.close_windows()
    assert rig.verdicts() == [unknown(Reason.CAMERA_LOST)]
    rig.camera.alive = True
    assert rig.host.on_cycle(rig.clock.now).fault is FaultCode.NONE


def test_frame_from_outside_the_window_is_no_frame(rig: Rig) -> None:
    """A frame exposed too early or too late is nobody's, and does not hold its memory for long."""
    rig.expose(GOOD, ago=0.03)
    rig.trigger(seen_after=0.02)
    rig.clock.advance(WINDOW)
    rig.expose(GOOD)
    rig.close_windows()
    assert rig.verdicts() == [unknown(Reason.FRAME_MISMATCH)]
    rig.turn(1.0)
    assert rig.held == set()


def test_two_frames_make_a_part_unknown(rig: Rig) -> None:
    """Two exposures in the window: UNKNOWN/32, whatever they show; neither frame keeps its slot."""
    part = rig.trigger()
    rig.expose(GOOD)
    rig.expose(GOOD)
    rig.close_windows()
    assert rig.verdicts() == [unknown(Reason.FRAME_MISMATCH)]
    one_row(rig, part.part_id)


def test_second_frame_while_the_first_is_scored_counts(rig: Rig) -> None:
    """The engine works on, the window closes meanwhile: the second exposure in it is not overlooked."""
    rig.trigger()
    rig.expose(GOOD)

    def expose_again() -> None:
        rig.clock.advance(0.01)
        rig.expose(GOOD)
        rig.clock.advance(WINDOW + TRANSFER)

    rig.scorer.while_judging = expose_again
    rig.turn()
    rig.turn()
    assert rig.verdicts() == [unknown(Reason.FRAME_MISMATCH)]
    assert rig.held == set()


def test_second_frame_at_the_last_moment_counts(rig: Rig) -> None:
    """A frame that arrives just when the loop looks at the clock is taken in before the window is closed."""
    rig.trigger()
    rig.expose(GOOD)
    rig.turn()
    rig.clock.advance(WINDOW + TRANSFER)

    def expose_again() -> None:
        rig.clock.before_reading = lambda: None
        rig.expose(GOOD, ago=WINDOW + TRANSFER - 0.01)

    rig.clock.before_reading = expose_again
    rig.turn()
    assert rig.verdicts() == [unknown(Reason.FRAME_MISMATCH)]


def test_frame_is_given_back_as_soon_as_it_is_scored(rig: Rig) -> None:
    """Its slot serves the next exposure while the window is still open."""
    rig.trigger(seen_after=0.0)
    rig.expose(GOOD)
    rig.turn()
    assert rig.scorer.judged == 1
    assert rig.held == set()
    assert rig.published == []


def test_part_that_came_while_another_was_scored_is_judged(rig: Rig) -> None:
    """A part whose whole window passed during a long inference still gets its own score."""
    rig.trigger()
    rig.expose(GOOD)

    def next_part() -> None:
        rig.scorer.while_judging = lambda: None
        rig.clock.advance(0.1)
        rig.trigger()
        rig.expose(DEFECTIVE)
        rig.clock.advance(WINDOW + TRANSFER)

    rig.scorer.while_judging = next_part
    rig.turn()
    rig.turn()
    assert [result.verdict for result in rig.published] == [Verdict.ACCEPT, Verdict.REJECT]
    assert rig.held == set()


def test_unreadable_image_is_unfit_and_the_line_goes_on(rig: Rig) -> None:
    """UNKNOWN/33 with the reason as the camera gave it; the engine is not asked; the next part is judged."""
    part = rig.trigger()
    rig.expose(problem="a.png: not an image")
    rig.close_windows()
    assert rig.verdicts() == [unknown(Reason.FRAME_UNFIT)]
    assert one_row(rig, part.part_id)["detail"] == "a.png: not an image"
    assert rig.scorer.judged == 0
    rig.trigger()
    rig.expose(GOOD)
    rig.close_windows()
    assert rig.verdicts()[1:] == [ACCEPT]


def test_frame_that_fails_its_fitness_checks_is_unknown(rig: Rig) -> None:
    """What preparation finds unfit is UNKNOWN/33, with measure and limit in the record."""
    rig.scorer.unfit = ("too dark: mean 3, expected at least 40",)
    part = rig.trigger()
    rig.expose(GOOD)
    rig.close_windows()
    assert rig.verdicts() == [unknown(Reason.FRAME_UNFIT)]
    assert "too dark" in str(one_row(rig, part.part_id)["detail"])


def test_frame_without_an_exposure_stamp_reports_only(rig: Rig) -> None:
    """A source without stamps never accepts, its score is recorded, and that is no fault of the line."""
    for _ in range(MISMATCH_BUDGET + 1):
        rig.trigger()
        rig.expose(GOOD, stamped=False)
        rig.close_windows()
    assert set(rig.verdicts()) == {unknown(Reason.FRAME_MISMATCH)}
    assert {row["score"] for row in rig.recorder.rows} == {GOOD}
    assert rig.faults.current() is FaultCode.NONE


def test_repeated_mismatch_latches_a_fault(rig: Rig) -> None:
    """As often in a row as the budget allows; then nothing is accepted until ClearFault."""
    for _ in range(MISMATCH_BUDGET):
        assert rig.faults.current() is FaultCode.NONE
        rig.trigger()
        rig.close_windows()
    assert rig.faults.current() is FaultCode.FRAME_MISMATCH
    rig.trigger()
    rig.expose(GOOD)
    rig.close_windows()
    assert rig.verdicts()[-1] == unknown(Reason.OFFLINE)
    rig.host.on_events([FaultCleared()])
    rig.trigger()
    rig.expose(GOOD)
    rig.close_windows()
    assert rig.verdicts()[-1] == ACCEPT


# --- the engine late, failing, crashing ------------------------------------------------------------------


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


def wait_for(condition: Callable[[], bool], timeout_s: float = 20.0) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "it did not come to that"
        time.sleep(0.005)


# --- faults, shadow, restart -----------------------------------------------------------------------------


def test_nothing_is_accepted_while_a_fault_stands(rig: Rig) -> None:
    """A fault of the link counts like one of the agent."""
    rig.link_fault = FaultCode.PLC_LOST
    rig.trigger()
    rig.expose(GOOD)
    rig.close_windows()
    assert rig.verdicts() == [unknown(Reason.OFFLINE)]


def test_shadow_mode_judges_and_accepts_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Good parts are UNKNOWN/43, defective ones REJECT; and the line is not asked to stop for it."""
    rig = make_rig(monkeypatch, shadow=True, stop_after=2)
    for score in (GOOD, DEFECTIVE, GOOD):
        rig.trigger()
        rig.expose(score)
        rig.close_windows()
    assert rig.verdicts() == [
        unknown(Reason.SHADOW),
        (Verdict.REJECT, Reason.OVER_THRESHOLD),
        unknown(Reason.SHADOW),
    ]
    assert rig.host.on_cycle(rig.clock.now).shadow
    assert rig.faults.current() is FaultCode.NONE


def test_restart_of_the_plc_drops_parts_and_frames_of_before(rig: Rig) -> None:
    """Parts in flight are UNKNOWN/40; a frame exposed before counts for nobody, whenever it arrives."""
    part = rig.trigger()
    rig.expose(GOOD)
    rig.turn()
    restarted_at = rig.clock.advance(0.005)
    rig.host.on_events([EpochChanged(EPOCH, EPOCH + 1, restarted_at)])
    assert rig.verdicts() == [unknown(Reason.RESTARTED)]
    rig.trigger(seen_after=0.02)
    rig.expose(GOOD, ago=0.01)
    rig.close_windows()
    assert rig.verdicts() == [unknown(Reason.RESTARTED), unknown(Reason.FRAME_MISMATCH)]
    one_row(rig, part.part_id)


def test_restart_of_the_plc_drops_a_frame_that_waits(rig: Rig) -> None:
    """A frame that came before its trigger is dropped with the rest."""
    rig.expose(GOOD)
    rig.turn()
    rig.host.on_events([EpochChanged(EPOCH, EPOCH + 1, rig.clock.now + 0.001)])
    rig.trigger(seen_after=0.01)
    rig.close_windows()
    assert rig.verdicts() == [unknown(Reason.FRAME_MISMATCH)]
    assert rig.held == set()


def test_restart_while_a_frame_is_scored(rig: Rig) -> None:
    """The engine's late word on a part of the old epoch changes nothing."""
    part = rig.trigger()
    rig.expose(GOOD)
    rig.scorer.while_judging = lambda: rig.host.on_events([EpochChanged(EPOCH, 0, rig.clock.now)])
    rig.close_windows()
    assert rig.verdicts() == [unknown(Reason.RESTARTED)]
    one_row(rig, part.part_id)


def test_end_gives_every_frame_back(rig: Rig) -> None:
    """Frames waiting, in a window, and not yet taken in: none keeps its slot when the loop ends."""
    rig.expose(GOOD)
    rig.turn()
    rig.trigger(seen_after=0.0)
    rig.clock.advance(0.01)
    rig.expose(problem="no image")
    rig.turn()
    rig.expose(GOOD)
    rig.line.stop()
    rig.line.run()
    assert rig.held == set()
