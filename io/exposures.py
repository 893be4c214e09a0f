"""When a replay exposes: at each software trigger, or at a steady rate."""

from __future__ import annotations

import queue
import time

MOST_WAITING = 64
"""Triggers that may wait for a replay; more are dropped, and counted as lost frames."""


class Exposures:
    """Gives the moments of exposure, s on the monotonic clock, one after another."""

    def __init__(self, rate_hz: float | None) -> None:
        """With `rate_hz` None, `trigger` is what exposes."""
        self._period_s = None if rate_hz is None else 1 / rate_hz
        self._due_at = time.monotonic()
        self._triggers: queue.Queue[float] = queue.Queue(MOST_WAITING)
        self._dropped = 0

    def trigger(self) -> None:
        """Expose now. Any thread; never waits; nothing happens at a steady rate."""
        if self._period_s is not None:
            return
        try:
            self._triggers.put_nowait(time.monotonic())
        except queue.Full:
            self._dropped += 1

    def take_dropped(self) -> int:
        """Give the number of dropped triggers since the last call."""
        dropped, self._dropped = self._dropped, 0
        return dropped

    def next(self, timeout_s: float) -> float | None:
        """Wait for the next exposure and give its moment; None if there was none in time."""
        if self._period_s is None:
            try:
                return self._triggers.get(timeout=timeout_s)
            except queue.Empty:
                return None
        wait_s = self._due_at - time.monotonic()
        if wait_s > timeout_s:
            time.sleep(timeout_s)
            return None
        if wait_s > 0:
            time.sleep(wait_s)
        now = time.monotonic()
        self._due_at = max(self._due_at + self._period_s, now)  # late once: no burst to catch up
        return now
