"""The mutations of the accept rule on other kinds of lines: level handshake, free-running, changing recipes.

Where the agent is the server they are in test_mutations_server.py. What is removed is the same code, which
the default run takes out on lines with the trigger by id change; so these run with the full product.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from tests.system.level_lines import level
from tests.system.line_rig import LineRig
from tests.system.recipe_rig import MIXED, RecipeRig, scheduled
from tests.system.test_accept_mutations import CASES, Case, wrongly_accepted

if TYPE_CHECKING:
    from pathlib import Path

    from tests.system.line_options import LineOptions

pytestmark = [pytest.mark.line, pytest.mark.system]

NEEDS_TRIGGER = {"own_frame", "whole_window", "stamped_frame"}
"""Without a trigger each exposure is a part of its own: none is missing, and none another part's."""
NEEDS_ID_CHANGE = {"no_fault"}
"""With the level handshake TriggerReady is low while a fault is set: the PLC triggers no part."""


def recipes(options: LineOptions) -> LineOptions:
    return scheduled(options, MIXED)


def free_running(options: LineOptions) -> LineOptions:
    return replace(options, mode="free_running")


def buffered(options: LineOptions) -> LineOptions:
    return level(options, buffered=True)


KINDS = {
    "level": (buffered, LineRig),
    "free_running": (free_running, LineRig),
    "recipes": (recipes, RecipeRig),
}


def fits(kind: str, case: Case) -> bool:
    """Whether a line of this kind knows what the case is about."""
    if kind == "free_running":
        return case.clause not in NEEDS_TRIGGER and case.options.mode != "free_running"
    if kind == "level":
        return case.clause not in NEEDS_ID_CHANGE and case.options.mode != "free_running"
    return True


EVERY = [
    pytest.param(kind, case, id=f"{kind}-{case.clause}")
    for kind in KINDS
    for case in CASES
    if fits(kind, case)
]


def run(folder: Path, kind: str, case: Case, *, mutated: bool) -> set[int]:
    """Run the case on a line of this kind; gives the parts that were accepted and must not be."""
    change, line = KINDS[kind]
    case = replace(case, options=change(case.options))
    return set(wrongly_accepted(folder, case, mutated=mutated, line=line))


@pytest.mark.parametrize(("kind", "case"), EVERY)
def test_no_part_escapes(kind: str, case: Case, tmp_path: Path) -> None:
    """With the clause in place nothing is accepted that must not be."""
    assert run(tmp_path, kind, case, mutated=False) == set()


@pytest.mark.parametrize(("kind", "case"), EVERY)
def test_an_escape_shows_without_the_clause(kind: str, case: Case, tmp_path: Path) -> None:
    """The clause is needed on this kind of line too."""
    assert run(tmp_path, kind, case, mutated=True) & set(case.escapes)
