"""What runs in a station, how long each may go without a sign of life, and what happens past that.

| runs              | sign of life                     | limit             | past the limit                  |
|-------------------|----------------------------------|-------------------|---------------------------------|
| inspection thread | each step it takes ends in time  | `step_limit_ms`   | heartbeat and watchdog end      |
| PLC thread        | one cycle after another          | `PLC_LIMIT_S`     | watchdog ends                   |
| recorder thread   | one batch after another, written | `RECORD_LIMIT_S`  | watchdog ends, Fault            |
| model watch       | its thread lives                 | none              | started again, nothing waits    |
| output process    | it runs; a pulse is reported     | `REPORT_S`        | killed, started again           |
| MQTT broker       | it answers                       | keepalive_s       | connected to anew               |
| camera process    | a message every 200 ms           | camera.stall_ms   | killed, started again, Fault;   |
|                   |                                  | `CAMERA_BUDGET`   | then a Fault that latches       |
| bundle            | its golden scores, at the start  | its tolerance     | Fault, tried again every minute |
| engine            | a finite score for every frame   | `ENGINE_BUDGET`   | Fault that latches              |
| pairing           | one frame for every trigger      | `MISMATCH_BUDGET` | Fault that latches              |

The heartbeat goes to the PLC, which rejects 500 ms after it ends; the watchdog goes to systemd, which then
restarts the agent. Threads cannot be killed from outside, so a hung one is mended by that restart alone.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from dataclasses import dataclass

from inspectd.io.plc import FaultCode

PLC_LIMIT_S = 2.0
RECORD_LIMIT_S = 5.0
ENGINE_BUDGET = 5
MISMATCH_BUDGET = 5
CAMERA_BUDGET = 5
"""Times that a camera which worked may be lost within `CAMERA_BUDGET_S`; one that stays away is lost once."""
CAMERA_BUDGET_S = 600.0


class Pulse:
    """What one loop is doing and since when. Written by its loop, read by others."""

    def __init__(self) -> None:
        self._step: tuple[str, float, float] | None = None

    def step(self, name: str, limit_s: float) -> None:
        """The loop begins a step that must end within `limit_s`."""
        self._step = (name, time.monotonic(), limit_s)

    def idle(self) -> None:
        """The loop waits for work; that may take for ever."""
        self._step = None

    def overdue(self, now: float) -> str:
        """Name the step that has passed its limit; empty if there is none."""
        step = self._step
        if step is None:
            return ""
        name, since, limit_s = step
        return f"{name} for {now - since:.2f} s" if now - since > limit_s else ""


@dataclass(frozen=True, slots=True)
class Budget:
    """A number of consecutive failures after which a fault latches."""

    fault: FaultCode
    limit: int


class LossBudget:
    """Counts how often what worked was lost, and tells of more than `limit` times in `within_s`."""

    def __init__(self, limit: int, within_s: float) -> None:
        self._within_s = within_s
        self._lost_at: deque[float] = deque(maxlen=limit + 1)
        self._works = False

    def see(self, now: float, *, works: bool) -> bool:
        """Take the present state; True if it was lost just now, beyond the budget, which then starts anew.

        What never worked is not lost.
        """
        lost, self._works = self._works and not works, works
        if not lost:
            return False
        self._lost_at.append(now)
        exceeded = len(self._lost_at) == self._lost_at.maxlen and now - self._lost_at[0] <= self._within_s
        if exceeded:
            self._lost_at.clear()
        return exceeded


class Faults:
    """The faults that the agent itself has found. Any thread may call.

    A latched fault stays until ClearFault; a standing one goes with its cause.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._latched: list[FaultCode] = []
        self._standing: list[FaultCode] = []
        self._in_a_row: dict[FaultCode, int] = {}

    def latch(self, fault: FaultCode) -> bool:
        """Latch a fault; True if it is new."""
        with self._lock:
            if fault in self._latched:
                return False
            self._latched.append(fault)
            return True

    def stand(self, fault: FaultCode, *, present: bool) -> bool:
        """Set or end a fault that goes with its cause; True if that changes anything."""
        with self._lock:
            if present == (fault in self._standing):
                return False
            (self._standing.append if present else self._standing.remove)(fault)
            return True

    def persist(self, fault: FaultCode, *, present: bool) -> bool:
        """Hold a latching fault whose cause can be seen to stand; True if it is new.

        It is latched, and while the cause is present ClearFault does not end it for a moment.
        """
        self.stand(fault, present=present)
        return present and self.latch(fault)

    def count(self, budget: Budget, *, failed: bool) -> bool:
        """Count a failure or a success against a budget; True if that latched the fault."""
        with self._lock:
            in_a_row = self._in_a_row.get(budget.fault, 0) + 1 if failed else 0
            self._in_a_row[budget.fault] = in_a_row
        return in_a_row >= budget.limit and self.latch(budget.fault)

    def clear(self) -> list[FaultCode]:
        """ClearFault: end every latched fault, and give what they were."""
        with self._lock:
            cleared, self._latched = self._latched, []
            self._in_a_row.clear()
            return cleared

    def holds(self, fault: FaultCode) -> bool:
        """Whether this fault is among those that stand or are latched."""
        with self._lock:
            return fault in self._latched or fault in self._standing

    def current(self) -> FaultCode:
        """The fault to show: the first one latched, else the first one standing, else none."""
        with self._lock:
            for fault in (*self._latched, *self._standing):
                return fault
            return FaultCode.NONE
