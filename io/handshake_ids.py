"""From TRIG_ID and PLC_EPOCH to parts: triggers, gaps, steps back, restarts (contract, "Epoch").

TRIG_ID is an alias that comes round again; every id that the PLC issued gets a 64-bit part id of its own
here, and every id that is not a clean trigger gets its UNKNOWN here, at once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from inspectd.io.handshake_board import Part
from inspectd.io.handshake_start import orphan_ids
from inspectd.io.plc import RING_SLOTS, FaultCode, Reason, Verdict, id_distance, step_back
from inspectd.io.plc_events import DropInFlight, EpochChanged, Result, Settled, Trigger

if TYPE_CHECKING:
    from inspectd.io.handshake_board import VerdictBoard
    from inspectd.io.handshake_faults import FaultLatch
    from inspectd.io.plc import PlcImage
    from inspectd.io.plc_events import Event, RecordedIds

_HALF_RANGE = 32767
_NAN = float("nan")


class IdTracker:
    """Follows the ids of one station. In free-running mode only the epoch is followed.

    A TRIG_ID of 0 means that no part was issued in this epoch yet; the first one is then 1, as after 65535.
    """

    def __init__(
        self, board: VerdictBoard, faults: FaultLatch, *, max_age_s: float, free_running: bool
    ) -> None:
        self._board = board
        self._faults = faults
        self._max_age_s = max_age_s
        self._free_running = free_running
        self._recipe = 0
        self._serial = ""
        self._lot = ""
        self._part_id = 0
        self.epoch = 0
        self.trig_id = 0
        self.missed_acq = False

    def begin(self, plc: PlcImage, recorded: RecordedIds, now: float) -> list[Event]:
        """Take the ids as the agent finds them at its start, with the board as it was kept.

        Every id up to the present one without a verdict in the ring or in the records is UNKNOWN/40.
        """
        self._part_id = recorded.last_part_id
        self._take(plc)
        if not self._names_parts:
            return []
        in_ring = frozenset(entry.id for entry in self._board.ring if entry.id != 0)
        orphans, self._part_id = orphan_ids(plc.trig_id, in_ring, recorded)
        return [
            self._settle(
                Part(orphan.part_id, orphan.trig_id, self.epoch, self._recipe),
                Reason.RESTARTED,
                now,
                publish=orphan.in_force,
            )
            for orphan in orphans
        ]

    def follow(
        self,
        plc: PlcImage,
        poll_started: float,
        previous_started: float,
        now: float,
        refused: Reason | None,
    ) -> list[Event]:
        """Take a good poll: its start, the start of the last good one without this trigger, and the moment.

        `refused`: a new part is not inspected now but UNKNOWN with this reason.
        """
        if plc.plc_epoch != self.epoch:
            return self._restart(plc, poll_started, now)
        distance = id_distance(self.trig_id, plc.trig_id)
        changed = plc.trig_id != self.trig_id
        had_parts = self._names_parts
        self._take(plc)
        if not changed or not (had_parts or self._names_parts):
            return []
        if plc.trig_id == 0 or not 1 <= distance <= _HALF_RANGE:
            return self._step_back(now)
        if distance > 1:
            return self._gap(distance, now)
        return [self._trigger(plc, previous_started, now, refused)]

    def _take(self, plc: PlcImage) -> None:
        self.epoch = plc.plc_epoch
        self.trig_id = plc.trig_id
        self._recipe = plc.recipe
        self._serial, self._lot = plc.serial, plc.lot

    @property
    def _names_parts(self) -> bool:
        return self.epoch != 0 and self.trig_id != 0 and not self._free_running

    def _restart(self, plc: PlcImage, poll_started: float, now: float) -> list[Event]:
        """The PLC restarted: nothing of before counts, and the id that stands there was never watched."""
        events: list[Event] = [EpochChanged(self.epoch, plc.plc_epoch, poll_started)]
        self._board.clear()
        self._take(plc)
        if self._names_parts:
            events.append(self._settle(self._next_part(plc.trig_id), Reason.RESTARTED, now))
        return events

    def _trigger(
        self, plc: PlcImage, previous_started: float, now: float, refused: Reason | None
    ) -> Trigger | Settled:
        part = self._next_part(plc.trig_id)
        if refused is not None:
            return self._settle(part, refused, now)
        # The id appeared at some time after the previous good poll started: that bounds its age.
        if now - previous_started > self._max_age_s:
            return self._settle(part, Reason.TRIGGER_LATE, now)
        self.missed_acq = False
        self._board.admit(part)
        return Trigger(
            part.part_id,
            part.trig_id,
            part.epoch,
            part.recipe,
            plc.encoder,
            plc.serial,
            plc.lot,
            window_start=previous_started,
            seen_at=now,
        )

    def _gap(self, distance: int, now: float) -> list[Event]:
        events: list[Event] = []
        for steps in range(distance - 1, -1, -1):
            part = self._next_part(step_back(self.trig_id, steps))
            events.append(self._settle(part, Reason.TRIGGER_LATE, now, publish=steps < RING_SLOTS))
        return events

    def _step_back(self, now: float) -> list[Event]:
        self._board.clear()
        self._faults.latch(FaultCode.IDS_STEPPED_BACK)
        events: list[Event] = [DropInFlight(Reason.RESTARTED)]
        if self._names_parts:
            events.append(self._settle(self._next_part(self.trig_id), Reason.TRIGGER_LATE, now))
        return events

    def _next_part(self, trig_id: int) -> Part:
        self._part_id += 1
        return Part(self._part_id, trig_id, self.epoch, self._recipe)

    def _settle(self, part: Part, reason: Reason, now: float, *, publish: bool = True) -> Settled:
        """Give a part UNKNOWN at once; with `publish` its verdict goes on the board."""
        if reason is Reason.TRIGGER_LATE:
            self.missed_acq = True
        if publish:
            self._board.admit(part)
            result = Result(
                part_id=part.part_id,
                trig_id=part.trig_id,
                epoch=part.epoch,
                recipe=part.recipe,
                verdict=Verdict.UNKNOWN,
                reason=reason,
                score_relative=_NAN,
                score=_NAN,
                seen_at=now,
                deadline=now,
            )
            self._board.place(result, self.epoch, now)
        serial, lot = (self._serial, self._lot) if part.trig_id == self.trig_id else ("", "")
        return Settled(
            part.part_id,
            part.trig_id,
            part.epoch,
            part.recipe,
            reason,
            publish,
            now,
            serial=serial,
            lot=lot,
        )
