"""The line loop with frames that are missing, too many, in the wrong place, or bad."""

from agent_rig import ACCEPT, TRANSFER, WINDOW, Rig, one_row, unknown
from stand_ins import DEFECTIVE, GOOD

from inspectd.agent.supervision import MISMATCH_BUDGET
from inspectd.io.plc import FaultCode, Reason, Verdict
from inspectd.io.plc_events import FaultCleared


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
