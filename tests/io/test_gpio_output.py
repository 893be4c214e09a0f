"""The accept pulse with its own process, on a fake chip: whoever stops or dies, none is late or double."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from output_bench import RUNNING, FakeChip, verdict_on, wait_for

from inspectd.io.gpio_output import GpioOutput
from inspectd.io.output_process import OutputProcess
from inspectd.io.output_settings import GpioSettings
from inspectd.io.plc_codes import Verdict

WINDOW_S = 20.0
SHORT_S = 1.0
Started = Callable[..., GpioOutput]


@pytest.fixture
def chip(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeChip:
    chip = FakeChip(tmp_path / "line")
    chip.use(monkeypatch)
    # On a busy computer a process that is asked may answer late, and is no worse for it here.
    monkeypatch.setattr("inspectd.io.gpio_output.REPORT_S", WINDOW_S)
    return chip


@pytest.fixture
def started(chip: FakeChip) -> Iterator[Started]:
    outputs: list[GpioOutput] = []

    def start(**changes: object) -> GpioOutput:
        settings = {"kind": "gpio", "line": 17, "window_to_ms": 1000 * WINDOW_S} | changes
        output = GpioOutput(GpioSettings.model_validate(settings))
        outputs.append(output)
        output.start()
        return output

    yield start
    for output in outputs:
        output.stop()
    assert [edge.level for edge in chip.edges()][-1:] in ([0], [])


def ready(output: GpioOutput) -> GpioOutput:
    wait_for(lambda: output.status().healthy)
    return output


def test_one_pulse_for_each_accepted_part_and_for_no_other(started: Started, chip: FakeChip) -> None:
    """Not for a rejected, an unknown or an unacknowledged one; the line is inactive but for the pulses."""
    output = ready(started())
    for part, verdict in enumerate([Verdict.ACCEPT, Verdict.REJECT, Verdict.UNKNOWN, Verdict.ACCEPT], 1):
        output.verdict(verdict_on(part, verdict))
        output.state(RUNNING)
    unacknowledged = verdict_on(9)
    object.__setattr__(unacknowledged, "accepted", None)
    output.verdict(unacknowledged)
    wait_for(lambda: output.given == 2)
    output.stop()
    levels = [edge.level for edge in chip.edges()]
    assert levels == [0, 1, 0, 1, 0]
    edges = chip.edges()
    assert edges[2].at - edges[1].at >= 0.009
    assert output.missed == 0


def test_pulse_waits_for_its_window(started: Started, chip: FakeChip) -> None:
    """It comes no earlier than the PLC expects it, and a part ordered later but due earlier goes first."""
    output = ready(started(window_from_ms=200.0))
    late, early = verdict_on(1), verdict_on(2, age_s=0.1)
    output.verdict(late)
    output.verdict(early)
    wait_for(lambda: output.given == 2)
    assert late.accepted
    assert early.accepted
    first, second = chip.pulses()
    assert early.accepted.issued_before + 0.2 <= first <= early.accepted.issued_after + WINDOW_S
    assert late.accepted.issued_before + 0.2 <= second <= late.accepted.issued_after + WINDOW_S


def test_active_low_pulse_is_a_low_level(started: Started, chip: FakeChip) -> None:
    """From the request on the line is high, and low for the pulse alone."""
    output = ready(started(active_low=True))
    output.verdict(verdict_on(1))
    wait_for(lambda: output.given == 1)
    assert [edge.level for edge in chip.edges()] == [1, 0, 1]
    output.stop()
    chip.path.unlink()  # the fixture looks for a line that rests low


def test_order_past_its_window_gives_no_pulse(started: Started, chip: FakeChip) -> None:
    """An agent that was stopped between verdict and order comes too late, and nothing is given."""
    output = ready(started())
    output.verdict(verdict_on(1, age_s=WINDOW_S))
    wait_for(lambda: output.missed == 1)
    assert chip.pulses() == []


def test_stopped_before_the_edge_gives_none_when_continued(
    started: Started, chip: FakeChip, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The worst moment: the clock has been read, the edge is not out. Past the window it never comes."""
    monkeypatch.setenv("FAKE_GPIO_STOP", "before-edge")
    output = ready(started(window_to_ms=1000 * SHORT_S))
    output.verdict(verdict_on(1))
    wait_for(chip.stopped_pid)
    pid = chip.stopped_pid()
    assert pid is not None
    time.sleep(SHORT_S)
    assert chip.pulses() == []
    os.kill(pid, signal.SIGCONT)
    wait_for(lambda: output.missed == 1)
    wait_for(lambda: output.status().healthy and output.pid != pid)
    output.verdict(verdict_on(2))
    wait_for(lambda: output.given == 1)
    assert len(chip.pulses()) == 1, "the late pulse of part 1 is out"


