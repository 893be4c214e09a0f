"""The trigger by a change of TRIG_ID, with the bits of STATUS that go with it.

`LevelTrigger` is the other way: the PLC raises CONTROL.Trigger and waits for its acknowledgement.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from inspectd.io.plc import Status, Verdict
from inspectd.io.plc_events import Settled, Trigger

if TYPE_CHECKING:
    from collections.abc import Sequence

    from inspectd.io.handshake_board import VerdictBoard
    from inspectd.io.handshake_buffer import LastResult
    from inspectd.io.plc import PlcImage, Reason
    from inspectd.io.plc_events import AgentState, Event


def newest_part(events: Sequence[Event]) -> Trigger | Settled | None:
    """Give the last part that the id rules named, if they named one."""
    parts = [event for event in events if isinstance(event, (Trigger, Settled))]
    return parts[-1] if parts else None


class IdChangeTrigger:
    """TriggerAck stays 0, and ResultsValid stands as soon as this epoch has a verdict."""

    def __init__(self, board: VerdictBoard) -> None:
        self._results = board.results
        self._part_id = 0
        self.missed = False
        """A Trigger was raised that could not be served; set in the level handshake alone."""

    def start(self, plc: PlcImage, poll_started: float, events: Sequence[Event]) -> None:
        """Begin anew, at the agent's start and in a new epoch; `events`: what that has brought."""
        del plc, poll_started, events
        self._part_id = 0

    def see(
        self, plc: PlcImage, poll_started: float, previous_started: float, taken_id: int, now: float
    ) -> tuple[PlcImage, float]:
        """Take a good poll of the same epoch; gives it as the id rules are to see it.

        With it goes the start of the last good poll that did not show this trigger yet. `taken_id` is the
        TRIG_ID of the last part.
        """
        del poll_started, taken_id, now
        self._results.follow(plc)
        return plc, previous_started

    def refusal(self, state: AgentState) -> Reason | None:
        """Say why a part triggered by this poll cannot be taken, if the handshake forbids it."""
        del state
        return None

    def take(self, events: Sequence[Event]) -> None:
        """Learn what this poll has brought: its last part is the one triggered last."""
        newest = newest_part(events)
        if newest is not None:
            self._part_id = newest.part_id

    def status(self, state: AgentState, *, ready: bool) -> Status:
        """Give TriggerReady, TriggerAck, ExposureDone and ResultsValid to write; `ready`: Online and all."""
        bits = (
            (Status.TRIGGER_READY, ready),
            (Status.EXPOSURE_DONE, self._exposed(state)),
            (Status.RESULTS_VALID, self._results.shown.verdict != Verdict.NONE),
        )
        return Status(sum(int(bit) for bit, is_set in bits if is_set))

    @property
    def result(self) -> LastResult:
        """The result to write in the same image as `status`."""
        return self._results.shown

    def acknowledge(self) -> None:
        """The write with the last `status` was acknowledged."""
        self._results.acknowledge()

    def _exposed(self, state: AgentState) -> bool:
        """Whether the frame of the part triggered last was exposed."""
        return 0 < self._part_id <= state.exposed_part_id
