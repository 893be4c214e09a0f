"""Stand-ins for camera, scorer, record and clock."""

import math
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from inspectd.agent.record import Recorder, RecordStatus, Row
from inspectd.inference.engine import Judged
from inspectd.inference.errors import EngineError
from inspectd.inference.manifest import Limits
from inspectd.io.camera import CameraStatus, Frame

GOOD, DEFECTIVE = 0.5, 2.0
THRESHOLD, LOW_LIMIT = 1.0, 0.1
EPOCH = 7


class Clock:
    """Stands in for the module `time`; it moves only when told to."""

    def __init__(self) -> None:
        self.now = 100.0
        self.before_reading: Callable[[], None] = lambda: None

    def monotonic(self) -> float:
        self.before_reading()
        return self.now

    def advance(self, seconds: float) -> float:
        self.now += seconds
        return self.now


class StandInCamera:
    """A camera that a test exposes by hand.

    It hands over what is exposed at once and else has nothing whenever it is asked, unless it is held up.
    """

    name = "top"

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self.now = now
        self.alive = True
        self.since = 0.0
        self.held_up_since: float | None = None
        self.last_exposed_at = 0.0
        self.looks: list[float] = []
        self.triggers = 0
        self.on_frame: Callable[[Frame], None] = Frame.release

    def start(self, on_frame: Callable[[Frame], None]) -> None:
        self.on_frame = on_frame

    def trigger(self) -> None:
        self.triggers += 1

    def look(self, at: float) -> None:
        self.looks.append(at)

    def hold_up(self) -> None:
        """From now on the camera says nothing more, and still counts as alive."""
        self.held_up_since = self.now()

    def die(self) -> None:
        """End as a killed process does; what it had not handed over is lost."""
        self.alive, self.since = False, self.now()

    def restart(self) -> None:
        """Die and be open again."""
        self.die()
        self.alive, self.since = True, self.now()

    def status(self) -> CameraStatus:
        looked_at = self.now() if self.held_up_since is None else self.held_up_since
        return CameraStatus(
            alive=self.alive,
            since=self.since,
            frames=0,
            lost=0,
            restarts=0,
            error="",
            pid=None,
            looked_at=looked_at if self.alive else 0.0,
            last_exposed_at=self.last_exposed_at,
        )

    def stop(self) -> None:
        self.on_frame = Frame.release


class StandInScorer:
    """Reads the score out of the frame, so that a part judged by another's frame shows."""

    def __init__(self, class_name: str = "button") -> None:
        self.class_name = class_name
        self.bundle_id = f"bundle of {class_name}"
        self.decision_id = f"decision of {class_name}"
        self.provisional = ""
        self.limits_key = "float32/stand-in/float32"
        self.limits = Limits(threshold=THRESHOLD, low_limit=LOW_LIMIT)
        self.judged = 0
        self.mark = 0
        self.closed = False
        self.unfit: tuple[str, ...] = ()
        self.while_judging: Callable[[], None] = lambda: None

    def judge(self, pixels: NDArray[np.uint8]) -> Judged:
        if self.closed:
            raise EngineError("the scorer is closed")
        self.judged += 1
        self.mark = int(pixels[0, 0, 2])
        self.while_judging()
        score = math.nan if self.unfit else int(pixels[0, 0, 0]) / 100
        return Judged(score, self.unfit, None, None, None, 0.0, 5.0)

    def close(self) -> None:
        self.closed = True


class MemoryRecorder(Recorder):
    """Keeps its rows in memory."""

    def __init__(self) -> None:
        super().__init__(Path("nowhere"), 1, 1)
        self.rows: list[Row] = []
        self.failing = ""
        self.lost = 0

    def put(self, row: Row) -> None:
        self.rows.append(row)

    def status(self) -> RecordStatus:
        return RecordStatus(len(self.rows), self.lost, self.failing)


class HeardLog:
    """Takes the place of a module's log, and keeps each event with its `why`."""

    def __init__(self) -> None:
        self.told: list[tuple[str, str]] = []

    def _hear(self, event: str, **named: object) -> None:
        self.told.append((event, str(named.get("why", ""))))

    info = warning = error = exception = _hear
