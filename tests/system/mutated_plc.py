"""The PLC twin with one clause of its gate taken out: `python mutated_plc.py CLAUSE --config JSON`."""

from __future__ import annotations

import sys

from inspectd.io import gate, plc_simulator


def mutate(clause: str) -> None:
    """Take `clause` out of the gate's rule; ValueError if there is none of that name."""
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
