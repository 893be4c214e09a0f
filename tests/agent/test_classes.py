"""Another version is put in force while parts are in flight: each part keeps what it was triggered with."""

import numpy as np
import pytest
from agent_rig import ACCEPT, DEADLINE, Rig, make_rig, unknown
from stand_ins import DEFECTIVE, EPOCH, GOOD, THRESHOLD, HeardLog, StandInScorer

from inspectd.agent import condition
from inspectd.agent.freeze import FROZEN
from inspectd.inference.manifest import Limits
from inspectd.io.plc import Reason, Verdict


def put_new(rig: Rig, version: str = "new", threshold: float = THRESHOLD) -> StandInScorer:
    """Put another version of recipe 1 in force."""
    scorer = StandInScorer("class 1")
    scorer.bundle_id, scorer.decision_id = f"bundle {version}", f"decision {version}"
    scorer.limits_key = f"float32/{version}/float32"
    scorer.limits = Limits(threshold=threshold, low_limit=threshold / 10)
    rig.classes.put_in_force(1, scorer)
    return scorer


def test_parts_in_flight_end_with_what_they_were_triggered_with(rig: Rig) -> None:
    """Three parts before the change, one of them exposed after it, and two after: each by its own version."""
    old = rig.scorer
    before = [rig.trigger(seen_after=0.0).part_id]
    rig.expose(GOOD)
    rig.turn(0.061)
    before += [rig.trigger(seen_after=0.0).part_id]
    rig.expose(DEFECTIVE)
    before += [rig.trigger(seen_after=-0.001).part_id]
    new = put_new(rig, threshold=THRESHOLD * 5)
    rig.turn(0.055)
    rig.expose(GOOD, ago=0.005)
    rig.clock.advance(0.1)
    after = [rig.trigger(seen_after=0.0).part_id]
    rig.expose(DEFECTIVE)
    rig.close_windows()
    rows = {row["part"]: row for row in rig.recorder.rows}
    named = {part: (row["bundle"], row["decision"]) for part, row in rows.items()}
    assert named == dict.fromkeys(before, (old.bundle_id, old.decision_id)) | dict.fromkeys(
        after, (new.bundle_id, new.decision_id)
    )
    verdicts = {part: row["verdict"] for part, row in rows.items()}
    assert verdicts == dict(zip(before + after, ["ACCEPT", "REJECT", "ACCEPT", "ACCEPT"], strict=True))
    assert {part: row["engine"] for part, row in rows.items()} == {
        **dict.fromkeys(before, "float32/stand-in/float32"),
        **dict.fromkeys(after, "float32/new/float32"),
    }
    assert (old.judged, new.judged) == (3, 1)


def test_limits_of_the_trigger_count_at_the_verdict(rig: Rig) -> None:
    """A threshold lowered after the trigger and before the frame is the next part's."""
    rig.trigger()
    put_new(rig, threshold=GOOD / 2)
    rig.expose(GOOD)
    rig.close_windows()
    rig.trigger()
    rig.expose(GOOD)
    rig.close_windows()
    assert rig.verdicts() == [ACCEPT, (Verdict.REJECT, Reason.OVER_THRESHOLD)]


def test_a_part_without_a_frame_keeps_its_class(rig: Rig) -> None:
    """What has no score has its row all the same, and no engine in it."""
    part = rig.trigger()
    put_new(rig)
    rig.close_windows()
    (row,) = rig.rows_of(part.part_id)
    assert row["bundle"] == "bundle of class 1"
    assert "engine" not in row


def test_a_frame_without_a_score_names_no_engine(rig: Rig) -> None:
    """Whoever takes limits from the record finds each engine beside scores alone."""
    rig.scorer.unfit = ("too dark",)
    part = rig.trigger()
    rig.expose(GOOD)
    rig.close_windows()
    (row,) = rig.rows_of(part.part_id)
    assert "engine" not in row


def test_free_running_parts_keep_what_they_were_exposed_with(monkeypatch: pytest.MonkeyPatch) -> None:
    """There the frame is the trigger."""
    rig = make_rig(monkeypatch, free_running=True)
    rig.plc_now = (EPOCH, 1)
    rig.expose(GOOD)
    put_new(rig)
    rig.expose(GOOD)
    rig.close_windows()
    assert [row["bundle"] for row in rig.recorder.rows] == ["bundle of class 1", "bundle new"]


