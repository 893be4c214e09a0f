"""Scripts for the scripted agent, one for each clause of the gate, and a line that plays them.

A scripted agent truly judges some parts and forges the verdict of one.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from inspectd.io.plc_simulator_settings import PlcSimulatorSettings
from inspectd.io.plc_twin import PlcTwin
from tests.system.scripted_agent import ACCEPT, FAULT, ONLINE, REJECT, SHADOW, UNKNOWN, ScriptedAgent

if TYPE_CHECKING:
    from collections.abc import Callable

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
