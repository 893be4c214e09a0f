"""A whole line on which the agent is the server and the PLC its client: same disturbances, same law."""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from typing import TYPE_CHECKING

import pytest

from tests.system.disturbances import DISTURBANCES
from tests.system.law import assert_lawful, assert_recovered, assert_right
from tests.system.line_rig import LineRig
from tests.system.test_line import PARTS, PARTS_AFTER, Kind, Scenario

if TYPE_CHECKING:
    from pathlib import Path

# The age of a trigger is bounded by two exchanges of the PLC here, not by one of the agent's: a busy machine
# holds up both, and what is fast for it comes sooner.
RATES: dict[Kind, tuple[float, float]] = {
    "hardware": (5.0, 10.0),
    "software": (5.0, 10.0),
    "free_running": (4.0, 8.0),
}
NAMED = [
    Scenario("kill", rate=10.0),
    Scenario("hang", "software", 10.0),
    Scenario("power_cycle", "free_running", 8.0),
]
EVERY = [
    Scenario(disturbance, kind, rate)
    for disturbance, (kind, rates) in product(DISTURBANCES, RATES.items())
    for rate in rates
]
PRODUCT = [pytest.param(scenario, marks=pytest.mark.system) for scenario in EVERY if scenario not in NAMED]


def test_undisturbed(tmp_path: Path) -> None:
    """Every good part is accepted and every defective one rejected."""
    options = Scenario("nothing", rate=10.0).options
    with LineRig(tmp_path, replace(options, protocol="modbus_server")) as rig:
        rig.finish(PARTS // 2)
        assert_lawful(rig)
        assert_right(rig, {})


@pytest.mark.line
@pytest.mark.parametrize("scenario", [*NAMED, *PRODUCT], ids=str)
def test_disturbed(scenario: Scenario, tmp_path: Path) -> None:
    """Whatever happens, no part escapes, and the line accepts good parts again afterwards."""
    with LineRig(tmp_path, replace(scenario.options, protocol="modbus_server")) as rig:
        since = DISTURBANCES[scenario.disturbance](rig)
        rig.finish(max(PARTS, since + PARTS_AFTER))
        assert_lawful(rig)
        assert_recovered(rig, since)
