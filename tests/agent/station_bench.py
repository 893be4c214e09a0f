"""A station built around a stand-in camera and scorer, without a PLC."""

import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from stand_ins import EPOCH, StandInCamera, StandInScorer
from station_files import settings_with

from inspectd.agent.record import read_rows
from inspectd.agent.station import Parts, Station
from inspectd.io.camera import Frame
from inspectd.io.plc_events import Trigger


class Built:
    """A station with what it was built from."""

    def __init__(
        self,
        folder: Path,
        *,
        classes: int = 1,
        error: Exception | None = None,
        line: dict[str, Any] | None = None,
        mode: str = "plc_triggered",
    ) -> None:
        self.camera = StandInCamera()
        self.scorers: list[StandInScorer] = []
        self.error = error
        self.record = folder / "record"
        settings = settings_with(
            line=line,
            plc={"port": unused_port(), "timeout_ms": 100.0, "mode": mode},
            classes=[{"recipe": 1 + number, "bundle": "none"} for number in range(classes)],
            record={"folder": str(self.record)},
        )
        self.station = Station(settings, Parts(self.load, lambda _settings: self.camera))

    def load(self, *_: object) -> StandInScorer:
        if self.error is not None:
            raise self.error
        self.scorers.append(StandInScorer())
        return self.scorers[-1]

    def trigger(self, part_id: int) -> None:
        now = time.monotonic()
        event = Trigger(part_id, part_id, EPOCH, 1, 0, "", "", window_start=now, seen_at=now)
        self.station.host.on_events([event])

    def expose(self) -> None:
        now = time.monotonic()
        self.camera.on_frame(Frame("top", 1, now, True, now, np.zeros((2, 2, 3), np.uint8)))

    def rows(self) -> list[dict[str, Any]]:
        return list(read_rows(self.record))


def unused_port() -> int:
    """A port of 127.0.0.1 on which nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def our_threads() -> set[str]:
    return {thread.name for thread in threading.enumerate()} & {"inspection", "recorder", "plc-link"}


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30.0
    while not condition():
        assert time.monotonic() < deadline, "it did not come to that"
        time.sleep(0.01)
