"""SCL source for TIA Portal: data types, a data block that is not optimised, and the gate's blocks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from inspectd.io.plc_map import PLC_FIELDS, SLOT_FIELDS, TYPE_NAMES, VISION_FIELDS
from inspectd.io.plc_settings import S7Settings
from inspectd.io.plc_source_text import scl_blocks, scl_name

if TYPE_CHECKING:
    from collections.abc import Iterable

    from inspectd.io.plc_map import Field
    from inspectd.io.plc_settings import LinkSettings


def scl_source(settings: LinkSettings) -> str:
    """Give one source file: three data types, the data block, two functions, the gate's function block."""
    base_byte = settings.base_byte if isinstance(settings, S7Settings) else 0
    return "\n".join(
        (
            _structure("InspectdSlot", "one slot of the verdict ring", _members(SLOT_FIELDS)),
            _structure("InspectdPlc", "words 0 to 31: this PLC writes them", _members(PLC_FIELDS)),
            _structure(
                "InspectdVision",
                "words 32 to 131: the agent writes them",
                [*_members(VISION_FIELDS), '    RING : ARRAY[0..15] OF "InspectdSlot";'],
            ),
            _data_block(base_byte),
            scl_blocks(settings),
        )
    )


def _members(table: Iterable[Field]) -> list[str]:
    return [f"    {scl_name(field.name)} : {TYPE_NAMES[field.kind]}; // {field.meaning}" for field in table]


def _structure(name: str, meaning: str, members: list[str]) -> str:
    lines = (
        f"// {meaning}",
        f'TYPE "{name}"',
        "VERSION : 0.1",
        "STRUCT",
        *members,
        "END_STRUCT;",
        "END_TYPE",
    )
    return "\n".join((*lines, ""))


def _data_block(base_byte: int) -> str:
    """The block that the agent reads and writes by absolute addresses; `base_byte` is that of word 0."""
    before = [f"    BEFORE : ARRAY[0..{base_byte // 2 - 1}] OF UINT; // not the agent's"] if base_byte else []
    lines = (
        'DATA_BLOCK "InspectdData"',
        "{ S7_Optimized_Access := 'FALSE' }",
        "VERSION : 0.1",
        "NON_RETAIN",
        "STRUCT",
        *before,
        '    PLC : "InspectdPlc";',
        '    VISION : "InspectdVision";',
        "END_STRUCT;",
        "BEGIN",
        "END_DATA_BLOCK",
    )
    return "\n".join((*lines, ""))
