"""What is shown of long work where there is no terminal: how much is done and the time left."""

import pytest

from inspectd.agent.cli import progress
from inspectd.agent.cli.progress import progress_bar


class Clock:
    """Stands in for the module `time`."""

    now = 0.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """Stand still until told."""
    clock = Clock()
    monkeypatch.setattr(progress, "time", clock)
    return clock


def test_time_left_is_told_now_and_then(clock: Clock, capsys: pytest.CaptureFixture[str]) -> None:
    """By how long it took until now; at the end at once."""
    with progress_bar("work") as advance:
        for done in range(1, 41):
            clock.now += 1.0
            advance(done, 40, "steps")
    told = capsys.readouterr().err.splitlines()
    assert told == [f"work {done}/40 steps, {40 - done} s left" for done in (10, 20, 30, 40)]


def test_each_stage_has_a_time_of_its_own(clock: Clock, capsys: pytest.CaptureFixture[str]) -> None:
    """A quick stage after a slow one is not said to take as long; nor where both have as much to do."""
    with progress_bar("work") as advance:
        for step_s, total in ((10.0, 3), (1.0, 50), (2.0, 50)):
            for done in range(1, total + 1):
                clock.now += step_s
                advance(done, total)
    told = [line.split(", ") for line in capsys.readouterr().err.splitlines()]
    assert told[0] == ["work 1/3 ", "20 s left"]
    assert ["work 10/50 ", "40 s left"] in told
    assert ["work 5/50 ", "90 s left"] in told
