"""When a source exposes that has no clock of its own: at each software trigger, or at a steady rate."""

from __future__ import annotations

import threading
import time
from collections import deque

MOST_WAITING = 64
"""Triggers that may wait for their frame; more are dropped, and counted as lost frames."""


class Exposures:
    """Gives the moments of exposure, s on the monotonic clock, one after another."""

    def __init__(self, rate_hz: float | None) -> None:
        """With `rate_hz` None, `trigger` is what exposes."""
        self._period_s = None if rate_hz is None else 1 / rate_hz
        self._due_at = time.monotonic()
        self._changed = threading.Condition()
        self._triggers: deque[float] = deque()
        self._dropped = 0

    def trigger(self) -> None:
        """Expose now. Any thread; never waits; nothing happens at a steady rate."""
        if self._period_s is not None:
            return
        with self._changed:
            if len(self._triggers) < MOST_WAITING:
                self._triggers.append(time.monotonic())
                self._changed.notify()
            else:
                self._dropped += 1

    def take_dropped(self) -> int:
        """Give the number of dropped triggers since the last call."""
        with self._changed:
            dropped, self._dropped = self._dropped, 0
            return dropped

    def serve(self, exposed_at: float) -> bool:
        """Tell whether a frame exposed at this moment answers a trigger. The trigger is then done with."""
        with self._changed:
            if self._triggers and self._triggers[0] <= exposed_at:
                self._triggers.popleft()
                return True
            return False

    def next(self, timeout_s: float) -> float | None:
        """Wait for the next exposure and give its moment; None if there was none in time."""
        if self._period_s is None:
            return self._next_trigger(timeout_s)
        return self._next_tick(timeout_s, self._period_s)

    def _next_trigger(self, timeout_s: float) -> float | None:
        with self._changed:
            if self._changed.wait_for(lambda: self._triggers, timeout_s):
                return self._triggers.popleft()
            return None

    def _next_tick(self, timeout_s: float, period_s: float) -> float | None:
        wait_s = self._due_at - time.monotonic()
        if wait_s > timeout_s:
            time.sleep(timeout_s)
            return None
        time.sleep(max(0.0, wait_s))
        now = time.monotonic()
        self._due_at = max(self._due_at + period_s, now)  # late once: no burst to catch up
        return now
