"""The agent's side of the PLC contract as a state machine: polls and verdicts in, events and words out.

Nothing here does I/O, waits, or reads a clock: it is fed with what was read and when, so that tests can feed
it anything. Restart and epoch, gaps and steps back, trigger age, two writers, latching faults and both
heartbeats are decided here; deadlines, frames and scores are the agent's.

How a part is triggered, and when its result is shown beside the ring, differs with `plc.handshake`: see
`IdChangeTrigger` and `LevelTrigger`. The ring is written in either way alike.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from inspectd.io.encoder import EncoderPoll, EncoderTrack
from inspectd.io.handshake_board import VerdictBoard
from inspectd.io.handshake_buffer import ResultBuffer
from inspectd.io.handshake_confirmations import ConfirmationWatch
from inspectd.io.handshake_faults import FaultLatch, OwnPulse, PlcPulse, WriterWatch
from inspectd.io.handshake_id_change import IdChangeTrigger
from inspectd.io.handshake_ids import IdTracker
from inspectd.io.handshake_level import LevelTrigger
from inspectd.io.handshake_start import last_sequence, newest_shown
from inspectd.io.plc import (
    CONTRACT_VERSION,
    RING_START,
    VISION_START,
    Control,
    FaultCode,
    PlcImage,
    Reason,
    Status,
    VisionImage,
    next_id,
    plc_words_torn,
    vision_words_torn,
)
from inspectd.io.plc_events import DetailsLost, FaultCleared

if TYPE_CHECKING:
    from collections.abc import Sequence

    from inspectd.io.plc_events import (
        AgentState,
        Discarded,
        Event,
        NoPosition,
        Placed,
        Position,
        RecordedIds,
        Result,
    )
    from inspectd.io.plc_settings import LinkSettings

_WORD = 0xFFFF
_BOOT_ID = VISION_START + 2
_STATION = VISION_START + 19


@dataclass(frozen=True, slots=True)
class Poll:
    """One answered read of words 0 to 51, with its start and end (s, monotonic)."""

    words: Sequence[int]
    started: float
    ended: float


class Handshake:
    """One station's handshake, from the first poll to the agent's end. Not thread-safe.

    `recipes`: the recipes that the agent has a model for. `boot_id`: 1..65535, new at each start. Call
    `begin` once, then `feed` with every poll, `publish` with every verdict, and write what `words` gives;
    after each acknowledged write call `acknowledge`.
    """

    def __init__(self, settings: LinkSettings, recipes: frozenset[int], boot_id: int) -> None:
        self._settings = settings
        self._recipes = recipes - {0}
        self._boot_id = boot_id
        self._free_running = settings.mode == "free_running"
        level = settings.handshake == "level"
        max_age_s = settings.max_trigger_age_ms / 1000.0
        self._results = ResultBuffer(newest_part_alone=level)
        self._board = VerdictBoard(free_running=self._free_running, results=self._results)
        self._trigger = LevelTrigger(self._board, max_age_s) if level else IdChangeTrigger(self._board)
        self._faults = FaultLatch()
        self._ids = IdTracker(self._board, self._faults, max_age_s=max_age_s, free_running=self._free_running)
        self._track = EncoderTrack(settings)
        self._confirmations = ConfirmationWatch()
        self._plc_pulse = PlcPulse()
        self._own_pulse = OwnPulse()
        self._plc = PlcImage()
        self._poll_started = 0.0
        self._writers = WriterWatch(boot_id, settings.station)

    # --- what was read ---------------------------------------------------------------------------------

    def begin(self, poll: Poll, block: Sequence[int], recorded: RecordedIds, now: float) -> list[Event]:
        """Start from a good poll and words 32-131 as they stand in the PLC (contract, "Epoch").

        Ring and sequence are kept only if they are this station's and of the same epoch. Every id up to the
        present one without a verdict in the ring or in the records is UNKNOWN/40.
        """
        plc = PlcImage.unpack(poll.words)
        vision = VisionImage.unpack(block)
        self._take_poll(plc, poll)
        self._confirmations.start(plc)
        self._faults.start(plc.control)
        self._results.start(plc)
        self._check_version(plc)
        self._own_pulse.start_after(vision.heartbeat)
        if vision.boot_id == self._boot_id:
            self._boot_id = next_id(self._boot_id)
            self._writers = WriterWatch(self._boot_id, self._settings.station)
        self._writers.another(poll.words[_BOOT_ID], poll.words[_STATION], poll.ended)
        events: list[Event] = []
        ours = (vision.version, vision.station) == (CONTRACT_VERSION, self._settings.station)
        if ours and vision.plc_epoch == plc.plc_epoch != 0 and not vision_words_torn(block):
            ring_words = block[RING_START - VISION_START :]
            result_seq = vision.result_seq
            if self._free_running:
                result_seq = newest_shown(result_seq, ring_words)
            self._board.restore(
                ring_words,
                present=result_seq if self._free_running else plc.trig_id,
                result_seq=result_seq,
                completed=Status.COMPLETED in vision.status,
            )
            events += [
                DetailsLost(entry.id, plc.plc_epoch, entry.verdict, entry.reason)
                for entry in self._board.ring
                if entry.id != 0 and entry.id not in recorded.recent
            ]
        if self._free_running:
            self._board.count_from(last_sequence(self._board.result_seq, recorded))
        settled = self._ids.begin(plc, recorded, now)
        self._trigger.start(plc, poll.started, settled)
        return events + settled

    def feed(self, poll: Poll, state: AgentState, now: float) -> list[Event]:
        """Take one poll; a torn one is not used. `now`: when it is taken, at its end or after."""
        if plc_words_torn(poll.words):
            return []
        plc = PlcImage.unpack(poll.words)
        previous_started = self._poll_started
        self._take_poll(plc, poll)
        # Before the ids: a part is not missed for one that was seen in the same poll.
        events: list[Event] = [*self._confirmations.follow(plc, previous_started, now)]
        if not self.may_write:
            self._writers.listen(poll.words[VISION_START], poll.ended)
        silent = not self.may_write
        cleared = self._faults.clear_on_edge(plc.control)
        if cleared:
            events.append(FaultCleared())
        # Who was writing all the time has nothing to expect: ClearFault excuses nobody else's words.
        if (cleared and silent) or plc.plc_epoch != self._ids.epoch:
            self._writers.start_over()
        self._check_version(plc)
        self._check_writers(poll, now)
        return events + self._follow_ids(plc, poll, previous_started, state, now)

    def _follow_ids(
        self, plc: PlcImage, poll: Poll, previous_started: float, state: AgentState, now: float
    ) -> list[Event]:
        restarted = plc.plc_epoch != self._ids.epoch
        if restarted:
            self._results.start(plc)
            seen, since = plc, previous_started
        else:
            seen, since = self._trigger.see(plc, poll.started, previous_started, self._ids.trig_id, now)
        refused = self._trigger.refusal(state) if self._accepts_parts(state) else Reason.OFFLINE
        events = self._ids.follow(seen, poll.started, since, now, refused)
        if restarted:
            self._trigger.start(plc, poll.started, events)
        else:
            self._trigger.take(events)
        return events

    def _take_poll(self, plc: PlcImage, poll: Poll) -> None:
        same_part = plc.trig_id == self._plc.trig_id  # coils may tell of one write again, and be older
        self._poll_started = max(self._poll_started, poll.started) if same_part else poll.started
        self._plc = plc
        self._plc_pulse.see(plc.heartbeat, poll.ended)
        if self._free_running:
            self._track.add(EncoderPoll.of(plc, poll.started, poll.ended))

    def _check_version(self, plc: PlcImage) -> None:
        if plc.version != CONTRACT_VERSION and plc.plc_epoch != 0:
            self._faults.latch(FaultCode.BAD_VERSION)

    def _check_writers(self, poll: Poll, now: float) -> None:
        another = self._writers.another(poll.words[_BOOT_ID], poll.words[_STATION], poll.ended)
        if another or self._writers.heard(now):
            self._faults.latch(FaultCode.TWO_WRITERS)

    def _accepts_parts(self, state: AgentState) -> bool:
        enabled = Control.TRIGGER_ENABLE in self._plc.control
        return enabled and self._online(state) and self._plc.recipe in self._recipes

    def _online(self, state: AgentState) -> bool:
        return (
            state.online
            and self._plc.plc_epoch != 0
            and self._plc.version == CONTRACT_VERSION
            and Control.SET_OFFLINE not in self._plc.control
            and FaultCode.TWO_WRITERS not in self._faults
        )

    # --- what is written -------------------------------------------------------------------------------

    def publish(self, result: Result, now: float) -> Placed | Discarded:
        """Put a verdict on the board, or say why it changes nothing."""
        return self._board.place(result, self._ids.epoch, now)

    @property
    def may_write(self) -> bool:
        """False once another writer was seen, until ClearFault: a second writer only does harm."""
        return FaultCode.TWO_WRITERS not in self._faults

    def words(self, state: AgentState, now: float) -> list[int]:
        """Words 32 to 131 to write at `now` (s, monotonic), if `may_write`."""
        fault = self._fault(state, now)
        status = self._status(state, fault, now)
        last = self._trigger.result
        vision = VisionImage(
            heartbeat=self._own_pulse.value(now, beating=state.beating),
            status=status,
            boot_id=self._boot_id,
            fault=fault,
            acq_id=self._ids.trig_id,
            result_seq=last.seq,
            result_trig_id=last.trig_id,
            verdict=last.verdict,
            reason=last.reason,
            score_relative=last.score_relative,
            score=last.score,
            latency_ms=last.latency_ms,
            missed=state.missed & _WORD,
            late=state.late & _WORD,
            plc_epoch=self._ids.epoch,
            recipe_in_force=state.recipe_in_force & _WORD,
            station=self._settings.station,
        )
        return vision.pack() + self._board.ring.pack()

    def _fault(self, state: AgentState, now: float) -> FaultCode:
        """Latched faults before the agent's own, and both before the loss of the PLC."""
        if self._faults.first is FaultCode.NONE and state.fault is not FaultCode.NONE:
            return state.fault
        return self.link_fault(now)

    def _status(self, state: AgentState, fault: FaultCode, now: float) -> Status:
        online = self._online(state)
        ready = online and state.trigger_ready and Control.TRIGGER_ENABLE in self._plc.control
        bits = (
            (Status.ONLINE, online),
            (Status.BUSY, state.busy),
            (Status.COMPLETED, self._board.completed),
            (Status.MISSED_ACQ, self._ids.missed_acq or self._trigger.missed),
            (Status.OVERRUN, self._results.overrun),
            (Status.FAULT, fault is not FaultCode.NONE),
            (Status.PLC_HEARTBEAT_LOST, self._plc_pulse.lost(now)),
            (Status.STOP_LINE_REQUEST, state.stop_line),
            (Status.DEGRADED, state.degraded),
            (Status.SHADOW, state.shadow),
        )
        of_the_trigger = self._trigger.status(state, ready=ready)
        return of_the_trigger | Status(sum(int(bit) for bit, is_set in bits if is_set))

    def acknowledge(self) -> list[int]:
        """The last `words` were written and acknowledged: give the part ids that are at the PLC now."""
        self._writers.acknowledge()
        self._trigger.acknowledge()
        return self._board.written()

    # --- what the agent may ask ------------------------------------------------------------------------

    def link_fault(self, now: float) -> FaultCode:
        """Fault of the link alone: the one that latched first, else PLC_LOST, else NONE.

        While the PLC is starting (epoch 0) its silence is no fault.
        """
        if self._faults.first is FaultCode.NONE and self._ids.epoch != 0 and self._plc_pulse.lost(now):
            return FaultCode.PLC_LOST
        return self._faults.first

    def plc_now(self) -> tuple[int, int]:
        """PLC_EPOCH and RECIPE of the last good poll; any thread may call it."""
        plc = self._plc
        return plc.plc_epoch, plc.recipe

    def poll_before(self, stamp: float) -> EncoderPoll | None:
        """Free-running: the last good poll that had ended by `stamp`; any thread may call it."""
        return self._track.poll_before(stamp)

    def position_at(self, stamp: float, now: float) -> Position | NoPosition:
        """Free-running: position of the belt at `stamp`; any thread may call it."""
        return self._track.position_at(stamp, now)
