"""Where the belt was when a frame was exposed: the running encoder, interpolated between two polls.

Free-running mode has no trigger: a part is known by the ENCODER position of its exposure. The PLC gives the
running position with every poll; a stamp is placed between the last good poll before it and the first after.
"""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from inspectd.io.plc_events import NoPosition, Position

if TYPE_CHECKING:
    from inspectd.io.plc import PlcImage
    from inspectd.io.plc_settings import LinkSettings

COUNTS = 1 << 32
_HALF = 1 << 31
_KEPT_POLLS = 2048  # 10 s at the default cycle: longer than any frame waits for its verdict
_LIMIT_S = 0.025  # contract: the polls around a stamp span at most 25 ms + one cycle


@dataclass(frozen=True, slots=True)
class EncoderPoll:
    """One good poll: when it started and ended (s, monotonic), and what it showed."""

    started: float
    ended: float
    encoder: int
    epoch: int
    recipe: int
    serial: str = ""
    lot: str = ""

    @classmethod
    def of(cls, plc: PlcImage, started: float, ended: float) -> EncoderPoll:
        """Take from a poll's words what a part exposed around it is known by."""
        return cls(started, ended, plc.encoder_now, plc.plc_epoch, plc.recipe, plc.serial, plc.lot)


class EncoderTrack:
    """The last polls' positions. `add` is called on the link's thread, `position_at` on any."""

    def __init__(self, settings: LinkSettings) -> None:
        self._span_limit_s = _LIMIT_S + settings.cycle_ms / 1000.0
        # The PLC renews ENCODER_NOW once per scan, so two polls may show one scan's movement too much.
        self._scan_s = settings.plc_scan_ms / 1000.0
        self._max_speed = settings.max_speed_counts_per_s
        self._polls: deque[EncoderPoll] = deque(maxlen=_KEPT_POLLS)
        self._lock = threading.Lock()

    def add(self, poll: EncoderPoll) -> None:
        """Take a good poll; polls come in the order of their times.

        One that shows the belt as the same write before it did, as a coil's does, says nothing more of it.
        """
        with self._lock:
            last = self._polls[-1] if self._polls else None
            if last is None or replace(poll, started=last.started) != last:
                self._polls.append(poll)

    def poll_before(self, stamp: float) -> EncoderPoll | None:
        """Last good poll that had ended by `stamp` (s, monotonic); None: none so old is remembered."""
        before, _, _ = self._around(stamp)
        return before

    def position_at(self, stamp: float, now: float) -> Position | NoPosition:
        """Position at `stamp` (s, monotonic), linear between the two polls around it, modulo 2**32.

        PENDING: no good poll after the stamp yet, and one may still come in time. UNTRUSTED: there is no poll
        before it, the polls span more than 25 ms + one cycle, the encoder moved further than the highest
        speed allows, or epoch or recipe changed between them (contract, "Free-running").
        """
        before, between, after = self._around(stamp)
        if before is None:
            return NoPosition.UNTRUSTED
        if after is None:
            in_time = now - before.started <= self._span_limit_s
            return NoPosition.PENDING if in_time else NoPosition.UNTRUSTED
        span = after.ended - before.started
        moved = (after.encoder - before.encoder + _HALF) % COUNTS - _HALF
        around = [before, *between, after]
        trusted = (
            span <= self._span_limit_s
            and abs(moved) <= self._max_speed * (span + self._scan_s)
            and before.epoch != 0
            and all((poll.epoch, poll.recipe) == (before.epoch, before.recipe) for poll in around)
        )
        if not trusted:
            return NoPosition.UNTRUSTED
        # A poll's value was taken somewhere between its start and its end: the middle is the best guess.
        first = (before.started + before.ended) / 2.0
        last = (after.started + after.ended) / 2.0
        fraction = (stamp - first) / (last - first) if last > first else 0.0
        return Position((before.encoder + round(moved * fraction)) % COUNTS, before.epoch, before.recipe)

    def _around(self, stamp: float) -> tuple[EncoderPoll | None, list[EncoderPoll], EncoderPoll | None]:
        """Last poll that ended by `stamp`, the polls under way at it, first poll that started after it."""
        between: list[EncoderPoll] = []
        after: EncoderPoll | None = None
        with self._lock:
            for poll in reversed(self._polls):
                if poll.ended <= stamp:
                    return poll, between, after
                if poll.started >= stamp:
                    after = poll
                else:
                    between.append(poll)
        return None, between, after
