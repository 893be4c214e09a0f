"""Lets the tests of the agent share their stand-ins, the rig around them, and the command `inspectd`."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from agent_rig import Rig, make_rig
from command import Inspectd


@pytest.fixture
def inspectd(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Inspectd:
    """Give the command `inspectd`, called in this process."""
    return Inspectd(monkeypatch, capsys)


@pytest.fixture
def rig(monkeypatch: pytest.MonkeyPatch) -> Rig:
    """Give the agent between camera and PLC link, with its usual times."""
    return make_rig(monkeypatch)
