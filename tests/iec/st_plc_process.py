"""The PLC twin with the generated gate for its program, in a process of its own."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from inspectd.io import plc_simulator, plc_twin
from tests.iec.st_plc import GateBlock, StProgram, gate_source

if TYPE_CHECKING:
    from inspectd.io.plc_simulator_settings import Panel, PlcSimulatorSettings


def program(settings: PlcSimulatorSettings, panel: Panel, _epoch: int, travel: int) -> StProgram:
    """Make a block that starts as in a PLC: the agent there has to see it."""
    source = gate_source("st", settings.mode, settings.station)
    return StProgram(settings, panel, 0, travel, GateBlock(source, "st"))


def main() -> None:
    """Run the twin with that program until its standard input ends."""
    setattr(plc_twin, "PlcProgram", program)  # noqa: B010  another class, as far as types go
    sys.exit(plc_simulator.main(sys.argv[1:]))
