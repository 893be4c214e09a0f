"""Recipes change while parts are in flight, and the agent errs about them: accept rule and gate stop it.

Each case breaks the agent at one place that keeps recipes apart. With the guard that is there for it in
place, no part escapes; without it, a defective part is accepted by the word of the other class, which takes
all of its neighbour's parts for good.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import pytest

from inspectd.agent.verdict import CLAUSES
from tests.system.law import escapes
from tests.system.line_options import LineOptions
from tests.system.recipe_rig import RecipeRig, defective_before_a_change, scheduled

if TYPE_CHECKING:
    from pathlib import Path

# A busy machine may miss some of them, not all.
PARTS = defective_before_a_change(12, 5)
RATE, INTERVAL_S = 5.0, 0.2
# Later than RECIPE changes, which it does half a pitch after a part in free-running mode.
LATE_FRAME_MS = round(700 * INTERVAL_S)


@dataclass(frozen=True)
class Case:
    """How the agent errs, and what guards against it: clauses of the accept rule, and of the gate."""

    error: str
    options: LineOptions
    clause: str = ""
    gate: str = ""

    def __str__(self) -> str:
        return f"{self.error}-{self.options.mode}"


CASES = (
    # The part before is judged until the next one is triggered: "the class in force" is another by then.
    Case(
        "class_of_trigger",
        LineOptions(
            rate=RATE,
            deadline_ms=700.0,
            line={"step_limit_ms": 600.0},
            script="".join(f"{part - 1} slow{2.15 * INTERVAL_S}\n" for part in PARTS),
        ),
        clause="as_triggered",
    ),
    # RECIPE is taken from the poll before the trigger: the verdict is honest, and another class's.
    Case("recipe_of_trigger", LineOptions(rate=RATE), gate="check"),
    # A frame comes after RECIPE has changed, and is taken for the next part's class.
    Case(
        "recipe_of_exposure",
        LineOptions(
            mode="free_running",
            rate=RATE,
            deadline_ms=400.0,
            twin={"gate_window": 400},
            camera={"faults": [{"fault": "delay", "part": part, "ms": LATE_FRAME_MS} for part in PARTS]},
        ),
        clause="trusted_position",
        gate="check",
    ),
)


def escaped(folder: Path, case: Case, *, clause: bool = True, gate: bool = True) -> set[int]:
    """Run the case's line, the agent in error, with the clause and the gate's clause in place or without."""
    removed = [case.error, *([] if clause or not case.clause else [case.clause])]
    without = tuple(word for name in removed for word in ("--without", name))
    options = replace(case.options, agent=without, gate_without="" if gate or not case.gate else case.gate)
    with RecipeRig(folder, scheduled(options)) as rig:
        rig.finish(max(PARTS) + 2)
        assert any(row["verdict"] == "ACCEPT" for row in rig.rows()), rig.logs()
        return {record.part for record in escapes(rig)}


@pytest.mark.line
@pytest.mark.parametrize("case", CASES, ids=str)
def test_an_agent_that_errs_lets_nothing_escape(tmp_path: Path, case: Case) -> None:
    """With every clause in place."""
    assert escaped(tmp_path, case) == set()


@pytest.mark.line
@pytest.mark.parametrize("case", CASES, ids=str)
def test_an_escape_shows_without_its_guard(tmp_path: Path, case: Case) -> None:
    """Without clause and twin a part passes that the class of its own recipe would reject."""
    assert escaped(tmp_path, case, clause=False, gate=False) & set(PARTS)


@pytest.mark.line
@pytest.mark.system
@pytest.mark.parametrize("left", ["clause", "gate"])
def test_either_guard_suffices_where_there_are_two(tmp_path: Path, left: str) -> None:
    """Clause and gate each stop it alone."""
    (case,) = (case for case in CASES if case.clause and case.gate)
    assert escaped(tmp_path, case, clause=left == "clause", gate=left == "gate") == set()


def test_the_clauses_are_there() -> None:
    """A clause that changes its name takes this test along."""
    assert {case.clause for case in CASES} - {""} <= {clause.__name__ for clause in CLAUSES}
