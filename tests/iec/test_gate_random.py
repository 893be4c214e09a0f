"""On random scans the generated gate decides as the Python gate does; a change of its source shows."""

from __future__ import annotations

import random

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from tests.iec.random_line import Pair
from tests.iec.st_plc import DIALECTS

MODES = ("plc_triggered", "free_running", "level")
VISION = {"heartbeat", "online", "fault", "shadow", "version", "station", "epoch"}
REASONS = VISION | {"", "restart", "check", "verdict", "no_entry"}
OF_MODE = {"plc_triggered": {"barred", "id"}, "level": {"barred", "id"}, "free_running": {"single"}}


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("mode", MODES)
@settings(max_examples=5, deadline=None, derandomize=True, phases=[Phase.generate])
@given(seed=st.integers(0, 2**32))
def test_every_scan_is_decided_alike(mode: str, dialect: str, seed: int) -> None:
    """Same ids, same words, same decision for the same reason, part by part."""
    Pair(random.Random(seed), mode, dialect).play(200)


@pytest.mark.parametrize("mode", MODES)
def test_every_reason_occurs_in_random_scans(mode: str) -> None:
    """What the comparison never sees it cannot hold."""
    seen: set[str] = set()
    for seed in range(20):
        pair = Pair(random.Random(seed), mode, "st")
        pair.play(300)
        seen |= pair.why
        if seen == REASONS | OF_MODE[mode]:
            return
    assert seen == REASONS | OF_MODE[mode]
