"""The table of the register image says what pack and unpack do, and what the enums say."""

from __future__ import annotations

from dataclasses import fields as dataclass_fields
from typing import Any

import pytest

from inspectd.io import plc_map
from inspectd.io.plc import (
    PLC_WORDS,
    RING_SLOTS,
    RING_START,
    SLOT_WORDS,
    VISION_START,
    WORDS,
    Control,
    FaultCode,
    PlcImage,
    Reason,
    RingEntry,
    Status,
    Verdict,
    VisionImage,
)
from inspectd.io.plc_map import PLC_FIELDS, SLOT_FIELDS, VISION_FIELDS, Field

TOLD: dict[str, Any] = {"UINT": 0x1234, "UDINT": 0x12345678, "REAL": 1.5, "CHAR16": "ABCDEFGHIJKLMNOP"}
PACKED = {
    "UINT": [0x1234],
    "UDINT": [0x1234, 0x5678],
    "REAL": [0x3FC0, 0],
    "CHAR16": [0x4142, 0x4344, 0x4546, 0x4748, 0x494A, 0x4B4C, 0x4D4E, 0x4F50],
}


def zero() -> dict[str, Any]:
    """An image of nothing but zeros."""
    return {"version": 0}


def words_of(image: type[PlcImage | VisionImage], start: int, field: Field) -> dict[int, int]:
    """Set one value of an image and give the words that are then not 0, by number."""
    value: Any = TOLD[field.kind]
    if field.name in ("CONTROL", "STATUS"):
        value = (Control if field.name == "CONTROL" else Status)(0x7F)
    packed = image(**{**zero(), field.attribute: value}).pack()
    return {start + number: word for number, word in enumerate(packed) if word}


@pytest.mark.parametrize("field", PLC_FIELDS, ids=lambda field: field.name)
def test_the_plc_s_words_are_where_the_table_says(field: Field) -> None:
    """Set a value and just its words change; TRIG_ID stands twice."""
    check(PlcImage, 0, field, PLC_FIELDS)


@pytest.mark.parametrize("field", VISION_FIELDS, ids=lambda field: field.name)
def test_the_agent_s_words_are_where_the_table_says(field: Field) -> None:
    """Set a value and just its words change; RESULT_SEQ stands twice."""
    check(VisionImage, VISION_START, field, VISION_FIELDS)


def check(image: type[PlcImage | VisionImage], start: int, field: Field, table: tuple[Field, ...]) -> None:
    if not field.attribute:
        assert field.name.startswith("RESERVED")
        return
    expected: dict[int, int] = {}
    for twin in table:
        if twin.attribute == field.attribute:
            words = [0x7F] if field.bits else PACKED[twin.kind]
            expected |= dict(enumerate(words, twin.word))
    assert words_of(image, start, field) == {number: word for number, word in expected.items() if word}


def test_a_slot_is_as_the_table_says() -> None:
    """Five words, the outcome being verdict x 256 + reason."""
    entry = RingEntry(id=11, verdict=3, reason=21, a=12, b=13, check=14)
    assert [field.word for field in SLOT_FIELDS] == list(range(SLOT_WORDS))
    for field, word in zip(SLOT_FIELDS, entry.pack(), strict=True):
        assert word == (getattr(entry, field.attribute) if field.attribute else 3 * 256 + 21)


def test_the_table_leaves_nothing_out() -> None:
    """Words 0 to 131 each belong to one field, and each value of the images to at least one."""
    covered = [field.word + part for field in plc_map.fields() for part in range(field.words)]
    assert covered == list(range(WORDS))
    assert {field.writer for field in PLC_FIELDS} == {"plc"}
    assert {field.writer for field in VISION_FIELDS} == {"vision"}
    assert max(field.word + field.words for field in PLC_FIELDS) == PLC_WORDS
    assert len([name for field in plc_map.fields() if (name := field.name).startswith("RING")]) == (
        RING_SLOTS * SLOT_WORDS
    )
    assert next(field.word for field in plc_map.fields() if field.name == "RING[0].ID") == RING_START
    for image, table in ((PlcImage, PLC_FIELDS), (VisionImage, VISION_FIELDS)):
        assert {entry.name for entry in dataclass_fields(image)} == {f.attribute for f in table} - {""}


def test_names_are_plain_and_stand_once() -> None:
    """Two fields of one writer never share a name: PLC source is made of them."""
    for table in (PLC_FIELDS, VISION_FIELDS, SLOT_FIELDS):
        assert len({field.name for field in table}) == len(table)
        assert all(field.name.replace("_", "").isalnum() for field in table)


@pytest.mark.parametrize(("word", "flags"), [(1, Control), (33, Status)])
def test_every_bit_is_named(word: int, flags: type[Control | Status]) -> None:
    """With the contract's name, at the enum's place."""
    field = next(field for field in plc_map.fields() if field.word == word)
    told = {bit.name.upper(): 1 << bit.number for bit in field.bits}
    assert told == {str(flag.name).replace("_", ""): int(flag) for flag in flags}
    assert len({bit.meaning for bit in field.bits}) == len(field.bits)


@pytest.mark.parametrize(("word", "codes"), [(35, FaultCode), (39, Verdict), (40, Reason)])
def test_every_code_is_told(word: int, codes: Any) -> None:
    """Verdicts, reasons and faults stand in the map with their meaning."""
    field = next(field for field in plc_map.fields() if field.word == word)
    assert [number for number, _ in field.values] == [int(code) for code in codes]
    for code, (_, meaning) in zip(codes, field.values, strict=True):
        assert meaning == getattr(code, "meaning", code.name.lower())
