"""The rule by which an accept pulse is given: one edge for each accepted part, in its window, or none.

A pulse that comes late may fall into the next part's window. The clock is therefore read directly before the
edge, and because a process can be stopped between that look and the edge, a timer of the kernel guards it:
past the last allowed moment a SIGALRM is pending, and ends the process before it can run another instruction.
"""

from __future__ import annotations

import signal
import time
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable

ARMED_WITHIN_S = 0.001
"""The timer is armed so soon after the clock was read, or both are done again: its error is no larger."""
REMEMBERED = 256
"""Parts whose second order is refused."""


class OutputLine(Protocol):
    """One line of a GPIO chip."""

    def set(self, *, active: bool) -> None:
        """Put the line to its active or inactive level. Raises OSError."""
        ...


@dataclass(frozen=True, slots=True)
class PulseOrder:
    """One accepted part; the whole pulse lies between `opens` and `closes` (s, monotonic)."""

    part: int
    opens: float
    closes: float


@dataclass(frozen=True, slots=True)
class PulseReport:
    """What became of an order: `edge_at` (s, monotonic) is when the edge was certainly out, None without one.

    `late`: the edge came after the last moment that the window allows. `why` says why there was none.
    """

    part: int
    edge_at: float | None
    late: bool = False
    why: str = ""


def arm(fire_at: float) -> None:
    """Have the kernel end this process at a moment (s, monotonic) in the future, unless `disarm` is first."""
    signal.setitimer(signal.ITIMER_REAL, max(1e-6, fire_at - time.monotonic()))


def disarm() -> None:
    """Take `arm` back."""
    signal.setitimer(signal.ITIMER_REAL, 0)


def die_of_alarms() -> None:
    """Make sure that SIGALRM ends this process, whatever was inherited."""
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGALRM})


class Pulser:
    """Gives pulses on one line; for one thread."""

    def __init__(
        self,
        line: OutputLine,
        pulse_s: float,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._line = line
        self._pulse_s = pulse_s
        self._clock = clock
        self._sleep = sleep
        self._done: deque[int] = deque(maxlen=REMEMBERED)
        self._fell_at = float("-inf")

    def give(self, order: PulseOrder) -> PulseReport:
        """Give the pulse of a part whose window is open, if there is still time for all of it.

        Raises OSError if the line cannot be set; it may then be at its active level.
        """
        if order.part in self._done:
            return PulseReport(order.part, None, why="a second order for the part: it had its turn")
        self._done.append(order.part)
        # Two pulses with nothing between them would be one edge.
        self._sleep(max(0.0, self._fell_at + self._pulse_s - self._clock()))
        last_moment = order.closes - self._pulse_s
        if not self._arm(last_moment):
            late_ms = (self._clock() - last_moment) * 1000
            return PulseReport(order.part, None, why=f"{late_ms:.1f} ms too late for the part's window")
        self._line.set(active=True)
        edge_at = self._clock()
        disarm()
        self._sleep(self._pulse_s)
        self._line.set(active=False)
        self._fell_at = self._clock()
        return PulseReport(order.part, edge_at, late=edge_at > last_moment + ARMED_WITHIN_S)

    def _arm(self, last_moment: float) -> bool:
        """Arm the timer for the last moment; False, and not armed, if that is past."""
        while True:
            looked_at = self._clock()
            if not looked_at < last_moment - ARMED_WITHIN_S:
                disarm()
                return False
            arm(last_moment)
            if self._clock() - looked_at <= ARMED_WITHIN_S:
                return True
