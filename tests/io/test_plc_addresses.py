"""Addresses of words and bits in the terms of Modbus and S7."""

from __future__ import annotations

from typing import Any

from pydantic import TypeAdapter

from inspectd.io.plc import PLC_WORDS, WORDS, PlcImage, Status
from inspectd.io.plc_addresses import Row, rows
from inspectd.io.plc_settings import AnyPlcSettings


def table(**settings: Any) -> dict[str, Row]:
    """Rows by name, those of the agent's own words as vision.NAME."""
    link: Any = TypeAdapter(AnyPlcSettings).validate_python(settings)
    return {(row.name if row.word < PLC_WORDS else f"vision.{row.name}"): row for row in rows(link)}


def modbus(base_address: int) -> dict[str, Row]:
    return table(kind="modbus_tcp", host="127.0.0.1", base_address=base_address)


def test_modbus_registers_are_counted_from_0_and_from_40001() -> None:
    """Both notations; double words and texts take several registers."""
    found = modbus(100)
    assert (found["HEARTBEAT"].address, found["HEARTBEAT"].number) == ("100", "40101")
    assert (found["ENCODER"].address, found["ENCODER"].number) == ("104-105", "40105-40106")
    assert (found["SERIAL"].address, found["SERIAL"].number) == ("112-119", "40113-40120")
    assert (found["vision.HEARTBEAT"].address, found["vision.HEARTBEAT"].number) == ("132", "40133")
    assert found["vision.RING[15].CHECK"].address == "231"
    assert (found["vision.STATUS.Fault"].address, found["vision.STATUS.Fault"].number) == ("133.9", "")
    assert found["vision.STATUS.Fault"].bit == 9


def test_registers_past_9998_are_named_by_six_digits() -> None:
    """All of the image alike: five digits end at 49999."""
    assert modbus(9867)["vision.RING[15].CHECK"].number == "49999"
    found = modbus(9868)
    assert found["vision.RING[15].CHECK"].number == "410000"
    assert found["HEARTBEAT"].number == "409869"


def test_rtu_has_the_addresses_of_tcp() -> None:
    """The registers are the same on the serial line."""
    rtu = table(kind="modbus_rtu", serial_port="/dev/ttyS0", base_address=100)
    assert list(rtu.values()) == list(modbus(100).values())


def test_where_the_agent_is_the_server_bits_are_coils_and_inputs() -> None:
    """CONTROL as coils, STATUS as discrete inputs, the first of each at the base address."""
    found = table(kind="modbus_server", listen="127.0.0.1", base_address=20)
    assert (found["CONTROL.TriggerEnable"].address, found["CONTROL.TriggerEnable"].number) == (
        "coil 20",
        "00021",
    )
    assert (found["CONTROL.SetOffline"].address, found["CONTROL.SetOffline"].number) == ("coil 26", "00027")
    shadow = found["vision.STATUS.Shadow"]
    assert (shadow.address, shadow.number) == ("discrete input 33", "10034")
    assert (found["CONTROL"].address, found["CONTROL"].number) == ("21", "40022")


def test_s7_addresses_are_bytes_of_the_data_block() -> None:
    """Words, double words, texts as areas; `base_byte` is word 0."""
    found = table(kind="s7", host="127.0.0.1", data_block=7, base_byte=10)
    addresses = {name: row.address for name, row in found.items()}
    assert addresses["HEARTBEAT"] == "DB7.DBW10"
    assert addresses["ENCODER"] == "DB7.DBD18"
    assert addresses["SERIAL"] == "P#DB7.DBX34.0 BYTE 16"
    assert addresses["vision.SCORE_REAL"] == "DB7.DBD94"
    assert addresses["vision.RING[0].ID"] == "DB7.DBW114"
    assert {row.number for row in found.values()} == {""}


def test_the_bit_trap_of_s7() -> None:
    """Bit 0 of word n is DBX(2n+1).0, bit 8 is DBX(2n).0: as the bytes of a word really lie."""
    found = table(kind="s7", host="127.0.0.1", data_block=7)
    assert found["CONTROL.TriggerEnable"].address == "DB7.DBX3.0"
    assert found["vision.STATUS.ResultsValid"].address == "DB7.DBX67.5"
    assert found["vision.STATUS.MissedAcq"].address == "DB7.DBX67.7"
    assert found["vision.STATUS.Overrun"].address == "DB7.DBX66.0"
    for row in found.values():
        if row.bit is not None:
            byte, bit = map(int, row.address.removeprefix("DB7.DBX").split("."))
            memory = (1 << row.bit).to_bytes(2, "big")
            assert memory[byte - 2 * row.word] == 1 << bit


def test_every_word_and_bit_has_a_row() -> None:
    """All 132 words, all named bits, and the codes with their meaning."""
    found = [row for row in modbus(0).values() if row.bit is None]
    assert found[-1].word == WORDS - 1
    assert len({row.word for row in found}) == len(found)
    everything = modbus(0)
    assert sum(row.bit is not None for row in everything.values()) == 7 + len(Status)
    assert "2 reject" in everything["vision.VERDICT"].meaning
    assert "34 self-test failed" in everything["vision.REASON"].meaning
    assert "12 another agent writes" in everything["vision.FAULT"].meaning
    assert {row.writer for row in everything.values()} == {"plc", "vision"}
    assert PlcImage().pack()[everything["VERSION"].word] == 1
