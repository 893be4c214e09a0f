"""What the agent finds at its own start: another agent still beating, and ids that nobody gave a verdict."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from inspectd.io.handshake_faults import LISTEN_S
from inspectd.io.plc import RING_SLOTS, Ring, id_distance, step_back

if TYPE_CHECKING:
    from collections.abc import Sequence

    from inspectd.io.plc_events import RecordedIds

_HALF_RANGE = 32767
_HOLES_BACK = 32  # parts in flight together are far fewer


class StartWatch:
    """Watches the vision HEARTBEAT before the first write: nobody else may beat there."""

    def __init__(self) -> None:
        self._first: int | None = None
        self._since = 0.0
        self.contested = False

    def see(self, heartbeat: int, now: float) -> bool:
        """Take the heartbeat of a poll; True once 600 ms have passed without a change."""
        if self._first is None:
            self._first = heartbeat
            self._since = now
        elif heartbeat != self._first:
            self.contested = True
        return not self.contested and now - self._since >= LISTEN_S


@dataclass(frozen=True, slots=True)
class OrphanId:
    """An id without a verdict; `in_force`: its slot is still its own, no newer id has taken it."""

    trig_id: int
    part_id: int
    in_force: bool


def newest_shown(result_seq: int, ring_words: Sequence[int]) -> int:
    """RESULT_SEQ given last in free-running mode; `result_seq` is the one that stands in word 37.

    With BufferResults results wait behind that one, while they stand in the ring already.
    """
    numbers = [entry.id for entry in Ring(ring_words) if entry.id != 0]
    ahead = [id_distance(result_seq, number) for number in numbers]
    steps = max((distance for distance in ahead if distance <= _HALF_RANGE), default=0)
    return step_back(result_seq, -steps) if steps else result_seq


def last_sequence(written: int, recorded: RecordedIds) -> int:
    """RESULT_SEQ to count on from in free-running mode; `written` is the PLC's.

    While the link was down, the last agent may have recorded verdicts under numbers that never reached the
    PLC: those are not given again.
    """
    newest = max(recorded.recent, key=lambda number: recorded.recent[number], default=written)
    return newest if id_distance(written, newest) <= _HALF_RANGE else written


def orphan_ids(present: int, in_ring: frozenset[int], recorded: RecordedIds) -> tuple[list[OrphanId], int]:
    """Ids up to `present` without a verdict in ring or records, oldest first; and the present part id.

    With records of this epoch: everything since the last recorded id, and the holes shortly before it, which
    were in flight when the last agent died. Without any, nobody can tell how many there were: the last 16,
    and none before id 1 unless the ring shows that ids wrapped.
    """
    # Records whose ids are not the newest of all belong to an older use of the same epoch number.
    part_ids = dict(recorded.recent)
    if part_ids and max(part_ids.values()) != recorded.last_part_id:
        part_ids.clear()
    last_id = max(part_ids, key=lambda number: part_ids[number], default=present)
    since_last = id_distance(last_id, present)
    if part_ids and since_last <= _HALF_RANGE:
        first_part = max(min(part_ids.values()), recorded.last_part_id - _HOLES_BACK)
        present_part = recorded.last_part_id + since_last
        oldest = present_part - first_part
    else:
        # No records, or so far from them that a long absence looks like a step back.
        oldest = (RING_SLOTS if in_ring or part_ids else min(RING_SLOTS, present)) - 1
        present_part = recorded.last_part_id + 1 + oldest
    known = in_ring | part_ids.keys()
    used = set(part_ids.values())
    orphans: list[OrphanId] = []
    for steps in range(oldest, -1, -1):
        trig_id, part_id = step_back(present, steps), present_part - steps
        if trig_id not in known and part_id not in used:
            orphans.append(OrphanId(trig_id, part_id, in_force=_in_force(trig_id, present)))
    return orphans, present_part


def _in_force(trig_id: int, present: int) -> bool:
    """Whether no id after `trig_id`, up to `present`, shares its slot: 16 ids back, 15 across the wrap."""
    distance = id_distance(trig_id, present)
    newer = (step_back(present, steps) for steps in range(min(distance, RING_SLOTS)))
    return distance < RING_SLOTS and all(number % RING_SLOTS != trig_id % RING_SLOTS for number in newer)
