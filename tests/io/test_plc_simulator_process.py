"""The PLC twin as a process: Modbus TCP, the photo-eye wire, commands, and its end."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest
from pymodbus.client import ModbusTcpClient
from pymodbus.exceptions import ModbusException

from inspectd.io.errors import PlcError
from inspectd.io.plc_simulator import PlcSimulator, PlcSimulatorSettings, main

if TYPE_CHECKING:
    from collections.abc import Iterator

DEVICE, BASE = 7, 100
WAIT_S = 30.0


def client_of(plc: PlcSimulator) -> ModbusTcpClient:
    client = ModbusTcpClient("127.0.0.1", port=plc.port, timeout=2, retries=0)
    assert client.connect()
    return client


@pytest.fixture(scope="module")
def idle() -> Iterator[PlcSimulator]:
    """A twin whose belt waits for an agent that never comes."""
    settings = PlcSimulatorSettings(start_when_online=True, device_id=DEVICE, base_address=BASE)
    with PlcSimulator(settings) as plc:
        plc.wait_until(lambda status: status["running"], WAIT_S)
        yield plc


@pytest.fixture
def client(idle: PlcSimulator) -> Iterator[ModbusTcpClient]:
    connected = client_of(idle)
    yield connected
    connected.close()


def test_the_contracts_two_requests_are_served(idle: PlcSimulator, client: ModbusTcpClient) -> None:
    """100 words are written and 52 read at the base address; the agent's words come back as written."""
    assert not client.write_registers(BASE + 32, list(range(1, 101)), device_id=DEVICE).isError()
    answer = client.read_holding_registers(BASE, count=52, device_id=DEVICE)
    assert list(answer.registers[32:]) == list(range(1, 21))
    assert answer.registers[8] == idle.status()["epoch"] != 0
    rest = client.read_holding_registers(BASE + 52, count=80, device_id=DEVICE)
    assert list(rest.registers) == list(range(21, 101))


@pytest.mark.parametrize("start", [0, 30, 31])
def test_no_client_writes_the_plcs_words(idle: PlcSimulator, client: ModbusTcpClient, start: int) -> None:
    """A write that touches words 0 to 31 is refused whole."""
    before = idle.status()["boot_id"]
    assert client.write_registers(BASE + start, [9999] * 40, device_id=DEVICE).isError()
    assert idle.status()["boot_id"] == before


def test_other_addresses_and_functions_are_refused(client: ModbusTcpClient) -> None:
    """Nothing outside the 132 words is there, and there are no coils."""
    assert client.read_holding_registers(BASE - 1, count=2, device_id=DEVICE).isError()
    assert client.read_holding_registers(BASE + 131, count=2, device_id=DEVICE).isError()
    assert client.read_coils(BASE, count=1, device_id=DEVICE).isError()
    assert client.write_coil(BASE + 40, True, device_id=DEVICE).isError()


def test_a_wrong_command_is_an_error_and_harms_nothing(idle: PlcSimulator) -> None:
    """Names and arguments are checked; the twin goes on."""
    wrong: list[tuple[str, dict[str, Any]]] = [
        ("reboot", {}),
        ("belt", {"speed": 3}),
        ("panel", {"recipe": 70000}),
        ("panel", {"colour": "red"}),
    ]
    for name, arguments in wrong:
        with pytest.raises(ValueError, match=name):
            idle.command(name, **arguments)
    idle.command("panel", recipe=12, lot="L-12")
    idle.command("tear", on=False)
    assert idle.status()["running"]


def test_a_power_cycle_drops_connections_and_takes_a_new_epoch(
    idle: PlcSimulator, client: ModbusTcpClient
) -> None:
    """Connections end, the same port serves again, words 32 to 131 are gone and the epoch is new."""
    client.write_registers(BASE + 34, [77], device_id=DEVICE)
    before = idle.status()
    idle.command("power_cycle", off_s=0.05)
    with pytest.raises(ModbusException):
        client.read_holding_registers(BASE, count=52, device_id=DEVICE)
    after = idle.wait_until(lambda status: status["running"], WAIT_S)
    assert after["epoch"] not in (0, before["epoch"])
    again = client_of(idle)
    words = again.read_holding_registers(BASE, count=52, device_id=DEVICE).registers
    again.close()
    assert (words[8], words[34]) == (after["epoch"], 0)


