"""What the link logs of faults: each once when it comes and once when it goes, in plain words."""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog

from inspectd.io.plc import FaultCode, id_distance
from inspectd.io.plc_finding import Outcome
from inspectd.io.plc_layout import Window, base_of, check_version

if TYPE_CHECKING:
    from collections.abc import Sequence

    from inspectd.io.plc_settings import LinkSettings

log = structlog.get_logger(__name__)

_HALF_RANGE = 32767
_TORN_S = 1.0
_QUIET_S = 10.0
"""A PLC that counts its ids wrongly does so with each part: it is told this often."""


class FaultLog:
    """Follows the good polls of a link and its fault. For the link's thread."""

    def __init__(self, settings: LinkSettings) -> None:
        self._base = base_of(settings)
        self._fault = FaultCode.NONE
        self._last: tuple[int, int] | None = None  # PLC_EPOCH and TRIG_ID
        self._jumps = 0
        self._told_at = float("-inf")
        self._torn_since: float | None = None
        self._torn_told = False

    def see_torn(self, words: Sequence[int], now: float) -> None:
        """Take a torn poll of words 0 to 51: single ones are passed over, a second of them is told once."""
        if self._torn_since is None:
            self._torn_since = now
        if self._torn_told or now - self._torn_since < _TORN_S:
            return
        self._torn_told = True
        finding = check_version(words[7], Window([words], 0), self._base)
        is_misplaced = finding.outcome is Outcome.FAILED
        log.error(
            "plc_polls_torn",
            seen=finding.text if is_misplaced else f"word 2 is {words[2]}, word 31 is {words[31]}",
            remedy=finding.remedy if is_misplaced else "write TRIG_ID to word 31 too, after all other words",
        )

    def see(self, fault: FaultCode, words: Sequence[int], now: float) -> None:
        """Take the fault that stands after a good poll of words 0 to 51 at `now` (s, monotonic)."""
        if self._torn_told:
            log.info("plc_polls_whole")
        self._torn_since, self._torn_told = None, False
        before, self._last = self._last, (words[8], words[2])
        if before is not None and before[0] == words[8] != 0:
            self._see_ids(before[1], words[2], now)
        if fault is self._fault:
            return
        gone, self._fault = self._fault, fault
        if gone is not FaultCode.NONE:
            log.info("plc_fault_gone", fault=gone.name)
        if fault is not FaultCode.NONE:
            seen, remedy = self._explain(fault, words, before)
            log.error("plc_fault", fault=fault.name, meaning=fault.meaning, seen=seen, remedy=remedy)

    def _see_ids(self, old: int, new: int, now: float) -> None:
        """Tell of ids that the PLC left out: a gap is no fault, but its parts are UNKNOWN/20."""
        if not 1 < id_distance(old, new) <= _HALF_RANGE or 0 in {old, new}:
            return
        self._jumps += 1
        if now - self._told_at >= _QUIET_S:
            self._told_at = now
            log.warning(
                "trig_id_jumped",
                old=old,
                new=new,
                jumps=self._jumps,
                remedy="let the PLC count TRIG_ID up by one at each part, and no faster than the agent polls",
            )

    def _explain(
        self, fault: FaultCode, words: Sequence[int], before: tuple[int, int] | None
    ) -> tuple[str, str]:
        """Say what in the words shows this fault, and what to do about it."""
        if fault is FaultCode.BAD_VERSION:
            finding = check_version(words[7], Window([words], 0), self._base)
            if finding.outcome is Outcome.FAILED:
                return finding.text, f"{finding.remedy}, then ClearFault"
        last_id = "not known" if before is None else str(before[1])
        seen = {
            FaultCode.PLC_LOST: f"HEARTBEAT (word 0) stands at {words[0]}",
            FaultCode.TWO_WRITERS: f"BOOT_ID (word 34) is {words[34]}, STATION (word 51) is {words[51]}",
            FaultCode.IDS_STEPPED_BACK: f"TRIG_ID is {words[2]}, and was {last_id}",
        }
        return seen.get(fault, ""), fault.remedy
