"""The level handshake: Trigger and TriggerAck, ExposureDone, ResultsValid and ResultAck.

    PLC     TRIG_ID, RECIPE .., Trigger = 1     only while TriggerReady
    agent   VERDICT = 0, ResultsValid = 0       the last part's result cannot be taken for this one's
    agent   TriggerAck = 1                      after that write was acknowledged
    PLC     Trigger = 0
    agent   TriggerAck = 0; ExposureDone = 1    once the part's frame is exposed
    agent   ResultsValid = 1 with VERDICT
    PLC     ResultAck = 1
    agent   ResultsValid = 0, VERDICT = 0
    PLC     ResultAck = 0
    agent   TriggerReady = 1

Ids obey the same rules as with the trigger by id change: an id is merely announced until its Trigger stands,
and then it is seen as changed. Every Trigger whose id is new is acknowledged, that of a part which cannot be
taken too: its result is UNKNOWN, and the PLC goes on by the one path. A Trigger without a new id belongs to
no part; it is never acknowledged, and MissedAcq tells it.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from inspectd.io.handshake_buffer import LastResult
from inspectd.io.handshake_id_change import IdChangeTrigger, newest_part
from inspectd.io.plc import Control, Reason, Status, Verdict, next_id
from inspectd.io.plc_events import Settled

if TYPE_CHECKING:
    from collections.abc import Sequence

    from inspectd.io.handshake_board import VerdictBoard
    from inspectd.io.plc import PlcImage
    from inspectd.io.plc_events import AgentState, Event


class LevelTrigger(IdChangeTrigger):
    """The agent's side of the level handshake; times in seconds, monotonic.

    Without BufferResults one part is under way at a time: TriggerReady returns with its result. With it the
    next part may be triggered once the last one is exposed, and the PLC tells the results apart by
    RESULT_TRIG_ID; ResultsValid and VERDICT fall for a moment at each Trigger in either case.
    """

    def __init__(self, board: VerdictBoard, max_age_s: float) -> None:
        super().__init__(board)
        self._board = board
        self._max_age_s = max_age_s
        self._high = False  # Trigger, as last polled
        self._armed = False  # Trigger was low since the last one was dealt with
        self._low_started = float("-inf")  # start of the last good poll with Trigger low
        self._ready = False  # TriggerReady, as last given to a write
        self._ready_at_rise = False
        self._overtaken_at: float | None = None  # a new id under a Trigger not dropped: since when
        self._answered = False  # this Trigger's id was taken: TriggerAck, once the last result is cleared
        self._settled_early = False  # the newest id was UNKNOWN before its Trigger stood
        self._clearing = True  # no acknowledged write has had VERDICT = 0 and ResultsValid = 0 yet
        self._valid = False  # ResultsValid
        self._result_ack = False  # ResultAck, as last polled
        self._acked: LastResult | None = None  # the result that ResultAck rose for
        self._given = (False, False)  # `_clearing` and `_valid` in the words given last
        self._valid_written = False

    # --- what was read ---------------------------------------------------------------------------------

    def start(self, plc: PlcImage, poll_started: float, events: Sequence[Event]) -> None:
        """Begin anew. A Trigger that stands already is answered only if its id has just become UNKNOWN."""
        newest = newest_part(events)
        settled = newest is not None and newest.trig_id == plc.trig_id
        self._part_id = newest.part_id if newest is not None else 0
        self._high = Control.TRIGGER in plc.control
        self._armed = not self._high
        self._low_started = poll_started
        self._ready = self._ready_at_rise = False
        self._overtaken_at = None
        self._answered = self._high and settled
        self._settled_early = not self._high and settled
        self.missed = self._high and not settled and 0 not in (plc.plc_epoch, plc.trig_id)
        self._result_ack = Control.RESULT_ACK in plc.control
        self._acked = None
        self._withdraw(for_good=not settled)

    def see(
        self, plc: PlcImage, poll_started: float, previous_started: float, taken_id: int, now: float
    ) -> tuple[PlcImage, float]:
        """Take a good poll of the same epoch; an id that is only announced is not shown yet."""
        del previous_started
        self._see_result_ack(plc)
        is_high = Control.TRIGGER in plc.control
        if is_high and not self._high:
            self._rise(poll_started)
        self._high = is_high
        if not is_high:
            self._low_started = poll_started
            self._armed = True
            self._answered = False
            self._overtaken_at = None
        elif self._armed and plc.trig_id == taken_id:
            self._see_no_new_id(now)
        announced = plc.trig_id == next_id(taken_id) and not self._counts(now)
        return replace(plc, trig_id=taken_id) if announced else plc, self._low_started

    def _see_result_ack(self, plc: PlcImage) -> None:
        is_set = Control.RESULT_ACK in plc.control
        if is_set and self._valid_written:
            self._acked = self._results.shown
            self._valid = self._valid_written = False
        self._result_ack = is_set
        shown = self._results.shown
        done = shown.verdict == Verdict.NONE or shown is self._acked
        self._results.follow(plc, next_may_follow=done and not is_set)
        if self._valid and self._results.shown is not shown:
            # BufferResults has ended: a ResultAck that is on its way is not the newest part's.
            self._withdraw(for_good=False)
        if self._results.buffering and not is_set and not self._results.taken:
            self._acked = None  # ResultAck without ACK_SEQ does not take it: it comes back

    def _rise(self, poll_started: float) -> None:
        # Of a PLC that writes to the agent by two ways, the one may bring a Trigger long after the other has
        # shown it low again.
        self._low_started = min(self._low_started, poll_started)
        self._ready_at_rise = self._ready
        self._withdraw(for_good=not self._settled_early)

    def _see_no_new_id(self, now: float) -> None:
        """Trigger rose and TRIG_ID is the last part's: it may follow, since a read need not be whole.

        If it does not, the Trigger belongs to no part, unless its id became UNKNOWN before it stood.
        """
        if now - self._low_started <= self._max_age_s:
            return
        self._armed = False
        if self._settled_early:
            self._settled_early = False
            self._answered = True
            self._acked = None
        else:
            self.missed = True

    def _counts(self, now: float) -> bool:
        """Whether the Trigger of the next id stands.

        An id that changes under a Trigger which was not dropped may be the next one announced early; after
        the longest age of a trigger it is taken as triggered, and cannot be served.
        """
        if not self._high or self._armed:
            return self._high
        if self._overtaken_at is None:
            self._overtaken_at = now
        return now - self._overtaken_at > self._max_age_s

    def refusal(self, state: AgentState) -> Reason | None:
        """A Trigger may be raised only while TriggerReady."""
        if not state.trigger_ready:
            return Reason.OFFLINE
        if self._overtaken_at is not None or not self._ready_at_rise:
            return Reason.QUEUE_OVERRUN
        return None

    def take(self, events: Sequence[Event]) -> None:
        """Learn which part this poll has brought; what was shown is another's."""
        newest = newest_part(events)
        if newest is None:
            return
        self._part_id = newest.part_id
        self.missed = isinstance(newest, Settled)
        self._withdraw(for_good=self._results.shown.trig_id != newest.trig_id)
        self._answered = self._high
        self._settled_early = not self._high
        self._armed = not self._high
        self._overtaken_at = None

    def _withdraw(self, *, for_good: bool) -> None:
        """Take VERDICT and ResultsValid back until a write without them was acknowledged, or for good.

        With BufferResults a result that the PLC has not taken comes back in any case.
        """
        self._clearing = True
        self._valid = self._valid_written = False
        self._given = (False, False)
        if for_good:
            self._results.discard()

    # --- what is written -------------------------------------------------------------------------------

    def status(self, state: AgentState, *, ready: bool) -> Status:
        """Give the bits to write now."""
        self._valid = self._may_show() and (self._valid or not self._result_ack)
        self._ready = ready and self._free(state)
        self._given = (self._clearing, self._valid)
        bits = (
            (Status.TRIGGER_READY, self._ready),
            (Status.TRIGGER_ACK, self._answered and not self._clearing),
            (Status.EXPOSURE_DONE, self._exposed(state)),
            (Status.RESULTS_VALID, self._valid),
        )
        return Status(sum(int(bit) for bit, is_set in bits if is_set))

    def _may_show(self) -> bool:
        """Whether there is a result that the PLC has not taken, and no Trigger that waits for its answer."""
        shown = self._results.shown
        waiting = self._clearing or (self._high and not self._answered)
        return shown.verdict != Verdict.NONE and shown is not self._acked and not waiting

    def _free(self, state: AgentState) -> bool:
        """Whether the next part may be triggered."""
        if self._high or self._clearing:
            return False
        judged = not self._board.waits_for(self._part_id)
        if self._results.buffering:
            return judged or self._exposed(state)
        return judged and not state.busy and not self._result_ack

    @property
    def result(self) -> LastResult:
        """The result to write in the same image as `status`: none unless ResultsValid."""
        shown = self._results.shown
        return shown if self._valid else LastResult(shown.seq)

    def acknowledge(self) -> None:
        """The write with the last `status` was acknowledged: what it cleared is cleared at the PLC."""
        cleared, valid = self._given
        if cleared:
            self._clearing = False
        if valid and self._valid:
            self._valid_written = True
            self._results.acknowledge()
