"""The process of the PLC twin: server or client, scan loop and photo-eye wire on one event loop.

On standard output it writes one JSON object a line: `listening` first, `part` for each part at the gate,
`finished` when the last part has passed, `reply` to each command. Commands come as JSON lines on standard
input; when that ends, for whatever reason, the process ends.
"""

from __future__ import annotations

import asyncio
import json
import socket
import sys
import time
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from inspectd.io.buttons import part_truth
from inspectd.io.errors import PlcError
from inspectd.io.gate import HEARTBEAT_LIMIT_S
from inspectd.io.plc import Control, Status
from inspectd.io.plc_belt_view import belt_view
from inspectd.io.plc_client import PlcClient
from inspectd.io.plc_record import PlcSummary
from inspectd.io.plc_server import HOST, PlcServer
from inspectd.io.plc_server_s7 import S7Server
from inspectd.io.plc_simulator_settings import PanelChange
from inspectd.io.plc_twin import PlcTwin

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from inspectd.io.plc_memory import PlcMemory
    from inspectd.io.plc_simulator_settings import PlcSimulatorSettings

# A scan later than this many periods is not made up for: the schedule starts anew.
_SCANS_MADE_UP = 5


def _emit(event: str, **values: object) -> None:
    sys.stdout.write(json.dumps({"event": event, **values}, separators=(",", ":")) + "\n")
    sys.stdout.flush()


class _Wire:
    """The wire from the photo-eye to the camera's trigger input; faults of single frames travel on it too."""

    def __init__(self, port: int | None) -> None:
        self._address = None if port is None else (HOST, port)
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.setblocking(False)
        self._faults: dict[int, list[dict[str, object]]] = {}

    def send(self, message: dict[str, object]) -> None:
        if self._address is not None:
            self._socket.sendto(json.dumps(message).encode(), self._address)

    def plan_fault(self, part: int, fault: dict[str, object]) -> None:
        """Keep a camera fault until shortly before its part comes."""
        self._faults.setdefault(part, []).append(fault)

    def send_faults(self, part: int) -> None:
        for fault in self._faults.pop(part, []):
            self.send(fault)

    def close(self) -> None:
        self._socket.close()


class _Commands:
    """What a person at the line can do: one method per command, its arguments by name."""

    def __init__(
        self, twin: PlcTwin, server: PlcServer | S7Server | PlcClient, wire: _Wire, stop: asyncio.Event
    ) -> None:
        self._twin = twin
        self._server = server
        self._wire = wire
        self._stop = stop
        self.late_scans = 0
        self.worst_late_ms = 0.0
        self._table: dict[str, Callable[..., Coroutine[None, None, dict[str, object] | None]]] = {
            "status": self._status,
            "view": self._view,
            "power_cycle": self._power_cycle,
            "belt": self._belt,
            "clear_fault": self._clear_fault,
            "control": self._control,
            "panel": self._panel,
            "tear": self._tear,
            "camera_fault": self._camera_fault,
            "stop": self._end,
        }

    async def run(self, line: bytes) -> None:
        """Run the command on `line` and answer it; a wrong one is answered with what is wrong."""
        number: object = None
        try:
            request = json.loads(line)
            number = request.pop("id", None)
            act = self._find(request.pop("command"))
            result = await act(**request)
        except (ValueError, TypeError, KeyError, AttributeError, PlcError) as error:
            _emit("reply", id=number, ok=False, error=f"{type(error).__name__}: {error}")
        else:
            _emit("reply", id=number, ok=True, result=result or {})

    def _find(self, name: str) -> Callable[..., Coroutine[None, None, dict[str, object] | None]]:
        try:
            return self._table[name]
        except KeyError:
            raise ValueError(f"no command {name!r}; there are {', '.join(sorted(self._table))}") from None

    async def _status(self) -> dict[str, object]:
        twin, vision = self._twin, self._twin.vision()
        return {
            "eye_part": twin.conveyor.eye_part,
            "gate_part": twin.conveyor.gate_part,
            "travel": twin.conveyor.travel,
            "belt": twin.conveyor.running,
            "running": twin.running,
            "epoch": twin.epoch,
            "trig_id": twin.trig_id,
            "online": bool(vision.status & Status.ONLINE),
            "agent_alive": twin.heartbeat_age(time.monotonic()) <= HEARTBEAT_LIMIT_S,
            "status": int(vision.status),
            "fault": vision.fault,
            "recipe_in_force": vision.recipe_in_force,
            "boot_id": vision.boot_id,
            "missed": vision.missed,
            "late": vision.late,
            "late_scans": self.late_scans,
            "worst_late_ms": round(self.worst_late_ms, 3),
        }

    async def _view(self) -> dict[str, object]:
        return {**await self._status(), "parts": belt_view(self._twin)}

    async def _power_cycle(
        self, off_s: float = 0.3, *, retentive: bool | None = None, belt_runs: bool = True
    ) -> None:
        await self._server.stop()
        self._twin.power_off(retentive=retentive, belt_runs=belt_runs)
        await asyncio.sleep(off_s)
        self._twin.power_on(time.monotonic())
        await self._server.start()

    async def _belt(self, *, running: bool) -> None:
        self._twin.run_belt(running=running)

    async def _clear_fault(self) -> None:
        self._twin.clear_fault(time.monotonic())

    async def _control(self, bits: int, *, on: bool = True) -> None:
        panel = self._twin.panel
        panel.control = panel.control | Control(bits) if on else panel.control & ~Control(bits)

    async def _panel(self, **fields: Any) -> None:
        self._twin.panel.change(PanelChange(**fields))

    async def _tear(self, *, on: bool) -> None:
        self._twin.memory.tearing = on

    async def _camera_fault(self, part: int, fault: str, ms: float = 0.0) -> None:
        self._wire.plan_fault(part, {"fault": fault, "part": part, "ms": ms})

    async def _end(self) -> None:
        self._stop.set()


