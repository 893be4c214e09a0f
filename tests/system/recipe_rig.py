"""A whole line with two classes: each takes the other's parts for good, whatever they are.

A defective part that is judged by the wrong class is therefore accepted, and shows as an escape.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ruamel.yaml import YAML

from inspectd.io.plc import Reason
from tests.system.law import is_good
from tests.system.line_options import LineOptions
from tests.system.line_rig import LineRig

if TYPE_CHECKING:
    from pathlib import Path

RECIPES = (1, 2)
MIXED = (1, 2, 2, 1, 2, 1, 1, 1, 2, 2, 2)
MOST_PARTS = 2000
WRONG_CLASS_SCORE = 0.5


class RecipeRig(LineRig):
    """A `LineRig` whose station has a class for each of `RECIPES`; the twin's schedule says whose turn it is.

    Without a schedule both classes say the truth, and the panel says whose turn it is.
    """

    def write_config(self, name: str, wire_port: int) -> Path:
        """Write a script for the oracle of each class beside the configuration."""
        path = super().write_config(name, wire_port)
        parts = range(1, MOST_PARTS) if self.options.twin["recipes"] else ()
        for recipe in RECIPES:
            foreign = (part for part in parts if self.recipe_of(part) != recipe)
            script = "".join(f"{part} {WRONG_CLASS_SCORE}\n" for part in foreign)
            (self.folder / f"oracle-{recipe}.txt").write_text(script + self.options.script)
        yaml = YAML()
        content: dict[str, Any] = yaml.load(path.read_text())
        content["classes"] = [{"recipe": recipe, "bundle": f"oracle-{recipe}.txt"} for recipe in RECIPES]
        with path.open("w") as file:
            yaml.dump(content, file)
        return path

    def recipe_of(self, part: int) -> int:
        """RECIPE of a part by the twin's schedule."""
        schedule: tuple[int, ...] = self.options.twin["recipes"]
        return schedule[(part - 1) % len(schedule)]


def scheduled(options: LineOptions, recipes: tuple[int, ...] = RECIPES) -> LineOptions:
    """Have the recipes change from part to part as given, over and over."""
    return replace(options, twin={**options.twin, "recipes": recipes})


def defective_before_a_change(start: int, count: int) -> list[int]:
    """Defective parts of the first recipe, where the recipes take turns, from `start` on."""
    odd = (part for part in range(start | 1, start + 1000, 2) if not is_good(part))
    return [next(odd) for _ in range(count)]


def assert_classes(rig: RecipeRig, at_least: int) -> None:
    """Each row names the class of its part's own recipe, and nobody else judged it; so many were judged.

    A part whose position is not certain is UNKNOWN, whatever its recipe was taken for.
    """
    judged = [
        row
        for row in rig.rows()
        if row.get("score") is not None and row["reason"] != Reason.POSITION_UNTRUSTED
    ]
    assert len(judged) >= at_least
    for row in judged:
        part = int(str(row["image"]).removeprefix("part "))
        assert row["recipe"] == rig.recipe_of(part), row
        assert row["class"] == row["bundle"] == f"oracle {row['recipe']}", row
