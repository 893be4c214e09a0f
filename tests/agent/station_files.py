"""A station's configuration for tests, as text and as settings."""

from pathlib import Path
from typing import Any

from inspectd.agent.config import StationSettings

STATION = """\
# A station on which nothing is wrong.
name: press-3
line:
  min_part_interval_ms: 200
  deadline_ms: 300
  step_limit_ms: 250
  trigger_to_exposure_ms: 10
  eye_to_gate_ms: 1000
plc:
  host: 127.0.0.1
  kind: modbus_tcp
  max_trigger_age_ms: 40
cameras:
  - kind: folder
    name: top
    trigger: software
    path: images
classes:
  - recipe: 1
    bundle: bundles/buttons
record:
  folder: record
"""


def write_station(folder: Path, *changes: tuple[str, str], text: str = STATION) -> Path:
    """Write `station.yaml` with each (old, new) replaced; every old text must be there."""
    for old, new in changes:
        assert old in text, f"the text has no {old!r}"
        text = text.replace(old, new, 1)
    path = folder / "station.yaml"
    path.write_text(text)
    return path


def settings_with(
    *,
    line: dict[str, Any] | None = None,
    plc: dict[str, Any] | None = None,
    camera: dict[str, Any] | None = None,
    **top: Any,
) -> StationSettings:
    """Give settings on which nothing is wrong, but for what is asked for. Times in ms."""
    times = {
        "min_part_interval_ms": 200.0,
        "deadline_ms": 300.0,
        "step_limit_ms": 250.0,
        "trigger_to_exposure_ms": 10.0,
        "frame_transfer_ms": 5.0,
        "eye_to_gate_ms": 1000.0,
    }
    link = {
        "kind": "modbus_tcp",
        "host": "127.0.0.1",
        "cycle_ms": 5.0,
        "max_trigger_age_ms": 40.0,
        "plc_scan_ms": 10.0,
    }
    top_camera = {"kind": "simulated", "name": "top", "trigger": "hardware", "wire_port": 5021}
    content = {
        "name": "press-3",
        "line": times | (line or {}),
        "plc": link | (plc or {}),
        "cameras": [camera or top_camera],
        "classes": [{"recipe": 1, "bundle": "bundles/buttons"}],
        "record": {"folder": "record"},
    }
    return StationSettings.model_validate(content | top)
