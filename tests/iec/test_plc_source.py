"""The source files as such: layout of the data block, OpenPLC's program, a grammar of others, templates."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from inspectd.io.plc_map import fields
from inspectd.io.plc_settings import ModbusServerSettings, ModbusTcpSettings, S7Settings
from inspectd.io.plc_source_openplc import openplc_program
from inspectd.io.plc_source_scl import scl_source
from inspectd.io.plc_source_text import structured_text
from tests.iec.program import Instance, Machine
from tests.iec.values import ArrayType, StructType, Type

GRAMMAR = Path(__file__).parents[2] / ".venv-dev" / "peers" / "grammar"
BYTES = {"UINT": 2, "UDINT": 4, "REAL": 4, "CHAR": 1}
VARIANTS = (
    {"mode": "plc_triggered", "handshake": "id_change"},
    {"mode": "plc_triggered", "handshake": "level"},
    {"mode": "free_running", "handshake": "id_change"},
)


def modbus(**settings: Any) -> ModbusTcpSettings:
    return ModbusTcpSettings.model_validate({"host": "127.0.0.1", **settings})


def places(kind: Type, at: int, name: str) -> list[tuple[int, str, int]]:
    """Byte, name and size of every value in a block that is not optimised: words at even bytes."""
    if isinstance(kind, StructType):
        found: list[tuple[int, str, int]] = []
        for member, inner in kind.members.items():
            found += places(inner, at, f"{name}.{member}" if name else member)
            at = found[-1][0] + found[-1][2]
        return found
    if isinstance(kind, ArrayType) and kind.of.name != "CHAR":
        size = sum(one[2] for one in places(kind.of, 0, ""))
        count = kind.last - kind.first + 1
        return [
            one for number in range(count) for one in places(kind.of, at + number * size, f"{name}[{number}]")
        ]
    size = 16 if isinstance(kind, ArrayType) else BYTES[kind.name]
    return [(at, name, size)]


@pytest.mark.parametrize("base_byte", [0, 100])
def test_the_data_block_lies_as_the_contract_says(base_byte: int) -> None:
    """Word n at byte 2n after the configured one, under the names of the register map."""
    settings = S7Settings.model_validate(
        {"kind": "s7", "host": "127.0.0.1", "data_block": 5, "base_byte": base_byte}
    )
    block = Machine(scl_source(settings), scl=True).data["inspectddata"]
    found = [place for place in places(block, 0, "") if not place[1].startswith("before")]
    expected = [
        (base_byte + 2 * field.word, f"{field.writer}.{field.name.lower()}", 2 * field.words)
        for field in fields()
    ]
    assert found == expected


def test_the_data_block_is_not_optimised_nor_the_gate_that_works_on_it() -> None:
    """An optimised block would have no addresses; one between would copy the words back and forth."""
    source = scl_source(modbus())
    for block in ('DATA_BLOCK "InspectdData"', 'FUNCTION_BLOCK "InspectdGate"'):
        assert f"{block}\n{{ S7_Optimized_Access := 'FALSE' }}\n" in source


@pytest.mark.parametrize("variant", VARIANTS)
def test_both_dialects_have_the_same_statements(variant: dict[str, str]) -> None:
    """What the SCL does is what the structured text does, but for the names of words and the headers."""
    settings = modbus(station=3, **variant)
    assert statements(scl_source(settings)) == statements(structured_text(settings))


def statements(source: str) -> list[str]:
    """The bodies of functions and gate, with the words of the image written alike."""
    source = re.sub(r"\(\*.*?\*\)", "", source, flags=re.DOTALL)
    source = source[source.index("FUNCTION ") :].replace("\nBEGIN", "").replace('"VERSION"', "VERSION")
    source = re.sub(r"VAR CONSTANT.*?END_VAR\n|VERSION : 0.1\n|\{[^}]*\}\n", "", source, flags=re.DOTALL)
    source = source.replace("#vision.RING[#slot].", "vision.RING_").replace("#", "")
    source = re.sub(r"vision\[(RING_\w+) \+ 5 \* slot\]", r"vision.\1", source)
    source = re.sub(
        r"plc\[PLC_(\w+)\] := UDINT_TO_UINT\((\w+) / 65536\);\n.*MOD 65536\);", r"plc.\1 := \2;", source
    )
    source = re.sub(r"\b(plc|vision)\[(?:PLC_|VISION_)(\w+)\]", r"\1.\2", source)
    source = source.replace("plc.EPOCH", "plc.PLC_EPOCH")
    for name, other in (
        ('"InspectdDistance"', "INSPECTD_DISTANCE"),
        ("InspectdDistance", "INSPECTD_DISTANCE"),
        ('"InspectdCrc"', "INSPECTD_CRC"),
        ("InspectdCrc", "INSPECTD_CRC"),
        ('"InspectdGate"', "INSPECTD_GATE"),
        ('"InspectdPlc"', "INSPECTD_PLC_WORDS"),
        ('"InspectdVision"', "INSPECTD_VISION_WORDS"),
        ("TON_TIME", "TON"),
        ("VAR_TEMP", "VAR"),
    ):
        source = source.replace(name, other)
    return [line.strip() for line in source.splitlines() if line.strip()]


def test_words_are_written_in_an_order_that_shows_tearing() -> None:
    """The new id: word 31 before the part's data and word 2 after it; at a start PLC_EPOCH 0 before id 0."""
    source = structured_text(modbus())
    eye = source[source.index("(* --- The photo-eye") :]
    order = re.findall(r"plc\[PLC_(TRIG_ID|TRIG_ID_2|RECIPE|ENCODER|EPOCH)\] :=", eye)
    at_start = ["RECIPE", "EPOCH", "TRIG_ID_2", "TRIG_ID"]
    assert order == [*at_start, "TRIG_ID_2", "RECIPE", "ENCODER", "TRIG_ID", "EPOCH"]