def test_stopped_before_the_edge_and_continued_in_time_gives_one(
    started: Started, chip: FakeChip, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Within the window it is not late, and it is one."""
    monkeypatch.setenv("FAKE_GPIO_STOP", "before-edge")
    output = ready(started())
    output.verdict(verdict_on(1))
    wait_for(chip.stopped_pid)
    pid = chip.stopped_pid()
    assert pid is not None
    os.kill(pid, signal.SIGCONT)
    wait_for(lambda: output.given == 1)
    assert len(chip.pulses()) == 1
    assert output.late == 0


@pytest.mark.parametrize("moment", ["before-edge", "in-pulse"])
def test_stopped_process_is_replaced_and_the_line_made_inactive(
    moment: str, started: Started, chip: FakeChip, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A line that was active goes inactive with the new process, and the next part has its pulse."""
    monkeypatch.setenv("FAKE_GPIO_STOP", moment)
    monkeypatch.setattr("inspectd.io.gpio_output.REPORT_S", SHORT_S)
    output = ready(started())
    output.verdict(verdict_on(1))
    wait_for(chip.stopped_pid)
    wait_for(lambda: output.missed == 1)
    wait_for(lambda: output.status().healthy and output.pid != chip.stopped_pid())
    assert chip.edges()[-1].level == 0
    before = len(chip.pulses())
    assert before == (moment == "in-pulse")
    output.verdict(verdict_on(2))
    wait_for(lambda: output.given == 1)
    assert len(chip.pulses()) == before + 1


def test_killed_process_is_replaced(started: Started, chip: FakeChip) -> None:
    """Meanwhile there is a concern; then the next part has its pulse."""
    output = ready(started())
    pid = output.pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    wait_for(lambda: "SIGKILL" in output.status().concern)
    wait_for(lambda: output.status().healthy)
    assert output.pid != pid
    assert not output.status().concern
    output.verdict(verdict_on(1))
    wait_for(lambda: output.given == 1)
    assert len(chip.pulses()) == 1


def test_part_whose_order_meets_the_end_of_the_process_is_missed_once(
    started: Started, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The watching thread and the one that orders both see that there will be no pulse."""
    output = started()

    def send_as_it_ends(process: OutputProcess, _message: object) -> bool:
        process._on_end()  # pyright: ignore[reportPrivateUsage]  just between the order's note and its sending
        return False

    monkeypatch.setattr(OutputProcess, "send", send_as_it_ends)
    output.verdict(verdict_on(1))
    assert output.status().dropped == 1


def test_agent_killed_in_the_middle_of_a_pulse_leaves_no_level(chip: FakeChip) -> None:
    """The process that holds the line ends the pulse, and then itself."""
    code = (
        "import os, signal, sys, time\n"
        "from output_bench import FakeChip, Path, verdict_on, wait_for\n"
        "from inspectd.io.gpio_output import GpioOutput\n"
        "from inspectd.io.output_settings import GpioSettings\n"
        "chip = FakeChip(Path(os.environ['FAKE_GPIO']))\n"
        "output = GpioOutput(GpioSettings(kind='gpio', line=17, pulse_ms=100.0, window_to_ms=20_000.0))\n"
        "output.start()\n"
        "wait_for(lambda: output.status().healthy)\n"
        "print(output.pid, flush=True)\n"
        "output.verdict(verdict_on(1))\n"
        "wait_for(chip.pulses)\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    paths = f"{chip.environment['PYTHONPATH']}:{Path(__file__).parent}"
    agent = subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | {"PYTHONPATH": paths},
        stdout=subprocess.PIPE,
        text=True,
        timeout=60,
        check=False,
    )
    assert agent.returncode == -signal.SIGKILL
    holder = Path(f"/proc/{agent.stdout.split()[-1]}")
    wait_for(lambda: not holder.exists())
    edges = chip.edges()
    assert [edge.level for edge in edges] == [0, 1, 0]
    assert edges[2].at - edges[1].at >= 0.09


@pytest.mark.parametrize(("fails", "text"), [("request", "cannot be had"), ("set", "cannot be set")])
def test_chip_that_fails_is_a_concern_and_no_more(
    fails: str, text: str, started: Started, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The caller is not held up; the status names line, chip and what to look at."""
    monkeypatch.setenv("FAKE_GPIO_FAIL", fails)
    output = started()
    if fails == "set":
        ready(output)
    begun = time.monotonic()
    output.verdict(verdict_on(1))
    assert time.monotonic() - begun < 0.2
    wait_for(lambda: text in output.status().concern)
    assert "line 17 of /dev/gpiochip0" in output.status().concern
    wait_for(lambda: output.missed == 1)
