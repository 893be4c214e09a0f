"""Two agents on the words of one station: one refuses to start, or both fall silent."""

from __future__ import annotations

import signal
import subprocess
import time
from typing import TYPE_CHECKING

import pytest

from inspectd.io.handshake_start import LISTEN_S
from tests.system.law import assert_lawful, assert_recovered, assert_right, is_good
from tests.system.line_options import LineOptions
from tests.system.line_rig import OTHER, STARTUP_S, STOP_S, LineRig
from tests.system.test_adversities import wait_until_stopped

if TYPE_CHECKING:
    from pathlib import Path


SETTLED_S = 6.0
"""Two agents see each other within a few polls; this much, and no more, for a machine that is very busy."""


def test_second_agent_refuses_to_start(tmp_path: Path) -> None:
    """The second one ends with an error that says why; the first goes on as if nothing had been."""
    with LineRig(tmp_path, LineOptions(rate=12)) as rig:
        rig.wait_at_eye(40)
        other = rig.start_other_agent()
        assert other.wait(STARTUP_S) != 0
        assert "another agent" in rig.logs()
        rig.finish(200)
        assert_lawful(rig)
        assert_right(rig, {})


@pytest.mark.line
def test_two_agents_started_at_once(tmp_path: Path) -> None:
    """Either one refuses, or both latch a fault and stop writing: never do two of them judge a line."""
    with LineRig(tmp_path, LineOptions()) as rig:
        rig.kill_agent()
        rig.start_agent()
        other = rig.start_other_agent()
        for name in ("", OTHER):
            rig.wait_for_log("station_started", name)
        time.sleep(2 * LISTEN_S)
        alive = [agent for agent in (rig.agent, other) if agent.poll() is None]
        assert alive, rig.logs()
        assert len(writers(rig)) <= 1, "two agents write"
        if len(alive) > 1:
            end(other)
            rig.clear_faults()
            rig.wait_accepting()
        rows = rig.rows() or ()
        assert not [one for one in rig.plc.records if one.accepted and not is_good(one.part)]
        assert rows or other.poll() is None


@pytest.mark.line
def test_second_agent_that_does_not_listen(tmp_path: Path) -> None:
    """Whoever sees the other first latches a fault and stops writing: at most one of them goes on.

    When the other is gone, ClearFault lets the one left go on.
    """
    # So slow that the few ids in question until they have seen each other stay few on a busy machine.
    with LineRig(tmp_path, LineOptions(rate=8, deadline_ms=400)) as rig:
        rig.wait_at_eye(40)
        own = rig.plc.status()["boot_id"]
        other = rig.start_other_agent("--rude")
        rig.plc.wait_until(lambda status: status["boot_id"] != own, STARTUP_S)
        settled_by = time.monotonic() + SETTLED_S
        while len(writers(rig)) > 1:
            assert time.monotonic() < settled_by, "two agents write"
        assert len(writers(rig)) <= 1, "two agents write again"
        assert rig.agent.poll() is None
        end(other)
        rig.clear_faults()
        since = rig.wait_accepting()
        rig.finish(since + 40)
        assert_lawful(rig, contested=3)
        assert_recovered(rig, since)


def writers(rig: LineRig, seconds: float = 1.5) -> set[int]:
    """Watch who writes for a while: the BOOT_IDs that a heartbeat came with."""
    seen: set[int] = set()
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        status = rig.plc.status()
        if status["agent_alive"]:
            seen.add(status["boot_id"])
    return seen


@pytest.mark.line
@pytest.mark.parametrize("moment", ["anywhere", "between verdict and publication"])
def test_agent_comes_back_when_another_has_taken_its_place(tmp_path: Path, moment: str) -> None:
    """An agent that was stopped for so long writes nothing any more: the other has given its ids a verdict.

    When the other is gone, ClearFault lets it go on.
    """
    options = LineOptions(agent=() if moment == "anywhere" else ("--stop-deciding", "40"))
    with LineRig(tmp_path, options) as rig:
        rig.wait_at_eye(35)
        if moment == "anywhere":
            rig.agent.send_signal(signal.SIGSTOP)
        else:
            wait_until_stopped(rig)
        own = rig.plc.status()["boot_id"]
        other = rig.start_other_agent()
        status = rig.plc.wait_until(lambda status: status["boot_id"] != own, STARTUP_S)
        rig.wait_at_eye(status["eye_part"] + 3)
        rig.agent.send_signal(signal.SIGCONT)
        assert writers(rig) == {status["boot_id"]}, "it wrote over the other's words"
        end(other)
        rig.clear_faults()
        since = rig.wait_accepting()
        rig.finish(since + 40)
        assert_lawful(rig)
        assert_recovered(rig, since)


def end(agent: subprocess.Popen[bytes]) -> None:
    """End an agent in good order."""
    began = time.monotonic()
    agent.send_signal(signal.SIGTERM)
    assert agent.wait(STARTUP_S) == 0
    assert time.monotonic() - began < STOP_S