# --- OpenPLC ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("variant", VARIANTS)
def test_openplc_s_program_runs(variant: dict[str, str]) -> None:
    """Its words are copied in and out, each by its number; the gate inside takes an epoch."""
    machine = Machine(openplc_program(modbus(base_address=1024, **variant), recipe=4, pitch=1000))
    line = Instance(machine, "inspectd_line")
    for scan in range(4):
        machine.now += 10
        line["w32"], line["w34"] = scan + 1, 77
        line["encoder"] = 2**17 + 5
        line.call()
    shown = [line[f"w{word}"] for word in range(32)]
    assert shown == line["plc"]
    assert shown[8] == 77 + 2 + 1
    assert (shown[0], shown[3], shown[7], shown[10], shown[11]) == (1, 4, 1, 2, 5)
    assert [line[f"w{word}"] for word in range(32, 132)] == line["vision"]
    assert line["inspection"]["pitch"] == 1000


def addresses(settings: ModbusTcpSettings | ModbusServerSettings) -> list[str]:
    return re.findall(r"    w\d+ AT (\S+) : UINT;", openplc_program(settings, 1, 0))


def test_openplc_s_words_lie_where_the_link_looks_for_them() -> None:
    """Holding registers of OpenPLC as a server; those of the agent, if that is the server."""
    assert addresses(modbus(base_address=892)) == [f"%QW{892 + word}" for word in range(132)]
    assert addresses(modbus(base_address=1030)) == [f"%MW{6 + word}" for word in range(132)]
    server = ModbusServerSettings.model_validate({"kind": "modbus_server", "listen": "127.0.0.1"})
    assert addresses(server) == [
        *(f"%QW{100 + word}" for word in range(32)),
        *(f"%IW{100 + word}" for word in range(100)),
    ]
    for base in (893, 1023, 1917, 40_000):
        with pytest.raises(ValueError, match="base_address"):
            openplc_program(modbus(base_address=base), 1, 0)


def test_openplc_s_words_are_written_in_an_order_that_shows_tearing() -> None:
    """Word 31 first, word 2 last."""
    written = re.findall(r"^w(\d+) := plc", openplc_program(modbus(), 1, 0), re.MULTILINE)
    assert (written[0], written[-1]) == ("31", "2")
    assert sorted(map(int, written)) == list(range(32))


# --- a grammar that nobody here wrote --------------------------------------------------------------------


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_grammar_of_others_takes_the_structured_text(
    variant: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """tree-sitter's grammar of IEC 61131-3 reads every file without an error, and not a broken one."""
    monkeypatch.syspath_prepend(str(GRAMMAR))
    why = "the grammar is not installed: make .venv-dev/peers/installed"
    tree_sitter: Any = pytest.importorskip("tree_sitter", reason=why)
    grammar: Any = pytest.importorskip("tree_sitter_iec61131_3_st", reason=why)
    parser = tree_sitter.Parser(tree_sitter.Language(grammar.language()))
    for source in (structured_text(modbus(**variant)), openplc_program(modbus(**variant), 1, 0)):
        assert not parser.parse(source.encode()).root_node.has_error
        assert parser.parse(source.replace("THEN", "", 1).encode()).root_node.has_error
