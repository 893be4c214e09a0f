"""A whole line on which all is well: nothing is rejected that is good, and nothing accepted that is not."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.system.law import assert_lawful, assert_right
from tests.system.line_options import LineOptions
from tests.system.line_rig import LineRig

if TYPE_CHECKING:
    from pathlib import Path

PARTS, FEW_PARTS = 200, 40
SLOW = 5.0
LINES = {
    "hardware": LineOptions(rate=12.0),
    "software": LineOptions(rate=12.0, trigger="software"),
    "free_running": LineOptions(rate=10.0, mode="free_running"),
    "s7": LineOptions(rate=12.0, protocol="s7"),
    # The age of a trigger is bounded by two exchanges of the PLC here, not by one of the agent's: a busy
    # machine holds up both, and what is fast for it comes sooner.
    "modbus_server": LineOptions(rate=10.0, protocol="modbus_server"),
    "modbus_rtu": LineOptions(rate=5.0, protocol="modbus_rtu"),
}


@pytest.mark.parametrize("options", LINES.values(), ids=LINES)
def test_undisturbed(options: LineOptions, tmp_path: Path) -> None:
    """Every good part is accepted and every defective one rejected."""
    with LineRig(tmp_path, options) as rig:
        rig.finish(FEW_PARTS if options.rate <= SLOW else PARTS)
        assert_lawful(rig)
        assert_right(rig, {})
