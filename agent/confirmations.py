"""Whether the reject gate does what it is told: the reject sensor shall confirm each part not accepted.

A part is judged once a set number of parts has come after it, whatever the belt's speed: it was confirmed, or
it is missing. So many missing in a row ask the line to stop, for a gate that does not move lets bad parts go.

The PLC shows its last confirmation alone. Where the link was held up, several may have come and gone between
two polls: a part before one that was confirmed then counts neither way.
"""

from __future__ import annotations

from dataclasses import dataclass

import structlog

from inspectd.agent.config import ConfirmationSettings
from inspectd.agent.supervision import Faults
from inspectd.io.plc import FaultCode
from inspectd.io.plc_events import RejectConfirmed

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class _Part:
    """A part on its way to the reject sensor. `unknowable`: its confirmation may have passed unseen."""

    trig_id: int
    rejected: bool = False
    confirmed: bool = False
    unknowable: bool = False


class Confirmations:
    """Counts missing confirmations. For the PLC link's thread.

    `part_interval_s`: shortest time between two parts, and so between two confirmations.
    """

    def __init__(self, settings: ConfirmationSettings, part_interval_s: float, faults: Faults) -> None:
        self._settings = settings
        # Belt and sensor jitter: two confirmations may come somewhat closer than two parts.
        self._closest_s = part_interval_s / 2
        self._faults = faults
        self._parts: dict[int, _Part] = {}
        self._in_a_row = 0
        self.missing = 0

    def issued(self, part_id: int, trig_id: int) -> None:
        """Take a new part, and settle the one that is due now.

        Ids that the PLC left out are no parts: only those that are told here come after another.
        """
        self._parts[part_id] = _Part(trig_id)
        while len(self._parts) > self._settings.within_parts:
            due = next(iter(self._parts))
            self._settle(due, self._parts.pop(due))

    def rejected(self, part_id: int) -> None:
        """A verdict other than ACCEPT was published for this part: the gate shall reject it."""
        part = self._parts.get(part_id)
        if part is not None:
            part.rejected = True

    def confirmed(self, event: RejectConfirmed) -> None:
        """Take a confirmation; the part may be long gone, or may have come and gone without being seen."""
        numbers = [one for one, part in self._parts.items() if part.trig_id == event.trig_id]
        if numbers:
            self._parts[numbers[-1]].confirmed = True
        if event.seen_at - event.polled_before >= self._closest_s:
            for number, part in self._parts.items():
                part.unknowable |= not numbers or number < numbers[-1]

    def start_anew(self) -> None:
        """Expect nothing of the parts so far: the PLC restarted, or somebody has looked after the line."""
        self._parts.clear()
        self._in_a_row = 0

    def _settle(self, part_id: int, part: _Part) -> None:
        if part.confirmed:
            self._in_a_row = 0
        elif part.rejected and not part.unknowable:
            self.missing += 1
            self._in_a_row += 1
            log.warning("reject_not_confirmed", part=part_id, trig_id=part.trig_id, in_a_row=self._in_a_row)
            if self._in_a_row >= self._settings.missing and self._faults.latch(FaultCode.STOP_LINE):
                log.error("stop_line_requested", not_confirmed_in_a_row=self._in_a_row)
