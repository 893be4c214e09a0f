"""RECIPE of the PLC twin: by the panel, or by a schedule from part to part; the gate's CHECK follows it."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from inspectd.io.plc import PlcImage
from inspectd.io.plc_simulator_settings import PlcSimulatorSettings
from tests.system.gate_scenarios import FREE, PITCH, Line, judge, judge_at
from tests.system.scripted_agent import ACCEPT, ScriptedAgent

SCHEDULE = (1, 2, 2, 7)


def settings(parts: int = 10, **changes: Any) -> PlcSimulatorSettings:
    line = {"rate": 10, "pitch": PITCH, "gate_distance": 3 * PITCH, "parts": parts, "recipes": SCHEDULE}
    return PlcSimulatorSettings.model_validate(line | changes)


def scheduled(part: int) -> int:
    return SCHEDULE[(part - 1) % len(SCHEDULE)]


def test_each_part_has_its_recipe_of_the_schedule() -> None:
    """In the image with its id, and at the gate, whatever RECIPE says by then."""
    seen: dict[int, int] = {}

    def script(agent: ScriptedAgent, part: int) -> None:
        seen[part] = agent.recipe
        judge(agent, part)

    records = Line(settings(spacing_jitter=0.3), script).run_out()
    assert seen == {part: scheduled(part) for part in range(1, 11)}
    assert {record.part: record.recipe for record in records} == seen
    assert all(record.accepted for record in records)


def test_a_verdict_with_the_recipe_of_the_next_part_is_rejected() -> None:
    """CHECK is over the part's own: RECIPE as it stood at the trigger."""

    def script(agent: ScriptedAgent, part: int) -> None:
        agent.put(ACCEPT, recipe=scheduled(part + 1))

    records = Line(settings(), script).run_out()
    same = {part for part in range(1, 11) if scheduled(part) == scheduled(part + 1)}
    assert {record.part for record in records if record.accepted} == same
    assert {record.why for record in records} == {"", "check"}


def test_free_running_recipe_changes_between_two_parts() -> None:
    """Half a pitch before a part comes, so that the polls around its exposure agree."""
    recipes: list[tuple[int, int]] = []
    line = Line(settings(parts=10, **FREE), judge_at)
    start = line.twin.settings.encoder_start

    def done() -> bool:
        image = PlcImage.unpack(line.twin.memory.read())
        if image.plc_epoch:
            recipes.append((image.encoder_now - start, image.recipe))
        return line.twin.finished

    line.run(done)
    assert all(recipe == scheduled(max(1, round(at / PITCH))) for at, recipe in recipes)
    assert {recipe for _, recipe in recipes} == set(SCHEDULE)
    accepted = {record.part: record.recipe for record in line.twin.records if record.accepted}
    assert accepted == {part: scheduled(part) for part in range(1, 11)}


def test_a_schedule_holds_recipes() -> None:
    """A word each."""
    with pytest.raises(ValidationError, match="65535"):
        settings(recipes=(1, 70_000))
