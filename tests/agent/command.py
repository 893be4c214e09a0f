"""Runs the command `inspectd` in tests: in this process, or in one of its own."""

import json
import logging
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import structlog

from inspectd.agent.cli.main import main

ROOT = Path(__file__).parent.parent.parent
COMMAND = (sys.executable, "-m", "inspectd.agent.cli.main")


@dataclass(frozen=True)
class Done:
    """What a command left: exit status, standard output, standard error."""

    status: int
    out: str
    err: str

    @property
    def report(self) -> dict[str, Any]:
        """The one JSON object on standard output, where nothing else stands."""
        assert self.out.endswith("}\n"), self.out
        assert self.out.count("\n") == 1, "standard output holds more than one object"
        return json.loads(self.out)

    def refuses(self, status: int, *told: str) -> bool:
        """Whether the command ended with this status and one clear message on standard error alone."""
        assert self.status == status, self
        assert self.out == "", self
        assert "Traceback" not in self.err, self
        return all(text in self.err for text in told)


class Inspectd:
    """Calls the command in this process; use the fixture `inspectd`."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        self._monkeypatch = monkeypatch
        self._capsys = capsys

    def __call__(self, *arguments: object) -> Done:
        """Run `inspectd ARGUMENTS`."""
        self._monkeypatch.setattr(sys, "argv", ["inspectd", *map(str, arguments)])
        with _own_logs(), pytest.raises(SystemExit) as ended:
            main()
        captured = self._capsys.readouterr()
        status = ended.value.code
        assert status is None or isinstance(status, int)
        return Done(status or 0, captured.out, captured.err)


@contextmanager
def _own_logs() -> Generator[None]:
    """Undo what the command does to this process's logs: they would go to a captured stream for ever."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    try:
        yield
    finally:
        structlog.reset_defaults()
        logging.captureWarnings(capture=False)
        root.handlers[:] = handlers
        root.setLevel(level)


def run_command(*arguments: object, timeout_s: float = 120.0) -> Done:
    """Run `inspectd ARGUMENTS` in a process of its own, to its end."""
    done = subprocess.run(
        [*COMMAND, *map(str, arguments)], capture_output=True, text=True, timeout=timeout_s, check=False
    )
    return Done(done.returncode, done.stdout, done.stderr)
