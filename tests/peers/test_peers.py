"""The link against Modbus and S7 libraries that nobody of this project wrote."""

from __future__ import annotations

import json
import math
import shutil
import struct
import subprocess
from collections.abc import Callable
from typing import Any

import pytest

from inspectd.io.plc import Control, Status, Verdict, slot_check
from inspectd.io.plc_settings import ModbusServerSettings, ModbusTcpSettings, S7Settings
from tests.peers.peer import GIVEN, RECIPE, STATION, Conversation, free_port, node_peer, snap7_peer

IDS = [65534, 65535, 1, 2]
EPOCH = 4711
ENCODER = 0xDEADBEE0
SERIAL, LOT = "SN-0042/A", "LOT 2026-11 #007"
DATA_BLOCK = 17
# A PLC goes on for so long after its last verdict: to acknowledge the write, and to be read by others.
ACKNOWLEDGE_MS, LINGER_MS = 500, 3000
REAL_MAX = 3.4028234663852886e38
# Age is not what is tried here: a loaded machine may hold the peers up for a while.
AGE_MS = 10_000.0


def modbus(script: str, linger_ms: int = ACKNOWLEDGE_MS) -> tuple[ModbusTcpSettings, subprocess.Popen[str]]:
    port = free_port()
    settings = ModbusTcpSettings(host="127.0.0.1", port=port, station=STATION, max_trigger_age_ms=AGE_MS)
    return settings, node_peer(script, port, linger_ms)


def s7(linger_ms: int = ACKNOWLEDGE_MS) -> tuple[S7Settings, subprocess.Popen[str]]:
    port = free_port()
    settings = S7Settings(
        kind="s7",
        host="127.0.0.1",
        port=port,
        data_block=DATA_BLOCK,
        station=STATION,
        max_trigger_age_ms=AGE_MS,
    )
    return settings, snap7_peer(port, DATA_BLOCK, linger_ms)


def served(library: str, linger_ms: int = ACKNOWLEDGE_MS) -> tuple[Any, subprocess.Popen[str]]:
    """The other way round: the agent is the server and the PLC calls."""
    port = free_port()
    settings = ModbusServerSettings(
        kind="modbus_server", listen="127.0.0.1", port=port, station=STATION, max_trigger_age_ms=AGE_MS
    )
    return settings, node_peer("plc_client.js", library, port, linger_ms)


PLCS: dict[str, Callable[[], tuple[Any, subprocess.Popen[str]]]] = {
    "modbus-serial": lambda: modbus("modbus_serial_plc.js"),
    "jsmodbus": lambda: modbus("jsmodbus_plc.js"),
    "native snap7": s7,
    "modbus-serial calls": lambda: served("modbus-serial"),
    "jsmodbus calls": lambda: served("jsmodbus"),
}


def float32(value: float) -> float:
    return struct.unpack(">f", struct.pack(">f", value))[0]


@pytest.mark.parametrize("library", PLCS)
def test_plc_and_agent_read_each_other(library: str) -> None:
    """Words, double words, strings, REAL and CRC arrive as they were sent, over the wrap of the ids."""
    with Conversation(*PLCS[library]()) as talk:
        talk.finish()
        found = talk.heard()
    if library.endswith(" calls"):
        bits = found.pop()
        assert bits["inputs"] == [bool(bits["status"] >> bit & 1) for bit in range(16)]
        assert bits["inputs"][0], "Online is bit 0 of STATUS"
        assert bits["status"] & Status.ONLINE
        assert bits["coils"] == [bool(Control.TRIGGER_ENABLE >> bit & 1) for bit in range(16)]
    parts = talk.agent.parts
    assert [part.trig_id for part in parts] == IDS
    assert [part.encoder for part in parts] == [ENCODER + number for number in range(1, 5)]
    assert {(part.recipe, part.epoch, part.serial, part.lot) for part in parts} == {
        (RECIPE, EPOCH, SERIAL, LOT)
    }
    assert [entry["id"] for entry in found] == IDS
    for entry, (verdict, reason, relative, score) in zip(found, GIVEN, strict=True):
        thousandths = 65535 if math.isnan(relative) else math.floor(1000 * relative)
        assert (entry["verdict"], entry["reason"]) == (verdict, reason)
        assert (entry["a"], entry["b"]) == (thousandths, 0)
        assert entry["check"], "the peer computes another CRC"
        assert (entry["last_id"], entry["last_verdict"], entry["last_score"]) == (
            entry["id"],
            verdict,
            thousandths,
        )
        assert entry["score"] == pytest.approx(float32(REAL_MAX if math.isnan(score) else score), rel=1e-12)
        assert entry["same_sequence"]
        assert (entry["station"], entry["version"]) == (STATION, 1)


