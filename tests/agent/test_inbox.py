"""What waits for the inspection loop, while it hangs and when it is back."""

import pytest
from agent_rig import TRANSFER, WINDOW, make_rig
from stand_ins import GOOD

from inspectd.agent import inbox
from inspectd.io.plc import Reason, Verdict


def test_inbox_is_bounded_while_the_loop_hangs(monkeypatch: pytest.MonkeyPatch) -> None:
    """The oldest frames give way, and give their memory back."""
    monkeypatch.setattr(inbox, "MOST_WAITING", 8)
    rig = make_rig(monkeypatch)
    for _ in range(50):
        rig.expose(GOOD)
    assert len(rig.held) == 8


def test_part_whose_exposure_gave_way_is_not_judged_by_another(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two exposures lie in its window; the first was dropped, and the second does not stand for it."""
    monkeypatch.setattr(inbox, "MOST_WAITING", 2)
    rig = make_rig(monkeypatch)
    rig.trigger()
    rig.turn()
    rig.expose(GOOD, ago=0.001)
    for _ in range(2):
        rig.expose(GOOD, ago=0.5)
    rig.expose(GOOD)
    rig.turn(WINDOW + TRANSFER + 0.001)
    rig.turn()
    assert rig.verdicts() == [(Verdict.UNKNOWN, Reason.FRAME_MISMATCH)]
    assert rig.held <= {1, 2}


def test_what_gave_way_is_logged_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """With its number, when the loop is back; a loop that keeps up has nothing to tell."""
    told: list[tuple[str, int, int]] = []

    class Log:
        def error(self, event: str, *, dropped: int, in_all: int, **_why: str) -> None:
            told.append((event, dropped, in_all))

    monkeypatch.setattr(inbox, "MOST_WAITING", 8)
    monkeypatch.setattr(inbox, "log", Log())
    rig = make_rig(monkeypatch)
    for hung_for in (50, 8, 10, 0):
        for _ in range(hung_for):
            rig.expose(GOOD)
        rig.turn()
        rig.turn()
    assert told == [("inbox_overflowed", 42, 42), ("inbox_overflowed", 2, 44)]
    assert rig.line.inbox.dropped == 44
