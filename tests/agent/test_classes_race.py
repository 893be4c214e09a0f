"""Another scorer is put in force in the midst of a part's opening, on another thread."""

import threading

import pytest
from agent_rig import ACCEPT, Rig
from stand_ins import GOOD, StandInScorer

from inspectd.agent.ledger import OpenPart

PATIENCE_S = 20.0


class WatchedLock:
    """A lock that tells when somebody has to wait for it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.news = threading.Event()

    def __enter__(self) -> None:
        if not self._lock.acquire(blocking=False):
            self.news.set()
            self._lock.acquire()

    def __exit__(self, *_: object) -> None:
        self._lock.release()


@pytest.mark.parametrize("change", ["put in force", "let go"])
def test_nobody_gives_a_scorer_up_while_a_part_is_being_opened(
    rig: Rig, monkeypatch: pytest.MonkeyPatch, change: str
) -> None:
    """Between the look at the scorer in force and the ledger, other threads wait that would change either."""
    lock, ended = WatchedLock(), threading.Event()
    monkeypatch.setattr(rig.classes, "opening", lock)
    if change == "let go":
        rig.classes.put_in_force(1, StandInScorer("class 1"))

    def another_thread() -> None:
        if change == "let go":
            rig.classes.let_go()
        else:
            rig.classes.put_in_force(1, StandInScorer("class 1"))
        ended.set()
        lock.news.set()

    other = threading.Thread(target=another_thread)
    enter, waited = rig.ledger.open, list[bool]()

    def open_meanwhile(part: OpenPart) -> list[OpenPart]:
        other.start()
        assert lock.news.wait(PATIENCE_S)
        waited.append(not ended.is_set())
        return enter(part)

    monkeypatch.setattr(rig.ledger, "open", open_meanwhile)
    rig.trigger()
    other.join(PATIENCE_S)
    assert ended.is_set(), "it waits for ever"
    assert waited == [True]


def test_a_part_opened_during_the_change_keeps_a_scorer_that_works(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The scorer is looked at, replaced, let go and closed before the ledger has the part: never that."""
    lock, old = WatchedLock(), rig.scorer
    monkeypatch.setattr(rig.classes, "opening", lock)

    def replace_and_free() -> None:
        rig.classes.put_in_force(1, StandInScorer("class 1"))
        rig.classes.let_go()
        rig.classes.close_unneeded()
        lock.news.set()

    other = threading.Thread(target=replace_and_free)
    enter = rig.ledger.open

    def open_meanwhile(part: OpenPart) -> list[OpenPart]:
        other.start()
        assert lock.news.wait(PATIENCE_S)
        return enter(part)

    with monkeypatch.context() as patched:
        patched.setattr(rig.ledger, "open", open_meanwhile)
        rig.trigger()
    other.join(PATIENCE_S)
    assert not old.closed
    rig.expose(GOOD)
    rig.close_windows()
    assert rig.verdicts() == [ACCEPT]
