"""A whole line over a serial line: the same law at the pace that the line allows."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from tests.system.disturbances import DISTURBANCES
from tests.system.law import assert_lawful, assert_recovered, assert_right
from tests.system.line_rig import LineRig
from tests.system.test_line import PARTS_AFTER, Kind, Scenario

if TYPE_CHECKING:
    from pathlib import Path

RATE = 5.0
PARTS = 40
KINDS: tuple[Kind, ...] = ("hardware", "software")
EVERY = [Scenario(disturbance, kind, RATE) for disturbance in DISTURBANCES for kind in KINDS]


@pytest.mark.line
def test_undisturbed(tmp_path: Path) -> None:
    """Every good part is accepted and every defective one rejected."""
    options = Scenario("nothing", rate=RATE).options
    with LineRig(tmp_path, replace(options, protocol="modbus_rtu")) as rig:
        rig.finish(PARTS)
        assert_lawful(rig)
        assert_right(rig, {})


@pytest.mark.system
@pytest.mark.line
@pytest.mark.parametrize("scenario", EVERY, ids=str)
def test_disturbed(scenario: Scenario, tmp_path: Path) -> None:
    """Whatever happens, no part escapes, and the line accepts good parts again afterwards."""
    with LineRig(tmp_path, replace(scenario.options, protocol="modbus_rtu")) as rig:
        since = DISTURBANCES[scenario.disturbance](rig)
        rig.finish(since + PARTS_AFTER)
        assert_lawful(rig)
        assert_recovered(rig, since)
