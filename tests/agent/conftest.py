"""Lets the tests of the agent share their stand-ins, and the command `inspectd`."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from command import Inspectd


@pytest.fixture
def inspectd(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Inspectd:
    """Give the command `inspectd`, called in this process."""
    return Inspectd(monkeypatch, capsys)
