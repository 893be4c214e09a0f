"""PLC twins as processes, and stations that are configured for them, for the commands that talk to a PLC."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from command import ROOT
from station_files import write_station

from inspectd.io.plc_simulator import PlcSimulator, PlcSimulatorSettings

BUNDLE = ROOT / "configs" / "bundles" / "buttons"


def twin(**settings: Any) -> PlcSimulator:
    """Start a twin whose belt runs without end, four parts a second."""
    own: dict[str, Any] = {"rate": 4.0, "gate_distance": 2000}
    return PlcSimulator(PlcSimulatorSettings(**(own | settings)))


def station_for(folder: Path, plc: PlcSimulator, *changes: tuple[str, str]) -> Path:
    """Write a station that fits a twin, but for `changes`. It waits for nothing that a busy PC delays."""
    (folder / "images").mkdir(exist_ok=True)
    is_s7 = plc.settings.protocol == "s7"
    block = f"\n  data_block: {plc.settings.data_block}" if is_s7 else ""
    own = (
        ("kind: modbus_tcp", f"kind: {'s7' if is_s7 else 'modbus_tcp'}{block}\n  port: {plc.port}"),
        ("max_trigger_age_ms: 40", "max_trigger_age_ms: 5000\n  timeout_ms: 400"),
        ("bundles/buttons", str(BUNDLE)),
    )
    return write_station(folder, *own, *changes)
