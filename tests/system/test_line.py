"""A whole line through every disturbance: no part escapes, each id has one verdict and one row."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING, Literal

import pytest

from tests.system.disturbances import DISTURBANCES
from tests.system.law import assert_lawful, assert_recovered, assert_right
from tests.system.line_rig import LineOptions, LineRig

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PARTS = 200
PARTS_AFTER = 50
Kind = Literal["hardware", "software", "free_running"]
# A line is idle most of the time, so that two cores carry two of them.
LINES_AT_ONCE = 2


def options_of(kind: Kind, rate: float) -> LineOptions:
    """Give the line for `hardware`, `software` (both PLC-triggered) or `free_running`."""
    if kind == "free_running":
        return LineOptions(mode="free_running", rate=rate)
    return LineOptions(trigger="software" if kind == "software" else "hardware", rate=rate)


@dataclass(frozen=True)
class Scenario:
    """A disturbance on a line."""

    disturbance: str
    kind: Kind = "hardware"
    rate: float = 16.0

    def __str__(self) -> str:
        return f"{self.disturbance}-{self.kind}-{self.rate:g}"

    def run(self, folder: Path) -> None:
        with LineRig(folder, options_of(self.kind, self.rate)) as rig:
            since = DISTURBANCES[self.disturbance](rig)
            rig.finish(max(PARTS, since + PARTS_AFTER))
            assert_lawful(rig)
            if self.disturbance == "nothing":
                assert_right(rig, {})
            else:
                assert_recovered(rig, since)


RATES: dict[Kind, tuple[float, float]] = {
    "hardware": (8.0, 16.0),
    "software": (8.0, 16.0),
    "free_running": (5.0, 10.0),
}
NAMED = [
    Scenario("nothing", "hardware", 10.0),
    Scenario("nothing", "software", 10.0),
    Scenario("nothing", "free_running", 10.0),
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


@pytest.fixture(scope="module")
def runs(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[Scenario, Future[None]]]:
    """Run the chosen scenarios, some at once; each test waits for its own."""
    named = {str(scenario): scenario for scenario in (*NAMED, *EVERY)}
    ids = [item.callspec.id for item in request.session.items if isinstance(item, pytest.Function)]
    chosen = [named[test_id] for test_id in ids if test_id in named]
    with ThreadPoolExecutor(LINES_AT_ONCE) as pool:
        yield {one: pool.submit(one.run, tmp_path_factory.mktemp(str(one))) for one in chosen}
        pool.shutdown(cancel_futures=True)


@pytest.mark.parametrize("scenario", [*NAMED, *PRODUCT], ids=str)
def test_scenario(scenario: Scenario, runs: dict[Scenario, Future[None]]) -> None:
    """Whatever happens, no part escapes, and the line judges every part rightly again afterwards."""
    runs[scenario].result()
