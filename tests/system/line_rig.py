"""A whole line for tests: PLC twin, fault proxy, camera and agent, each in a process of its own."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ruamel.yaml import YAML
from typing_extensions import Self

from inspectd.agent.record import Row, read_rows
from inspectd.io.fault_proxy import FaultProxy
from inspectd.io.plc_simulator import PlcSimulator, PlcSimulatorSettings
from inspectd.io.port_reservation import reserve_port
from tests.system.line_options import (
    DEFECT_RATE,
    PARTS_TO_GATE,
    PITCH,
    SCAN_MS,
    SEED,
    LineOptions,
    camera_section,
    line_section,
    plc_section,
)
from tests.system.oracle import ORDERS
from tests.system.rtu_gateway import RtuGateway

if TYPE_CHECKING:
    from collections.abc import Iterable

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
OTHER = "other"
STARTUP_S = 60.0
STOP_S = 2.0
POLL_S = 0.02


class LineRig:
    """Use as a context manager: starts everything and ends it, whatever the test does."""

    def __init__(self, folder: Path, options: LineOptions) -> None:
        self.folder = folder
        self.options = options
        self.wire_port = free_port(socket.SOCK_DGRAM)
        settings = PlcSimulatorSettings(
            rate=options.rate,
            pitch=PITCH,
            gate_distance=PARTS_TO_GATE * PITCH,
            scan_ms=SCAN_MS,
            start_when_online=True,
            seed=SEED,
            defect_rate=DEFECT_RATE,
            wire_port=self.wire_port,
            mode=options.mode,
            protocol="s7" if options.protocol == "s7" else "modbus_tcp",
            first_trig_id=65_500,
        ).model_copy(update=options.twin)
        program = (sys.executable, "-m", "inspectd.io.plc_simulator")
        if options.gate_without:
            program = (sys.executable, str(HERE / "mutated_plc.py"), options.gate_without)
        self.plc = PlcSimulator(settings, program=program)
        self.agents: list[subprocess.Popen[bytes]] = []
        self._others: list[subprocess.Popen[bytes]] = []
        self._boot_id = 0
        self._agent_port: socket.socket | None = None
        self._gateway: RtuGateway | None = None

    def __enter__(self) -> Self:
        if self.options.protocol == "modbus_server":
            self._agent_port = reserve_port(0)
            self.proxy = FaultProxy(self._agent_port.getsockname()).start()
            self.plc.settings = self.plc.settings.model_copy(update={"agent_port": self.proxy.port})
            self.plc.start()
        else:
            self.plc.start()
            self.proxy = FaultProxy(("127.0.0.1", self.plc.port)).start()
        if self.options.protocol == "modbus_rtu":
            self._gateway = RtuGateway(self.proxy.port)
        self.config = self.write_config("station", self.wire_port)
        self.start_agent()
        return self

    def __exit__(self, *_: object) -> None:
        for agent in (*self.agents, *self._others):
            if agent.poll() is None:
                agent.kill()
            agent.wait(5)
        if self._gateway is not None:
            self._gateway.close()
        self.proxy.stop()
        self.plc.stop()
        if self._agent_port is not None:
            self._agent_port.close()

    # --- the agent ---------------------------------------------------------------------------------------

    @property
    def agent(self) -> subprocess.Popen[bytes]:
        """The agent started last."""
        return self.agents[-1]

    def start_agent(self) -> None:
        """Start the station's agent; it needs a moment until it is Online."""
        self._boot_id = self.plc.status()["boot_id"]
        log_name = f"agent-{len(self.agents)}.log"
        self.agents.append(self._run_agent(log_name, str(self.config), *self.options.agent))

    def start_other_agent(self, *arguments: str) -> subprocess.Popen[bytes]:
        """Start a second agent on the same words of the PLC, with a camera and a record of its own."""
        config = self.write_config(OTHER, free_port(socket.SOCK_DGRAM))
        other = self._run_agent(f"{OTHER}.log", str(config), *arguments)
        self._others.append(other)
        return other

    def _run_agent(self, log_name: str, *arguments: str) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "tests.system.agent_process", *arguments]
        with (self.folder / log_name).open("wb") as log:
            return subprocess.Popen(command, stderr=log, cwd=ROOT)

    def kill_agent(self) -> None:
        """End the agent started last as a crash would."""
        self.agent.kill()
        self.agent.wait(5)

    def stop_agent(self, number: signal.Signals = signal.SIGTERM) -> float:
        """Ask the agent started last to end; gives the seconds until it has ended, in good order."""
        began = time.monotonic()
        self.agent.send_signal(number)
        assert (status := self.agent.wait(10)) == 0, f"exit status {status}\n{self.logs()}"
        return time.monotonic() - began

    def camera_pids(self) -> list[int]:
        """Process ids of the camera processes of the agent started last."""
        children = Path(f"/proc/{self.agent.pid}/task").glob("*/children")
        return [int(pid) for path in children for pid in path.read_text().split()]

    def signal_camera(self, number: signal.Signals) -> None:
        """Send a signal to the agent's camera process."""
        for pid in self.camera_pids():
            os.kill(pid, number)

    # --- the line ----------------------------------------------------------------------------------------

    def wait_online(self) -> int:
        """Wait until the PLC sees the agent started last, alive and Online; gives the next part to come."""

        def online(status: dict[str, Any]) -> bool:
            assert self.agent.poll() is None, f"the agent ended\n{self.logs()}"
            return status["online"] and status["agent_alive"] and status["boot_id"] != self._boot_id

        return int(self.plc.wait_until(online, STARTUP_S)["eye_part"]) + 1

    def wait_accepting(self) -> int:
        """Wait until a good part is accepted that comes from now on; gives that part."""
        since = self.next_at_eye()
        deadline = time.monotonic() + STARTUP_S + self._time_for(PARTS_TO_GATE)
        while True:
            accepted = [one.part for one in self.plc.records if one.accepted and one.part >= since]
            if accepted:
                return accepted[0]
            assert time.monotonic() < deadline, f"no part is accepted any more\n{self.logs()}"
            time.sleep(POLL_S)

    def wait_for_log(self, event: str, name: str = "") -> None:
        """Wait until an agent, the station's own started last or another one, has logged this event."""
        log = self.folder / f"{name or f'agent-{len(self.agents) - 1}'}.log"
        deadline = time.monotonic() + STARTUP_S
        while f'"{event}"' not in log.read_text(errors="replace"):
            assert time.monotonic() < deadline, f"no {event} in the log\n{self.logs()}"
            time.sleep(POLL_S)

    def has_logged(self, event: str) -> bool:
        """Whether any agent of this station has logged this event."""
        logs = self.folder.glob("agent-*.log")
        return any(f'"{event}"' in path.read_text(errors="replace") for path in logs)

    def order(self, parts: Iterable[int], order: str) -> None:
        """Have the oracle follow this order at each of these parts, which have not come yet."""
        path = self.folder / ORDERS
        text = path.read_text() if path.exists() else ""
        new = path.with_suffix(".new")
        new.write_text(text + "".join(f"{part} {order}\n" for part in parts))
        new.replace(path)

    def clear_faults(self) -> None:
        """Press ClearFault once the cause is gone."""
        time.sleep(1.0)
        self.plc.command("clear_fault")

    def next_at_eye(self) -> int:
        """Give the next part to come to the photo-eye."""
        return int(self.plc.status()["eye_part"]) + 1

    def next_at_gate(self) -> int:
        """Give the next part to come to the gate."""
        return int(self.plc.status()["gate_part"]) + 1

    def wait_at_eye(self, part: int) -> None:
        """Wait until this part, or a later one, has passed the photo-eye."""
        self.plc.wait_until(lambda status: status["eye_part"] >= part, self._time_for(part))

    def wait_at_gate(self, part: int) -> None:
        """Wait until this part, or a later one, has passed the gate."""
        self.plc.wait_until(lambda status: status["gate_part"] >= part, self._time_for(part))

    def finish(self, part: int) -> None:
        """Stop the belt once this part has passed the gate, then the agent, as systemd would."""
        self.wait_at_gate(part)
        self.plc.command("belt", running=False)
        if self.agent.poll() is None:
            stopped_within = self.stop_agent()
            assert stopped_within < STOP_S, f"stopped after {stopped_within:.2f} s\n{self.logs()}"

    @property
    def _place(self) -> dict[str, Any]:
        """Where the agent's configuration has the link: the PLC's port behind the proxy, or its own."""
        if self._gateway is not None:
            return {"serial_port": self._gateway.line.name}
        return {"port": self.agent_port or self.proxy.port}

    @property
    def agent_port(self) -> int:
        """Port at which the agent listens where it is the server, else 0."""
        return 0 if self._agent_port is None else int(self._agent_port.getsockname()[1])

    def _time_for(self, parts: int) -> float:
        return STARTUP_S + 3 * (parts + PARTS_TO_GATE) / self.options.rate

    # --- what is left of it ------------------------------------------------------------------------------

    @property
    def record(self) -> Path:
        """File of the agent's record."""
        return self.folder / "station" / "verdicts.jsonl"

    def rows(self) -> list[Row]:
        """All rows of the agent's record."""
        return list(read_rows(self.record.parent))

    def logs(self) -> str:
        """The end of every agent's log."""
        texts = [path.read_text(errors="replace")[-3000:] for path in sorted(self.folder.glob("*.log"))]
        return "\n---\n".join(texts)

    def write_config(self, name: str, wire_port: int) -> Path:
        """Write a station's configuration; the record's folder bears its name."""
        options = self.options
        (self.folder / "oracle.txt").write_text(options.script)
        config = {
            "name": name,
            "line": line_section(options) | options.line,
            "plc": plc_section(options) | self._place | options.plc,
            "cameras": [camera_section(options) | {"wire_port": wire_port} | options.camera],
            "classes": [{"recipe": 1, "bundle": "oracle.txt"}],
            "record": {"folder": name},
        }
        path = self.folder / f"{name}.yaml"
        with path.open("w") as file:
            YAML().dump(config, file)
        return path


def free_port(kind: socket.SocketKind) -> int:
    """Give a port on 127.0.0.1 that is free now."""
    with socket.socket(socket.AF_INET, kind) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
