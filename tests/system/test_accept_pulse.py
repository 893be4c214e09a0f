"""The accept pulse of a whole line: whatever stops, it is for an accepted part, one, and in time."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from ruamel.yaml import YAML

from inspectd.io.plc import Reason, Verdict
from tests.system.law import assert_lawful
from tests.system.line_options import LineOptions
from tests.system.line_rig import ROOT, LineRig

if TYPE_CHECKING:
    from inspectd.agent.record import Row

FAKE_GPIOD = ROOT / "tests" / "io" / "fake_gpiod"
RATE = 8.0
WINDOW_MS = 108.0
# From the photo-eye, which exposes the frame, to the scan that gives the id.
SCAN_S = 0.02


class PulseRig(LineRig):
    """A line whose station has an accept pulse, on a chip that is a file."""

    @property
    def chip(self) -> Path:
        """What the line did, see tests/io/fake_gpiod."""
        return self.folder / "chip"

    def write_config(self, name: str, wire_port: int) -> Path:
        """Write the configuration as ever, with one output more."""
        path = super().write_config(name, wire_port)
        config = YAML().load(path.read_text())
        config["outputs"] = [{"kind": "gpio", "line": 17, "pulse_ms": 5.0, "window_to_ms": WINDOW_MS}]
        with path.open("w") as file:
            YAML().dump(config, file)
        return path

    def _run_agent(self, log_name: str, *arguments: str) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "tests.system.agent_process", *arguments]
        environment = os.environ | {"PYTHONPATH": str(FAKE_GPIOD), "FAKE_GPIO": str(self.chip)}
        with (self.folder / log_name).open("wb") as log:
            return subprocess.Popen(command, stderr=log, cwd=ROOT, env=environment)

    def children(self) -> list[int]:
        """Process ids of all that the agent has started: its camera, and the one that holds the line."""
        return self.camera_pids()

    def levels(self) -> list[tuple[float, int]]:
        """Each change of the line's level with its moment (s, monotonic)."""
        words = (line.split() for line in self.chip.read_text().splitlines())
        return [(float(at), int(level)) for at, level, _ in words]


def wait_until_stopped(rig: LineRig) -> None:
    deadline = time.monotonic() + 60
    while os.waitpid(rig.agent.pid, os.WNOHANG | os.WUNTRACED) == (0, 0):
        assert time.monotonic() < deadline, rig.logs()
        time.sleep(0.01)


def wait_for_pulses(rig: PulseRig, more: int) -> None:
    wanted = rig.chip.read_text().count(" 1 ") + more
    deadline = time.monotonic() + 60
    while rig.chip.read_text().count(" 1 ") < wanted:
        assert time.monotonic() < deadline, rig.logs()
        time.sleep(0.02)


def assert_pulses_lawful(rig: PulseRig) -> None:
    """Each pulse lies in the time of one accepted part whose verdict the PLC has, and no part has two."""
    exposed: dict[float, Row] = {row["exposed_at"]: row for row in rig.rows() if "exposed_at" in row}
    pulses = [at for at, level in rig.levels() if level == 1]
    parts: list[int] = []
    for at in pulses:
        begun = [moment for moment in exposed if moment <= at]
        row = exposed[max(begun)]
        assert row["verdict"] == Verdict.ACCEPT.name, f"a pulse for {row}"
        assert row.get("acknowledged", True), f"a pulse before the acknowledgement: {row}"
        assert at - max(begun) <= WINDOW_MS / 1000 + SCAN_S, f"a late pulse, of {row}"
        parts.append(int(row["part"]))
    assert all(count == 1 for count in Counter(parts).values()), "a part with two pulses"
    assert rig.levels()[-1][1] == 0, "the line was left active"


@pytest.mark.line
def test_agent_stopped_between_decision_and_edge(tmp_path: Path) -> None:
    """Right after the accept rule spoke, then with all its processes, then those processes alone."""
    options = LineOptions(rate=RATE, agent=("--stop-deciding", "20"))
    with PulseRig(tmp_path, options) as rig:
        wait_until_stopped(rig)
        time.sleep(0.5)
        rig.agent.send_signal(signal.SIGCONT)
        rig.wait_accepting()
        wait_for_pulses(rig, 3)
        everything = [rig.agent.pid, *rig.children()]
        for number, processes in ((0, everything), (1, rig.children())):
            for pid in processes:
                os.kill(pid, signal.SIGSTOP)
            time.sleep(0.3 + 0.03 * number)
            for pid in processes:
                os.kill(pid, signal.SIGCONT)
            rig.wait_accepting()
            wait_for_pulses(rig, 3)
        rig.finish(rig.wait_accepting() + 10)
        assert_lawful(rig)
        assert_pulses_lawful(rig)
        assert any(row["reason"] == Reason.VERDICT_LATE for row in rig.rows()), "it was stopped over no part"


@pytest.mark.system
@pytest.mark.line
def test_agent_killed_and_started_again(tmp_path: Path) -> None:
    """The line rests inactive between the two, and no part has a pulse of either that is not its own."""
    with PulseRig(tmp_path, LineOptions(rate=RATE)) as rig:
        rig.wait_accepting()
        wait_for_pulses(rig, 3)
        rig.kill_agent()
        time.sleep(0.3)
        assert rig.levels()[-1][1] == 0
        rig.start_agent()
        rig.wait_online()
        wait_for_pulses(rig, 3)
        rig.finish(rig.wait_accepting() + 5)
        assert_lawful(rig)
        assert_pulses_lawful(rig)
