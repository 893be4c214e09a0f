"""What a whole line of the tests is like: its options, and the configuration that follows from them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

SEED = 5
DEFECT_RATE = 0.3
PITCH = 1000
PARTS_TO_GATE = 8
SCAN_MS = 5.0
# The belt moves in steps: between two scans it may seem faster than it is.
MOST_SPEED = 1.1
# The twin is a process like any other: on a loaded machine its scans come late by a few milliseconds. Faster
# lines leave no room for that.
CONFIGURED_SCAN_MS = 10.0
FAST = {"plc_triggered": 16.0, "free_running": 10.0}


@dataclass(frozen=True)
class LineOptions:
    """What a scenario wishes otherwise than usual."""

    rate: float = 16.0
    deadline_ms: float = 200.0
    mode: Literal["plc_triggered", "free_running"] = "plc_triggered"
    trigger: Literal["hardware", "software"] = "hardware"
    protocol: Literal["modbus_tcp", "s7", "modbus_server", "modbus_rtu"] = "modbus_tcp"
    """With `modbus_server` the agent is the server and the PLC twin its client; with `modbus_rtu` a gateway
    joins the agent's serial line to the twin."""
    script: str = ""
    agent: tuple[str, ...] = ()
    """Arguments of the agent's process."""
    gate_without: str = ""
    """The clause that the PLC's gate lacks."""
    line: dict[str, Any] = field(default_factory=dict[str, Any])
    plc: dict[str, Any] = field(default_factory=dict[str, Any])
    camera: dict[str, Any] = field(default_factory=dict[str, Any])
    twin: dict[str, Any] = field(default_factory=dict[str, Any])

    @property
    def interval_ms(self) -> float:
        """Time from part to part."""
        return 1000 / self.rate

    @property
    def fast(self) -> bool:
        """Whether the line is so fast that its times are to be sharp."""
        return self.rate > FAST[self.mode]

    @property
    def plc_scan_ms(self) -> float:
        """The PLC's longest scan, as configured."""
        return SCAN_MS if self.fast else CONFIGURED_SCAN_MS


def _trigger_to_exposure_ms(options: LineOptions) -> float:
    software_ms = 10.0 if options.trigger == "software" else 0.0
    return software_ms + (2.0 if options.fast else 5.0)


def line_section(options: LineOptions) -> dict[str, Any]:
    """Give the times and distances of the line."""
    pitch = {"min_pitch_counts": 0.95 * PITCH} if options.mode == "free_running" else {}
    return pitch | {
        "min_part_interval_ms": 0.95 * options.interval_ms,
        "deadline_ms": options.deadline_ms,
        "step_limit_ms": 150.0,
        "trigger_to_exposure_ms": _trigger_to_exposure_ms(options),
        "eye_to_gate_ms": PARTS_TO_GATE * options.interval_ms,
        "stop_after": 1000,
    }


def plc_section(options: LineOptions) -> dict[str, Any]:
    """Give the link; its windows are as wide as the contract lets them be at this rate."""
    lead = options.plc_scan_ms if options.trigger == "hardware" else 0.0
    taken = _trigger_to_exposure_ms(options) + lead + options.plc_scan_ms
    own: dict[str, Any] = {
        "modbus_tcp": {"host": "127.0.0.1"},
        "s7": {"host": "127.0.0.1", "data_block": 1},
        "modbus_server": {"listen": "127.0.0.1", "poll_ms": SCAN_MS},
        "modbus_rtu": {"parity": "none", "baud_rate": 921_600, "cycle_ms": 30.0},
    }[options.protocol]
    return {
        "kind": options.protocol,
        **own,
        "mode": options.mode,
        "plc_scan_ms": options.plc_scan_ms,
        "timeout_ms": 150.0,
        "max_trigger_age_ms": round((0.95 * options.interval_ms - taken) / 2 - 0.1, 1),
        "max_speed_counts_per_s": MOST_SPEED * PITCH * options.rate,
    }


def camera_section(options: LineOptions) -> dict[str, Any]:
    """Give the simulated camera."""
    return {
        "kind": "simulated",
        "name": "top",
        "trigger": options.trigger,
        "width": 160,
        "height": 160,
        "size": 160,
        "slots": 8,
        "seed": SEED,
        "defect_rate": DEFECT_RATE,
        "marker": True,
    }
