"""A whole line for tests: PLC twin, fault proxy, camera and agent, each in a process of its own."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from typing_extensions import Self

from inspectd.agent.audit import Audit, audit
from inspectd.agent.record import Row, read_rows
from inspectd.io.buttons import part_truth
from inspectd.io.fault_proxy import FaultProxy
from inspectd.io.plc import Verdict
from inspectd.io.plc_record import PartRecord
from inspectd.io.plc_simulator import PlcSimulator, PlcSimulatorSettings

HERE = Path(__file__).parent
SEED = 5
DEFECT_RATE = 0.3
STARTUP_S = 30.0


@dataclass
class LineOptions:
    """What a scenario wishes otherwise than usual."""

    parts: int = 200
    rate: float = 10.0
    mode: str = "plc_triggered"
    trigger: str = "hardware"
    first_trig_id: int = 65_500
    retentive: bool = False
    faults: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    without: list[str] = field(default_factory=list[str])
    line: dict[str, Any] = field(default_factory=dict[str, Any])
    plc: dict[str, Any] = field(default_factory=dict[str, Any])
    script: str = ""
    gate_program: tuple[str, ...] | None = None


class LineRig:
    """Use as a context manager: starts everything and ends it, whatever the test does."""

    def __init__(self, folder: Path, options: LineOptions) -> None:
        self.folder = folder
        self.options = options
        self.record_folder = folder / "record"
        self._wire_port = _free_port(socket.SOCK_DGRAM)
        settings = PlcSimulatorSettings(
            parts=options.parts,
            rate=options.rate,
            pitch=1000,
            gate_distance=8000,
            start_when_online=True,
            seed=SEED,
            defect_rate=DEFECT_RATE,
            wire_port=self._wire_port,
            mode="free_running" if options.mode == "free_running" else "plc_triggered",
            first_trig_id=options.first_trig_id,
            retentive=options.retentive,
        )
        program = {} if options.gate_program is None else {"program": options.gate_program}
        self.plc = PlcSimulator(settings, **program)
        self.agents: list[subprocess.Popen[bytes]] = []

    def __enter__(self) -> Self:
        self.plc.start()
        self.proxy = FaultProxy(("127.0.0.1", self.plc.port)).start()
        self.config = self._write_config()
        self.start_agent()
        return self

    def __exit__(self, *_: object) -> None:
        for agent in self.agents:
            if agent.poll() is None:
                agent.kill()
            agent.wait(5)
        self.proxy.stop()
        self.plc.stop()

    def start_agent(self) -> subprocess.Popen[bytes]:
        """Start an agent; it needs a moment until it is Online."""
        arguments = [word for clause in self.options.without for word in ("--without", clause)]
        log = (self.folder / f"agent-{len(self.agents)}.log").open("wb")
        agent = subprocess.Popen(
            [sys.executable, str(HERE / "agent_process.py"), str(self.config), *arguments],
            stderr=log,
            start_new_session=True,
        )
        log.close()
        self.agents.append(agent)
        return agent

    @property
    def agent(self) -> subprocess.Popen[bytes]:
        """The agent started last."""
        return self.agents[-1]

    def signal_agent(self, number: signal.Signals) -> None:
        """Send a signal to the agent's own process."""
        os.kill(self.agent.pid, number)

    def wait_for_part(self, number: int, timeout_s: float = 60.0) -> None:
        """Wait until so many parts have passed the gate."""
        deadline = time.monotonic() + timeout_s + STARTUP_S
        while len(self.plc.records) < number:
            assert time.monotonic() < deadline, f"{len(self.plc.records)} parts only\n{self.logs()}"
            assert self.agent.poll() in (None, -signal.SIGKILL), f"the agent ended\n{self.logs()}"
            time.sleep(0.01)

    def finish(self, timeout_s: float = 120.0) -> Audit:
        """Wait for the last part, end the agent as systemd would, and audit the line."""
        self.plc.wait(timeout_s + STARTUP_S)
        if self.agent.poll() is None:
            began = time.monotonic()
            self.agent.send_signal(signal.SIGTERM)
            assert self.agent.wait(10) == 0, self.logs()
            self.stopped_within = time.monotonic() - began
        return audit(self.plc.records, truth_verdict)

    def rows(self) -> list[Row]:
        """All rows of the agent's record."""
        return list(read_rows(self.record_folder))

    def logs(self) -> str:
        """The end of every agent's log."""
        texts = [path.read_text(errors="replace")[-3000:] for path in sorted(self.folder.glob("agent-*.log"))]
        return "\n---\n".join(texts)

    def _write_config(self) -> Path:
        options = self.options
        script = self.folder / "oracle.txt"
        script.write_text(options.script)
        interval_ms = 1000 / options.rate
        config = {
            "name": "rig",
            "line": {
                "min_part_interval_ms": 0.95 * interval_ms,
                "deadline_ms": 200.0,
                "step_limit_ms": 150.0,
                "trigger_to_exposure_ms": 5.0,
                "eye_to_gate_ms": 8 * interval_ms,
                "stop_after": 1000,
            }
            | options.line,
            "plc": {
                "host": "127.0.0.1",
                "port": self.proxy.port,
                "mode": options.mode,
                "max_trigger_age_ms": min(30.0, interval_ms / 4),
                "max_speed_counts_per_s": 1.5 * 1000 * options.rate,
            }
            | options.plc,
            "cameras": [
                {
                    "kind": "simulated",
                    "name": "top",
                    "trigger": options.trigger,
                    "width": 160,
                    "height": 160,
                    "size": 160,
                    "slots": 8,
                    "seed": SEED,
                    "defect_rate": DEFECT_RATE,
                    "marker": True,
                    "wire_port": self._wire_port,
                    "faults": options.faults,
                }
            ],
            "classes": [{"recipe": 1, "bundle": "oracle.txt"}],
            "record": {"folder": "record"},
        }
        path = self.folder / "station.yaml"
        with path.open("w") as file:
            YAML().dump(config, file)
        return path


def _free_port(kind: socket.SocketKind) -> int:
    with socket.socket(socket.AF_INET, kind) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def truth_verdict(part: int) -> Verdict:
    """What the oracle says of a part's own frame."""
    good = part_truth(SEED, part, DEFECT_RATE).kind is None
    return Verdict.ACCEPT if good else Verdict.REJECT


def assert_lawful(rig: LineRig, result: Audit) -> None:
    """Hold the law: no escape, at most one verdict for an id at the PLC, exactly one row for each id."""
    assert result.escapes == 0, [record for record in rig.plc.records if record.accepted and record.kind]
    assert result.model_misses == 0
    twice = [record for record in rig.plc.records if len(record.verdicts) > 1]
    assert not twice, f"ids with more than one verdict: {twice}"
    unrecorded, repeated = ids_and_rows(rig.plc.records, rig.rows())
    assert not unrecorded, f"ids without a row: {unrecorded}\n{rig.logs()}"
    assert not repeated, f"ids with several rows: {repeated}\n{rig.logs()}"


def ids_and_rows(
    records: list[PartRecord], rows: list[Row]
) -> tuple[list[PartRecord], list[tuple[int, int]]]:
    """Give the ids that the PLC issued and no row names, and the ids that several rows name."""
    named = Counter((int(row["epoch"]), int(row["trig_id"])) for row in rows if row.get("trig_id"))
    issued = [record for record in records if record.trig_id]
    unrecorded = [record for record in issued if (record.epoch, record.trig_id) not in named]
    return unrecorded, [key for key, count in named.items() if count > 1]
