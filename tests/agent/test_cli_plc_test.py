"""`inspectd plc test` and `check --hardware` on PLC twins: what is wired wrongly is said."""

from __future__ import annotations

import threading
import time
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from command import Done, Inspectd
from plc_twins import station_for, twin

from inspectd.io.modbus import ModbusTransport
from inspectd.io.plc_settings import ModbusTcpSettings
from inspectd.io.plc_simulator import PlcSimulator


@pytest.fixture(scope="module")
def modbus() -> Iterator[PlcSimulator]:
    with twin() as plc:
        yield plc


@pytest.fixture(scope="module")
def s7() -> Iterator[PlcSimulator]:
    with twin(protocol="s7", data_block=5) as plc:
        yield plc


def outcomes(done: Done) -> dict[str, str]:
    """How each step ended; of two of a name the last."""
    return {finding["step"]: finding["outcome"] for finding in done.report["findings"]}


def failure(done: Done) -> dict[str, Any]:
    """The first step that failed."""
    assert done.status == 1, done
    assert done.report["ok"] is False
    return next(finding for finding in done.report["findings"] if finding["outcome"] == "failed")


def words(plc: PlcSimulator) -> list[int]:
    transport = ModbusTransport(ModbusTcpSettings(host=plc.host, port=plc.port))
    transport.connect()
    found = transport.read(32, 100)
    transport.close()
    return found


@pytest.mark.parametrize("protocol", ["modbus", pytest.param("s7", marks=pytest.mark.system)])
def test_a_line_that_is_well_passes(
    request: pytest.FixtureRequest, inspectd: Inspectd, tmp_path: Path, protocol: str
) -> None:
    """With a part: it is asked for, gets its UNKNOWN, and the words are left safe."""
    plc = request.getfixturevalue(protocol)
    done = inspectd("plc", "test", station_for(tmp_path, plc), "--yes", "--wait", 20, "--json")
    told = outcomes(done)
    steps = ("connection", "VERSION", "double words", "no agent", "writing", "trigger", "RECIPE", "left safe")
    assert {step: told.get(step) for step in steps} == dict.fromkeys(steps, "passed"), done
    assert "send one part past the photo-eye now; waiting up to 20 s" in done.err
    assert plc.status()["online"] is False


def test_the_report_ends_with_what_failed(inspectd: Inspectd, tmp_path: Path, s7: PlcSimulator) -> None:
    """A line for each step, the remedy below it, and the failures once more at the end."""
    config = station_for(tmp_path, s7, ("data_block: 5", "data_block: 6"))
    done = inspectd("plc", "test", config, "--yes")
    assert done.status == 1
    assert done.out.startswith("ok      connection: ")
    assert "\n        -> correct plc.data_block" in done.out
    summary = done.out.split("\n\n")[-1].splitlines()
    assert summary[0] == "1 passed, 1 failed, 1 skipped"
    assert "there is no such data block, or it is optimised" in summary[1]


def test_where_nobody_can_be_asked_nothing_is_written(
    inspectd: Inspectd, tmp_path: Path, modbus: PlcSimulator
) -> None:
    before = words(modbus)
    done = inspectd("plc", "test", station_for(tmp_path, modbus), "--json")
    assert outcomes(done)["writing"] == "skipped"
    assert "trigger" not in outcomes(done)
    assert words(modbus) == before


def test_no_part_need_be_sent(inspectd: Inspectd, tmp_path: Path, modbus: PlcSimulator) -> None:
    done = inspectd("plc", "test", station_for(tmp_path, modbus), "--yes", "--wait", 0, "--json")
    told = outcomes(done)
    assert (told["writing"], told["a part"], told["left safe"]) == ("passed", "skipped", "passed")
    assert words(modbus)[1] == 0


@contextmanager
def agent_beating(plc: PlcSimulator) -> Generator[list[int]]:
    """Another agent's heartbeat and BOOT_ID in the PLC; gives what it writes."""
    stop = threading.Event()
    block = [0, 0, 4711, *[0] * 97]

    def beat() -> None:
        transport = ModbusTransport(ModbusTcpSettings(host=plc.host, port=plc.port, timeout_ms=400))
        transport.connect()
        while not stop.wait(0.05):
            block[0] += 1
            transport.write(32, block)
        transport.close()

    thread = threading.Thread(target=beat)
    thread.start()
    try:
        time.sleep(0.1)
        yield block
    finally:
        stop.set()
        thread.join(5.0)


def test_while_an_agent_beats_nothing_is_written(
    inspectd: Inspectd, tmp_path: Path, modbus: PlcSimulator
) -> None:
    """It is told whom to stop; the agent's words stay as they are."""
    with agent_beating(modbus) as block:
        done = inspectd("plc", "test", station_for(tmp_path, modbus), "--yes", "--json")
    refused = failure(done)
    assert refused["step"] == "no agent"
    assert "systemctl stop" in refused["remedy"]
    assert words(modbus)[1:] == block[1:]


@pytest.mark.parametrize(
    ("protocol", "change", "remedy"),
    [
        ("modbus", ("station: 1", "base_address: 1"), "set plc.base_address to 0, not 1"),
        ("s7", ("data_block: 5", "data_block: 5\n  base_byte: 2"), "set plc.base_byte to 0, not 2"),
        ("s7", ("data_block: 5", "data_block: 5\n  base_byte: 40"), "make it 264 bytes long"),
    ],
)
def test_an_image_in_another_place_is_told(
    request: pytest.FixtureRequest,
    inspectd: Inspectd,
    tmp_path: Path,
    protocol: str,
    change: tuple[str, str],
    remedy: str,
) -> None:
    """The address that would be right where it is near, else what is missing."""
    plc = request.getfixturevalue(protocol)
    config = station_for(tmp_path, plc, ("host: 127.0.0.1", "host: 127.0.0.1\n  station: 1"), change)
    assert remedy in failure(inspectd("plc", "test", config, "--yes", "--json"))["remedy"]


def test_check_with_hardware_says_the_same(inspectd: Inspectd, tmp_path: Path, modbus: PlcSimulator) -> None:
    """One diagnosis for both: what is wrong as an error, what is merely worth a look as a warning."""
    modbus.command("control", bits=1, on=False)
    try:
        config = station_for(tmp_path, modbus, ("path: images", "path: nothing"))
        report = inspectd("check", config, "--hardware", "--json").report
    finally:
        modbus.command("control", bits=1, on=True)
    assert any("plc: CONTROL: TriggerEnable is not set" in text for text in report["warnings"]), report
    base = ("host: 127.0.0.1", "host: 127.0.0.1\n  base_address: 1")
    config = station_for(tmp_path, modbus, ("path: images", "path: nothing"), base)
    report = inspectd("check", config, "--hardware", "--json").report
    assert any(text.endswith("set plc.base_address to 0, not 1") for text in report["errors"]), report
