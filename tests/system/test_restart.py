"""The agent ends and starts again: in good order within 2 s, or as a crash that loses part of the record."""

from __future__ import annotations

import json
import signal
import time
from typing import TYPE_CHECKING

import pytest

from inspectd.io.fault_proxy import ProxyMode
from inspectd.io.plc import Reason
from tests.system.law import DETAILS_LOST, assert_lawful, assert_recovered, named_in_row
from tests.system.line_options import PARTS_TO_GATE, LineOptions
from tests.system.line_rig import POLL_S, STOP_S, LineRig

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from inspectd.agent.record import Row

pytestmark = pytest.mark.line
LOST_ROWS = 8
# What is tested is what an agent takes up again, not how fast a busy machine judges.
EASY: dict[str, float] = {"rate": 5, "deadline_ms": 400}
PATIENCE_S = 20.0


def stood_in_ring(row: Row, mode: str) -> bool:
    """Whether a restarted agent can find a row's verdict in the PLC.

    In free-running mode a verdict without a certain position, as on a busy machine, has an empty slot; ACCEPT
    always has one.
    """
    return named_in_row(row) is not None and (mode == "plc_triggered" or row["verdict"] == "ACCEPT")


def wait_for(condition: Callable[[], bool], seconds: float = PATIENCE_S) -> bool:
    """Wait until something is so; tells whether it came to be."""
    deadline = time.monotonic() + seconds
    while not (done := condition()) and time.monotonic() < deadline:
        time.sleep(POLL_S)
    return done


def wait_for_last_row(rig: LineRig) -> None:
    """Wait until every part that has passed the eye of a belt at rest is in the record, and so in the PLC.

    A part whose frame a busy machine lost has no image in its row: for that one a while is waited.
    """

    def at_rest() -> bool:
        eye_part = rig.plc.status()["eye_part"]
        time.sleep(2 / rig.options.rate)
        return rig.plc.status()["eye_part"] == eye_part

    assert wait_for(at_rest)
    last = rig.plc.status()["eye_part"]
    wait_for(lambda: any(row.get("image") == f"part {last}" for row in rig.rows()), 3.0)
    # A row is written when its verdict is given to a write: should that one fail, the next brings it.
    time.sleep(0.5)


def lose_last_rows(record: Path, count: int) -> list[Row]:
    """Cut the last rows off the record, the last of them torn, as a power cut does; gives them."""
    lines = record.read_bytes().splitlines(keepends=True)
    lost = lines[-count:]
    record.write_bytes(b"".join(lines[:-count]) + lost[0][:20])
    return [json.loads(line) for line in lost]


@pytest.mark.parametrize("mode", ["plc_triggered", "free_running"])
def test_verdicts_whose_rows_were_lost(tmp_path: Path, mode: str) -> None:
    """After a crash, ids in the PLC's ring without a row are recorded as published, details lost, once."""
    with LineRig(tmp_path, LineOptions(mode=mode, **EASY)) as rig:  # pyright: ignore[reportArgumentType]
        rig.wait_at_gate(45)
        rig.plc.command("belt", running=False)
        wait_for_last_row(rig)
        rig.kill_agent()
        lost = [row for row in lose_last_rows(rig.record, LOST_ROWS) if stood_in_ring(row, mode)]
        assert lost
        rig.start_agent()
        rig.wait_online()
        wait_for(lambda: sum(row.get("detail") == DETAILS_LOST for row in rig.rows()) >= len(lost))
        rig.kill_agent()
        rig.start_agent()
        since = rig.wait_online()
        rig.plc.command("belt", running=True)
        rig.finish(since + 25)
        assert_lawful(rig)
        assert_recovered(rig, since)
        rows = {named_in_row(row): row for row in rig.rows()}
        verdicts = [(rows[named_in_row(row)]["detail"], rows[named_in_row(row)]["verdict"]) for row in lost]
        assert verdicts == [(DETAILS_LOST, row["verdict"]) for row in lost]


