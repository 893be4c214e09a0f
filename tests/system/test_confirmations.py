"""A whole line whose reject sensor is watched: a gate that is stuck stops the line.

That nothing else does is held by test_fault_table.py.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from inspectd.io.plc import FaultCode, Status
from tests.system.law import assert_lawful
from tests.system.line_options import PARTS_TO_GATE, LineOptions
from tests.system.line_rig import LineRig

if TYPE_CHECKING:
    from pathlib import Path

MISSING = 3
OPTIONS = LineOptions(
    rate=8.0, line={"confirmations": {"missing": MISSING, "within_parts": PARTS_TO_GATE + 4}}
)
ASKED = "stop_line_requested"


@pytest.mark.line
def test_a_stuck_reject_gate_stops_the_line(tmp_path: Path) -> None:
    """StopLineRequest and Fault 15 until ClearFault; with the gate mended the line goes on."""
    with LineRig(tmp_path, OPTIONS) as rig:
        rig.wait_at_gate(20)
        assert not rig.has_logged(ASKED), rig.logs()
        rig.plc.command("panel", confirm_rejects=False)
        status = rig.plc.wait_until(lambda status: bool(status["status"] & Status.STOP_LINE_REQUEST), 60.0)
        assert status["fault"] == FaultCode.STOP_LINE
        assert status["status"] & Status.FAULT
        rig.plc.command("panel", confirm_rejects=True)
        rig.plc.command("clear_fault")
        rig.plc.wait_until(lambda status: not status["status"] & Status.STOP_LINE_REQUEST, 20.0)
        since = rig.wait_accepting()
        rig.finish(since + 2 * PARTS_TO_GATE)
        assert_lawful(rig)
        assert rig.logs().count("reject_not_confirmed") >= MISSING
