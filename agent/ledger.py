"""The ledger of open parts: the place that makes sure a part gets exactly one verdict, and on time.

The inspection loop settles parts with verdicts, the PLC loop expires those whose deadline has passed and
drops those that an epoch change has made void. Whoever comes first wins; the other learns that it lost.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass

from inspectd.agent.scorer import Scorer
from inspectd.agent.verdict import InForce


@dataclass(frozen=True, slots=True)
class OpenPart:
    """A part between its trigger and its verdict; times in seconds, monotonic.

    `trig_id` is 0 in free-running mode. `window_start` to `window_end` is where its exposure must lie.
    `scorer` judges it, whatever is put in force after its trigger; None where its recipe has no class.
    """

    part_id: int
    trig_id: int
    epoch: int
    in_force: InForce
    seen_at: float
    window_start: float
    window_end: float
    deadline: float
    scorer: Scorer | None = None
    serial: str = ""
    lot: str = ""


class Ledger:
    """Open parts by id. Every method may be called from any thread and none blocks for long."""

    def __init__(self, capacity: int) -> None:
        self._lock = threading.Lock()
        self._open: dict[int, OpenPart] = {}
        self._capacity = capacity

    def open(self, part: OpenPart) -> list[OpenPart]:
        """Enter a part; returns the oldest parts if that makes too many, settled here by removal.

        The caller owes each returned part an UNKNOWN/42.
        """
        with self._lock:
            self._open[part.part_id] = part
            excess = list(self._open)[: max(0, len(self._open) - self._capacity)]
            return [self._open.pop(part_id) for part_id in excess]

    def settle(self, part_id: int, now: float) -> OpenPart | None:
        """Take a part out for its verdict; None if it has one already or its deadline has passed.

        A part past its deadline stays for `expire`, so that a late result is discarded whatever it says.
        """
        with self._lock:
            part = self._open.get(part_id)
            if part is None or now > part.deadline:
                return None
            return self._open.pop(part_id)

    def expire(self, now: float) -> list[OpenPart]:
        """Take out every part whose deadline has passed. The caller owes each an UNKNOWN/21."""
        with self._lock:
            late = [part for part in self._open.values() if now > part.deadline]
            for part in late:
                del self._open[part.part_id]
            return late

    def drop_all(self) -> list[OpenPart]:
        """Take out everything in flight. The caller owes each part an UNKNOWN with the cause."""
        with self._lock:
            dropped = list(self._open.values())
            self._open.clear()
            return dropped

    def scorers(self) -> list[Scorer]:
        """Give the scorer of every open part."""
        with self._lock:
            return [part.scorer for part in self._open.values() if part.scorer is not None]

    def is_open(self, part_id: int) -> bool:
        """Tell whether the part still waits for its verdict."""
        with self._lock:
            return part_id in self._open

    def __len__(self) -> int:
        with self._lock:
            return len(self._open)
