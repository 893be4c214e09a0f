"""What the simulated camera exposes, and when: parts, photo-eye, triggers, and ordered faults."""

from __future__ import annotations

import heapq
import itertools
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from inspectd.io.camera_settings import SimulatedCameraSettings, SimulatedFault

EMPTY_BELT = -1
"""Stands for a part's number where no part is."""
MOST_WAITING = 8
"""Exposures that wait for hand-over at most; the newest beyond that is lost, as in a camera's own buffers."""
DUPLICATE_GAP_MS = 1
"""Time between the two frames of a duplicate or a stray one, if no time is ordered."""


@dataclass(order=True, frozen=True, slots=True)
class Exposure:
    """One exposure on its way to hand-over."""

    due_at: float
    """When it is handed over, s on the monotonic clock."""
    order: int
    at: float = field(compare=False)
    """When it was exposed."""
    part: int = field(compare=False)
    """What stood before the camera: a part, or `EMPTY_BELT`."""
    frozen: bool = field(compare=False)
    """The sensor gives the previous image once more."""
    hangs: bool = field(compare=False)
    """The driver never hands it over, nor anything else."""
    stray: bool = field(compare=False)
    """What stood there was exposed before, and is seen anew."""


class SimulatedSensor:
    """Exposes parts; safe to use from several threads."""

    def __init__(self, settings: SimulatedCameraSettings) -> None:
        self._software = settings.trigger == "software"
        self._first_part = settings.start_part if settings.trigger == "free" else 0
        self._changed = threading.Condition()  # guards all of the following
        self._faults = {fault.part: fault for fault in settings.faults}
        self._present = EMPTY_BELT
        self._present_is_exposed = False
        self._waiting: list[Exposure] = []
        self._order = itertools.count()
        self._lost: list[float] = []

    def order_fault(self, fault: SimulatedFault) -> None:
        """Let something go wrong when this part is next exposed."""
        with self._changed:
            self._faults[fault.part] = fault
            self._changed.notify_all()

    def place(self, part: int) -> None:
        """Put this part before the camera."""
        with self._changed:
            self._present = part
            self._present_is_exposed = False
            self._changed.notify_all()

    def expose_next_part(self, at: float) -> None:
        """Put the next part before the camera and expose it."""
        with self._changed:
            self._present = self._next_part()
        self.expose(at)

    def expose(self, at: float) -> None:
        """Expose what stands before the camera, at the moment `at`, with the fault that is ordered for it."""
        with self._changed:
            part = self._present
            self._present_is_exposed = True
            fault = self._faults.pop(part, None)
            kind = None if fault is None else fault.fault
            later_s = 0.0 if fault is None else fault.ms / 1000
            if kind == "drop" or len(self._waiting) >= MOST_WAITING:
                self._lost.append(at)
                self._changed.notify_all()
                return
            due_at = at + later_s if kind == "delay" else at
            self._put(due_at, at, part, frozen=kind == "freeze", hangs=kind == "hang")
            if kind in {"duplicate", "stray"}:
                again_at = at + max(later_s, DUPLICATE_GAP_MS / 1000)
                self._put(again_at, again_at, part, stray=kind == "stray")

    def _put(
        self,
        due_at: float,
        at: float,
        part: int,
        *,
        frozen: bool = False,
        hangs: bool = False,
        stray: bool = False,
    ) -> None:
        exposure = Exposure(due_at, next(self._order), at, part, frozen, hangs, stray)
        heapq.heappush(self._waiting, exposure)
        self._changed.notify_all()

    def take_lost(self, before: float) -> int:
        """Give how many exposures were lost before this moment, each once."""
        with self._changed:
            later = [at for at in self._lost if at >= before]
            lost = len(self._lost) - len(later)
            self._lost = later
            return lost

    def expected(self) -> tuple[int, bool]:
        """Tell which part will probably be handed over next, and whether the sensor will be frozen then."""
        with self._changed:
            return self._expected()

    def _expected(self) -> tuple[int, bool]:
        if self._waiting:
            return self._waiting[0].part, self._waiting[0].frozen
        part = self._next_part()
        fault = self._faults.get(part)
        return part, fault is not None and fault.fault == "freeze"

    def _next_part(self) -> int:
        if self._software and not self._present_is_exposed:
            return self._present
        return self._first_part if self._present == EMPTY_BELT else self._present + 1

    def wait(self, timeout_s: float) -> Exposure | None:
        """Give the next exposure that is due. None: none was in time, or another part is expected now."""
        deadline = time.monotonic() + timeout_s
        with self._changed:
            expected = self._expected()
            while True:
                now = time.monotonic()
                due_at = self._waiting[0].due_at if self._waiting else deadline
                if self._waiting and due_at <= now:
                    return heapq.heappop(self._waiting)
                if now >= deadline or self._expected() != expected:
                    return None
                self._changed.wait(min(deadline, due_at) - now)
