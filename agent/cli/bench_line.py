"""The agent on a simulated line, timed: `python -m inspectd.agent.cli.bench_line BUNDLE` prints one object.

Frames come from the simulated camera, triggered by software, which fills each with its number: rendering
buttons would take the agent's processors. What is scored in their place is the bundle's golden frame, so that
any bundle can be timed.
"""

from __future__ import annotations

import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from inspectd.agent.checks import find_problems
from inspectd.agent.cli.demo import DemoOptions, demo_settings, simulator_settings, with_ports
from inspectd.agent.cli.output import fail, print_json
from inspectd.agent.config import ClassSettings, StationSettings
from inspectd.agent.logs import set_up_logs
from inspectd.agent.outcomes import Outcome
from inspectd.agent.scorer import Scorer
from inspectd.agent.station import Parts, Station
from inspectd.agent.times import window_close_ms
from inspectd.inference.bundle import load_bundle
from inspectd.inference.engine import Engine, Judged, open_engine, read_image
from inspectd.inference.manifest import Limits
from inspectd.inference.runtime import RuntimeSettings
from inspectd.io.plc_simulator import PlcSimulator

PARTS = 220
WARM_UP = 20
RATE = 8.0
CORNER = 8
CORNER_STEP = 37
TIMEOUT_S = 120.0


class GoldenScorer:
    """A `Scorer` that judges the golden frame in place of each frame, one corner changed each time."""

    def __init__(self, engine: Engine, golden: NDArray[np.uint8]) -> None:
        self._engine = engine
        self._golden = golden
        self._judged = 0
        self.class_name = engine.class_name
        self.bundle_id = engine.bundle_id
        self.decision_id = engine.decision_id
        self.provisional = engine.provisional
        self.limits_key = engine.limits_key
        self.limits: Limits = engine.limits

    def judge(self, pixels: NDArray[np.uint8]) -> Judged:
        """Judge the golden frame; of `pixels` only a corner is read."""
        self._judged += 1
        # As sensor noise would, it makes every picture another, so that none looks frozen.
        self._golden[:CORNER, :CORNER] = self._judged * CORNER_STEP % 256, int(pixels[0, 0, 0]), 128
        return self._engine.judge(self._golden)

    def close(self) -> None:
        """Close the engine."""
        self._engine.close()


@dataclass(slots=True)
class Stopwatch:
    """When each part was exposed and written, s on the monotonic clock, and its engine time in s."""

    exposed: dict[int, tuple[float, float]] = field(default_factory=dict[int, tuple[float, float]])
    written: dict[int, float] = field(default_factory=dict[int, float])

    def on_outcome(self, outcome: Outcome) -> None:
        """Note the exposure of a part that was judged."""
        seen = outcome.observation
        if seen is not None and not seen.unfit and not seen.failure:
            self.exposed[outcome.part.part_id] = (seen.exposed_at, seen.engine_ms / 1000)

    def on_written(self, part_ids: Sequence[int], at: float) -> None:
        """Note when verdicts stood in the PLC."""
        for part_id in part_ids:
            self.written.setdefault(part_id, at)

    def overheads_ms(self) -> list[float]:
        """Exposure to verdict written, less the engine's time, of each part after the warm-up."""
        parts = sorted(self.exposed.keys() & self.written.keys())[WARM_UP:]
        return [(self.written[part] - self.exposed[part][0] - self.exposed[part][1]) * 1000 for part in parts]


def run_line(bundle: Path) -> dict[str, Any]:
    """Run `PARTS` parts and give overhead, round trips and memory."""
    options = DemoOptions(parts=PARTS, rate=RATE, defect_rate=0.1, seed=7)
    settings = _fast(demo_settings(options), bundle)
    if problems := [problem.text for problem in find_problems(settings) if not problem.warning]:
        fail(f"the bench's own station breaks the rules of `inspectd check`: {'; '.join(problems)}")
    trips: list[float] = []
    watch = Stopwatch()
    with tempfile.TemporaryDirectory() as folder, PlcSimulator(simulator_settings(options, settings)) as plc:
        settings = with_ports(settings, plc.port, Path(folder))
        station = Station(settings, Parts(load_scorer=_load_golden))
        station.outcomes.observe(watch.on_outcome)
        station.host.observe_written(watch.on_written)
        try:
            station.start()
            give_up = time.monotonic() + TIMEOUT_S
            while len(watch.written) < PARTS and time.monotonic() < give_up:
                threading.Event().wait(0.05)
                trips.append(station.link.statistics.round_trip_s * 1000)
            rss_mb = sum(_rss_mb(pid) for pid in (None, station.camera.status().pid))
        finally:
            station.stop()
    overheads = watch.overheads_ms()
    if len(overheads) < PARTS // 2:
        fail(f"only {len(overheads)} of {PARTS} parts were judged: the machine is too slow or too busy")
    return {
        "parts": len(overheads),
        "overhead_ms": _percentiles(overheads),
        "round_trip_ms": _percentiles(trips),
        "window_ms": window_close_ms(settings),  # no verdict can come sooner
        "rss_mb": round(rss_mb, 1),
    }


def _fast(settings: StationSettings, bundle: Path) -> StationSettings:
    """Make the demonstration's station trigger by software, with the narrowest window that a PLC allows."""
    line = settings.line.model_copy(
        update={"min_part_interval_ms": 100.0, "trigger_to_exposure_ms": 2.0, "frame_transfer_ms": 2.0}
    )
    plc = settings.plc.model_copy(update={"max_trigger_age_ms": 12.0})
    camera = settings.camera.model_copy(update={"trigger": "software", "pattern": "number"})
    classes = [ClassSettings(recipe=settings.classes[0].recipe, bundle=bundle)]
    update = {"line": line, "plc": plc, "cameras": [camera], "classes": classes}
    return settings.model_copy(update=update)


def _load_golden(entry: ClassSettings, runtime: RuntimeSettings) -> Scorer:
    manifest = load_bundle(entry.bundle).manifest
    golden = read_image(entry.bundle / next(frame.file for frame in manifest.golden if frame.camera_size))
    if golden is None:
        fail(f"{entry.bundle}: the golden frame cannot be read; install the bundle again")
    return GoldenScorer(open_engine(entry.bundle, runtime), golden)


def _percentiles(values: list[float]) -> dict[str, float]:
    p50, p99 = np.percentile(values, [50, 99])
    return {"p50": round(float(p50), 3), "p99": round(float(p99), 3)}


def _rss_mb(pid: int | None) -> float:
    """Resident memory of a process, MB; None: of this one."""
    status = Path(f"/proc/{'self' if pid is None else pid}/status").read_text(encoding="ascii")
    line = next(line for line in status.splitlines() if line.startswith("VmRSS:"))
    return int(line.split()[1]) * 1024 / 1e6


if __name__ == "__main__":
    set_up_logs("error")
    print_json(run_line(Path(sys.argv[1])))