def test_connections_are_refused_while_the_power_is_off(idle: PlcSimulator) -> None:
    """Between off and on nobody listens on the port."""
    cycle = threading.Thread(target=idle.command, args=("power_cycle",), kwargs={"off_s": 0.5})
    cycle.start()
    refused = False
    while not refused and cycle.is_alive():
        try:
            socket.create_connection(("127.0.0.1", idle.port), timeout=1).close()
        except ConnectionRefusedError:
            refused = True
        time.sleep(0.02)
    cycle.join(WAIT_S)
    assert refused
    idle.wait_until(lambda status: status["running"], WAIT_S)


def test_the_wire_tells_of_each_part_before_its_trigger() -> None:
    """The datagram leaves when the part breaks the photo-eye, within one scan before TRIG_ID changes.

    A camera fault asked for a part comes ahead of that part.
    """
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as wire:
        wire.bind(("127.0.0.1", 0))
        wire.settimeout(WAIT_S)
        settings = PlcSimulatorSettings(
            parts=8, rate=20, gate_distance=500, spacing_jitter=0.3, wire_port=wire.getsockname()[1]
        )
        with PlcSimulator(settings) as plc:
            plc.command("camera_fault", part=4, fault="drop", ms=5)
            summary = plc.wait(WAIT_S)
        messages = [json.loads(wire.recv(1000)) for _ in range(9)]
    eye_at = [message.pop("at") for message in messages if "at" in message]
    expected: list[dict[str, Any]] = [{"part": part} for part in range(1, 9)]
    expected.insert(3, {"fault": "drop", "part": 4, "ms": 5.0})
    assert messages == expected
    assert (summary.parts, summary.rejected, summary.missing) == (8, 8, 8)
    assert eye_at == pytest.approx([record.eye_at for record in plc.records], abs=0.1)
    waits = [record.issued_at - record.eye_at for record in plc.records if record.issued_at is not None]
    assert len(waits) == 8
    assert all(wait >= 0 for wait in waits)
    assert min(waits) <= settings.scan_ms / 1000, "the machine may hold up one or the other, not all"
    assert len(set(waits)) > 1, "asynchronous to the scan"


def test_records_reach_the_starter_as_they_happen() -> None:
    """`on_record` hears of each part; afterwards stopping takes no time and may be repeated."""
    heard: list[int] = []
    plc = PlcSimulator(
        PlcSimulatorSettings(parts=3, rate=20, gate_distance=100), on_record=lambda r: heard.append(r.part)
    )
    plc.start()
    assert plc.wait(WAIT_S).parts == 3
    begun = time.monotonic()
    plc.stop()
    assert time.monotonic() - begun < 2.0
    plc.stop()
    assert heard == [1, 2, 3] == [record.part for record in plc.records]
    with pytest.raises(PlcError, match="start"):
        plc.status()


def test_a_killed_twin_is_an_error_not_a_wait() -> None:
    """Who waits for a twin that has died hears of it at once."""
    with PlcSimulator(PlcSimulatorSettings(parts=100)) as plc:
        os.kill(plc.pid, signal.SIGKILL)
        begun = time.monotonic()
        with pytest.raises(PlcError, match="ended"):
            plc.wait(WAIT_S)
        with pytest.raises(PlcError):
            plc.status()
        assert time.monotonic() - begun < WAIT_S / 2


def test_the_twin_ends_with_its_starter() -> None:
    """A starter that is killed leaves no server behind."""
    script = (
        "import time\n"
        "from inspectd.io.plc_simulator import PlcSimulator, PlcSimulatorSettings\n"
        "plc = PlcSimulator(PlcSimulatorSettings()).start()\n"
        "print(plc.port, flush=True)\n"
        "time.sleep(60)\n"
    )
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True) as starter:
        assert starter.stdout is not None
        port = int(starter.stdout.readline())
        socket.create_connection(("127.0.0.1", port), timeout=WAIT_S).close()
        starter.kill()
    deadline = time.monotonic() + WAIT_S
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except ConnectionRefusedError:
            break
        assert time.monotonic() < deadline, "the twin still serves"
        time.sleep(0.05)


def test_a_port_in_use_is_named() -> None:
    """The error says which port, and what to do."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = int(taken.getsockname()[1])
        plc = PlcSimulator(PlcSimulatorSettings(port=port))
        with pytest.raises(PlcError, match=f"{port}.*choose another port"):
            plc.start()
        plc.stop()


@pytest.mark.parametrize("config", ['{"rate": 0}', '{"speed": 3}', "not json"])
def test_a_bad_configuration_is_refused(config: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit status 2 and a message on standard error, nothing on standard output."""
    assert main(["--config", config]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert "--config" in said.err
