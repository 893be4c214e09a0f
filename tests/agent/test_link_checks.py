"""The arithmetic of a link where the PLC sets the pace, or a serial line does: just broken and just kept."""

from __future__ import annotations

from typing import Any

import pytest
from station_files import settings_with

from inspectd.agent.checks import Problem, find_problems
from inspectd.agent.config import StationSettings

FREE = {"kind": "folder", "trigger": "free", "path": "images"}
SERVER = {"kind": "modbus_server", "listen": "127.0.0.1", "poll_ms": 15.0}
RTU = {"kind": "modbus_rtu", "serial_port": "/dev/ttyUSB0", "cycle_ms": 60.0, "max_trigger_age_ms": 150.0}
FREE_RUNNING = {"mode": "free_running", "max_speed_counts_per_s": 1000.0}
SLOW = {"min_part_interval_ms": 1000.0, "min_pitch_counts": 1000.0, "eye_to_gate_ms": 3000.0}


def station(plc: dict[str, Any], changes: dict[str, Any]) -> StationSettings:
    """Give settings with this link in place of the usual one."""
    times = {"plc_scan_ms": 10.0, "cycle_ms": 5.0, "max_trigger_age_ms": 40.0}
    settings = settings_with(line=SLOW if plc is RTU else None).model_dump()
    free = changes.get("mode") == "free_running"
    content = settings | {"plc": times | plc | changes}
    content["line"] |= SLOW if free else {}
    content["cameras"] = [FREE if free else settings["cameras"][0]]
    content["classes"] = [{"recipe": 1, "bundle": "bundles/buttons"}]
    content["record"] = {"folder": "record"}
    return StationSettings.model_validate(content)


# At 115200 baud and 11 bits a character a read of 117 + 7 characters takes 11.84 ms, a write of 217 + 7
# takes 21.39 ms, and with two scans of 10 ms for the answers a cycle 53.23 ms.
RULES: dict[str, tuple[str, dict[str, Any], dict[str, Any], dict[str, Any]]] = {
    "server: trigger age over two writes of the PLC and a cycle": (
        "plc.max_trigger_age_ms",
        SERVER,
        {"max_trigger_age_ms": 35.0},
        {"max_trigger_age_ms": 35.1},
    ),
    "server: position between two writes": (
        "plc.poll_ms",
        SERVER,
        FREE_RUNNING | {"poll_ms": 15.1},
        FREE_RUNNING | {"poll_ms": 15.0},
    ),
    "serial line: a cycle fits": ("plc.cycle_ms", RTU, {"cycle_ms": 53.2}, {"cycle_ms": 53.3}),
    "serial line: without parity it fits sooner": (
        "plc.cycle_ms",
        RTU,
        {"cycle_ms": 50.2, "parity": "none"},
        {"cycle_ms": 50.3, "parity": "none"},
    ),
    "serial line: a slow one does not": (
        "plc.cycle_ms",
        RTU,
        {"cycle_ms": 100.0, "baud_rate": 38400, "max_trigger_age_ms": 250.0},
        {"cycle_ms": 100.0, "baud_rate": 57600, "max_trigger_age_ms": 250.0},
    ),
    "serial line: an answer fits into the time-out": (
        "plc.timeout_ms",
        RTU,
        {"timeout_ms": 31.3},
        {"timeout_ms": 31.5},
    ),
    "serial line: trigger age over a cycle, a verdict's write and the read": (
        "plc.max_trigger_age_ms",
        RTU,
        {"max_trigger_age_ms": 113.2},
        {"max_trigger_age_ms": 113.3},
    ),
    "serial line: positions": (
        "plc.mode",
        RTU,
        FREE_RUNNING | {"baud_rate": 921600, "plc_scan_ms": 10.5, "cycle_ms": 100.0},
        FREE_RUNNING | {"baud_rate": 921600, "plc_scan_ms": 10.4, "cycle_ms": 100.0},
    ),
}


def keys(problems: list[Problem]) -> list[str]:
    return [".".join(map(str, problem.key)) for problem in problems if not problem.warning]


@pytest.mark.parametrize("name", RULES)
def test_rule_refuses_what_just_breaks_it(name: str) -> None:
    """The key to change is named, with the numbers and a remedy."""
    key, plc, breaks, _ = RULES[name]
    problems = find_problems(station(plc, breaks))
    assert keys(problems) == [key]
    assert "; " in problems[0].text


@pytest.mark.parametrize("name", RULES)
def test_rule_lets_pass_what_just_keeps_it(name: str) -> None:
    _, plc, _, keeps = RULES[name]
    assert keys(find_problems(station(plc, keeps))) == []


def test_a_verdict_waits_for_the_plcs_own_read() -> None:
    """10 (scan) + 40 (age) + 300 (deadline) + 15 (poll) + 10 (scan) = 375 ms from the photo-eye."""
    for eye_to_gate, wrong in ((375.0, ["line.eye_to_gate_ms"]), (375.1, [])):
        settings = station(SERVER, {})
        line = settings.line.model_copy(update={"eye_to_gate_ms": eye_to_gate})
        assert keys(find_problems(settings.model_copy(update={"line": line}))) == wrong


def test_a_server_open_to_everybody_is_a_warning() -> None:
    """Not on this PC's own address, and not where clients are named."""
    for changes, warned in (
        ({"listen": "192.0.2.5"}, True),
        ({"listen": "192.0.2.5", "allowed_clients": ["192.0.2.20"]}, False),
        ({"listen": "localhost"}, False),
    ):
        problems = find_problems(station(SERVER, changes))
        assert [problem.warning for problem in problems] == [True] * warned


@pytest.mark.parametrize("listen", ["0.0.0.0", "::"])
def test_a_server_does_not_listen_everywhere(listen: str) -> None:
    with pytest.raises(ValueError, match="every interface of this PC"):
        station(SERVER, {"listen": listen})
