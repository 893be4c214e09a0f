"""The live image as one JSON object."""

from __future__ import annotations

import math
from typing import Any

from inspectd.io.plc_live import LiveImage, Pulse, Slot, Value, fault_of, value_of
from inspectd.io.plc_map import PLC_FIELDS, VISION_FIELDS, Field


def image_as_json(image: LiveImage) -> dict[str, Any]:
    """Give every value, bit, heartbeat and slot by name."""
    fault = image.words[35]
    code = fault_of(fault)
    return {
        "torn": {"plc": image.plc_torn, "vision": image.vision_torn},
        "heartbeats": {
            "plc": _pulse(image.plc_pulse, image.at),
            "vision": _pulse(image.vision_pulse, image.at),
        },
        "plc": {field.name: _number(value_of(field, image.words)) for field in PLC_FIELDS},
        "control": _bits(PLC_FIELDS, "CONTROL", image),
        "vision": {field.name: _number(value_of(field, image.words)) for field in VISION_FIELDS},
        "status": _bits(VISION_FIELDS, "STATUS", image),
        "fault": {
            "number": fault,
            "name": "unknown number" if code is None else code.name,
            "meaning": "" if code is None else code.meaning,
            "remedy": "" if code is None else code.remedy,
        },
        "ring": [_slot(slot) for slot in image.slots() if slot.entry.id],
    }


def _number(value: Value) -> Value | None:
    """Give the value; None for a NaN or an infinite score, which JSON does not know."""
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _bits(fields: tuple[Field, ...], name: str, image: LiveImage) -> dict[str, bool]:
    field = next(field for field in fields if field.name == name)
    return {bit.name: bool(image.words[field.word] >> bit.number & 1) for bit in field.bits}


def _pulse(pulse: Pulse, now: float) -> dict[str, Any]:
    return {
        "value": pulse.value,
        "moving": pulse.moving(now),
        "unchanged_ms": round(1000 * (now - pulse.since)),
    }


def _slot(slot: Slot) -> dict[str, Any]:
    entry = slot.entry
    return {
        "slot": slot.index,
        "id": entry.id,
        "verdict": slot.verdict,
        "reason": slot.reason,
        "a": entry.a,
        "b": entry.b,
        "check_fits": slot.fits_recipe is not None,
        "recipe": slot.fits_recipe,
    }
