"""The rule of the accept pulse, against a line and a clock that the test holds."""

import signal
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest

from inspectd.io.gpio_pulse import ARMED_WITHIN_S, PulseOrder, Pulser, arm, disarm

PULSE_S = 0.01


class Line:
    """Notes each level with its moment, and lets time pass while the line is set."""

    def __init__(self) -> None:
        self.now = 100.0
        self.takes = 0.0
        self.set_at: list[tuple[float, bool]] = []

    def set(self, *, active: bool) -> None:
        self.now += self.takes if active else 0.0
        self.set_at.append((self.now, active))

    def sleep(self, seconds: float) -> None:
        self.now += seconds

    def rises(self) -> list[float]:
        return [at for at, active in self.set_at if active]


@pytest.fixture
def line() -> Line:
    return Line()


@pytest.fixture
def pulser(line: Line) -> Iterator[Pulser]:
    yield Pulser(line, PULSE_S, clock=lambda: line.now, sleep=line.sleep)
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0), "the alarm is left armed"


def never_fires(_at: float) -> None:
    """Stand in for the kernel's timer where the clock is the test's."""


def order(part: int, closes: float) -> PulseOrder:
    return PulseOrder(part, 0.0, closes)


def test_one_pulse_of_the_length_asked_for(
    line: Line, pulser: Pulser, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Active once, inactive again, and the report tells when."""
    monkeypatch.setattr("inspectd.io.gpio_pulse.arm", never_fires)
    report = pulser.give(order(1, 200.0))
    assert line.set_at == [(100.0, True), (pytest.approx(100.01), False)]
    assert (report.edge_at, report.late, report.why) == (100.0, False, "")


def test_second_order_for_a_part_is_refused(
    line: Line, pulser: Pulser, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A part has one pulse, whoever asks twice, and whatever became of the first."""
    monkeypatch.setattr("inspectd.io.gpio_pulse.arm", never_fires)
    pulser.give(order(1, 200.0))
    assert pulser.give(order(1, 200.0)).edge_at is None
    assert pulser.give(order(2, 50.0)).edge_at is None
    assert pulser.give(order(2, 200.0)).edge_at is None
    assert len(line.rises()) == 1


@pytest.mark.parametrize("closes", [99.0, 100.0, 100.0 + PULSE_S, 100.0 + PULSE_S + ARMED_WITHIN_S / 2])
def test_no_pulse_that_would_outlast_its_window(line: Line, pulser: Pulser, closes: float) -> None:
    """The falling edge must lie in the window too, and the alarm's own error before it."""
    report = pulser.give(order(1, closes))
    assert report.edge_at is None
    assert "too late" in report.why
    assert line.set_at == []


def test_two_pulses_are_two(line: Line, pulser: Pulser, monkeypatch: pytest.MonkeyPatch) -> None:
    """The line is inactive between them for as long as a pulse is."""
    monkeypatch.setattr("inspectd.io.gpio_pulse.arm", never_fires)
    pulser.give(order(1, 200.0))
    pulser.give(order(2, 200.0))
    first, second = line.rises()
    assert second - first >= 2 * PULSE_S - 1e-9


def test_wait_between_pulses_does_not_reach_past_the_window(
    line: Line, pulser: Pulser, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The clock is read after that wait, not before it."""
    monkeypatch.setattr("inspectd.io.gpio_pulse.arm", never_fires)
    pulser.give(order(1, 200.0))
    assert pulser.give(order(2, line.now + 1.5 * PULSE_S)).edge_at is None


def test_late_edge_is_told(line: Line, pulser: Pulser, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the driver itself took long the edge is out, and cannot be taken back: the report says so."""
    monkeypatch.setattr("inspectd.io.gpio_pulse.arm", never_fires)
    line.takes = 5.0
    report = pulser.give(order(1, 102.0))
    assert report.late
    assert report.edge_at == 105.0


def test_alarm_set_too_long_after_the_look_is_set_again(
    line: Line, pulser: Pulser, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process held up between clock and timer would have a timer that fires too late."""
    armed: list[float] = []

    def held_up(_at: float) -> None:
        armed.append(line.now)
        line.now += 0.5 if len(armed) == 1 else 0.0

    monkeypatch.setattr("inspectd.io.gpio_pulse.arm", held_up)
    assert pulser.give(order(1, 102.0)).edge_at == 100.5
    assert armed == [100.0, 100.5]


def test_alarm_kills_before_another_instruction_runs() -> None:
    """What the guard rests on: a process stopped past the moment never runs on when it is continued."""
    code = (
        "import os, signal, sys, time\n"
        "from inspectd.io.gpio_pulse import arm, die_of_alarms\n"
        "signal.signal(signal.SIGALRM, signal.SIG_IGN)\n"  # inherited by whatever started the agent
        "signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGALRM})\n"
        "die_of_alarms()\n"
        "arm(time.monotonic() + 0.05)\n"
        "os.kill(os.getpid(), signal.SIGSTOP)\n"
        "os.write(1, b'edge')\n"
    )
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)
    time.sleep(0.5)  # import, alarm and more
    while process.poll() is None:
        process.send_signal(signal.SIGCONT)
        time.sleep(0.05)
    output, _ = process.communicate()
    assert (process.returncode, output) == (-signal.SIGALRM, b"")


def test_disarmed_alarm_does_nothing() -> None:
    """An alarm left behind would end the process at the next pulse's pace."""
    arm(time.monotonic() + 0.02)
    disarm()
    time.sleep(0.05)
