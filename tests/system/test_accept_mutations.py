"""Each clause of the accept rule is needed: without it, and without its twin in the gate, a part escapes.

Each case brings about what the clause is there for. With the clause in place no part escapes. Without it one
does: the PLC accepts a part that was never judged, or whose own frame is not ACCEPT, or that was judged past
its deadline, or while nothing may be accepted at all. That every view has spoken is tested on the functions
alone, since a station has one camera; the change of a recipe in test_recipe_mutations.py.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import pytest

from inspectd.agent.verdict import CLAUSES
from inspectd.io.fault_proxy import ProxyMode
from tests.system.law import escapes, is_good, named_in_plc, named_in_row
from tests.system.line_options import LineOptions
from tests.system.line_rig import LineRig
from tests.system.test_recipe_mutations import CASES as RECIPE_CASES

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

ON_FUNCTIONS_ALONE = {"every_view"}
RATE = 12.0
INTERVAL_MS = round(1000 / RATE)
# Defective parts after good ones, past the first few: a busy machine may miss one, not all of them.
PARTS = [part for part in range(10, 40) if is_good(part - 1) and not is_good(part)][:3]


def no_more(_: LineRig) -> None:
    """What the case needs is ordered beforehand."""


def hang_at_lost_frames(rig: LineRig) -> None:
    """Hang the link over the part after each one whose frame was lost."""
    for part in LOST:
        rig.wait_at_eye(part)
        rig.proxy.set_mode(ProxyMode.HANG)
        rig.wait_at_eye(part + 1)
        rig.proxy.set_mode(ProxyMode.PASS)


@dataclass(frozen=True)
class Case:
    """What a clause is there for, and what else guards the same and is removed with it."""

    clause: str
    options: LineOptions
    twins: tuple[str, ...] = ()
    disturb: Callable[[LineRig], None] = field(default=no_more)
    escapes: Sequence[int] = tuple(PARTS)
    """Parts of which one at least escapes without the clause."""


def script(order: str, parts: Sequence[int] = PARTS) -> LineOptions:
    """Have the oracle follow this order at each of the parts."""
    return LineOptions(rate=RATE, script="".join(f"{part} {order}\n" for part in parts))


def camera(*faults: tuple[str, int, int], parts: Sequence[int] = PARTS, **options: Any) -> LineOptions:
    """Have the camera fail at each of the parts: what, so many parts later, by so many ms."""
    ordered = [
        {"fault": fault, "part": part + later, "ms": ms} for part in parts for fault, later, ms in faults
    ]
    return replace(LineOptions(rate=RATE, camera={"faults": ordered}), **options)


GOOD = [part - 1 for part in PARTS]
LOST = (4, 8, 12)
CASES = [
    Case(
        "before_deadline",
        script("slow0.3", GOOD),
        twins=("ledger_deadline", "board_deadline"),
        escapes=GOOD,
    ),
    Case("own_frame", camera(("drop", 0, 0))),
    # The good part before is exposed again after this one's own exposure has been lost: so long after it that
    # a busy machine keeps the order. Of a loss that comes last nobody can tell before the next frame.
    Case("whole_window", camera(("stray", -1, INTERVAL_MS + 14), ("drop", 0, 0))),
    # The good part's frame comes late, when the next part's own, which is lost, should.
    Case(
        "stamped_frame",
        camera(("delay", -1, INTERVAL_MS + 5), ("drop", 0, 0), agent=("--unstamped",)),
    ),
    Case("fit_frame", camera(("freeze", 0, 0))),
    Case("finite_score", script("nan")),
    Case("under_threshold", script("2.0")),
    Case("over_low_limit", script("0.01")),
    Case("outside_recheck", script("0.95")),
    # An engine that has failed again and again then says that defective parts are good.
    Case(
        "no_fault",
        replace(
            script("0.5"),
            script=script("fail", range(1, PARTS[0])).script + script("0.5").script,
            gate_without="fault",
        ),
    ),
    Case(
        "no_shadow",
        LineOptions(rate=RATE, line={"shadow": True}, gate_without="shadow"),
        escapes=GOOD,
    ),
    # A frame exposed while the link hangs is taken for the part before, whose own frame was lost.
    Case(
        "trusted_position",
        camera(
            ("drop", 0, 0),
            parts=LOST,
            rate=4.0,
            mode="free_running",
            twin={"gate_window": 400},
            deadline_ms=400.0,
        ),
        twins=("no_position",),
        disturb=hang_at_lost_frames,
        escapes=LOST,
    ),
]


def wrongly_accepted(folder: Path, case: Case, *, mutated: bool, line: type[LineRig] = LineRig) -> list[int]:
    """Run the case's line; gives the parts that were accepted and must not be."""
    without = tuple(word for name in (case.clause, *case.twins) for word in ("--without", name))
    options = replace(case.options, agent=case.options.agent + (without if mutated else ()))
    with line(folder, options) as rig:
        case.disturb(rig)
        rig.finish(max(case.escapes) + 2)
        escaped = [record.part for record in escapes(rig)]
        rows = {named_in_row(row): row for row in rig.rows()}
        accepted = [record for record in rig.plc.records if record.accepted]
        late = [
            record.part
            for record in accepted
            if rows[named_in_plc(record)]["latency_ms"] > options.deadline_ms
        ]
        shadowed = [record.part for record in accepted] if options.line.get("shadow") else []
        return sorted({*escaped, *late, *shadowed})


@pytest.mark.line
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.clause)
def test_no_part_escapes(tmp_path: Path, case: Case) -> None:
    """With the clause in place nothing is accepted that must not be."""
    assert wrongly_accepted(tmp_path, case, mutated=False) == []


@pytest.mark.line
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.clause)
def test_an_escape_shows_without_the_clause(tmp_path: Path, case: Case) -> None:
    assert set(wrongly_accepted(tmp_path, case, mutated=True)) & set(case.escapes)


def test_every_clause_has_its_case() -> None:
    """A clause added to the accept rule needs a case here, or this fails."""
    named = {clause.__name__ for clause in CLAUSES}
    in_recipes = {case.clause for case in RECIPE_CASES} - {""}
    assert named == {case.clause for case in CASES} | ON_FUNCTIONS_ALONE | in_recipes