class _Scans:
    """The scan loop: an absolute schedule, with the photo-eye in between the scans."""

    def __init__(self, twin: PlcTwin, wire: _Wire, commands: _Commands) -> None:
        self._twin = twin
        self._wire = wire
        self._commands = commands
        self._period = twin.settings.scan_ms / 1000
        self._part_interval = 1 / twin.settings.rate
        self._told = False

    async def run(self, stop: asyncio.Event) -> None:
        due = time.monotonic()
        while not stop.is_set():
            due += self._period
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            now = time.monotonic()
            late = now - due
            self._commands.worst_late_ms = max(self._commands.worst_late_ms, late * 1000)
            if late > self._period:
                self._commands.late_scans += 1
            if late > _SCANS_MADE_UP * self._period:
                due = now
            self._scan(now)

    def _scan(self, now: float) -> None:
        for record in self._twin.step(now):
            _emit("part", **asdict(record))
        if self._twin.finished and not self._told:
            self._told = True
            _emit("finished", **asdict(PlcSummary.of(self._twin.records)))
        soon = self._twin.conveyor.seconds_to_eye()
        if soon is None:
            return
        if soon < self._part_interval / 2:
            self._wire.send_faults(self._twin.conveyor.eye_part + 1)
        if soon < self._period:
            asyncio.get_running_loop().call_later(soon, self._reach_eye)

    def _reach_eye(self) -> None:
        self._twin.advance(time.monotonic())


async def _read_commands(commands: _Commands, stop: asyncio.Event) -> None:
    reader = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while line := await reader.readline():
        await commands.run(line)
    stop.set()


def _server(settings: PlcSimulatorSettings, memory: PlcMemory) -> PlcServer | S7Server | PlcClient:
    if settings.agent_port is not None:
        return PlcClient(
            memory,
            settings.agent_port,
            device_id=settings.device_id,
            base_address=settings.base_address,
            period_s=settings.scan_ms / 1000,
        )
    if settings.protocol == "s7":
        return S7Server(memory, settings.port, data_block=settings.data_block, base_byte=settings.base_byte)
    return PlcServer(memory, settings.port, device_id=settings.device_id, base_address=settings.base_address)


async def serve(settings: PlcSimulatorSettings) -> None:
    """Run the twin until it is stopped; PlcError if its port cannot be had."""
    wire = _Wire(settings.wire_port)
    twin = PlcTwin(
        settings,
        truth=lambda part: part_truth(settings.seed, part, settings.defect_rate),
        on_eye=lambda part: wire.send({"part": part, "at": time.monotonic()}),
    )
    server = _server(settings, twin.memory)
    stop = asyncio.Event()
    commands = _Commands(twin, server, wire, stop)
    await server.start()
    twin.power_on(time.monotonic())
    _emit("listening", host=HOST, port=server.port)
    reading = asyncio.create_task(_read_commands(commands, stop))
    try:
        await _Scans(twin, wire, commands).run(stop)
    finally:
        reading.cancel()
        await server.stop()
        server.close()
        wire.close()
