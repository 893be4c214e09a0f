"""What the PLC's reject sensor confirms: changes of REJECT_CONFIRM_ID within one epoch."""

from __future__ import annotations

from typing import TYPE_CHECKING

from inspectd.io.plc_events import RejectConfirmed

if TYPE_CHECKING:
    from inspectd.io.plc import PlcImage


class ConfirmationWatch:
    """Follows REJECT_CONFIRM_ID. What stands there at the start, or in a new epoch, is of before."""

    def __init__(self) -> None:
        self._epoch = 0
        self._confirmed = 0

    def start(self, plc: PlcImage) -> None:
        """Take what stands there without a word."""
        self._epoch = plc.plc_epoch
        self._confirmed = plc.reject_confirm_id

    def follow(self, plc: PlcImage, previous_started: float, now: float) -> list[RejectConfirmed]:
        """Take a good poll, taken at `now`; the good poll before it started at `previous_started`."""
        same_epoch, before = plc.plc_epoch == self._epoch, self._confirmed
        self.start(plc)
        if not same_epoch or self._confirmed in (0, before):
            return []
        return [RejectConfirmed(self._confirmed, self._epoch, previous_started, now)]
