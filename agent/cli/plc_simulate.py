"""`inspectd plc simulate`: a PLC with belt and gate to try an agent on, alone in a terminal."""

from __future__ import annotations

import signal
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any, Literal

from pydantic import ValidationError
from rich.console import Console
from rich.live import Live

from inspectd.agent.cli.output import fail, note, print_json, say
from inspectd.agent.cli.plc_simulate_view import Gate, line, picture
from inspectd.agent.config import StationSettings, load_config
from inspectd.io.camera_settings import SimulatedCameraSettings
from inspectd.io.plc_record import PartRecord
from inspectd.io.plc_settings import ModbusRtuSettings, ModbusServerSettings, S7Settings
from inspectd.io.plc_simulator import PlcSimulator, PlcSimulatorSettings

REFRESH_S = 0.1
PITCH = 1000
RATE_MARGIN = 1.05  # parts come somewhat farther apart than the shortest interval
LOOPBACK = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class SimulateOptions:
    """What the user asked for; None: as the configuration says, or the default. `parts` 0: without end."""

    kind: Literal["modbus_tcp", "s7", "modbus_server"] | None
    port: int | None
    parts: int
    seconds: float | None
    rate: float | None
    defects: float | None
    seed: int | None
    wait_online: bool
    as_json: bool


def run_simulator(config: Path | None, options: SimulateOptions) -> None:
    """Run the twin until the parts have passed, the time is over, or Ctrl-C."""
    try:
        settings = PlcSimulatorSettings(**twin_settings(config, options))
    except ValidationError as error:
        key, text = ".".join(map(str, error.errors()[0]["loc"])), error.errors()[0]["msg"]
        fail(f"the simulated PLC cannot have this {key}: {text}; change it in the configuration", status=2)
    gate = Gate()
    console = Console(quiet=options.as_json)
    is_live = console.is_terminal and not options.as_json

    def on_record(record: PartRecord) -> None:
        gate.add(record)
        if not (is_live or options.as_json):
            say(line(record))

    with PlcSimulator(settings, on_record) as plc:
        began = time.monotonic()
        where = _where(settings, plc)
        note(f"simulated PLC: {where}; Ctrl-C ends it")
        _watch(plc, gate, options, console if is_live else None, where)
    report = {**gate.counts, "seconds": round(time.monotonic() - began, 1)}
    if options.as_json:
        print_json(report)
    else:
        say(", ".join(f"{name.replace('_', ' ')} {count}" for name, count in report.items()))


def _watch(
    plc: PlcSimulator, gate: Gate, options: SimulateOptions, console: Console | None, where: str
) -> None:
    stop = threading.Event()

    def on_signal(_signal: int, _frame: FrameType | None) -> None:
        stop.set()

    before = {number: signal.signal(number, on_signal) for number in (signal.SIGTERM, signal.SIGINT)}
    ends = None if options.seconds is None else time.monotonic() + options.seconds
    distance = plc.settings.gate_distance
    live = None if console is None else Live(console=console, auto_refresh=False, screen=True)
    try:
        if live is not None:
            live.start()
        while not stop.wait(REFRESH_S) and (ends is None or time.monotonic() < ends):
            if options.parts and gate.counts["parts"] >= options.parts:
                return
            view = plc.command("view")  # PlcError where the twin has ended
            if live is not None and console is not None:
                drawn = picture(view, gate, where=where, distance=distance, width=console.width)
                live.update(drawn, refresh=True)
    finally:
        if live is not None:
            live.stop()
        for number, handler in before.items():
            signal.signal(number, handler)


def twin_settings(config: Path | None, options: SimulateOptions) -> dict[str, Any]:
    """Give the twin's settings: those that fit a station's, with what the user asked for over them."""
    fields: dict[str, Any] = {"rate": 2.0, "eye_to_gate_s": 2.5}
    if config is not None:
        fields |= _of_config(load_config(config))
    wanted = {"rate": options.rate, "defect_rate": options.defects, "seed": options.seed}
    fields |= {key: value for key, value in wanted.items() if value is not None}
    if options.kind is not None:
        fields |= {"protocol": "s7" if options.kind == "s7" else "modbus_tcp", "agent_port": None}
    if options.kind == "modbus_server" and options.port is None:
        fail("--kind modbus_server: the agent is the server then; give its --port", status=2)
    if options.port is not None:
        serves = options.kind == "modbus_server" or fields.get("agent_port") is not None
        fields["agent_port" if serves else "port"] = options.port
    distance = max(1, round(fields["rate"] * PITCH * fields.pop("eye_to_gate_s")))
    own = {"pitch": PITCH, "gate_distance": distance, "start_when_online": options.wait_online}
    return fields | own | {"parts": options.parts}


def _of_config(settings: StationSettings) -> dict[str, Any]:
    plc, line_settings = settings.plc, settings.line
    fields: dict[str, Any] = {
        "mode": plc.mode,
        "handshake": plc.handshake,
        "station": plc.station,
        "recipe": settings.classes[0].recipe,
        "scan_ms": plc.plc_scan_ms,
        "eye_to_gate_s": line_settings.eye_to_gate_ms / 1000,
        "rate": 1000 / (RATE_MARGIN * line_settings.min_part_interval_ms),
    }
    if isinstance(plc, ModbusRtuSettings):
        fail("plc.kind modbus_rtu: the simulated PLC has no serial line; use modbus_tcp, s7 or modbus_server")
    if isinstance(plc, S7Settings):
        fields |= {
            "protocol": "s7",
            "data_block": plc.data_block,
            "base_byte": plc.base_byte,
            "port": plc.port,
        }
    else:
        role = "agent_port" if isinstance(plc, ModbusServerSettings) else "port"
        fields |= {"device_id": plc.device_id, "base_address": plc.base_address, role: plc.port}
    address = plc.listen if isinstance(plc, ModbusServerSettings) else plc.host
    if address != LOOPBACK:
        note(f"plc is configured at {address}; the simulated PLC knows {LOOPBACK} alone")
    camera = settings.camera
    if isinstance(camera, SimulatedCameraSettings):  # it renders the very parts that pass this photo-eye
        fields |= {"wire_port": camera.wire_port, "seed": camera.seed, "defect_rate": camera.defect_rate}
    return fields


def _where(settings: PlcSimulatorSettings, plc: PlcSimulator) -> str:
    if settings.agent_port is not None:
        return f"Modbus TCP client of the agent at {LOOPBACK}:{settings.agent_port}"
    if settings.protocol == "s7":
        return f"S7 at {LOOPBACK}:{plc.port}, DB{settings.data_block} from byte {settings.base_byte}"
    registers = f"device {settings.device_id}, registers from {settings.base_address}"
    return f"Modbus TCP at {LOOPBACK}:{plc.port}, {registers}"