def test_a_frozen_camera_shows_across_the_change(rig: Rig) -> None:
    """The new scorer has no frame before; that the picture is the old one is noticed before any scorer."""
    rig.trigger()
    pixels = np.array(rig.expose(GOOD).pixels, np.uint8)
    rig.close_windows()
    put_new(rig)
    rig.trigger()
    rig.expose(pixels=pixels)
    rig.close_windows()
    assert rig.verdicts() == [ACCEPT, unknown(Reason.FRAME_UNFIT)]
    assert rig.recorder.rows[-1]["detail"] == FROZEN


# --- the old scorer --------------------------------------------------------------------------------------


def test_the_old_scorer_is_closed_once_no_part_needs_it(rig: Rig) -> None:
    """Not before the last part that holds it has its verdict, and then by whoever may take the time."""
    old = rig.scorer
    rig.trigger()
    put_new(rig)
    rig.turn()
    rig.classes.close_unneeded()
    assert not old.closed
    rig.expose(GOOD)
    rig.close_windows()
    assert not old.closed, "the inspection thread closes nothing"
    rig.classes.close_unneeded()
    assert old.closed
    assert rig.verdicts() == [ACCEPT]


def test_the_old_scorer_is_not_closed_while_it_judges(rig: Rig) -> None:
    """The part expires in the ledger meanwhile: still only the inspection thread gives the scorer up."""
    old = rig.scorer
    rig.trigger()
    rig.expose(GOOD)

    def expire_and_look() -> None:
        rig.host.on_cycle(rig.clock.advance(DEADLINE + 0.001))
        rig.classes.close_unneeded()
        assert not old.closed

    old.while_judging = expire_and_look
    put_new(rig)
    rig.close_windows()
    assert rig.verdicts() == [unknown(Reason.VERDICT_LATE)]
    rig.classes.close_unneeded()
    assert old.closed


def test_parts_that_expire_hold_nothing(rig: Rig) -> None:
    """An engine is not kept for a part that has its UNKNOWN already; one in force is never given up."""
    old = rig.scorer
    rig.trigger()
    new = put_new(rig)
    rig.host.on_cycle(rig.clock.advance(DEADLINE + 0.001))
    rig.turn()
    rig.classes.close_unneeded()
    assert (old.closed, new.closed) == (True, False)


def test_two_changes_while_a_part_is_in_flight(rig: Rig) -> None:
    """The one in between goes at once, the part's own stays."""
    first = rig.scorer
    rig.trigger()
    second = put_new(rig, "second")
    third = put_new(rig, "third")
    rig.turn()
    rig.classes.close_unneeded()
    assert (first.closed, second.closed, third.closed) == (False, True, False)
    rig.expose(GOOD)
    rig.close_windows()
    assert rig.verdicts() == [ACCEPT]


# --- Degraded --------------------------------------------------------------------------------------------


def test_a_provisional_decision_shows_degraded(rig: Rig) -> None:
    """Until a complete one is in force; parts are judged as ever."""
    provisional = put_new(rig, "provisional")
    assert not rig.host.on_cycle(rig.clock.now).degraded
    provisional.provisional = "80 parts support no rate under 3.7 %"
    rig.classes.put_in_force(1, provisional)
    state = rig.host.on_cycle(rig.clock.now)
    assert (state.degraded, state.stop_line) == (True, False)
    rig.trigger()
    rig.expose(GOOD)
    rig.close_windows()
    assert rig.verdicts() == [ACCEPT]
    put_new(rig, "complete")
    assert not rig.host.on_cycle(rig.clock.now).degraded


def test_a_refused_version_shows_degraded(rig: Rig) -> None:
    """Until it, or another, is in force."""
    rig.classes.refuse(1, "its golden frames score otherwise")
    assert rig.host.on_cycle(rig.clock.now).degraded
    rig.classes.refuse(1, "")
    assert not rig.host.on_cycle(rig.clock.now).degraded


def test_why_is_logged_once(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """One line when the station becomes Degraded, one when it is so no more, none in between."""
    heard = HeardLog()
    monkeypatch.setattr(condition, "log", heard)
    rig.classes.refuse(1, "broken")
    for _ in range(3):
        rig.host.on_cycle(rig.clock.now)
    rig.classes.refuse(1, "")
    for _ in range(3):
        rig.host.on_cycle(rig.clock.now)
    assert heard.told == [("degraded", "('broken',)"), ("degraded_no_more", "")]
