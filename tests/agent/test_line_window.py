"""A part waits for the camera's word that it saw the whole window, and is not accepted without."""

import threading
import time
from collections.abc import Callable

import pytest
from stand_ins import (
    DEADLINE,
    DEFECTIVE,
    GOOD,
    THRESHOLD,
    TRANSFER,
    WINDOW,
    Rig,
    StandInScorer,
    make_rig,
)

from inspectd.agent.supervision import MISMATCH_BUDGET
from inspectd.agent.times import PartTimes
from inspectd.inference.manifest import Limits
from inspectd.io.plc import FaultCode, Reason, Verdict
from inspectd.io.plc_events import DropInFlight

ACCEPT = (Verdict.ACCEPT, Reason.NONE)
MISMATCH = (Verdict.UNKNOWN, Reason.FRAME_MISMATCH)
LOST = (Verdict.UNKNOWN, Reason.CAMERA_LOST)
LATE = (Verdict.UNKNOWN, Reason.VERDICT_LATE)


@pytest.fixture
def rig(monkeypatch: pytest.MonkeyPatch) -> Rig:
    return make_rig(monkeypatch)


# --- the camera's word -----------------------------------------------------------------------------------


def test_stray_exposure_of_a_camera_that_is_held_up_is_not_judged(rig: Rig) -> None:
    """The part's own frame comes long after the window was closed by the clock, and still counts."""
    rig.trigger()
    rig.expose(GOOD)
    rig.camera.hold_up()
    rig.close_windows()
    assert rig.verdicts() == []
    rig.expose(DEFECTIVE, ago=WINDOW + TRANSFER)
    rig.camera.held_up_since = None
    rig.turn()
    assert rig.verdicts() == [MISMATCH]
    assert rig.held == set()


def test_part_is_concluded_as_soon_as_the_camera_was_heard_from(rig: Rig) -> None:
    """It had no more frames: the one that came is the part's own."""
    rig.trigger()
    rig.expose(GOOD)
    rig.camera.hold_up()
    rig.close_windows()
    rig.camera.held_up_since = None
    rig.turn()
    assert rig.verdicts() == [ACCEPT]


def test_frame_from_past_the_window_is_a_word_too(rig: Rig) -> None:
    """A source that is seldom without a frame need not be asked: it hands over in the order of exposure."""
    rig.trigger()
    rig.expose(GOOD)
    rig.camera.hold_up()
    rig.clock.advance(WINDOW + TRANSFER)
    rig.turn()
    assert rig.verdicts() == []
    rig.expose(GOOD)
    rig.turn()
    assert rig.verdicts() == [ACCEPT]


def test_camera_s_word_covers_what_is_in_the_inbox(rig: Rig) -> None:
    """A frame handed over just before the camera speaks is taken in before a part is concluded by that."""
    rig.trigger()
    rig.expose(GOOD)
    rig.camera.hold_up()
    rig.close_windows()
    status = rig.camera.status

    def hand_over_and_speak() -> object:
        rig.camera.status = status
        rig.expose(GOOD, ago=WINDOW + TRANSFER)
        rig.camera.held_up_since = None
        return status()

    rig.camera.status = hand_over_and_speak  # pyright: ignore[reportAttributeAccessIssue]
    rig.turn()
    assert rig.verdicts() == [MISMATCH]


def test_silent_camera_s_part_ends_at_its_deadline_and_is_let_go(rig: Rig) -> None:
    """UNKNOWN/21 from the PLC's thread; the line keeps neither the part nor its frame."""
    part = rig.trigger()
    rig.expose(GOOD)
    rig.expose(GOOD)
    rig.camera.hold_up()
    rig.close_windows()
    rig.host.on_cycle(rig.clock.advance(DEADLINE))
    rig.turn()
    assert rig.verdicts() == [LATE]
    assert rig.held == set()
    assert line_holds(rig) == 0
    assert len(rig.rows_of(part.part_id)) == 1


def test_part_past_its_deadline_is_let_go_without_the_plc_thread(rig: Rig) -> None:
    """A PLC thread that hangs does not let parts pile up."""
    rig.trigger()
    rig.expose(GOOD)
    rig.camera.hold_up()
    rig.turn(DEADLINE + 0.001)
    assert line_holds(rig) == 0
    assert rig.published == []
    rig.host.on_cycle(rig.clock.now)
    assert rig.verdicts() == [LATE]


