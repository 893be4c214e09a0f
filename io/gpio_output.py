"""The accept pulse: one pulse on a wire for each accepted part, never a level.

A pulse is ordered only for a part whose ACCEPT the PLC has acknowledged on its bus link, and is given by a
process of its own (`inspectd.io.gpio_child`) inside the window in which the PLC expects it. A part without a
pulse is rejected. A pulse that could be late is not given; one that was late all the same is an error in the
log. If that process is stopped in the middle of a pulse it is killed, and the line made inactive by the next
one; if the whole PC stops then, only the monostable behind the line ends the pulse.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import structlog

from inspectd.io.output_process import OutputProcess

if TYPE_CHECKING:
    from inspectd.io.output_settings import GpioSettings
    from inspectd.io.outputs import OutputStatus, PublishedVerdict, StationState

REPORT_S = 0.25
"""The report of a pulse comes so long after its end was due, or the process hangs."""

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class _Order:
    closes: float
    due: float


class GpioOutput:
    """See `inspectd.io.outputs.Output`. `given` counts pulses, `missed` accepted parts without one."""

    def __init__(self, settings: GpioSettings) -> None:
        self._settings = settings
        self._name = f"gpio {settings.chip} line {settings.line}"
        self._lock = threading.Lock()
        self._awaited: dict[int, _Order] = {}
        self.given = 0
        self.missed = 0
        self.late = 0
        self._process = OutputProcess(
            self._name,
            "inspectd.io.gpio_child",
            settings.model_dump_json(),
            on_message=self._take,
            hangs=self._hangs,
            on_end=self._settle_lost,
        )

    @property
    def pid(self) -> int | None:
        """Process id of the one that holds the line."""
        return self._process.pid

    def start(self) -> None:
        """See `Output.start`."""
        self._process.start()

    def verdict(self, verdict: PublishedVerdict) -> None:
        """Order the pulse of an accepted part; nothing for any other."""
        window = verdict.accepted
        if window is None:
            return
        opens = window.issued_before + self._settings.window_from_ms / 1000
        closes = window.issued_after + self._settings.window_to_ms / 1000
        # The pulse before it may have to end first, and the line be inactive for as long.
        due = max(opens, time.monotonic()) + 3 * self._settings.pulse_ms / 1000
        with self._lock:
            self._awaited[verdict.part] = _Order(closes, due)
        if not self._process.send({"part": verdict.part, "opens": opens, "closes": closes}):
            with self._lock:
                settled = self._awaited.pop(verdict.part, None) is None
            if not settled:  # as lost, if the process ended just now
                self._miss(verdict.part, "the process that holds the line is not there")

    def state(self, state: StationState) -> None:
        """Nothing: a pulse says nothing of the station."""

    def status(self) -> OutputStatus:
        """See `Output.status`: without it every part is rejected."""
        status = self._process.status
        concern = "" if status.healthy else f"no accept pulses: {status.detail}"
        return replace(status, dropped=self.missed, concern=concern)

    def stop(self) -> None:
        """See `Output.stop`."""
        self._process.stop()

    def _take(self, report: dict[str, Any]) -> None:
        part = int(report["part"])
        with self._lock:
            order = self._awaited.pop(part, None)
        if report["edge_at"] is None:
            self._miss(part, str(report["why"]))
            return
        self.given += 1
        if report["late"] and order is not None:
            self.late += 1
            late_ms = round((float(report["edge_at"]) - order.closes) * 1000 + self._settings.pulse_ms, 1)
            remedy = "the PLC must take no pulse outside its part's window"
            log.error("accept_pulse_late", part=part, late_ms=late_ms, remedy=remedy)

    def _hangs(self, now: float) -> str:
        """Say which pulse's report is overdue; the orders of a process that is ended are void."""
        with self._lock:
            overdue = [part for part, order in self._awaited.items() if now > order.due + REPORT_S]
        return f"no word of the pulse of part {overdue[0]}" if overdue else ""

    def _miss(self, part: int, why: str) -> None:
        self.missed += 1
        log.warning("accept_pulse_not_given", part=part, why=why, remedy="the PLC rejects this part")

    def _settle_lost(self) -> None:
        """Count the orders that the ended process took with it."""
        with self._lock:
            lost, self._awaited = list(self._awaited), {}
        for part in lost:
            self._miss(part, "the process that holds the line ended before its report")
