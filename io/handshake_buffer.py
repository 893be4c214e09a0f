"""Which result stands in words 37 to 44 and 47: the newest, or with BufferResults each in its turn.

With CONTROL.BufferResults the PLC takes the results one by one: the next is shown once ACK_SEQ is the
RESULT_SEQ that stands there. The ring holds every verdict all the same: what is lost here is lost from these
words alone.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

from inspectd.io.plc import Control, Verdict

if TYPE_CHECKING:
    from inspectd.io.plc import PlcImage

BUFFERED_RESULTS = 16
"""Results that wait behind the one shown; one more and the oldest of them is given up."""


@dataclass(frozen=True, slots=True)
class LastResult:
    """Words 37 to 44: one verdict and its RESULT_SEQ; `verdict` NONE and all zero where there is none."""

    seq: int = 0
    trig_id: int = 0
    verdict: int = Verdict.NONE
    reason: int = 0
    score_relative: int = 0
    score: float = 0.0
    latency_ms: int = 0


class ResultBuffer:
    """Chooses the result to show. Not thread-safe.

    `newest_part_alone`: without BufferResults only a result of the part triggered last is shown, as the level
    handshake demands; one of an older part stands in the ring alone.
    """

    def __init__(self, *, newest_part_alone: bool = False) -> None:
        self.shown = LastResult()
        self.buffering = False
        self.overrun = False
        self.newest_trig_id = 0
        """TRIG_ID of the part triggered last."""
        self._newest_part_alone = newest_part_alone
        self._waiting: deque[LastResult] = deque()
        self._next_may_follow = True
        self._written = False  # the result shown was in an acknowledged write
        self.taken = True
        """Whether the PLC has named the result shown in ACK_SEQ, or there is none."""
        self._clear_was_set = False

    def start(self, plc: PlcImage) -> None:
        """Begin anew, at the agent's start and in a new epoch: ClearOverrun as it stands is no edge."""
        self.overrun = False
        self._clear_was_set = Control.CLEAR_OVERRUN in plc.control
        self.buffering = Control.BUFFER_RESULTS in plc.control
        self._next_may_follow = True

    def follow(self, plc: PlcImage, *, next_may_follow: bool = True) -> None:
        """Take a good poll: BufferResults, ACK_SEQ, and ClearOverrun on its rising edge."""
        clear_is_set = Control.CLEAR_OVERRUN in plc.control
        if clear_is_set and not self._clear_was_set:
            self.overrun = False
        self._clear_was_set = clear_is_set
        self.buffering = Control.BUFFER_RESULTS in plc.control
        if not self.buffering:
            self._end_buffering()
        # A number that stood in ACK_SEQ before the result was shown does not take it.
        self.taken = self.taken or (self._written and plc.ack_seq == self.shown.seq)
        self._next_may_follow = next_may_follow
        self._show_next()

    def add(self, result: LastResult) -> None:
        """Take a verdict that was put on the board."""
        if self.buffering:
            self._waiting.append(result)
            self._show_next()
            if len(self._waiting) > BUFFERED_RESULTS:
                self._waiting.popleft()
                self.overrun = True
        elif self._may_stand(result):
            self._show(result)

    def _may_stand(self, result: LastResult) -> bool:
        """Whether a result may be shown without BufferResults."""
        return not self._newest_part_alone or result.trig_id == self.newest_trig_id

    def _end_buffering(self) -> None:
        newest = self._waiting[-1] if self._waiting else self.shown
        self._waiting.clear()
        if not self._may_stand(newest):
            self._show(LastResult(self.shown.seq))
        elif newest is not self.shown:
            self._show(newest)

    def discard(self) -> None:
        """Show no result, unless the PLC is to be given every one: a new part is being triggered."""
        if not self.buffering:
            self._show(LastResult(self.shown.seq))

    def clear(self, seq: int) -> None:
        """Forget all results; `seq` is the number given last."""
        self._waiting.clear()
        self._show(LastResult(seq))

    def acknowledge(self) -> None:
        """The result shown was in an acknowledged write."""
        self._written = True

    def _show(self, result: LastResult) -> None:
        self.shown = result
        self._written = False
        self.taken = result.verdict == Verdict.NONE

    def _show_next(self) -> None:
        if self._waiting and self.taken and self._next_may_follow:
            self._show(self._waiting.popleft())
