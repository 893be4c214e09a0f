"""What the agent has written on the board for the PLC: the verdict ring and the sequence of results.

The board holds the contract's rule that a part gets one verdict: a slot is open from the part's trigger until
its first verdict or until a newer part takes the slot, and only an open slot takes a verdict.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from inspectd.io.handshake_buffer import LastResult, ResultBuffer
from inspectd.io.plc import RING_SLOTS, Reason, Ring, RingEntry, Verdict, id_distance, next_id
from inspectd.io.plc_events import Discarded, Placed, Result

if TYPE_CHECKING:
    from collections.abc import Sequence

_WORD_MAX = 0xFFFF
_REAL_MAX = 3.4028234663852886e38
_HALF_RANGE = 32767
_REMEMBERED = 256


@dataclass(frozen=True, slots=True)
class Part:
    """A triggered part and what it was triggered with."""

    part_id: int
    trig_id: int
    epoch: int
    recipe: int


class VerdictBoard:
    """Ring and sequence, PLC-triggered or free-running; results go on to `results`. Not thread-safe."""

    def __init__(self, *, free_running: bool, results: ResultBuffer | None = None) -> None:
        self._free_running = free_running
        self.ring = Ring()
        self.results = results or ResultBuffer()
        self.result_seq = 0
        self.completed = False
        self._open: dict[int, Part] = {}  # slot -> the part whose verdict it waits for
        self._judged: deque[int] = deque(maxlen=_REMEMBERED)  # part ids that have theirs, free-running only
        self._unwritten: dict[int, int] = {}  # slot -> part id, until a write with it is acknowledged

    def restore(self, ring_words: Sequence[int], present: int, result_seq: int, *, completed: bool) -> None:
        """Take over what an earlier agent wrote in this same epoch; `present` is the newest ring id.

        A slot whose id does not belong there, holds no verdict, or lies ahead of `present` (it stood there
        for a whole turn of the ids) is left out: an empty slot is rejected, never accepted.
        """
        for index, entry in enumerate(Ring(ring_words)):
            belongs = entry.id != 0 and entry.id % RING_SLOTS == index
            says = entry.verdict in (Verdict.ACCEPT, Verdict.REJECT, Verdict.UNKNOWN)
            if belongs and says and id_distance(entry.id, present) <= _HALF_RANGE:
                self.ring.put(entry)
        self.count_from(result_seq)
        self.completed = completed

    def count_from(self, result_seq: int) -> None:
        """Take `result_seq` for the last one given; no result is shown."""
        self.result_seq = result_seq
        self.results.clear(result_seq)

    def clear(self) -> None:
        """Set all slots to ID 0 and forget every open part; the sequence counts on."""
        self.ring.clear()
        self.results.clear(self.result_seq)
        self._open.clear()
        self._unwritten.clear()

    def admit(self, part: Part) -> None:
        """Open the slot of a triggered part; the older part that had the slot gets no verdict any more."""
        slot = part.trig_id % RING_SLOTS
        self._open[slot] = part
        self.results.newest_trig_id = part.trig_id
        # After a whole turn of the ids the slot may hold this very id: that verdict is another part's.
        if self.ring.find(part.trig_id) is not None:
            self._empty(slot)

    def place(self, result: Result, epoch: int, now: float) -> Placed | Discarded:
        """Put a verdict on the board if it is the first for its part and the part is still in force.

        `epoch` is the PLC's present one; `now` (s, monotonic) gives LATENCY_MS. A verdict that was ready in
        time and was then held up past its deadline is late all the same.
        """
        objection = self._objection(result, epoch)
        if objection:
            return Discarded(result.part_id, *objection)
        if result.verdict is not Verdict.UNKNOWN and not now <= result.deadline:
            result = replace(result, verdict=Verdict.UNKNOWN, reason=Reason.VERDICT_LATE)
        self.result_seq = next_id(self.result_seq)
        self.completed = not self.completed
        last = LastResult(
            seq=self.result_seq,
            trig_id=result.trig_id,
            verdict=result.verdict,
            reason=result.reason,
            score_relative=_score_word(result.score_relative),
            score=result.score if math.isfinite(result.score) else _REAL_MAX,
            latency_ms=max(0, min(_WORD_MAX, round((now - result.seen_at) * 1000.0))),
        )
        self.results.add(last)
        self._write_slot(result, last.score_relative)
        return Placed(result.part_id, self.result_seq, result.verdict, result.reason, now)

    def waits_for(self, part_id: int) -> bool:
        """Whether the part still has its slot and no verdict."""
        return any(part.part_id == part_id for part in self._open.values())

    def unwritten(self) -> list[int]:
        """Part ids whose verdict stands on the board and was in no acknowledged write yet."""
        return list(self._unwritten.values())

    def written(self) -> list[int]:
        """Give `unwritten` and forget it: the board was written and acknowledged as it stands."""
        part_ids = self.unwritten()
        self._unwritten.clear()
        return part_ids

    def _objection(self, result: Result, epoch: int) -> tuple[Reason, str] | None:
        if result.epoch != epoch or epoch == 0:
            return Reason.RESTARTED, f"verdict of epoch {result.epoch}, the PLC is in epoch {epoch}"
        if self._free_running:
            if result.part_id in self._judged:
                return Reason.FRAME_MISMATCH, "second verdict for this part: the first stands"
            return None
        part = self._open.get(result.trig_id % RING_SLOTS)
        if part is None or (part.part_id, part.trig_id) != (result.part_id, result.trig_id):
            why = f"trigger id {result.trig_id} waits for no verdict of this part any more"
            return Reason.VERDICT_LATE, why
        if part.recipe != result.recipe:
            why = f"verdict for recipe {result.recipe}, the part was triggered with {part.recipe}"
            return Reason.OFFLINE, why
        return None

    def _write_slot(self, result: Result, score_relative: int) -> None:
        if not self._free_running:
            number, a, b = result.trig_id, score_relative, 0
            self._open.pop(number % RING_SLOTS)
        else:
            self._judged.append(result.part_id)
            if result.encoder is None:
                # Without a position the PLC cannot tell which part is meant: an empty slot is rejected.
                self._empty(self.result_seq % RING_SLOTS)
                return
            number, a, b = self.result_seq, result.encoder >> 16 & _WORD_MAX, result.encoder & _WORD_MAX
        entry = RingEntry.make(
            number, result.verdict, result.reason, a, b, epoch=result.epoch, recipe=result.recipe
        )
        self.ring.put(entry)
        self._unwritten.pop(number % RING_SLOTS, None)
        self._unwritten[number % RING_SLOTS] = result.part_id

    def _empty(self, slot: int) -> None:
        self.ring.empty(slot)
        self._unwritten.pop(slot, None)


def _score_word(score_relative: float) -> int:
    """SCORE: relative to the threshold x 1000, 0..65535; a score that is not finite is the largest."""
    if not math.isfinite(score_relative):
        return _WORD_MAX
    # Rounded down, so that 1000 always means at or over the threshold.
    return max(0, min(_WORD_MAX, math.floor(score_relative * 1000.0)))
