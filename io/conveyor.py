"""The belt and the parts on it: when each part breaks the photo-eye and when it stands before the gate.

Pure: it does no I/O and has no clock of its own. The photo-eye is at 0, the gate at `gate_distance`.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from inspectd.io.plc_simulator_settings import PlcSimulatorSettings

# The belt moves by no more than this many scans' worth in one step: when the simulating process is held
# up, its world is held up with it, and no two parts fall into one scan of the PLC.
_LONGEST_STEP_SCANS = 2


@dataclass(frozen=True, slots=True)
class Crossing:
    """A part passed a sensor: `travel` is the belt's travel then (counts), `at` the time (s, monotonic)."""

    part: int
    travel: int
    at: float


class Conveyor:
    """A belt with parts 1, 2, ... a pitch apart, the first one a pitch before the photo-eye."""

    def __init__(self, settings: PlcSimulatorSettings) -> None:
        self._settings = settings
        self.running = False
        self.eye_part = 0
        """Last part that broke the photo-eye."""
        self.gate_part = 0
        """Last part that passed the gate."""
        self._travel = 0.0
        self._stepped_at: float | None = None
        self._eye: list[Crossing] = []
        self._gate: list[Crossing] = []

    @property
    def travel(self) -> int:
        """How far the belt has moved, counts; it does not wrap."""
        return int(self._travel)

    @property
    def finished(self) -> bool:
        """True once the last part has passed the gate."""
        return 0 < self._settings.parts <= self.gate_part

    def position(self, part: int) -> int:
        """Travel at which `part` breaks the photo-eye, counts."""
        jitter = self._settings.spacing_jitter
        shift = random.Random(f"{self._settings.seed}/{part}").uniform(-jitter, jitter) if jitter else 0.0
        return round((part + shift) * self._settings.pitch)

    def seconds_to_eye(self) -> float | None:
        """Time until the next part breaks the photo-eye at the present speed; None: none will."""
        if not self.running or not self._comes(self.eye_part + 1):
            return None
        return max(0.0, (self.position(self.eye_part + 1) - self._travel) / self._settings.speed)

    def advance(self, now: float) -> list[Crossing]:
        """Move the belt up to `now` (s, monotonic); gives the parts that broke the photo-eye in this step."""
        if self._stepped_at is not None and self.running:
            longest = _LONGEST_STEP_SCANS * self._settings.scan_ms / 1000
            step = min(max(0.0, now - self._stepped_at), longest)
            self._travel += step * self._settings.speed
        self._stepped_at = now
        crossed: list[Crossing] = []
        while self._comes(self.eye_part + 1) and self.position(self.eye_part + 1) <= self._travel:
            self.eye_part += 1
            crossed.append(Crossing(self.eye_part, self.position(self.eye_part), now))
        self._eye.extend(crossed)
        distance = self._settings.gate_distance
        while self.gate_part < self.eye_part and self.position(self.gate_part + 1) + distance <= self._travel:
            self.gate_part += 1
            self._gate.append(Crossing(self.gate_part, self.position(self.gate_part) + distance, now))
        return crossed

    def take_eye(self) -> list[Crossing]:
        """Give what the photo-eye saw since the last call."""
        taken, self._eye = self._eye, []
        return taken

    def take_gate(self) -> list[Crossing]:
        """Give the parts that came to the gate since the last call."""
        taken, self._gate = self._gate, []
        return taken

    def _comes(self, part: int) -> bool:
        return self._settings.parts == 0 or part <= self._settings.parts
