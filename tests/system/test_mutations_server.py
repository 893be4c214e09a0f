"""The same mutations where the agent is the server: an escape shows without each clause, and none with it.

What is removed is the same code as where the agent is the client; so the default run takes one clause of each
kind over the wire, and the full product the rest.
"""

from __future__ import annotations

import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from inspectd.io.plc_simulator import PlcSimulator
from inspectd.io.port_reservation import reserve_port
from tests.system.gate_scenarios import SCENARIOS, Scenario
from tests.system.scripted_agent import ScriptedAgent
from tests.system.served_words import ServedWords
from tests.system.test_accept_mutations import CASES, Case, wrongly_accepted
from tests.system.test_gate_mutations import accepted, name_of

if TYPE_CHECKING:
    from collections.abc import Iterable

SHORT_CASES = {"under_threshold"}
SHORT_SCENARIOS = {"epoch"}
WHOLE = (sys.executable, "-m", "inspectd.io.plc_simulator")


def served(case: Case) -> Case:
    """Give the case on a line whose agent is the server."""
    return replace(case, options=replace(case.options, protocol="modbus_server"))


def marked(cases: Iterable[Case]) -> list[object]:
    return [
        pytest.param(
            served(case),
            id=case.clause,
            marks=[] if case.clause in SHORT_CASES else pytest.mark.system,
        )
        for case in cases
    ]


@pytest.mark.line
@pytest.mark.parametrize("case", marked(CASES))
def test_no_part_escapes(tmp_path: Path, case: Case) -> None:
    """With the clause in place nothing is accepted that must not be."""
    assert wrongly_accepted(tmp_path, case, mutated=False) == []


@pytest.mark.line
@pytest.mark.parametrize("case", marked(CASES))
def test_an_escape_shows_without_the_clause(tmp_path: Path, case: Case) -> None:
    assert set(wrongly_accepted(tmp_path, case, mutated=True)) & set(case.escapes)


# --- the gate --------------------------------------------------------------------------------------------


def run_served(scenario: Scenario, program: tuple[str, ...]) -> tuple[set[int], set[int]]:
    """Let the twin's process call a scripted agent; gives the accepted and the judged parts."""
    with reserve_port(0) as reserved:
        port = int(reserved.getsockname()[1])
        settings = scenario.settings()
        changes = {"start_when_online": True, "rate": min(2.0, settings.rate), "agent_port": port}
        settings = settings.model_copy(update=changes)
        with ServedWords(port) as words, PlcSimulator(settings, program=program) as plc:
            agent = ScriptedAgent(words, scenario.script)
            deadline = time.monotonic() + 30
            while len(plc.records) < scenario.parts and time.monotonic() < deadline:
                agent.cycle()
                time.sleep(0.003)
            return accepted(plc.records), agent.judged


@pytest.mark.parametrize(
    "scenario",
    [
        pytest.param(
            scenario,
            id=f"{number}-{name_of(scenario)}",
            marks=[] if scenario.clause in SHORT_SCENARIOS else pytest.mark.system,
        )
        for number, scenario in enumerate(SCENARIOS)
        if scenario.settings().mode == "plc_triggered"
    ],
)
def test_the_gate_of_a_plc_that_calls(scenario: Scenario) -> None:
    """The twin as a client gives both results: no escape, and one when its gate lacks the clause."""
    mutant = (sys.executable, str(Path(__file__).with_name("mutated_plc.py")), scenario.clause)
    passed, judged = run_served(scenario, WHOLE)
    assert passed
    assert passed <= judged
    passed, judged = run_served(scenario, mutant)
    assert passed - judged == {scenario.forged}
