"""The PLC twin's belt: the parts between photo-eye and gate, and their verdicts."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from inspectd.io.plc_twin import PlcTwin


def belt_view(twin: PlcTwin) -> list[dict[str, int]]:
    """Give each part between photo-eye and gate, the one nearest to the gate first.

    `past_eye`: counts since the photo-eye. `trig_id` is 0 for a part without an id (PLC off, or free-running
    mode); `verdict` and `reason` are those of its cell in the shift register, 0 as long as none fits it.
    """
    belt = twin.conveyor
    cells = {cell.part: cell for cell in twin.program.register} if twin.program is not None else {}
    parts: list[dict[str, int]] = []
    for part in range(belt.gate_part + 1, belt.eye_part + 1):
        cell = cells.get(part)
        copy = cell.copy if cell is not None else None
        fits = (
            cell is not None
            and copy is not None
            and not cell.barred
            and copy.id == cell.trig_id
            and copy.holds(cell.epoch, cell.recipe)
        )
        parts.append(
            {
                "part": part,
                "past_eye": belt.travel - belt.position(part),
                "trig_id": 0 if cell is None else cell.trig_id,
                "verdict": copy.verdict if fits and copy is not None else 0,
                "reason": copy.reason if fits and copy is not None else 0,
            }
        )
    return parts
