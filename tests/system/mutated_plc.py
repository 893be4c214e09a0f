"""The PLC twin with one clause of its gate taken out: `python mutated_plc.py CLAUSE --config JSON`.

The clause `ring` stands for all that the gate reads from the ring: in its place the gate then trusts the
VERDICT that its level handshake has brought.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from inspectd.io import gate, plc_level, plc_simulator
from inspectd.io.plc import Status, Verdict

if TYPE_CHECKING:
    from inspectd.io.gate import Case, Cell

READ_FROM_RING = {"barred", "id", "check", "verdict"}


class TrustingHandshake(plc_level.PlcLevelHandshake):
    """Takes the VERDICT that stands with ResultsValid after TriggerAck for the part triggered last."""

    _asked: Cell | None = None
    _answered = False

    def trigger(self, cell: Cell) -> None:
        """Remember for which part Trigger was raised."""
        super().trigger(cell)
        self._asked, self._answered = cell, False

    def _follow_trigger(self, now: float) -> None:
        self._answered = self._answered or Status.TRIGGER_ACK in self._vision.status
        super()._follow_trigger(now)

    def _take(self) -> None:
        if self._asked is not None and self._answered:
            self._asked.taken = self._vision.verdict
            self._asked = None


def _taken_accept(case: Case) -> bool:
    return case.cell.taken == Verdict.ACCEPT


def mutate(clause: str) -> None:
    """Take `clause` out of the gate's rule; ValueError if there is none of that name."""
    if clause == "ring":
        plc_level.HANDSHAKES["level"] = TrustingHandshake
        kept = tuple(one for one in gate.CLAUSES if one.name not in READ_FROM_RING)
        gate.CLAUSES = (*kept, gate.Clause("taken", _taken_accept))
        return
    for table in ("CLAUSES", "SLOT_CLAUSES"):
        clauses = getattr(gate, table)
        kept = tuple(one for one in clauses if one.name != clause)
        if len(kept) < len(clauses):
            setattr(gate, table, kept)
            return
    raise ValueError(f"the gate has no clause {clause!r}")


if __name__ == "__main__":
    mutate(sys.argv[1])
    sys.exit(plc_simulator.main(sys.argv[2:]))
