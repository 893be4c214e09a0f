"""Each clause of the gate is needed: without it an agent that writes just what it stops gets a part through.

A scripted agent truly judges some parts and forges the verdict of one. With every clause in place the judged
parts pass and the forged one does not; with the clause removed the forged one is accepted: an escape.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from inspectd.io import gate
from inspectd.io.plc_simulator import PlcSimulator, PlcSimulatorSettings
from tests.system.gate_scenarios import PITCH, SCENARIOS, Line, Scenario, judge
from tests.system.mutated_plc import mutate
from tests.system.scripted_agent import ACCEPT, ModbusTransport, ScriptedAgent

if TYPE_CHECKING:
    from collections.abc import Iterable

    from inspectd.io.plc_record import PartRecord


SHORT_SCENARIOS = {"epoch", "single"}
SLOW = 2.0


def accepted(records: Iterable[PartRecord]) -> set[int]:
    return {record.part for record in records if record.accepted}


def without(clause: str, patch: pytest.MonkeyPatch) -> None:
    """Take a clause out until the test ends."""
    patch.setattr(gate, "CLAUSES", gate.CLAUSES)
    patch.setattr(gate, "SLOT_CLAUSES", gate.SLOT_CLAUSES)
    mutate(clause)


def name_of(scenario: Scenario) -> str:
    return scenario.clause


@pytest.mark.parametrize("scenario", SCENARIOS, ids=name_of)
def test_the_clause_stops_what_it_is_for(scenario: Scenario) -> None:
    """With every clause in place the judged parts pass and nothing else."""
    line = Line(scenario.settings(), scenario.script)
    records = line.run_out()
    assert accepted(records) == line.agent.judged
    assert scenario.forged not in line.agent.judged
    why = {record.part: record.why for record in records}
    assert why[scenario.forged] in (scenario.clause, "no_entry")


@pytest.mark.parametrize("scenario", SCENARIOS, ids=name_of)
def test_an_escape_shows_without_the_clause(scenario: Scenario, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the clause a part passes that the agent never judged."""
    without(scenario.clause, monkeypatch)
    line = Line(scenario.settings(), scenario.script)
    assert accepted(line.run_out()) - line.agent.judged == {scenario.forged}


def test_every_clause_has_its_scenario() -> None:
    """A clause added to the gate needs a scenario here, or this fails; restarts have tests of their own."""
    named = {clause.name for clause in (*gate.CLAUSES, *gate.SLOT_CLAUSES)}
    assert named == {scenario.clause for scenario in SCENARIOS} | {"restart"}


# --- restarts of the PLC ---------------------------------------------------------------------------------


def power_cycle_under_way(line: Line, *, after_part: int, off_s: float = 0.2) -> None:
    """Cut the PLC's power once a part has passed the photo-eye; the belt runs on."""
    line.run(lambda: line.twin.conveyor.eye_part == after_part)
    line.twin.power_off()
    back = line.now + off_s
    line.run(lambda: line.now >= back)
    line.twin.power_on(line.now)
    line.run(lambda: line.twin.running)


def restart_with_old_parts_on_the_belt() -> tuple[Line, set[int]]:
    """Free-running: after the restart the agent says ACCEPT at the place of a part from before it."""
    settings = PlcSimulatorSettings(
        parts=12, rate=20, pitch=PITCH, gate_distance=8000, mode="free_running", encoder_start=7
    )
    line = Line(settings, lambda _agent, _part: None)
    power_cycle_under_way(line, after_part=3)
    started = line.twin.conveyor.travel
    line.run(lambda: line.agent.epoch == line.twin.epoch)
    line.agent.put_at(settings.encoder_start + 3 * PITCH - started, ACCEPT)
    return line, {3}


def test_parts_from_before_a_restart_are_rejected() -> None:
    """Until the belt has moved from photo-eye to gate nothing passes, whatever the ring says."""
    line, _ = restart_with_old_parts_on_the_belt()
    records = line.run_out()
    assert accepted(records) == set()
    assert {record.part: record.why for record in records}[3] == "restart"


def test_an_escape_shows_without_the_restart_clause(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without that rule a part from before the restart passes on the new epoch's word."""
    without("restart", monkeypatch)
    line, forged = restart_with_old_parts_on_the_belt()
    assert accepted(line.run_out()) == forged


def restart_with_judged_parts_in_the_register(*, keeping: bool) -> Line:
    """Parts 1 to 3 are judged, the PLC restarts and counts from 0, and the agent judges no more."""
    settings = PlcSimulatorSettings(parts=30, rate=20, pitch=PITCH, gate_distance=5000)
    line = Line(settings, lambda agent, part: judge(agent, part) if part <= 3 else None)
    line.run(lambda: line.twin.conveyor.eye_part == 4)
    assert line.twin.program is not None
    kept = list(line.twin.program.register)
    power_cycle_under_way(line, after_part=4)
    assert line.twin.program is not None
    if keeping:
        line.twin.program.register.extend(kept)
    return line


def test_a_restart_clears_the_shift_register() -> None:
    """No verdict from before the restart serves a part after it, though the belt passes its count again."""
    assert accepted(restart_with_judged_parts_in_the_register(keeping=False).run_out()) == set()


def test_an_escape_shows_if_a_restart_keeps_the_shift_register() -> None:
    """Kept entries are found again at their old counts, under parts that nobody judged."""
    line = restart_with_judged_parts_in_the_register(keeping=True)
    assert accepted(line.run_out()) - line.agent.judged


# --- the same over a real link ---------------------------------------------------------------------------


def run_over_modbus(scenario: Scenario, program: tuple[str, ...]) -> tuple[set[int], set[int]]:
    """Run a scenario against the twin's process; gives the accepted and the judged parts."""
    # Slow enough for a verdict to be on time on a machine that is busy with other things.
    settings = scenario.settings()
    rate = min(settings.rate, SLOW)
    settings = settings.model_copy(update={"start_when_online": True, "rate": rate})
    with PlcSimulator(settings, program=program) as plc:
        transport = ModbusTransport(plc.port)
        pitch = settings.pitch if settings.mode == "free_running" else 0
        agent = ScriptedAgent(transport, scenario.script, pitch)
        deadline = time.monotonic() + 30
        while len(plc.records) < scenario.parts and time.monotonic() < deadline:
            agent.cycle()
            time.sleep(0.003)
        transport.close()
        return accepted(plc.records), agent.judged


@pytest.mark.parametrize(
    "scenario",
    [
        pytest.param(
            scenario,
            id=f"{number}-{scenario.clause}",
            marks=[] if scenario.clause in SHORT_SCENARIOS else pytest.mark.system,
        )
        for number, scenario in enumerate(SCENARIOS)
    ],
)
def test_the_same_holds_over_modbus(scenario: Scenario) -> None:
    """The twin's process, spoken to over Modbus TCP, gives both results: no escape, and one when mutated."""
    whole = (sys.executable, "-m", "inspectd.io.plc_simulator")
    mutant = (sys.executable, str(Path(__file__).with_name("mutated_plc.py")), scenario.clause)
    passed, judged = run_over_modbus(scenario, whole)
    assert passed
    assert passed <= judged
    passed, judged = run_over_modbus(scenario, mutant)
    assert passed - judged == {scenario.forged}
