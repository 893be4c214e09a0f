"""No part is accepted whose own frame may be lost: the camera ended, told of a loss, or an error took it."""

import pytest
from agent_rig import ACCEPT, MISMATCH, TRANSFER, WINDOW, Rig
from stand_ins import DEFECTIVE, GOOD

from inspectd.agent.supervision import MISMATCH_BUDGET
from inspectd.io.plc import FaultCode, Reason, Verdict

LOST = (Verdict.UNKNOWN, Reason.CAMERA_LOST)


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


# --- errors ----------------------------------------------------------------------------------------------


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
