"""The generated gate, executed, against the scenarios that io/gate.py is held to; and each clause removed."""

from __future__ import annotations

import random
import re
from typing import TYPE_CHECKING

import pytest

from inspectd.io import gate as python_gate
from tests.iec.lexer import IecError
from tests.iec.mutants import RULES, replaced, without
from tests.iec.random_line import Pair
from tests.iec.st_plc import DIALECTS, WHY, gate_source, program_factory
from tests.system.gate_scenarios import SCENARIOS, Line, Scenario
from tests.system.test_gate_mutations import (
    accepted,
    name_of,
    restart_with_judged_parts_in_the_register,
    restart_with_old_parts_on_the_belt,
)

if TYPE_CHECKING:
    from collections.abc import Callable

TWIN = "inspectd.io.plc_twin.PlcProgram"


def both_conditions_gone(clause: str) -> Callable[[str], str]:
    return lambda source: without(source, clause)


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("scenario", SCENARIOS, ids=name_of)
def test_the_clause_stops_what_it_is_for(
    scenario: Scenario, dialect: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The judged parts pass and nothing else; the reason given is the Python gate's."""
    monkeypatch.setattr(TWIN, program_factory(dialect))
    line = Line(scenario.settings(), scenario.script)
    records = line.run_out()
    assert accepted(records) == line.agent.judged
    assert scenario.forged not in line.agent.judged
    why = {record.part: record.why for record in records}
    assert why[scenario.forged] in (scenario.clause, "no_entry")


@pytest.mark.parametrize("scenario", SCENARIOS, ids=name_of)
def test_an_escape_shows_without_the_clause(scenario: Scenario, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the clause in the source a part passes that the agent never judged."""
    monkeypatch.setattr(TWIN, program_factory("st", both_conditions_gone(scenario.clause)))
    line = Line(scenario.settings(), scenario.script)
    assert accepted(line.run_out()) - line.agent.judged == {scenario.forged}


def test_every_clause_of_the_python_gate_is_in_the_source() -> None:
    """A clause added there is to be added here: each is a number that WHY can show."""
    told = {name for name in WHY.values() if name not in ("", "no_entry", "not_set_up")}
    assert told == {clause.name for clause in python_gate.CLAUSES}
    for mode, absent in (("plc_triggered", {"single"}), ("free_running", {"barred", "id"})):
        source = gate_source("st", mode)
        set_there = {WHY[int(number)] for number in re.findall(r"WHY := (\d+);", source)}
        assert set_there == set(WHY.values()) - absent


# --- restarts ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("keep", [True, False])
def test_parts_from_before_a_restart_are_rejected(keep: bool, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: FBT001  both ways of one option
    """Whether the PLC keeps its memory over the restart or not."""
    monkeypatch.setattr(TWIN, program_factory("st", keep=keep))
    line, _ = restart_with_old_parts_on_the_belt()
    assert accepted(line.run_out()) == set()
    monkeypatch.setattr(TWIN, program_factory("st", keep=keep))
    assert accepted(restart_with_judged_parts_in_the_register(keeping=False).run_out()) == set()


def test_an_escape_shows_without_the_restart_clause(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without that rule a part from before the restart passes on the new epoch's word."""
    monkeypatch.setattr(TWIN, program_factory("st", both_conditions_gone("restart")))
    line, forged = restart_with_old_parts_on_the_belt()
    assert accepted(line.run_out()) == forged


def test_an_escape_shows_if_a_restart_keeps_the_shift_register(monkeypatch: pytest.MonkeyPatch) -> None:
    """Kept entries, were the epoch kept with them, would be found again under parts that nobody judged."""

    def forgetful(source: str) -> str:
        kept = replaced(source, "    held := 0;\n    first := 0;\n", "")
        return replaced(kept, "    EPOCH := 0;\n", "")

    monkeypatch.setattr(TWIN, program_factory("st", forgetful, keep=True))
    line = restart_with_judged_parts_in_the_register(keeping=False)
    assert accepted(line.run_out()) - line.agent.judged


# --- the other rules ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(("mode", "old", "new"), RULES, ids=[f"{rule[0]}: {rule[1][:40]}" for rule in RULES])
def test_random_scans_see_every_other_change(mode: str, old: str, new: str) -> None:
    """A rule of the source changed: some scan differs from the Python gate, or the program breaks."""
    differs = (
        seen_by_a_line(random.Random(seed), mode, old, new, scans=100 + 100 * seed) for seed in range(10)
    )
    assert any(differs), "ten random lines did not see the change"


def seen_by_a_line(rng: random.Random, mode: str, old: str, new: str, scans: int) -> bool:
    pair = Pair(rng, mode, "st", lambda source: replaced(source, old, new))
    try:
        pair.play(scans)
    except (AssertionError, IecError):
        return True
    return False
