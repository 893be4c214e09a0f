"""The station's other outputs: which verdicts and states they are told, and how they are kept apart from it.

Reports get each part's line of the record. An ACCEPT waits a moment for the PLC's acknowledgement of the
write that holds it, since an accept pulse must not come before it; without one it is reported, and no pulse
is given. Whatever an output does or raises stays here.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import structlog

from inspectd.agent.errors import AgentError
from inspectd.agent.outcomes import Outcome
from inspectd.agent.record import Row
from inspectd.io.errors import DeviceError
from inspectd.io.output_factory import output_of
from inspectd.io.output_settings import AnyOutputSettings
from inspectd.io.outputs import STOP_S, Output, PartWindow, PublishedVerdict, StationState
from inspectd.io.plc import Reason, Verdict

log = structlog.get_logger(__name__)

ACKNOWLEDGED_WITHIN_S = 1.0
"""An ACCEPT that the PLC has not acknowledged by then is reported without."""
MOST_HELD = 64
REPEAT_S = 1.0
"""The state is told when it changes, and so often at the least."""


@dataclass(slots=True)
class _Held:
    """An ACCEPT that waits for the PLC's acknowledgement."""

    row: Row
    since: float
    window: PartWindow | None = None


class Outputs:
    """All outputs of a station. Any thread may call; only `stop` waits."""

    def __init__(self, settings: Sequence[AnyOutputSettings], station: str) -> None:
        """Make the outputs. Raises AgentError if one cannot be had as it is configured."""
        try:
            outputs: list[Output] = [output_of(entry, station) for entry in settings]
        except DeviceError as error:
            raise AgentError(f"outputs: {error}") from error
        self._names = [entry.kind for entry in settings]
        self._outputs = outputs
        self._lock = threading.Lock()
        self._held: dict[int, _Held] = {}
        self._state: StationState | None = None
        self._told_at = float("-inf")
        self._lost = [0] * len(outputs)

    def start(self) -> None:
        """Start all of them; what cannot be reached is tried again by the output itself."""
        self._each(lambda output: output.start())

    def row(self, row: Row) -> None:
        """Take a line of the record."""
        if not self._outputs or "part" not in row:
            return
        if row["verdict"] != Verdict.ACCEPT.name:
            self._tell(row, None)
            return
        with self._lock:
            self._held[row["part"]] = _Held(row, time.monotonic())
            crowded_out = len(self._held) > MOST_HELD
            oldest = self._held.pop(next(iter(self._held))) if crowded_out else None
        if oldest is not None:
            self._tell(oldest.row, None)

    def outcome(self, outcome: Outcome) -> None:
        """Learn when the PLC gave an accepted part its id; comes after the part's row."""
        if outcome.finding.verdict is not Verdict.ACCEPT:
            return
        part = outcome.part
        with self._lock:
            held = self._held.get(part.part_id)
            if held is not None:
                held.window = PartWindow(issued_after=part.window_start, issued_before=part.seen_at)

    def written(self, part_ids: Sequence[int], _at: float) -> None:
        """Learn which verdicts stand in the PLC: the accepted parts among them are accepted now."""
        if not self._outputs:
            return
        with self._lock:
            accepted = [self._held.pop(part_id) for part_id in part_ids if part_id in self._held]
        for held in accepted:
            self._tell(held.row, held.window)

    def tell(self, state: StationState) -> None:
        """Take the station's state, report what was not acknowledged, and log what is lost."""
        if not self._outputs:
            return
        now = time.monotonic()
        with self._lock:
            over = [part for part, held in self._held.items() if now - held.since > ACKNOWLEDGED_WITHIN_S]
            unacknowledged = [self._held.pop(part) for part in over]
        for held in unacknowledged:
            self._tell(held.row, None)
        if state != self._state or now - self._told_at >= REPEAT_S:
            self._state, self._told_at = state, now
            self._each(lambda output: output.state(state))
            self._log_losses()

    def concerns(self) -> tuple[str, ...]:
        """Why the station is Degraded by an output; empty: it is not."""
        return tuple(output.status().concern for output in self._outputs if output.status().concern)

    def stop(self) -> None:
        """Report what still waits, and stop all outputs at once; takes little longer than `STOP_S`."""
        with self._lock:
            held, self._held = list(self._held.values()), {}
        for waiting in held:
            self._tell(waiting.row, None)
        threads = [
            threading.Thread(target=self._guarded, args=(name, output.stop), daemon=True)
            for name, output in zip(self._names, self._outputs, strict=True)
        ]
        for thread in threads:
            thread.start()
        give_up = time.monotonic() + STOP_S
        for thread in threads:
            thread.join(max(0.0, give_up - time.monotonic()))

    def _tell(self, row: Row, window: PartWindow | None) -> None:
        verdict = PublishedVerdict(
            part=row["part"],
            verdict=Verdict[row["verdict"]],
            reason=Reason(row["reason"]),
            record=row,
            accepted=window,
        )
        self._each(lambda output: output.verdict(verdict))

    def _each(self, call: Callable[[Output], None]) -> None:
        for name, output in zip(self._names, self._outputs, strict=True):
            self._guarded(name, lambda output=output: call(output))

    @staticmethod
    def _guarded(name: str, call: Callable[[], None]) -> None:
        try:
            call()
        except Exception:
            # The boundary to what must never disturb the line.
            log.exception("output_failed", output=name)

    def _log_losses(self) -> None:
        """Say what the outputs have lost since the last look; that they go and come they say themselves."""
        for number, (name, output) in enumerate(zip(self._names, self._outputs, strict=True)):
            status = output.status()
            if lost := status.dropped - self._lost[number]:
                self._lost[number] = status.dropped
                log.warning("output_dropped", output=name, lost=lost, all=status.dropped, why=status.detail)
