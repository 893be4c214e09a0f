"""One cycle of the PLC link: read, decide, write, and build the connection up again when it fails.

No thread and no waiting in here but what the transport takes: `PlcLink` calls it on time.
"""

from __future__ import annotations

import secrets
import time
from collections import deque
from dataclasses import replace
from typing import TYPE_CHECKING

import structlog

from inspectd.io.errors import PlcError, PlcRefusedError
from inspectd.io.handshake import Handshake
from inspectd.io.handshake_faults import LISTEN_S
from inspectd.io.handshake_start import StartWatch
from inspectd.io.plc import (
    LAST_ID,
    VISION_START,
    WRITE_COUNT,
    WRITE_START,
    FaultCode,
    PlcImage,
    Reason,
    plc_words_torn,
)
from inspectd.io.plc_events import AgentState, Discarded, LinkDown, LinkUp, NoPosition, Placed, StartRefused
from inspectd.io.plc_fault_log import FaultLog
from inspectd.io.plc_polls import polls_of
from inspectd.io.plc_statistics import LinkStatistics

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from inspectd.io.encoder import EncoderPoll
    from inspectd.io.handshake import Poll
    from inspectd.io.plc_events import Event, Position, Result
    from inspectd.io.plc_host_guard import HostGuard
    from inspectd.io.plc_settings import LinkSettings
    from inspectd.io.plc_transport import PlcTransport

log = structlog.get_logger(__name__)

_FIRST_BACKOFF_S = 0.05
_LONGEST_BACKOFF_S = 0.5  # contract: reconnect with a back-off of at most 0.5 s
# A write follows a good poll by no more: another agent that takes this one for dead listens longer first.
_WRITE_AFTER_POLL_S = LISTEN_S - 0.1


