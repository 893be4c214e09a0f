"""`inspectd demo`: the whole job on simulated parts, with a real Modbus server as the PLC."""

from __future__ import annotations

import signal
import socket
import tempfile
import threading
from dataclasses import asdict, dataclass
from importlib.resources import files
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np

from inspectd.agent.audit import Audit, audit
from inspectd.agent.cli.demo_view import DemoView
from inspectd.agent.cli.output import note, print_json
from inspectd.agent.config import StationSettings, load_config
from inspectd.agent.logs import set_up_logs
from inspectd.agent.outcomes import Outcome
from inspectd.agent.scorer import Scorer
from inspectd.agent.station import Station, load_engine
from inspectd.io.buttons import render_part
from inspectd.io.camera_settings import SimulatedCameraSettings
from inspectd.io.plc import Verdict
from inspectd.io.plc_simulator import PlcSimulator, PlcSimulatorSettings

GATE_DISTANCE = 5000
PITCH = 1000


@dataclass(frozen=True, slots=True)
class DemoOptions:
    """What the user asked for; `parts` None: for ever."""

    parts: int | None
    rate: float
    defect_rate: float
    seed: int


def run_demo(options: DemoOptions, *, as_json: bool) -> None:
    """Run the demonstration and print its summary."""
    set_up_logs("error")
    stop = threading.Event()

    def on_signal(_signal: int, _frame: FrameType | None) -> None:
        stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, on_signal)
    settings = demo_settings(options)
    latencies: list[float] = []
    with (
        tempfile.TemporaryDirectory(prefix="inspectd-demo-") as folder,
        DemoView(show=not as_json) as view,
        PlcSimulator(simulator_settings(options, settings), view.on_record) as plc,
    ):
        station = Station(with_ports(settings, plc.port, Path(folder)))

        def on_outcome(outcome: Outcome) -> None:
            latencies.append((outcome.concluded_at - outcome.part.seen_at) * 1000)
            view.on_outcome(outcome)

        station.outcomes.observe(on_outcome)
        try:
            station.start()
            _watch(station, plc, options, stop, view)
        finally:
            station.stop()
    note_interrupted = stop.is_set() and options.parts is not None
    report = _report(audit(plc.records, OwnFrames(settings).verdict), latencies)
    if as_json:
        print_json(report)
    else:
        view.print_summary(report)
    if note_interrupted:
        note("stopped before the last part")


def _watch(
    station: Station, plc: PlcSimulator, options: DemoOptions, stop: threading.Event, view: DemoView
) -> None:
    """Show the line until the last part has passed the gate or the user stops it."""
    while not stop.wait(0.1):
        view.show_plc(connected=station.link.connected, fault=station.host.fault())
        if options.parts is not None and len(plc.records) >= options.parts:
            return


class OwnFrames:
    """Judges each part's own frame offline, by the bundle in force, as an escape is defined."""

    def __init__(self, settings: StationSettings) -> None:
        camera = settings.camera
        assert isinstance(camera, SimulatedCameraSettings)  # noqa: S101  the demo's own file
        self._camera = camera
        self._scorer: Scorer = load_engine(settings.classes[0], settings.engine)

    def verdict(self, part: int) -> Verdict:
        """Render the part once more, exactly as the camera saw it, and judge it."""
        camera = self._camera
        pixels, _, _ = render_part(camera.seed, part, camera.defect_rate, camera.size, marker=camera.marker)
        judged = self._scorer.judge(pixels)
        limits = self._scorer.limits
        if judged.unfit or not limits.low_limit <= judged.score < limits.threshold:
            return Verdict.REJECT
        return Verdict.ACCEPT


def demo_settings(options: DemoOptions) -> StationSettings:
    """Load the shipped configuration and put the user's wishes in."""
    settings = load_config(Path(str(files("inspectd.configs") / "demo.yaml")))
    changes = {"seed": options.seed, "defect_rate": options.defect_rate, "wire_port": _free_udp_port()}
    return settings.model_copy(update={"cameras": [settings.camera.model_copy(update=changes)]})


def with_ports(settings: StationSettings, port: int, folder: Path) -> StationSettings:
    """Give the station the PLC's port and a folder for its record."""
    plc = settings.plc.model_copy(update={"port": port})
    record = settings.record.model_copy(update={"folder": folder})
    return settings.model_copy(update={"plc": plc, "record": record})


def simulator_settings(options: DemoOptions, settings: StationSettings) -> PlcSimulatorSettings:
    """Give the PLC twin that fits the station."""
    camera: Any = settings.camera
    return PlcSimulatorSettings(
        parts=options.parts or 0,
        rate=options.rate,
        pitch=PITCH,
        gate_distance=GATE_DISTANCE,
        start_when_online=True,
        seed=options.seed,
        defect_rate=options.defect_rate,
        wire_port=camera.wire_port,
        station=settings.plc.station,
        recipe=settings.classes[0].recipe,
        scan_ms=settings.plc.plc_scan_ms,
    )


def _free_udp_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _report(result: Audit, latencies: list[float]) -> dict[str, Any]:
    p50, p99 = np.percentile(latencies, [50, 99]) if latencies else (0.0, 0.0)
    return {**asdict(result), "latency_ms": {"p50": round(float(p50), 2), "p99": round(float(p99), 2)}}
