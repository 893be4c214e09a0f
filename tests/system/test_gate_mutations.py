"""Each clause of the gate is needed: without it an agent that writes just what it stops gets a part through.

A scripted agent truly judges some parts and forges the verdict of one. With every clause in place the judged
parts pass and the forged one does not; with the clause removed the forged one is accepted: an escape.
"""

from __future__ import annotations

import random
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from inspectd.io import gate
from inspectd.io.plc_simulator import PlcSimulator, PlcSimulatorSettings
from inspectd.io.plc_twin import PlcTwin
from tests.system.mutated_plc import mutate
from tests.system.scripted_agent import (
    ACCEPT,
    FAULT,
    ONLINE,
    REJECT,
    SHADOW,
    UNKNOWN,
    ModbusTransport,
    ScriptedAgent,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from inspectd.io.plc_record import PartRecord

PITCH = 1000
SCAN_S = 0.01


# --- what the agent does with each part ------------------------------------------------------------------


def judge(agent: ScriptedAgent, part: int) -> None:
    """Judge a part truly and say ACCEPT."""
    agent.judged.add(part)
    agent.put(ACCEPT)


def judge_at(agent: ScriptedAgent, part: int) -> None:
    """Judge truly what stood at the part's position and say ACCEPT (free-running)."""
    agent.judged.add(part)
    agent.put_at(part * PITCH, ACCEPT)


def wrong_about_itself(**said: int) -> Callable[[ScriptedAgent, int], None]:
    """Say ACCEPT for part 2, which it did not judge, with these words wrong; then right itself."""

    def script(agent: ScriptedAgent, part: int) -> None:
        right = {"status": ONLINE, "station": 1, "version": 1, "echo_off": 0}
        for name, value in {**right, **(said if part == 2 else {})}.items():
            setattr(agent, name, value)
        if part == 2:
            agent.put(ACCEPT)
        else:
            judge(agent, part)

    return script


def forging(**slot: int) -> Callable[[ScriptedAgent, int], None]:
    """Write this slot for part 2, and judge the others."""

    def script(agent: ScriptedAgent, part: int) -> None:
        if part == 2:
            agent.put(**{"verdict": ACCEPT, **slot})
        else:
            judge(agent, part)

    return script


def hangs(agent: ScriptedAgent, part: int) -> None:
    """Judge part 1; hang over part 2 with ACCEPT standing in the ring."""
    if part == 1:
        judge(agent, part)
    else:
        agent.put(ACCEPT)
        agent.beating = False


def stops_after_a_round_of_the_ring(agent: ScriptedAgent, part: int) -> None:
    """Judge 16 parts; the slot of the 17th still holds the first one's ACCEPT."""
    if part <= 16:
        judge(agent, part)


def writes_ahead(agent: ScriptedAgent, part: int) -> None:
    """Judge part 1 and write ACCEPT for the next id before it is issued."""
    if part == 1:
        judge(agent, part)
        agent.put(ACCEPT, trig_id=agent.trig_id + 1)


def sees_the_gap_between_parts(agent: ScriptedAgent, part: int) -> None:
    """Judge part 1; of part 2 have a frame of the belt behind it only."""
    if part == 1:
        judge_at(agent, part)
    else:
        agent.put_at(part * PITCH - PITCH // 2, ACCEPT)


def one_frame_for_two(agent: ScriptedAgent, part: int) -> None:
    """Have one verdict halfway between parts 1 and 2: it may serve one of them."""
    if part == 2:
        agent.judged.add(1)
        agent.put_at(PITCH + PITCH // 2, ACCEPT)


def two_frames_for_one(agent: ScriptedAgent, part: int) -> None:
    """Judge part 1; for part 2 have two contradicting verdicts."""
    if part == 1:
        judge_at(agent, part)
    else:
        agent.put_at(part * PITCH, REJECT)
        agent.put_at(part * PITCH + 10, ACCEPT)


def writes_a_place_ahead(agent: ScriptedAgent, part: int) -> None:
    """Judge part 1 and write ACCEPT for the place where part 2 will be."""
    if part == 1:
        judge_at(agent, part)
        agent.put_at((part + 1) * PITCH, ACCEPT)


@dataclass(frozen=True)
class Scenario:
    """A script, the line it runs on, and which part must not get through."""

    clause: str
    script: Callable[[ScriptedAgent, int], None]
    forged: int = 2
    parts: int = 3
    line: dict[str, Any] = field(default_factory=dict[str, Any])

    def settings(self) -> PlcSimulatorSettings:
        # By default a part has passed the gate before the next one comes.
        line = {"gate_distance": 800, "first_trig_id": 65530, **self.line}
        return PlcSimulatorSettings(parts=self.parts, rate=20, pitch=PITCH).model_copy(update=line)


FREE = {"mode": "free_running"}
SCENARIOS = (
    Scenario("barred", writes_ahead, parts=2),
    Scenario("heartbeat", hangs, parts=2, line={"rate": 1.0}),
    Scenario("online", wrong_about_itself(status=0)),
    Scenario("fault", wrong_about_itself(status=ONLINE | FAULT)),
    Scenario("shadow", wrong_about_itself(status=ONLINE | SHADOW)),
    Scenario("version", wrong_about_itself(version=2)),
    Scenario("station", wrong_about_itself(station=2)),
    Scenario("epoch", wrong_about_itself(echo_off=1)),
    Scenario("id", stops_after_a_round_of_the_ring, forged=17, parts=17, line={"first_trig_id": 1}),
    Scenario("check", forging(recipe=2)),
    Scenario("check", forging(epoch_off=-1)),
    Scenario("verdict", forging(verdict=REJECT, reason=1)),
    Scenario("verdict", forging(verdict=UNKNOWN, reason=21)),
    Scenario("verdict", forging(verdict=0)),
    Scenario("window", sees_the_gap_between_parts, parts=2, line={**FREE, "age_limit": 2000}),
    Scenario(
        "consumed", one_frame_for_two, parts=2, line={**FREE, "gate_distance": 1800, "gate_window": 600}
    ),
    Scenario("single", two_frames_for_one, parts=2, line=FREE),
    Scenario("age", writes_a_place_ahead, parts=2, line=FREE),
)


# --- the line, on a simulated clock ----------------------------------------------------------------------


@dataclass(frozen=True)
class GoodPart:
    """The truth about every part here: what it looks like plays no role."""

    kind: str | None = None
    size: float = 0.0


class TwinTransport:
    """The two requests, straight into the twin's memory."""

    def __init__(self, twin: PlcTwin) -> None:
        self._memory = twin.memory

    def read(self) -> list[int]:
        return self._memory.read()[:52]

    def write(self, words: list[int]) -> None:
        self._memory.write(32, words)


class Line:
    """Twin and scripted agent, taking turns on a clock of their own."""

    def __init__(self, settings: PlcSimulatorSettings, script: Callable[[ScriptedAgent, int], None]) -> None:
        self.twin = PlcTwin(settings, lambda _: GoodPart(), epochs=random.Random(1))
        pitch = settings.pitch if settings.mode == "free_running" else 0
        self.agent = ScriptedAgent(TwinTransport(self.twin), script, pitch)
        self.now = 0.0
        self.twin.power_on(self.now)

    def run(self, until: Callable[[], bool]) -> None:
        while not until():
            assert self.now < 60.0, "the scenario does not end"
            self.now += SCAN_S
            self.twin.step(self.now)
            self.agent.cycle()

    def run_out(self) -> list[PartRecord]:
        self.run(lambda: self.twin.finished)
        return self.twin.records


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
    settings = scenario.settings().model_copy(update={"start_when_online": True})
    with PlcSimulator(settings, program=program) as plc:
        transport = ModbusTransport(plc.port)
        agent = ScriptedAgent(transport, scenario.script)
        deadline = time.monotonic() + 30
        while len(plc.records) < scenario.parts and time.monotonic() < deadline:
            agent.cycle()
            time.sleep(0.003)
        transport.close()
        return accepted(plc.records), agent.judged


@pytest.mark.parametrize("scenario", [s for s in SCENARIOS if s.clause in ("epoch", "id")], ids=name_of)
def test_the_same_holds_over_modbus(scenario: Scenario) -> None:
    """The twin's process, spoken to over Modbus TCP, gives both results: no escape, and one when mutated."""
    whole = (sys.executable, "-m", "inspectd.io.plc_simulator")
    mutant = (sys.executable, str(Path(__file__).with_name("mutated_plc.py")), scenario.clause)
    passed, judged = run_over_modbus(scenario, whole)
    assert passed == judged
    passed, judged = run_over_modbus(scenario, mutant)
    assert passed - judged == {scenario.forged}
