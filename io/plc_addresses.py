"""Where each word and bit of the register image lies, in the terms of the PLC's own tools.

Modbus: holding register counted from 0, as on the wire, and as 4xxxx, counted from 1. Where the agent is the
server, CONTROL is mirrored as coils and STATUS as discrete inputs. S7: DBn.DBWx and, for bits, DBn.DBXx.b;
words are big-endian, so bit 0 of word n is DBX(2n+1).0.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from inspectd.io.plc_map import TYPE_NAMES, fields
from inspectd.io.plc_settings import ModbusServerSettings, S7Settings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from inspectd.io.plc_map import Bit, Field
    from inspectd.io.plc_settings import ModbusRtuSettings, ModbusTcpSettings

    AnySettings = ModbusTcpSettings | S7Settings | ModbusServerSettings | ModbusRtuSettings

_LAST_FIVE_DIGITS = 9998  # register 9998 is 49999, the last one that four digits name
_BITS_OF_A_BYTE = 8
_S7_LETTERS = {"UINT": "W", "UDINT": "D", "REAL": "D"}


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the printed map. `word` and `bit` are the contract's; `bit` is None for a whole value."""

    word: int
    bit: int | None
    address: str
    number: str
    """Modbus: the same in the notation 4xxxx (registers), 0xxxx (coils), 1xxxx (inputs); S7: ""."""
    name: str
    type: str
    writer: str
    meaning: str


def rows(settings: AnySettings) -> list[Row]:
    """Every value and every named bit of words 0 to 131, with the addresses of a link."""
    return [row for field in fields() for row in _rows_of(settings, field)]


def _rows_of(settings: AnySettings, field: Field) -> Iterator[Row]:
    address, number = _field_address(settings, field)
    meaning = field.meaning
    if field.values:
        meaning += ": " + "; ".join(f"{value} {text}" for value, text in field.values)
    yield Row(field.word, None, address, number, field.name, TYPE_NAMES[field.kind], field.writer, meaning)
    for bit in field.bits:
        address, number = _bit_address(settings, field, bit)
        name = f"{field.name}.{bit.name}"
        yield Row(field.word, bit.number, address, number, name, "BOOL", field.writer, bit.meaning)


def _field_address(settings: AnySettings, field: Field) -> tuple[str, str]:
    if isinstance(settings, S7Settings):
        block, byte = settings.data_block, settings.base_byte + 2 * field.word
        if field.kind == "CHAR16":
            return f"P#DB{block}.DBX{byte}.0 BYTE {2 * field.words}", ""
        return f"DB{block}.DB{_S7_LETTERS[field.kind]}{byte}", ""
    first = settings.base_address + field.word
    last = first + field.words - 1
    wide = settings.base_address + 131 > _LAST_FIVE_DIGITS
    if first == last:
        return str(first), _reference("4", first, wide=wide)
    return f"{first}-{last}", f"{_reference('4', first, wide=wide)}-{_reference('4', last, wide=wide)}"


def _bit_address(settings: AnySettings, field: Field, bit: Bit) -> tuple[str, str]:
    if isinstance(settings, S7Settings):
        # Big-endian: the word's second byte holds bits 0 to 7.
        byte = settings.base_byte + 2 * field.word + (1 if bit.number < _BITS_OF_A_BYTE else 0)
        return f"DB{settings.data_block}.DBX{byte}.{bit.number % _BITS_OF_A_BYTE}", ""
    if isinstance(settings, ModbusServerSettings):
        place = settings.base_address + bit.number
        wide = settings.base_address + 131 > _LAST_FIVE_DIGITS
        if field.writer == "plc":
            return f"coil {place}", _reference("0", place, wide=wide)
        return f"discrete input {place}", _reference("1", place, wide=wide)
    return f"{settings.base_address + field.word}.{bit.number}", ""


def _reference(area: str, address: int, *, wide: bool) -> str:
    """Name a register or bit as Modbus manuals do: area digit, then the number counted from 1."""
    return f"{area}{address + 1:0{5 if wide else 4}d}"
