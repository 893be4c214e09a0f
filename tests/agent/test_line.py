"""The line loop: one part, one frame, one score, one verdict, and every frame given back."""

import pytest
from agent_rig import ACCEPT, TRANSFER, WINDOW, Rig, make_rig, one_row, unknown
from stand_ins import DEFECTIVE, EPOCH, GOOD, THRESHOLD, StandInScorer

from inspectd.inference.manifest import Limits
from inspectd.io.plc import FaultCode, Reason, Verdict
from inspectd.io.plc_events import EpochChanged


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


def test_part_is_judged_by_the_limits_of_the_scorer_that_judged_it(rig: Rig) -> None:
    """Another scorer that takes its place meanwhile has no say."""
    rig.scorer.limits = Limits(threshold=GOOD / 2, low_limit=0.1)
    rig.trigger(seen_after=0.0)
    rig.expose(GOOD)
    rig.turn()
    other = StandInScorer(rig.scorer.class_name)
    assert other.limits.threshold == THRESHOLD > GOOD
    rig.classes.put_in_force(1, other)
    rig.close_windows()
    assert rig.verdicts() == [(Verdict.REJECT, Reason.OVER_THRESHOLD)]


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
