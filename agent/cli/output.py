"""What commands print: reports on standard output, everything else on standard error."""

from __future__ import annotations

import json
import sys
from typing import Any, NoReturn


def fail(message: str, status: int = 1) -> NoReturn:
    """End the command with a message on standard error."""
    sys.stderr.write(f"inspectd: {message}\n")
    raise SystemExit(status)


def fail_without_calibration(error: ImportError) -> NoReturn:
    """End a command whose packages are not installed."""
    fail(f"calibration is not installed ({error.name} is missing); pip install 'inspectd[calibration]'")


def say(line: str = "") -> None:
    """Print one line of a report."""
    sys.stdout.write(line + "\n")


def note(line: str) -> None:
    """Print one line for a person, beside the report."""
    sys.stderr.write(line + "\n")


def print_json(report: dict[str, Any]) -> None:
    """Print a report as one JSON object."""
    sys.stdout.write(json.dumps(report, allow_nan=False) + "\n")
    sys.stdout.flush()
