"""A part waits for the camera's word that it saw the whole window, and no longer than its deadline."""

import threading
import time

import pytest
from agent_rig import ACCEPT, DEADLINE, MISMATCH, TRANSFER, WINDOW, Rig, make_rig, wait_for
from stand_ins import DEFECTIVE, GOOD

from inspectd.agent.times import PartTimes
from inspectd.io.plc import Reason, Verdict
from inspectd.io.plc_events import DropInFlight

LATE = (Verdict.UNKNOWN, Reason.VERDICT_LATE)


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
