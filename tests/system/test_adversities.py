"""Event sequences thought out to lead to a wrong ACCEPT, or to two verdicts for an id. None may."""

from __future__ import annotations

import json
import os
import signal
import time
from typing import TYPE_CHECKING, Any

import pytest

from inspectd.io.fault_proxy import ProxyMode
from inspectd.io.plc import Reason
from tests.system.law import (
    assert_lawful,
    assert_recovered,
    assert_right,
    escapes,
    is_good,
    named_in_plc,
    named_in_row,
    told,
)
from tests.system.line_options import LineOptions
from tests.system.line_rig import LineRig

if TYPE_CHECKING:
    from pathlib import Path

    from inspectd.io.plc_record import PartRecord

pytestmark = pytest.mark.line
RATE = 10.0


def first(start: int, *kinds: bool) -> int:
    """Give the first part from `start` on that begins such a row of good (True) and defective parts."""
    return next(
        part
        for part in range(start, start + 500)
        if all(is_good(part + step) is good for step, good in enumerate(kinds))
    )


def wait_until_stopped(rig: LineRig) -> None:
    """Wait until the agent has stopped itself."""
    deadline = time.monotonic() + 60
    while os.waitpid(rig.agent.pid, os.WNOHANG | os.WUNTRACED) == (0, 0):
        assert time.monotonic() < deadline, rig.logs()
        time.sleep(0.01)


def test_stopped_over_a_good_part(tmp_path: Path) -> None:
    """An agent that is stopped over a part until after its deadline does not accept it."""
    with LineRig(tmp_path, LineOptions(agent=("--stop-judging", "15", "--stop-deciding", "35"))) as rig:
        for _ in range(2):
            wait_until_stopped(rig)
            time.sleep(0.4)
            rig.agent.send_signal(signal.SIGCONT)
        since = rig.wait_accepting()
        rig.finish(since + 30)
        assert_lawful(rig)
        assert_recovered(rig, since)
        late = {named_in_row(row) for row in rig.rows() if row["reason"] == Reason.VERDICT_LATE}
        stopped = [record for record in rig.plc.records if named_in_plc(record) in late]
        assert len(stopped) >= 2, "the agent was not stopped over two parts"
        assert not any(record.accepted for record in stopped)


def test_camera_freezes_after_a_part_that_nobody_judged(tmp_path: Path) -> None:
    """The picture of a good part, never judged since its trigger was missed, does not serve the next part."""
    parts = [first(start, True, False) for start in (10, 25, 40)]
    faults = [{"fault": "freeze", "part": part + 1, "ms": 0} for part in parts]
    with LineRig(tmp_path, LineOptions(rate=RATE, camera={"faults": faults})) as rig:
        for part in parts:
            rig.wait_at_eye(part - 1)
            rig.plc.command("panel", skip_ids=1)
        rig.finish(parts[-1] + 20)
        assert_lawful(rig)
        reasons = {record.part: record.reason for record in rig.plc.records}
        assert (Reason.TRIGGER_LATE, Reason.FRAME_UNFIT) in {
            (reasons[one], reasons[one + 1]) for one in parts
        }
        assert not any(record.accepted for record in rig.plc.records if record.part - 1 in parts)


def test_second_exposure_of_a_good_part_in_place_of_the_next(tmp_path: Path) -> None:
    """A frame of the part before, exposed just before the lost frame of this one, is not taken."""
    part = first(10, True, False)
    faults = [
        {"fault": "duplicate", "part": part, "ms": int(1000 / RATE) - 5},
        {"fault": "drop", "part": part + 1, "ms": 0},
    ]
    with LineRig(tmp_path, LineOptions(rate=RATE, camera={"faults": faults})) as rig:
        rig.finish(part + 20)
        assert_lawful(rig)
        assert_right(rig, {part + 1: Reason.FRAME_UNFIT})


def test_ids_step_back(tmp_path: Path) -> None:
    """Ids used a moment ago come again: a fault latches, and nothing is accepted until ClearFault."""
    with LineRig(tmp_path, LineOptions()) as rig:
        rig.wait_at_eye(30)
        rig.plc.command("panel", skip_ids=65_535 - 6)  # the next id is the one of five parts ago
        rig.plc.wait_until(lambda status: status["fault"], 20)
        fault_at = rig.plc.status()["eye_part"]
        rig.wait_at_gate(fault_at + 20)
        accepted = [record.part for record in rig.plc.records if record.accepted]
        assert max(accepted) < fault_at - 5
        rig.plc.command("clear_fault")
        since = rig.wait_accepting()
        rig.finish(since + 30)
        assert_recovered(rig, since)
        assert_lawful_but_for_ids_used_twice(rig)


def assert_lawful_but_for_ids_used_twice(rig: LineRig) -> None:
    used: dict[int, PartRecord] = {}
    for record in rig.plc.records:
        assert not (record.accepted and not is_good(record.part))
        assert not (record.accepted and record.trig_id in used and used[record.trig_id].accepted)
        used[record.trig_id] = record


