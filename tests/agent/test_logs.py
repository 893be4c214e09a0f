"""Logs: one JSON object a line on standard error, from the agent and from the libraries alike."""

import json
import subprocess
import sys

import pytest

SCRIPT = """
import logging, sys, warnings
import structlog
from inspectd.agent.logs import set_up_logs
set_up_logs(sys.argv[1])
log = structlog.get_logger("agent")
log.debug("looked")
log.info("started", station="press-3")
try:
    1 / 0
except ZeroDivisionError:
    log.exception("turn_failed")
logging.getLogger("pymodbus").info("sent")
logging.getLogger("pymodbus").error("lost %s", "it")
warnings.warn("careful", stacklevel=1)
"""


def lines_at(level: str) -> list[dict[str, str]]:
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, level], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout == ""
    return [json.loads(line) for line in done.stderr.splitlines()]


def test_every_line_is_one_json_object() -> None:
    """Event, level and time in each; a traceback, a library's error and a warning are such lines too."""
    lines = lines_at("info")
    assert [(line["level"], line["event"].splitlines()[0]) for line in lines[:-1]] == [
        ("info", "started"),
        ("error", "turn_failed"),
        ("error", "lost it"),
    ]
    assert all(line["timestamp"].endswith("Z") for line in lines)
    assert lines[0]["station"] == "press-3"
    assert "ZeroDivisionError: division by zero" in lines[1]["exception"]
    assert lines[2]["logger"] == "pymodbus"
    assert "careful" in lines[3]["event"]


@pytest.mark.parametrize(("level", "events"), [("debug", 5), ("error", 2)])
def test_level_says_what_is_left_out(level: str, events: int) -> None:
    """Libraries speak at every level of every request: of them only warnings and worse are kept."""
    lines = lines_at(level)
    assert len(lines) == events
    assert "sent" not in [line["event"] for line in lines]
