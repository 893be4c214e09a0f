"""Measure how frames pass from a camera's process to the agent.

    python tests/benchmarks/camera_throughput.py [--rate 60] [--seconds 10] [--width 2048] [--height 1536]

A simulated camera writes each frame, filled with its number, into its slot; the agent's side looks at every
pixel of it. Prints one JSON object: frames, lost (must be 0), torn (must be 0), the time from exposure to
hand-over, and the CPU seconds of both processes.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import structlog

from inspectd.io.camera_process import CameraProcess
from inspectd.io.camera_settings import SimulatedCameraSettings

if TYPE_CHECKING:
    from inspectd.io.camera import Frame

START_LIMIT_S = 30.0


def cpu_seconds(pid: int) -> float:
    """CPU time of a process so far, user and system, s."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def rss_mb(pid: int) -> float:
    """Resident memory of a process, MB; pages of the frames count in both processes."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGESIZE") / 1e6


class Onlooker:
    """Looks at each frame as an inspection would: every pixel, once."""

    def __init__(self) -> None:
        self.hand_over_ms: list[float] = []
        self.torn = 0
        self.started = threading.Event()

    def __call__(self, frame: Frame) -> None:
        """Compare the frame with its number and release it."""
        number = int(frame.label.removeprefix("part ")) % 256
        self.hand_over_ms.append((frame.received_at - frame.exposed_at) * 1000)
        self.torn += not bool((frame.pixels == number).all())
        frame.release()
        self.started.set()


def measure(settings: SimulatedCameraSettings, seconds: float) -> dict[str, Any]:
    """Run the camera for so long and give what was measured. Raises `TimeoutError` if it does not start."""
    camera = CameraProcess(settings)
    look = Onlooker()
    camera.start(look)
    try:
        if not look.started.wait(START_LIMIT_S):
            raise TimeoutError(f"no frame within {START_LIMIT_S:g} s: {camera.status().error}")
        pid = camera.status().pid
        assert pid is not None
        own_cpu, child_cpu, began = time.process_time(), cpu_seconds(pid), time.monotonic()
        look.hand_over_ms.clear()
        lost = camera.status().lost
        time.sleep(seconds)
        took_s = time.monotonic() - began
        frames = len(look.hand_over_ms)
        p50, p99 = np.percentile(look.hand_over_ms, [50, 99])
        return {
            "image": f"{settings.width}x{settings.height}",
            "seconds": round(took_s, 2),
            "frames": frames,
            "frames_per_s": round(frames / took_s, 2),
            "lost": camera.status().lost - lost,
            "torn": look.torn,
            "hand_over_ms": {"p50": round(float(p50), 3), "p99": round(float(p99), 3)},
            "cpu_s": {
                "camera": round(cpu_seconds(pid) - child_cpu, 2),
                "agent": round(time.process_time() - own_cpu, 2),
            },
            "rss_mb": {"camera": round(rss_mb(pid)), "agent": round(rss_mb(os.getpid()))},
        }
    finally:
        camera.stop()


def main() -> None:
    """Read the options, measure, print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--width", type=int, default=2048, help="px")
    parser.add_argument("--height", type=int, default=1536, help="px")
    parser.add_argument("--rate", type=float, default=60.0, help="frames per second")
    parser.add_argument("--seconds", type=float, default=10.0)
    options = parser.parse_args()
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    settings = SimulatedCameraSettings(
        pattern="number", trigger="free", rate_hz=options.rate, width=options.width, height=options.height
    )
    sys.stdout.write(json.dumps(measure(settings, options.seconds)) + "\n")


if __name__ == "__main__":
    main()
