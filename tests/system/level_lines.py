"""Whole lines with the level handshake, and what must hold on them beside the law."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from inspectd.io.plc import Reason
from tests.system.law import expected_of, told

if TYPE_CHECKING:
    from inspectd.io.plc_record import PartRecord
    from tests.system.line_options import LineOptions
    from tests.system.line_rig import LineRig


def level(options: LineOptions, *, buffered: bool = False) -> LineOptions:
    """The same line with the level handshake; `buffered`: with BufferResults."""
    return replace(
        options,
        plc=options.plc | {"handshake": "level"},
        twin=options.twin | {"handshake": "level", "buffer_results": buffered},
    )


def untriggered(rig: LineRig) -> list[PartRecord]:
    """Parts that came while TriggerReady was low: the PLC gave them no id, and the gate rejected them."""
    return [one for one in rig.plc.records if one.why == "no_entry" and not one.trig_id]


def assert_taken(rig: LineRig, since: int = 0) -> None:
    """Each verdict that the PLC took by its handshake is the one that stands in the ring, and it took them.

    Of the last parts some may still be on the way when the agent is stopped.
    """
    judged = [one for one in rig.plc.records if one.part >= since and one.verdict]
    wrong = [one for one in judged if one.taken not in (0, one.verdict)]
    assert not wrong, f"another verdict was taken\n{told(wrong)}\n{rig.logs()}"
    missed = [one for one in judged if not one.taken]
    assert len(missed) <= 2, f"results that were never shown\n{told(missed)}\n{rig.logs()}"


def assert_right_but_for(rig: LineRig, busy: int) -> None:
    """Every part has its right verdict but for a few that a busy machine held up: late, or not triggered."""
    held_up = untriggered(rig)
    held_up += [one for one in rig.plc.records if Reason(one.reason) is Reason.TRIGGER_LATE]
    wrong = [
        one
        for one in rig.plc.records
        if one not in held_up and (one.verdict, one.reason) != expected_of(one.part, {})
    ]
    assert not wrong, f"{told(wrong)}\n{rig.logs()}"
    assert len(held_up) <= busy, f"too many held up\n{told(held_up)}\n{rig.logs()}"
