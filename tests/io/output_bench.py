"""What the tests of outputs share: a fake GPIO chip, verdicts, states, waiting."""

import socket
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from inspectd.io.outputs import ClassInForce, PartWindow, Phase, PublishedVerdict, StationState
from inspectd.io.plc_codes import FaultCode, Reason, Verdict

FAKE_GPIOD = Path(__file__).parent / "fake_gpiod"
RUNNING = StationState(
    phase=Phase.RUNNING,
    free_running=False,
    plc_connected=True,
    online=True,
    trigger_ready=True,
    busy=False,
    degraded=False,
    shadow=False,
    stop_line=False,
    fault=FaultCode.NONE,
    recipe_in_force=7,
    classes=(ClassInForce(7, "button", "b" * 64, "d" * 64), ClassInForce(9, "screw", "c" * 64, "e" * 64)),
)


@dataclass(frozen=True)
class Edge:
    at: float
    level: int
    by: str


class FakeChip:
    """The file that the fake gpiod writes; `environment` is what its process needs."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.environment = {"PYTHONPATH": str(FAKE_GPIOD), "FAKE_GPIO": str(path)}

    def edges(self) -> list[Edge]:
        lines = self.path.read_text().splitlines() if self.path.exists() else []
        words = (line.split() for line in lines)
        return [Edge(float(at), int(level), by) for at, level, by in words]

    def pulses(self) -> list[float]:
        """When each rising edge was out."""
        return [edge.at for edge in self.edges() if edge.level == 1]

    def stopped_pid(self) -> int | None:
        mark = Path(f"{self.path}.stopped")
        return int(mark.read_text()) if mark.exists() and mark.read_text() else None

    def use(self, patch: pytest.MonkeyPatch, **more: str) -> None:
        for name, value in (self.environment | more).items():
            patch.setenv(name, value)


def wait_for(condition: Callable[[], object], within_s: float = 90.0) -> None:
    deadline = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline, "it did not come to that"
        time.sleep(0.01)


def free_port() -> int:
    """A port of 127.0.0.1 on which nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def verdict_on(part: int, verdict: Verdict = Verdict.ACCEPT, *, age_s: float = 0.0) -> PublishedVerdict:
    """A part whose id came `age_s` ago; an ACCEPT is one that the PLC has acknowledged."""
    reason = Reason.NONE if verdict is Verdict.ACCEPT else Reason.OVER_THRESHOLD
    issued = time.monotonic() - age_s
    return PublishedVerdict(
        part=part,
        verdict=verdict,
        reason=reason,
        record={
            "time": "2026-01-01T00:00:00.000+00:00",
            "part": part,
            "trig_id": part,
            "recipe": 7,
            "verdict": verdict.name,
            "reason": int(reason),
            "score": 0.5,
            "threshold": 1.0,
            "serial": "A-1",
            "lot": "L-2",
        },
        accepted=PartWindow(issued, issued) if verdict is Verdict.ACCEPT else None,
    )