class PlcSession:
    """Connection, start and handshake of one station. For the link's thread, unless a docstring says any."""

    def __init__(
        self,
        settings: LinkSettings,
        transport: PlcTransport,
        host: HostGuard,
        recipes: frozenset[int],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._settings = settings
        self._transport = transport
        self._polls = polls_of(transport, clock)
        self._host = host
        self._clock = clock
        self._handshake = Handshake(settings, recipes, boot_id=1 + secrets.randbelow(LAST_ID))
        self._start_watch = StartWatch()
        self._fault_log = FaultLog(settings)
        self._state = AgentState()
        # Verdicts wait here for the write that takes them, and while the link is down until they are late.
        self._results: deque[Result] = deque()
        self._leaving = False
        self._connected = False
        self._up = False
        self._down_reported = False
        self._retry_at = float("-inf")
        self._polled_at = float("-inf")
        self._backoff_s = _FIRST_BACKOFF_S
        self.begun = False
        self.refusal = ""
        self.written: Sequence[int] = ()
        self.statistics = LinkStatistics()

    # --- for any thread --------------------------------------------------------------------------------

    def queue(self, result: Result) -> None:
        """Hand in a verdict for the next write; any thread."""
        self._results.append(result)

    @property
    def up(self) -> bool:
        """Whether the last poll was good and the station has begun; any thread."""
        return self._up and self.begun

    def fault(self) -> FaultCode:
        """Fault of the link alone; any thread."""
        if self._host.failed:
            return FaultCode.INTERNAL_ERROR
        if self.refusal:
            return FaultCode.TWO_WRITERS
        return self._handshake.link_fault(self._clock()) if self.begun else FaultCode.PLC_LOST

    def position_at(self, stamp: float) -> Position | NoPosition:
        """Position of the belt at `stamp` (s, monotonic); any thread."""
        return self._handshake.position_at(stamp, self._clock())

    def poll_before(self, stamp: float) -> EncoderPoll | None:
        """Free-running: the last good poll that had ended by `stamp` (s, monotonic); any thread."""
        return self._handshake.poll_before(stamp)

    def plc_now(self) -> tuple[int, int]:
        """PLC_EPOCH and RECIPE of the last good poll, 0 and 0 before the first; any thread."""
        return self._handshake.plc_now()

    # --- for the link's thread -------------------------------------------------------------------------

    def cycle(self) -> None:
        """One regular cycle: agent's state, read, events, write. PLC errors are taken care of."""
        now = self._clock()
        self.statistics.cycles += 1
        self.statistics.last_cycle_at = now
        self._state = self._ask_state(now)
        self._host.on_events(self._place_results(late_only=self.begun))
        if self.refusal or (not self._connected and now < self._retry_at):
            return
        try:
            self._connect()
            self._take_polls()
            self._write()
        except PlcRefusedError as error:
            self._refuse(str(error))
        except PlcError as error:
            self.drop(str(error))

    def call_at_news(self, news: Callable[[], None]) -> None:
        """Have `news` called, on any thread, when the PLC itself shows what is worth a wake-up."""
        self._polls.call_at_news(news)

    def wake_up(self) -> None:
        """Write at once what was published; nothing is read but the agent's own memory."""
        self.statistics.wake_ups += 1
        try:
            if self._polls.own_memory and self._connected:
                self._take_polls()
            self._write()
        except PlcError as error:
            self.drop(str(error))

    def farewell(self) -> None:
        """Write once that the agent is not Online any more, if it can be written, and close."""
        self._leaving = True
        try:
            self._write()
        except PlcError as error:
            log.warning("plc_farewell_failed", error=str(error))
        self._transport.close()
        self._connected = self._up = False

    def drop(self, why: str) -> None:
        """Close the connection and come back after a back-off that grows to at most 0.5 s."""
        self._transport.close()
        self.statistics.errors += 1
        self._connected = self._up = False
        self._start_watch = StartWatch()
        self._retry_at = self._clock() + self._backoff_s
        self._backoff_s = min(2.0 * self._backoff_s, _LONGEST_BACKOFF_S)
        self._report_down(why)

    def _connect(self) -> None:
        if not self._connected:
            self._transport.connect()
            self._connected = True
            self.statistics.connects += 1

    def _take_polls(self) -> None:
        for poll in self._polls.take():
            self._take(poll)
        if self._polls.own_memory:
            self._polled_at = self._clock()
            self._watch_silence()

    def _take(self, poll: Poll) -> None:
        self.statistics.round_trip_s = poll.ended - poll.started
        if plc_words_torn(poll.words):
            self.statistics.torn_reads += 1
            self._fault_log.see_torn(poll.words, self._clock())
        elif self.begun:
            self._report_up()
            self._polled_at = poll.started
            self._host.on_events(self._handshake.feed(poll, self._state, self._clock()))
            self._fault_log.see(self._handshake.link_fault(self._clock()), poll.words, self._clock())
        else:
            self._listen(poll)

    def _watch_silence(self) -> None:
        """Tell that a PLC which writes to the agent has stopped; what the agent shows it goes on."""
        if self._up and (why := self._polls.silence(self._clock())):
            self._up = False
            self._report_down(why)

    def _report_up(self) -> None:
        if not self._up:
            self._up = True
            self._down_reported = False
            self._backoff_s = _FIRST_BACKOFF_S
            log.info("plc_link_up")
            self._host.on_events([LinkUp()])

    def _report_down(self, why: str) -> None:
        if not self._down_reported:
            self._down_reported = True
            log.warning("plc_link_down", error=why)
            self._host.on_events([LinkDown(why)])

    def _listen(self, poll: Poll) -> None:
        """Before the first write: make sure that nobody else writes here, then begin."""
        quiet = self._polls.own_memory or self._heard_nobody(poll)
        if quiet and not self._start_watch.contested:
            block = self._transport.read(WRITE_START, WRITE_COUNT)
            epoch = PlcImage.unpack(poll.words).plc_epoch
            recorded = self._host.recorded(epoch)
            if not self._polls.own_memory:
                # Reading the records took time: the ids are taken from a fresh poll, or in the next cycle.
                poll = self._polls.take()[-1]
                self._heard_nobody(poll)
            same = not plc_words_torn(poll.words) and PlcImage.unpack(poll.words).plc_epoch == epoch
            if same and not self._start_watch.contested:
                self.begun = True
                self._polled_at = poll.started
                self._report_up()
                self._host.on_events(self._handshake.begin(poll, block, recorded, self._clock()))
        if self._start_watch.contested:
            self._refuse(
                f"another agent is writing station {self._settings.station}'s words in "
                f"{self._settings.place}: its heartbeat changed within {LISTEN_S * 1000:.0f} ms; stop it, or "
                "give this one a base address of its own"
            )

    def _heard_nobody(self, poll: Poll) -> bool:
        return self._start_watch.see(poll.words[VISION_START], self._clock())

    def _refuse(self, why: str) -> None:
        self.refusal = why
        self._transport.close()
        self._connected = False
        log.error("plc_start_refused", error=why)
        self._host.on_events([StartRefused(why)])

    def _ask_state(self, now: float) -> AgentState:
        state = self._host.on_cycle(now)
        return replace(state, online=False, trigger_ready=False) if self._leaving else state

    def _place_results(self, *, late_only: bool = False) -> list[Event]:
        """Put verdicts on the board: before a write all of them, otherwise those that are late already.

        What is placed early and then waits for the link would be written after its deadline.
        """
        now = self._clock()
        events: list[Event] = []
        for _ in range(len(self._results)):
            result = self._results.popleft()
            if late_only and now <= result.deadline:
                self._results.append(result)
            elif self.begun:
                events.append(self._handshake.publish(result, now))
            else:
                events.append(Discarded(result.part_id, Reason.OFFLINE, "the PLC link has not begun yet"))
        self.statistics.discarded += sum(isinstance(event, Discarded) for event in events)
        return events

    def _write(self) -> None:
        if not (self.begun and self._connected and self._handshake.may_write) or self._held_up():
            return
        # The poll took its time: the agent's state and its verdicts are those of now.
        self._state = self._ask_state(self._clock())
        events = self._place_results()
        words = self._handshake.words(self._state, self._clock())
        written = False
        try:
            if not self._held_up():  # while all that was put together
                self._transport.write(WRITE_START, words)
                written = True
        finally:
            # After the write: rows and counters keep no verdict waiting.
            self._host.on_events(events if written else _unacknowledged(events))
        if written:
            self.statistics.writes += 1
            self.written = words
            self._host.on_written(self._handshake.acknowledge(), self._clock())

    def _held_up(self) -> bool:
        """Whether the last good poll is too old to tell whose the words are now: the next one will."""
        return self._clock() - self._polled_at > _WRITE_AFTER_POLL_S


def _unacknowledged(events: list[Event]) -> list[Event]:
    return [replace(event, acknowledged=False) if isinstance(event, Placed) else event for event in events]