def test_nodes7_reads_the_image() -> None:
    """A third S7 library finds every value of the data block at its documented address, bits included."""
    settings, plc = s7(LINGER_MS)
    with Conversation(settings, plc) as talk:
        talk.finish()
        with node_peer("nodes7_reader.js", settings.port, DATA_BLOCK) as reader:
            output, _ = reader.communicate(timeout=20)
    assert reader.returncode == 0, output
    values = json.loads(output)
    assert values["trig_id"] == values["last_id"] == IDS[-1]
    assert values["encoder"] == ENCODER + len(IDS)
    assert "".join(values["serial"]).rstrip("\0") == SERIAL
    assert "".join(values["lot"]) == LOT
    assert values["online"] is True
    assert (values["last_verdict"], values["last_score"]) == (Verdict.ACCEPT, 0)
    assert values["score"] == pytest.approx(float32(3.0e38), rel=1e-6)
    for number, (verdict, reason, *_) in zip(IDS, GIVEN, strict=True):
        slot = values["ring"][5 * (number % 16) :][:5]
        assert slot[:2] == [number, verdict * 256 + reason]
        assert slot[4] == slot_check(number, verdict, reason, slot[2], slot[3], epoch=EPOCH, recipe=RECIPE)


def mbpoll(port: int, *options: str) -> list[str]:
    """Values that mbpoll reads once from holding registers, as it prints them."""
    command = ["mbpoll", "-m", "tcp", "-a", "1", "-p", str(port), "-t", *options, "-1", "-q", "127.0.0.1"]
    answer = subprocess.run(command, capture_output=True, text=True, timeout=20, check=True).stdout
    return [line.split(":", 1)[1].split()[0] for line in answer.splitlines() if line.startswith("[")]


@pytest.mark.parametrize("server", ["the PLC", "the agent"])
def test_mbpoll_reads_the_image(server: str) -> None:
    """The technician's usual tool reads words, REAL and bits from where the README says that they are."""
    if shutil.which("mbpoll") is None:
        pytest.skip("mbpoll is not installed: sudo apt-get install mbpoll")
    serves = server == "the PLC"
    settings, plc = modbus("jsmodbus_plc.js", LINGER_MS) if serves else served("jsmodbus", LINGER_MS)
    with Conversation(settings, plc) as talk:
        talk.finish()
        words = [int(value) for value in mbpoll(settings.port, "4", "-0", "-r", "37", "-c", "5")]
        (score,) = mbpoll(settings.port, "4:float", "-B", "-0", "-r", "42", "-c", "1")
        (encoder,) = mbpoll(settings.port, "4:hex", "-0", "-r", "4", "-c", "1")
        inputs = [] if serves else mbpoll(settings.port, "1", "-0", "-r", "0", "-c", "16")
    assert words[1:] == [IDS[-1], Verdict.ACCEPT, 0, 0]
    assert float(score) == pytest.approx(3.0e38, rel=1e-4)
    assert int(encoder, 16) == ENCODER >> 16
    assert serves or (inputs[0], inputs[9]) == ("1", "0"), "Online and no Fault"