@pytest.mark.parametrize("mode", ["plc_triggered", "free_running"])
def test_killed_while_the_link_hangs(tmp_path: Path, mode: str) -> None:
    """Verdicts that were recorded and never reached the PLC are not given again under the same ids."""
    with LineRig(tmp_path, LineOptions(mode=mode, **EASY)) as rig:  # pyright: ignore[reportArgumentType]
        rig.wait_at_eye(40)
        rig.proxy.set_mode(ProxyMode.HANG)
        time.sleep(0.6)
        rig.kill_agent()
        rig.proxy.set_mode(ProxyMode.PASS)
        rig.start_agent()
        since = rig.wait_online()
        rig.finish(since + 20)
        assert_lawful(rig)
        assert_recovered(rig, since)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_stop_writes_everything_down(tmp_path: Path, number: signal.Signals) -> None:
    """Within 2 s every part seen has its row; the PLC rejects until an agent is back, which goes on."""
    with LineRig(tmp_path, LineOptions()) as rig:
        rig.wait_at_gate(40)
        assert rig.stop_agent(number) < STOP_S
        rows = rig.rows()
        stopped_at = rig.plc.status()["eye_part"]
        last = {row["image"]: row for row in rows if "image" in row}
        rig.wait_at_gate(stopped_at + 1)
        told = [record for record in rig.plc.records if record.verdicts]
        in_record = {named_in_row(row) for row in rows}
        assert last
        assert {(record.epoch, record.trig_id) for record in told} <= in_record
        accepted = [record.part for record in rig.plc.records if record.accepted]
        assert max(accepted) <= stopped_at - PARTS_TO_GATE + 1, "the gate opened after the agent's end"
        rig.start_agent()
        since = rig.wait_online()
        rig.finish(since + 40)
        assert_lawful(rig)
        assert_recovered(rig, since)
        again = {named_in_row(row): row for row in rig.rows()}
        assert [again[named_in_row(row)] for row in rows] == rows, "a row was changed"


def hang_link(rig: LineRig) -> None:
    rig.wait_at_eye(20)
    rig.proxy.set_mode(ProxyMode.HANG)


def refuse_link(rig: LineRig) -> None:
    rig.wait_at_eye(20)
    rig.proxy.set_mode(ProxyMode.REFUSE)


def freeze_camera(rig: LineRig) -> None:
    rig.wait_at_eye(20)
    rig.signal_camera(signal.SIGSTOP)


def at_the_very_start(rig: LineRig) -> None:
    time.sleep(0.7)
    rig.wait_for_log("class_loaded")


@pytest.mark.parametrize("trouble", [hang_link, refuse_link, freeze_camera, at_the_very_start])
def test_stop_in_trouble(tmp_path: Path, trouble: Callable[[LineRig], None]) -> None:
    """Neither a dead link nor a dead camera keeps the agent from ending within 2 s, everything written."""
    with LineRig(tmp_path, LineOptions()) as rig:
        trouble(rig)
        assert rig.stop_agent() < STOP_S, rig.logs()
        parts = [row["part"] for row in rig.rows() if "part" in row]
        assert parts == sorted(parts)
        assert parts == list(range(1, len(parts) + 1)), "a part without a row"


def test_start_without_a_plc(tmp_path: Path) -> None:
    """An agent that finds no PLC keeps trying, and takes up its work when there is one."""
    with LineRig(tmp_path, LineOptions()) as rig:
        rig.kill_agent()
        rig.proxy.set_mode(ProxyMode.REFUSE)
        rig.start_agent()
        rig.wait_for_log("station_started")
        time.sleep(1.0)
        assert rig.agent.poll() is None
        rig.proxy.set_mode(ProxyMode.PASS)
        since = rig.wait_online()
        rig.finish(since + 40)
        assert_lawful(rig)
        assert_recovered(rig, since)
        assert Reason.RESTARTED not in {record.reason for record in rig.plc.records[since:]}
