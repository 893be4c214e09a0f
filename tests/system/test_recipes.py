"""A whole line whose recipe changes from part to part: each part is judged by the class of its own recipe."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from inspectd.io.plc import Reason, Status
from tests.system.law import assert_lawful, assert_right, held_up, is_good, told
from tests.system.line_options import LineOptions
from tests.system.recipe_rig import MIXED, RECIPES, RecipeRig, assert_classes, scheduled

if TYPE_CHECKING:
    from pathlib import Path

PARTS = 80
UNKNOWN_RECIPE = 9
# In each turn a second of parts that the station has no class for.
WITH_UNKNOWN = (*MIXED, *MIXED, *[UNKNOWN_RECIPE] * 8)


@pytest.mark.line
def test_each_part_by_the_class_of_its_recipe(tmp_path: Path) -> None:
    """With parts of both on their way to the gate all the time; SERIAL and LOT of each stand in its row."""
    with RecipeRig(tmp_path, scheduled(LineOptions(rate=8.0), MIXED)) as rig:
        rig.finish(PARTS)
        assert_lawful(rig)
        assert_right(rig, {}, busy=PARTS // 2)
        assert_classes(rig, PARTS // 2)
        assert {record.recipe for record in rig.plc.records} == set(RECIPES)
        late = held_up(rig)
        named = {record.trig_id: record.epoch for record in rig.plc.records if record not in late}
        told_of = {
            row["trig_id"]: (row["serial"], row["lot"]) for row in rig.rows() if row["trig_id"] in named
        }
        assert told_of == {
            trig_id: (f"SN{epoch:05d}{trig_id:05d}", "LOT-1") for trig_id, epoch in named.items()
        }


@pytest.mark.line
def test_free_running_across_the_wrap_of_the_encoder(tmp_path: Path) -> None:
    """Recipes change between two parts, and all 32 bits of ENCODER_NOW turn over on the way."""
    wrap_after = 20_000
    twin = {"encoder_start": 2**32 - wrap_after, "gate_window": 400}
    options = LineOptions(mode="free_running", rate=8.0, twin=twin)
    with RecipeRig(tmp_path, scheduled(options, MIXED)) as rig:
        rig.finish(PARTS)
        assert_lawful(rig)
        assert_classes(rig, PARTS // 2)
        # A busy machine may let a position be unknown, but none wrong.
        found = [record for record in rig.plc.records if not record.missing]
        assert len(found) > PARTS // 2, told(rig.plc.records)
        assert {record.part for record in found if record.accepted != is_good(record.part)} == set()
        positions = [record.encoder for record in rig.plc.records]
        assert max(positions) > 2**32 - wrap_after > min(positions)


@pytest.mark.line
def test_unknown_recipes(tmp_path: Path) -> None:
    """UNKNOWN/41 each, Degraded while they come and RECIPE_IN_FORCE 0; the parts around them are judged."""
    with RecipeRig(tmp_path, scheduled(LineOptions(rate=8.0), WITH_UNKNOWN)) as rig:
        rig.wait_online()
        states: list[tuple[bool, int]] = []
        for wanted in (True, False):
            status: dict[str, Any] = rig.plc.wait_until(
                lambda status, wanted=wanted: bool(status["status"] & Status.DEGRADED) == wanted, 30.0
            )
            states.append((bool(status["status"] & Status.FAULT), status["recipe_in_force"]))
        rig.finish(PARTS)
        assert_lawful(rig)
        unknown = {
            record.part: Reason.OFFLINE for record in rig.plc.records if record.recipe == UNKNOWN_RECIPE
        }
        assert len(unknown) >= 8
        assert_right(rig, unknown, busy=PARTS // 2)
        assert (states[0], states[1][1] in RECIPES) == ((False, 0), True)
        details = {row["detail"] for row in rig.rows() if row["recipe"] == UNKNOWN_RECIPE}
        assert details <= {f"no class for recipe {UNKNOWN_RECIPE}", ""}


@pytest.mark.line
@pytest.mark.system
def test_changeover_with_the_panel(tmp_path: Path) -> None:
    """RECIPE is changed by hand with parts on the belt: those keep theirs, the next ones have the new one."""
    options = scheduled(LineOptions(rate=16.0), ())
    with RecipeRig(tmp_path, options) as rig:
        for since, recipe in ((20, 2), (40, 1), (60, UNKNOWN_RECIPE), (80, 2)):
            rig.wait_at_eye(since)
            rig.plc.command("panel", recipe=recipe)
        rig.finish(110)
        assert_lawful(rig)
        late = held_up(rig)
        changes = [
            after.recipe
            for before, after in zip(rig.plc.records, rig.plc.records[1:], strict=False)
            if before.recipe != after.recipe
        ]
        assert changes == [2, 1, UNKNOWN_RECIPE, 2]
        wrong = [
            record
            for record in rig.plc.records
            if record not in late
            and record.accepted != (is_good(record.part) and record.recipe != UNKNOWN_RECIPE)
        ]
        assert not wrong, told(wrong)
        recipes = {record.trig_id: record.recipe for record in rig.plc.records}
        scored = [row for row in rig.rows() if row.get("score") is not None and row["trig_id"] in recipes]
        judged = {row["trig_id"]: row["class"] for row in scored}
        assert judged == {trig_id: f"oracle {recipes[trig_id]}" for trig_id in judged}
