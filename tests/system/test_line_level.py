"""A whole line with the level handshake, and with results taken one by one."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Literal

import pytest

from tests.system.law import assert_lawful, assert_right, escapes
from tests.system.level_lines import assert_right_but_for, assert_taken, level
from tests.system.line_options import LineOptions
from tests.system.line_rig import LineRig

if TYPE_CHECKING:
    from pathlib import Path

PARTS = 100
RATE = 8.0
LEVEL = level(LineOptions(rate=RATE))
Protocol = Literal["modbus_tcp", "s7", "modbus_server"]
OTHERS: tuple[Protocol, ...] = ("s7", "modbus_server")
BUFFERED = level(LineOptions(rate=RATE), buffered=True)


def test_undisturbed(tmp_path: Path) -> None:
    """Every part is triggered, judged right and its result taken; results come one by one."""
    with LineRig(tmp_path, BUFFERED) as rig:
        rig.finish(PARTS)
        assert_lawful(rig)
        assert_right_but_for(rig, busy=6)
        assert_taken(rig)


@pytest.mark.line
@pytest.mark.parametrize(
    "protocol", ["modbus_tcp", *(pytest.param(one, marks=pytest.mark.system) for one in OTHERS)]
)
def test_one_part_at_a_time(tmp_path: Path, protocol: Protocol) -> None:
    """Without BufferResults the next part is triggered once the last one has its verdict."""
    with LineRig(tmp_path, level(LineOptions(rate=4.0, protocol=protocol))) as rig:
        rig.finish(PARTS // 2)
        assert_lawful(rig)
        assert_right_but_for(rig, busy=10)
        assert_taken(rig)


@pytest.mark.line
def test_a_plc_that_does_not_heed_trigger_ready(tmp_path: Path) -> None:
    """At twice the rate that the station can serve: parts are UNKNOWN/42, none escapes, the line goes on."""
    with LineRig(tmp_path, level(LineOptions(rate=12.0))) as rig:
        rig.plc.command("panel", heed_ready=False, ack_results=False)
        rig.finish(PARTS)
        assert_lawful(rig)
        assert not [one for one in rig.plc.records if one.taken not in (0, one.verdict)]


@pytest.mark.line
def test_each_result_is_taken_with_the_trigger_by_id_change_too(tmp_path: Path) -> None:
    """BufferResults and ACK_SEQ alone: no result is passed over, whatever comes in one scan."""
    options = LineOptions(rate=RATE, twin={"buffer_results": True})
    with LineRig(tmp_path, options) as rig:
        rig.finish(PARTS)
        assert_lawful(rig)
        assert_right(rig, {}, busy=10)
        assert_taken(rig)


@pytest.mark.line
def test_results_that_nobody_takes(tmp_path: Path) -> None:
    """The buffer runs over, and STATUS tells it until ClearOverrun; ring and gate know nothing of it."""
    options = LineOptions(rate=RATE, twin={"buffer_results": True})
    overrun, clear_overrun = 1 << 8, 1 << 4
    with LineRig(tmp_path, options) as rig:
        rig.plc.command("panel", ack_results=False)
        rig.plc.wait_until(lambda status: bool(status["status"] & overrun), 30)
        rig.plc.command("panel", ack_results=True)
        rig.plc.command("control", bits=clear_overrun)
        rig.plc.wait_until(lambda status: not status["status"] & overrun, 10)
        rig.finish(60)
        assert_lawful(rig)
        assert_right(rig, {}, busy=10)


# --- mutations -----------------------------------------------------------------------------------------


def trusting_line(folder: Path, *agent: str) -> list[int]:
    """A PLC that trusts its handshake and never raises ResultAck; gives the parts that escape."""
    options = replace(LEVEL, gate_without="ring", agent=agent)
    with LineRig(folder, options) as rig:
        rig.plc.command("panel", ack_results=False)
        rig.finish(PARTS // 2)
        assert any(one.accepted for one in rig.plc.records)
        return [one.part for one in escapes(rig)]


@pytest.mark.line
def test_no_part_escapes_a_plc_that_trusts_its_handshake(tmp_path: Path) -> None:
    """VERDICT and ResultsValid are cleared before TriggerAck: the last part's result is nobody else's."""
    assert trusting_line(tmp_path) == []


@pytest.mark.line
def test_an_escape_shows_without_that_clearing(tmp_path: Path) -> None:
    """Acknowledged over the last part's ACCEPT, a defective part is taken for good."""
    assert trusting_line(tmp_path, "--without", "clearing")
