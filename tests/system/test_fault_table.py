"""Every row of the contract's fault table on whole lines: each link, each kind of trigger, slow and fast.

Rows come one after another in one run, over ids that wrap and recipes that change from part to part. Each
shows that it came about, and the line accepts good parts again after it; in the end the whole run is held
against the law. The default run has each row once.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import product
from typing import TYPE_CHECKING, Any, Literal

import pytest

from tests.system.fault_rows import CHAINS, EVERY_ROW, NOT_CONFIRMED, STOP_AFTER, rows_of
from tests.system.law import assert_lawful, assert_recovered, assert_right
from tests.system.level_lines import assert_taken, level
from tests.system.line_options import PARTS_TO_GATE, LineOptions
from tests.system.recipe_rig import MIXED, RecipeRig, assert_classes, scheduled

if TYPE_CHECKING:
    from pathlib import Path

Link = Literal["modbus_tcp", "s7", "modbus_server", "modbus_rtu"]
Mode = Literal["hardware", "software", "level", "free_running"]
LINKS: tuple[Link, ...] = ("modbus_tcp", "s7", "modbus_server")
ON_A_SERIAL_LINE: tuple[Mode, ...] = ("hardware", "software")
SLOW = 5.0
FAST: dict[Mode, float] = {"hardware": 20.0, "software": 20.0, "level": 20.0, "free_running": 12.0}
"""Parts per second. In free-running mode `check` allows no more: in 25 ms + cycle + PLC scan the belt moves
half a pitch. With the level handshake results are buffered on the fast line: there a part is triggered before
the last one has its verdict."""
FAST_ELSEWHERE: dict[tuple[Link, Mode], float] = {("modbus_server", "level"): 12.0}
"""Where the agent is the server a trigger may be two exchanges of the PLC old: at 20 parts per second two
cores with line, PLC and camera on them see too many of the level handshake's too late."""
FIRST_TRIG_ID = 65_528
BEGIN = 12
"""Past the wrap of the ids, with parts from before it on their way to the gate."""
PARTS_AFTER = 25
STOP_ASKED = "stop_line_requested"


@dataclass(frozen=True)
class Scenario:
    """A chain of rows on a line."""

    chain: str
    link: Link
    mode: Mode
    rate: float = SLOW

    def __str__(self) -> str:
        return "-".join((self.chain, self.link, self.mode, f"{self.rate:g}"))

    @property
    def options(self) -> LineOptions:
        """The line it happens on."""
        twin = {"first_trig_id": FIRST_TRIG_ID}
        line: dict[str, Any] = {"stop_after": STOP_AFTER} if self.chain == "stop_line" else {}
        if self.mode != "free_running":
            line["confirmations"] = {"missing": NOT_CONFIRMED, "within_parts": PARTS_TO_GATE + 4}
        options = LineOptions(rate=self.rate, protocol=self.link, twin=twin, line=line)
        if self.mode == "free_running":
            options = replace(options, mode="free_running")
        elif self.mode == "level":
            options = level(options, buffered=self.rate != SLOW)
            options = replace(options, trigger="software" if self.rate == SLOW else "hardware")
        else:
            options = replace(options, trigger=self.mode)
        return scheduled(options, MIXED)


IN_DEFAULT_RUN = (
    Scenario("link", "s7", "software"),
    Scenario("link", "modbus_server", "free_running"),
    Scenario("plc", "modbus_tcp", "level"),
    Scenario("plc", "s7", "hardware"),
    Scenario("agent", "modbus_tcp", "free_running"),
    Scenario("agent", "modbus_server", "software"),
    Scenario("station", "modbus_server", "level"),
    Scenario("stop_line", "modbus_tcp", "hardware"),
)


def product_of(chains: tuple[str, ...], *, slow: bool) -> list[object]:
    """Give every scenario of these chains at one of the two rates, marked if not of the default run."""
    every = [
        Scenario(chain, link, mode, SLOW if slow else FAST_ELSEWHERE.get((link, mode), fast))
        for chain, link, (mode, fast) in product(chains, LINKS, FAST.items())
    ]
    if slow:
        every += [Scenario(chain, "modbus_rtu", mode) for chain, mode in product(chains, ON_A_SERIAL_LINE)]
    return [
        pytest.param(one, id=str(one), marks=[] if one in IN_DEFAULT_RUN else pytest.mark.system)
        for one in every
    ]


def run_chain(folder: Path, scenario: Scenario) -> None:
    """Let the rows happen, then hold the run against the law."""
    with RecipeRig(folder, scenario.options) as rig:
        rig.wait_accepting()
        rig.wait_at_eye(BEGIN)
        for row in rows_of(scenario.chain, ids=scenario.mode != "free_running"):
            row(rig)
        since = rig.next_at_eye()
        rig.finish(since + PARTS_AFTER)
        assert_lawful(rig)
        assert_classes(rig, at_least=PARTS_AFTER // 2)
        assert_recovered(rig, since)
        # A confirmation that the agent could not see is not one missing.
        assert rig.has_logged(STOP_ASKED) == (scenario.chain == "stop_line"), rig.logs()


@pytest.mark.line
@pytest.mark.parametrize("scenario", product_of(tuple(CHAINS), slow=True))
def test_slow(scenario: Scenario, tmp_path: Path) -> None:
    """Whatever happens, no part escapes, and the line accepts good parts again afterwards."""
    run_chain(tmp_path, scenario)


@pytest.mark.parametrize("scenario", product_of(tuple(CHAINS), slow=False))
def test_fast(scenario: Scenario, tmp_path: Path) -> None:
    """The same as fast as the line can go; it has the machine to itself."""
    run_chain(tmp_path, scenario)


def run_undisturbed(folder: Path, scenario: Scenario, parts: int, busy: int) -> None:
    """Let nothing happen; no good part may be rejected and no defective one accepted."""
    with RecipeRig(folder, scenario.options) as rig:
        rig.finish(parts)
        assert_lawful(rig)
        assert_classes(rig, at_least=parts * 9 // 10)
        assert_right(rig, {}, busy)
        if scenario.mode == "level":
            assert_taken(rig)


@pytest.mark.line
@pytest.mark.system
@pytest.mark.parametrize("scenario", product_of(("nothing",), slow=True))
def test_undisturbed_slow(scenario: Scenario, tmp_path: Path) -> None:
    """Every good part is accepted and every defective one rejected."""
    run_undisturbed(tmp_path, scenario, parts=60, busy=1)


@pytest.mark.parametrize("scenario", product_of(("nothing",), slow=False))
def test_undisturbed_fast(scenario: Scenario, tmp_path: Path) -> None:
    """The same as fast as the line can go, but for a few that a busy machine held up."""
    run_undisturbed(tmp_path, scenario, parts=200, busy=4)


def test_the_default_run_has_every_row_link_and_mode() -> None:
    """In `make test` each row happens once at least, with every link and every kind of trigger among them."""
    rows = {row for one in IN_DEFAULT_RUN for row in rows_of(one.chain, ids=one.mode != "free_running")}
    assert rows == EVERY_ROW
    assert {one.link for one in IN_DEFAULT_RUN} == set(LINKS)
    assert {one.mode for one in IN_DEFAULT_RUN} == set(FAST)
