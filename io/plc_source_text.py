"""PLC source for the controls engineer: the reject gate as a function block, in two dialects.

Structured text (IEC 61131-3, for CODESYS and OpenPLC) and SCL (Siemens TIA Portal) are filled from the same
templates in `plc_source/`. They differ in how a word of the image is named, in the header of a block, in the
name of the timer, and in the sign `#` before every local name. The rules of the gate are those of
`inspectd.io.gate` and `inspectd.io.plc_program`; tests run both dialects against these.
"""

from __future__ import annotations

import re
from importlib.resources import files
from string import Template
from typing import TYPE_CHECKING

from inspectd.io.plc_map import PLC_FIELDS, SLOT_FIELDS, VISION_FIELDS

if TYPE_CHECKING:
    from inspectd.io.plc_map import Field
    from inspectd.io.plc_settings import LinkSettings

CELLS = 64
"""Parts between photo-eye and gate that the shift register holds; one more, and the oldest is rejected."""
VISION_START = 32
RING_START = 52
_SLOT_WORDS = 5
_INCLUDED = ("inputs", "outputs", "variables", "belt", "clauses", "decided", "image")
_OF_THE_LEVEL_HANDSHAKE = ("level_variables", "level_scan", "level_trigger", "level_control")
_PLACEHOLDER = re.compile(r"\$([a-zA-Z]\w*)")
# Names that TIA Portal takes for a keyword unless they are quoted.
_KEYWORDS_OF_SCL = frozenset({"VERSION"})


def structured_text(settings: LinkSettings) -> str:
    """Give types, functions and the gate's function block in IEC 61131-3 structured text."""
    values = {
        **_common(settings),
        "distance": "INSPECTD_DISTANCE",
        "distance_result": "INSPECTD_DISTANCE",
        "crc": "INSPECTD_CRC",
        "crc_result": "INSPECTD_CRC",
        "gate": "INSPECTD_GATE",
        "header": "",
        "begin": "",
        "function_var": "VAR",
        "timer": "TON",
        "plc_type": "INSPECTD_PLC_WORDS",
        "vision_type": "INSPECTD_VISION_WORDS",
        **{f"plc_{field.name}": f"plc[{_constant('PLC', field)}]" for field in PLC_FIELDS},
        **{f"vision_{field.name}": f"vision[{_constant('VISION', field)}]" for field in VISION_FIELDS},
        **{
            f"slot_{field.name}": f"vision[RING_{field.name} + {_SLOT_WORDS} * slot]" for field in SLOT_FIELDS
        },
        "store_ENCODER": _store_words("PLC_ENCODER", "EYE_ENCODER", "    "),
        "store_ENCODER_NOW": _store_words("PLC_ENCODER_NOW", "ENCODER", ""),
    }
    text = _template("functions") + "\n" + _gate_template(settings)
    values["constants"] = _constants(text)
    types = (
        "TYPE\n    INSPECTD_PLC_WORDS : ARRAY[0..31] OF UINT;\nEND_TYPE\n\n"
        "TYPE\n    INSPECTD_VISION_WORDS : ARRAY[0..99] OF UINT;\nEND_TYPE\n\n"
    )
    return types + _fill(text, values)


def scl_blocks(settings: LinkSettings) -> str:
    """Give functions and the gate's function block in SCL for TIA Portal (S7-1200 and S7-1500)."""
    values = {
        **_common(settings),
        "distance": '"InspectdDistance"',
        "distance_result": "#InspectdDistance",
        "crc": '"InspectdCrc"',
        "crc_result": "#InspectdCrc",
        "gate": '"InspectdGate"',
        "header": "{ S7_Optimized_Access := 'FALSE' }\nVERSION : 0.1",
        "begin": "BEGIN",
        "function_var": "VAR_TEMP",
        "timer": "TON_TIME",
        "plc_type": '"InspectdPlc"',
        "vision_type": '"InspectdVision"',
        "constants": "",
        **{f"plc_{field.name}": f"#plc.{scl_name(field.name)}" for field in PLC_FIELDS},
        **{f"vision_{field.name}": f"#vision.{scl_name(field.name)}" for field in VISION_FIELDS},
        **{f"slot_{field.name}": f"#vision.RING[#slot].{scl_name(field.name)}" for field in SLOT_FIELDS},
        "store_ENCODER": "#plc.ENCODER := EYE_ENCODER;",
        "store_ENCODER_NOW": "#plc.ENCODER_NOW := ENCODER;",
    }
    text = _fill(_template("functions") + "\n" + _gate_template(settings), values)
    blocks = re.split(r"(?m)^(?=FUNCTION)", text)
    return "".join(_with_number_signs(block) for block in blocks)


