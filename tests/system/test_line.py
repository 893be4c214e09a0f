"""A whole line through every disturbance: no part escapes, each id has one verdict and one row."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING, Literal

import pytest

from tests.system.disturbances import DISTURBANCES
from tests.system.law import assert_lawful, assert_recovered, assert_right
from tests.system.line_options import LineOptions
from tests.system.line_rig import LineRig

if TYPE_CHECKING:
    from pathlib import Path

PARTS = 200
PARTS_AFTER = 50
Kind = Literal["hardware", "software", "free_running"]


@dataclass(frozen=True)
class Scenario:
    """A disturbance on a line."""

    disturbance: str
    kind: Kind = "hardware"
    rate: float = 16.0

    def __str__(self) -> str:
        return f"{self.disturbance}-{self.kind}-{self.rate:g}"

    @property
    def options(self) -> LineOptions:
        """The line it happens on."""
        if self.kind == "free_running":
            return LineOptions(mode="free_running", rate=self.rate)
        return LineOptions(trigger=self.kind, rate=self.rate)


RATES: dict[Kind, tuple[float, float]] = {
    "hardware": (8.0, 16.0),
    "software": (8.0, 16.0),
    "free_running": (5.0, 10.0),
}
UNDISTURBED = [
    Scenario("nothing", "hardware", 12.0),
    Scenario("nothing", "software", 12.0),
    Scenario("nothing", "free_running", 10.0),
]
NAMED = [
    Scenario("kill"),
    Scenario("stop"),
    Scenario("hang", "software"),
    Scenario("reset"),
    Scenario("delay"),
    Scenario("garble", "software"),
    Scenario("power_cycle"),
    Scenario("plc_frozen"),
    Scenario("camera_dies", "software"),
    Scenario("kill", "free_running", 10.0),
    Scenario("hang", "free_running", 10.0),
    Scenario("power_cycle", "free_running", 10.0),
]
EVERY = [
    Scenario(disturbance, kind, rate)
    for disturbance, (kind, rates) in product(DISTURBANCES, RATES.items())
    for rate in rates
]
PRODUCT = [pytest.param(scenario, marks=pytest.mark.system) for scenario in EVERY if scenario not in NAMED]


@pytest.mark.parametrize("scenario", UNDISTURBED, ids=str)
def test_undisturbed(scenario: Scenario, tmp_path: Path) -> None:
    """Every good part is accepted and every defective one rejected."""
    with LineRig(tmp_path, scenario.options) as rig:
        rig.finish(PARTS)
        assert_lawful(rig)
        assert_right(rig, {})


@pytest.mark.line
@pytest.mark.parametrize("scenario", [*NAMED, *PRODUCT], ids=str)
def test_disturbed(scenario: Scenario, tmp_path: Path) -> None:
    """Whatever happens, no part escapes, and the line accepts good parts again afterwards."""
    with LineRig(tmp_path, scenario.options) as rig:
        since = DISTURBANCES[scenario.disturbance](rig)
        rig.finish(max(PARTS, since + PARTS_AFTER))
        assert_lawful(rig)
        assert_recovered(rig, since)