def test_part_that_has_its_verdict_already_waits_for_no_word(rig: Rig) -> None:
    """Dropped with the PLC's restart, it is let go when its window closes."""
    rig.trigger()
    rig.expose(GOOD)
    rig.camera.hold_up()
    rig.host.on_events([DropInFlight(Reason.RESTARTED)])
    rig.close_windows()
    assert line_holds(rig) == 0
    assert rig.held == set()


def line_holds(rig: Rig) -> int:
    return len(rig.line._pairing.open_candidates())  # pyright: ignore[reportPrivateUsage]  no other way in


def test_camera_is_asked_to_look_when_a_window_closes(rig: Rig) -> None:
    """Once for each part, so that its word comes without delay."""
    event = rig.trigger()
    rig.turn()
    rig.turn()
    assert rig.camera.looks == [pytest.approx(event.window_start + WINDOW + TRANSFER)]


def test_free_running_part_waits_for_no_word(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its window is its exposure; there is nothing more to hear, and the camera is not asked."""
    rig = make_rig(monkeypatch, free_running=True)
    rig.camera.hold_up()
    rig.expose(GOOD)
    rig.turn()
    rig.turn(TRANSFER)
    assert len(rig.published) == 1
    assert rig.camera.looks == []


def test_wait_for_the_camera_is_neither_busy_nor_long(monkeypatch: pytest.MonkeyPatch) -> None:
    """The line looks again about every millisecond."""
    rig = make_rig(monkeypatch, times=PartTimes(WINDOW, 0.0, deadline=60.0))
    monkeypatch.setattr(rig.clock, "monotonic", time.monotonic)
    turns: list[float] = []
    turn = rig.line._turn  # pyright: ignore[reportPrivateUsage]
    monkeypatch.setattr(rig.line, "_turn", lambda: [turns.append(time.monotonic()), turn()])
    rig.clock.now = time.monotonic()
    rig.trigger()
    rig.expose(GOOD)
    rig.camera.hold_up()
    loop = threading.Thread(target=rig.line.run)
    loop.start()
    try:
        time.sleep(WINDOW + TRANSFER + 0.02)
        turns.clear()
        time.sleep(0.2)
        assert rig.published == []
        assert 20 < len(turns) < 250
        rig.camera.held_up_since = None
        wait_for(lambda: bool(rig.published))
    finally:
        rig.line.stop()
        loop.join(5)
    assert rig.verdicts() == [ACCEPT]


def wait_for(condition: Callable[[], bool], timeout_s: float = 20.0) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "it did not come to that"
        time.sleep(0.005)


# --- a camera that ends ----------------------------------------------------------------------------------


@pytest.mark.parametrize("back", [False, True])
def test_camera_that_ends_in_the_window_makes_its_part_unknown(rig: Rig, back: bool) -> None:  # noqa: FBT001
    """UNKNOWN/31 though a frame came, and though it is open again: another may have been lost with it."""
    rig.trigger()
    rig.expose(GOOD)
    rig.turn(0.001)
    rig.camera.restart() if back else rig.camera.die()
    rig.close_windows()
    assert rig.verdicts() == [LOST]
    assert rig.held == set()


def test_part_of_a_camera_that_was_opened_before_is_accepted(rig: Rig) -> None:
    """A restart spoils only what it touches."""
    rig.camera.restart()
    rig.clock.advance(0.03)
    rig.trigger(seen_after=0.02)
    rig.expose(GOOD)
    rig.close_windows()
    assert rig.verdicts() == [ACCEPT]


# --- losses ----------------------------------------------------------------------------------------------


def test_part_that_a_loss_touches_is_not_judged_by_a_stray_exposure(rig: Rig) -> None:
    """Its own may be the lost one: UNKNOWN/32; the next part is accepted."""
    event = rig.trigger()
    rig.clock.advance(0.01)
    rig.expose(GOOD, unseen_since=event.window_start - 1.0)
    rig.close_windows()
    rig.trigger()
    rig.expose(GOOD)
    rig.close_windows()
    assert rig.verdicts() == [MISMATCH, ACCEPT]


def test_loss_is_known_though_its_frame_is_void(rig: Rig) -> None:
    """A frame from before the PLC's restart is nobody's; what it says of losses still holds."""
    restarted_at = rig.clock.now
    rig.line.void(restarted_at + 0.02)
    rig.clock.advance(0.01)
    rig.expose(GOOD, unseen_since=restarted_at - 1.0)
    rig.turn()
    rig.clock.advance(0.015)
    rig.trigger(seen_after=0.02)
    rig.expose(GOOD)
    rig.close_windows()
    assert rig.verdicts() == [MISMATCH]


def test_exposure_from_before_the_plc_s_restart_counts_in_a_window(rig: Rig) -> None:
    """It cannot be the part's frame, and makes another one in the window ambiguous."""
    rig.expose(GOOD)
    rig.line.void(rig.clock.now + 0.001)
    rig.clock.advance(0.01)
    rig.trigger(seen_after=0.02)
    rig.expose(GOOD)
    rig.close_windows()
    assert rig.verdicts() == [MISMATCH]
    assert rig.held == set()


def test_lost_frame_with_a_stamp_makes_its_part_unfit(rig: Rig) -> None:
    """Together with a stray exposure it makes two."""
    rig.trigger()
    rig.expose(problem="no free slot")
    rig.close_windows()
    rig.clock.advance(1.0)
    rig.trigger()
    rig.expose(problem="no free slot")
    rig.expose(GOOD)
    rig.close_windows()
    assert rig.verdicts() == [(Verdict.UNKNOWN, Reason.FRAME_UNFIT), MISMATCH]


def test_losses_in_a_row_latch_the_fault_of_mismatches(rig: Rig) -> None:
    """A camera that keeps losing frames needs someone to look at it."""
    for _ in range(MISMATCH_BUDGET):
        assert rig.faults.current() is FaultCode.NONE
        rig.clock.advance(1.0)
        rig.trigger()
        rig.expose(GOOD, unseen_since=rig.clock.now - 0.5)
        rig.close_windows()
    assert rig.faults.current() is FaultCode.FRAME_MISMATCH


def test_parts_closer_than_their_windows_are_not_judged_by_what_they_share(rig: Rig) -> None:
    """The first is concluded; the second one's window holds its exposure, and the second's own was lost."""
    rig.trigger(seen_after=0.02)
    rig.clock.advance(0.025)
    rig.expose(GOOD)
    rig.close_windows()
    assert rig.verdicts() == [ACCEPT]
    rig.trigger(seen_after=WINDOW + TRANSFER + 0.003)
    rig.close_windows()
    assert rig.verdicts()[1:] == [MISMATCH]


# --- errors, limits --------------------------------------------------------------------------------------


@pytest.mark.parametrize("fails_at", ["check", "offer"])
def test_error_at_one_item_costs_no_other(fails_at: str, rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """The frame at which it happens is given back and counts as exposed; all else is taken in."""
    owner: object = (
        rig.line._freeze if fails_at == "check" else rig.line._pairing  # pyright: ignore[reportPrivateUsage]
    )
    rightly = getattr(owner, fails_at)

    def fail_once(frame: object) -> None:
        monkeypatch.setattr(owner, fails_at, rightly)
        del frame
        raise MemoryError("no memory")

    monkeypatch.setattr(owner, fails_at, fail_once)
    first = rig.trigger()
    rig.expose(DEFECTIVE)  # its own, which is lost to the error
    rig.expose(GOOD)
    rig.clock.advance(0.1)
    second = rig.trigger()
    rig.expose(GOOD)
    rig.close_windows()
    verdicts = {result.part_id: (result.verdict, result.reason) for result in rig.published}
    assert verdicts == {first.part_id: MISMATCH, second.part_id: ACCEPT}
    assert rig.held == set()
    assert rig.line.errors == 1


def test_part_is_judged_by_the_limits_of_the_scorer_that_judged_it(rig: Rig) -> None:
    """Another scorer that takes its place meanwhile has no say."""
    rig.scorer.limits = Limits(threshold=GOOD / 2, low_limit=0.1)
    rig.trigger(seen_after=0.0)
    rig.expose(GOOD)
    rig.turn()
    other = StandInScorer(rig.scorer.class_name)
    assert other.limits.threshold == THRESHOLD > GOOD
    rig.scorers[1] = other
    rig.close_windows()
    assert rig.verdicts() == [(Verdict.REJECT, Reason.OVER_THRESHOLD)]