def scl_name(name: str) -> str:
    """Give a member's name as SCL must write it."""
    return f'"{name}"' if name in _KEYWORDS_OF_SCL else name


def _common(settings: LinkSettings) -> dict[str, str]:
    return {"station": str(settings.station), "cells": str(CELLS), "last_cell": str(CELLS - 1)}


def _template(name: str) -> str:
    return (files("inspectd.io") / "plc_source" / f"{name}.st").read_text(encoding="utf-8")


def _gate_template(settings: LinkSettings) -> str:
    """The gate of a mode with the pieces that both share put in; placeholders for values remain."""
    level = settings.handshake == "level"
    names = {name: name for name in _INCLUDED}
    names |= {name: name if level else "" for name in _OF_THE_LEVEL_HANDSHAKE}
    names |= {"forget": f"forget_{settings.mode}", "taken": "" if level else "taken_id_change"}
    parts = {f"part_{part}": _template(name).rstrip("\n") if name else "" for part, name in names.items()}
    # Without TriggerReady a part gets no id, and so is rejected: later would be too late.
    parts["may_trigger"] = " AND NOT raised AND ($vision_STATUS / 2) MOD 2 = 1" if level else ""
    text = _template(f"gate_{settings.mode}")
    for _ in range(2):  # pieces that hold pieces
        text = _drop_empty(text, parts)
        text = Template(text).safe_substitute(parts)
    return text


def _fill(text: str, values: dict[str, str]) -> str:
    return Template(_drop_empty(text, values)).substitute(values)


def _drop_empty(text: str, values: dict[str, str]) -> str:
    """Drop the lines that hold nothing but a placeholder without content."""
    lines = text.splitlines(keepends=True)
    return "".join(line for line in lines if values.get(line.strip().removeprefix("$"), line) != "")


def _constant(prefix: str, field: Field) -> str:
    return field.name if field.name.startswith(f"{prefix}_") else f"{prefix}_{field.name}"


def _constants(template: str) -> str:
    """Declare a name for the place of each word that a template uses, counted from its array's start."""
    used = set(_PLACEHOLDER.findall(template))
    used |= {name.replace("store_", "plc_") for name in used}
    places = [
        *((f"plc_{field.name}", _constant("PLC", field), field.word) for field in PLC_FIELDS),
        *(
            (f"vision_{field.name}", _constant("VISION", field), field.word - VISION_START)
            for field in VISION_FIELDS
        ),
        *(
            (f"slot_{field.name}", f"RING_{field.name}", field.word + RING_START - VISION_START)
            for field in SLOT_FIELDS
        ),
    ]
    lines = [f"    {name} : INT := {place};" for key, name, place in places if key in used]
    return "\n".join(("VAR CONSTANT", *lines, "END_VAR"))


def _store_words(constant: str, value: str, indent: str) -> str:
    """Write a double word, high word first."""
    return (
        f"plc[{constant}] := UDINT_TO_UINT({value} / 65536);\n"
        f"{indent}plc[{constant} + 1] := UDINT_TO_UINT({value} MOD 65536);"
    )


def _with_number_signs(block: str) -> str:
    """Put `#` before every local name in the body of an SCL block; comments stay as they are."""
    declarations, begin, body = block.partition("\nBEGIN\n")
    names = re.findall(r"(?m)^ {4}(\w+) :", declarations)
    if not names:
        return block
    local = re.compile(r"(?<![\w.#\"])(" + "|".join(names) + r")\b")
    pieces = re.split(r"(\(\*.*?\*\))", body, flags=re.DOTALL)
    return (
        declarations
        + begin
        + "".join(piece if piece.startswith("(*") else local.sub(r"#\1", piece) for piece in pieces)
    )
