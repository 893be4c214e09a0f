"""The generated gate, executed, against the scenarios that io/gate.py is held to; and each clause removed."""

from __future__ import annotations

import pytest

from tests.iec.st_plc import DIALECTS, program_factory
from tests.system.gate_scenarios import SCENARIOS, Line, Scenario
from tests.system.test_gate_mutations import accepted, name_of

TWIN = "inspectd.io.plc_twin.PlcProgram"


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