def test_ids_leave_gaps(tmp_path: Path) -> None:
    """The part after a gap in the ids is UNKNOWN, the ids left out have rows, and the line goes on.

    A gap of 16 takes the slots of the parts on their way to the gate: those are rejected.
    """
    gaps = (2, 15, 40)
    with LineRig(tmp_path, LineOptions()) as rig:
        since = 25
        for skipped in gaps:
            rig.wait_at_eye(since)
            rig.plc.command("panel", skip_ids=skipped)
            since = rig.wait_accepting() + 3
        rig.finish(since + 30)
        assert_lawful(rig)
        assert_recovered(rig, since)
        late = [row for row in rig.rows() if row["reason"] == Reason.TRIGGER_LATE]
        assert len(late) >= sum(gaps) + len(gaps)


def test_torn_reads_and_writes(tmp_path: Path) -> None:
    """A PLC that shows its words half new and half old, and takes writes in halves, accepts nothing wrong."""
    with LineRig(tmp_path, LineOptions()) as rig:
        rig.wait_at_eye(5)
        rig.plc.command("tear", on=True)
        rig.wait_at_eye(80)
        rig.plc.command("tear", on=False)
        since = rig.wait_accepting()
        rig.finish(since + 30)
        assert_lawful(rig)
        assert_recovered(rig, since)


@pytest.mark.parametrize("trigger", ["hardware", "software"])
def test_camera_held_up_for_a_moment(tmp_path: Path, trigger: Any) -> None:
    """A camera process that stands still for three parts gives each of them no verdict but its own."""
    with LineRig(tmp_path, LineOptions(trigger=trigger)) as rig:
        for part in (20, 40, 60):
            rig.wait_at_eye(part)
            rig.signal_camera(signal.SIGSTOP)
            time.sleep(3 / rig.options.rate)
            rig.signal_camera(signal.SIGCONT)
        since = rig.wait_accepting()
        rig.finish(since + 30)
        assert_lawful(rig)
        assert_recovered(rig, since)


def test_link_hangs_with_verdicts_under_way(tmp_path: Path) -> None:
    """Verdicts that wait for the link past their deadlines stay the right ones."""
    with LineRig(tmp_path, LineOptions()) as rig:
        for part in range(20, 80, 12):
            rig.wait_at_eye(part)
            rig.proxy.set_mode(ProxyMode.HANG)
            time.sleep(0.25)
            rig.proxy.set_mode(ProxyMode.PASS)
        since = rig.wait_accepting()
        rig.finish(since + 30)
        assert_lawful(rig)
        assert_recovered(rig, since)


def test_power_cycle_with_the_link_hanging(tmp_path: Path) -> None:
    """An agent that does not see the PLC restart carries no verdict over into the new epoch."""
    with LineRig(tmp_path, LineOptions(twin={"retentive": True})) as rig:
        rig.wait_at_eye(30)
        rig.proxy.set_mode(ProxyMode.HANG)
        rig.plc.command("power_cycle", off_s=0.05)
        time.sleep(0.3)
        rig.proxy.set_mode(ProxyMode.PASS)
        since = rig.wait_accepting()
        rig.finish(since + 30)
        assert_lawful(rig)
        assert_recovered(rig, since)


def test_power_cycle_while_the_agent_stands_still(tmp_path: Path) -> None:
    """An agent stopped over a good part while the PLC restarts publishes nothing of the old epoch."""
    options = LineOptions(agent=("--stop-judging", "30"), twin={"retentive": True})
    with LineRig(tmp_path, options) as rig:
        wait_until_stopped(rig)
        rig.plc.command("power_cycle", off_s=0.02)
        time.sleep(0.15)
        rig.agent.send_signal(signal.SIGCONT)
        since = rig.wait_accepting()
        rig.finish(since + 30)
        assert_lawful(rig)
        assert_recovered(rig, since)


def test_record_of_an_older_use_of_the_epoch(tmp_path: Path) -> None:
    """Rows of the same epoch number and ids, written long ago, do not stand for the parts of now."""
    with LineRig(tmp_path, LineOptions()) as rig:
        rig.wait_online()
        rig.kill_agent()
        status = rig.plc.status()
        old = {"epoch": status["epoch"], "station": 1, "recipe": 1, "verdict": "ACCEPT", "reason": 0}
        old_rows = [old | {"part": 100 + n, "trig_id": (65_480 + n - 1) % 65_535 + 1} for n in range(200)]
        newer = {"part": 400, "trig_id": 7, "epoch": status["epoch"] % 65_535 + 1, "verdict": "ACCEPT"}
        lines = [json.dumps(row) + "\n" for row in (*old_rows, newer)]
        rig.record.write_text("".join(lines))
        rig.start_agent()
        since = rig.wait_online()
        rig.finish(since + 40)
        rows = rig.rows()[len(lines) :]
        rig.record.write_text("".join(json.dumps(row) + "\n" for row in rows))
        assert_recovered(rig, since)
        assert min(row["part"] for row in rows) > 400, "a part id was used again"
        assert not escapes(rig), told(escapes(rig))
