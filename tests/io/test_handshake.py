"""Each of the contract's sentences on the running agent, held against the handshake."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any, TypeVar

import pytest

from inspectd.io.handshake import Handshake, Poll
from inspectd.io.handshake_board import Part, VerdictBoard
from inspectd.io.plc import (
    Control,
    FaultCode,
    PlcImage,
    Reason,
    Ring,
    RingEntry,
    Status,
    Verdict,
    VisionImage,
    next_id,
    step_back,
)
from inspectd.io.plc_events import (
    AgentState,
    Discarded,
    DropInFlight,
    EpochChanged,
    Event,
    FaultCleared,
    NoPosition,
    Placed,
    Position,
    RecordedIds,
    Result,
    Settled,
    Trigger,
)
from inspectd.io.plc_settings import PlcSettings

READY = AgentState(beating=True, online=True, trigger_ready=True, recipe_in_force=1)
BOOT_ID = 4242

Kind = TypeVar("Kind")


def only(events: list[Event], kind: type[Kind]) -> list[Kind]:
    return [event for event in events if isinstance(event, kind)]


class Bench:
    """A handshake fed by hand: 5 ms between polls of 1 ms, unless a test says otherwise."""

    def __init__(
        self,
        trig_id: int = 100,
        epoch: int = 7,
        *,
        free_running: bool = False,
        block: list[int] | None = None,
        recipes: frozenset[int] = frozenset({1, 2}),
    ) -> None:
        settings = PlcSettings(
            host="127.0.0.1",
            station=9,
            mode="free_running" if free_running else "plc_triggered",
            max_trigger_age_ms=60,
            max_speed_counts_per_s=1000,
        )
        self.handshake = Handshake(settings, recipes, BOOT_ID)
        self.state = READY
        self.plc = PlcImage(
            heartbeat=1, control=Control.TRIGGER_ENABLE, trig_id=trig_id, recipe=1, plc_epoch=epoch
        )
        self.block = block or [0] * 100
        self.now = 1000.0
        self.handshake.begin(self.take_poll(), self.block, RecordedIds(), self.now)
        self.write()

    def take_poll(self) -> Poll:
        started = self.now
        self.now += 0.001
        return Poll(self.plc.pack() + self.block[:20], started, self.now)

    def poll(self, after_s: float = 0.004, **changes: Any) -> list[Event]:
        """One regular cycle: the PLC changes, the agent reads and writes."""
        self.now += after_s
        self.plc = replace(self.plc, heartbeat=next_id(self.plc.heartbeat), **changes)
        events = self.handshake.feed(self.take_poll(), self.state, self.now)
        self.write()
        return events

    def next_part(self, **changes: Any) -> Trigger:
        (trigger,) = self.poll(trig_id=next_id(self.plc.trig_id), **changes)
        assert isinstance(trigger, Trigger)
        return trigger

    def write(self) -> list[int]:
        if not self.handshake.may_write:
            return []
        self.block = self.handshake.words(self.state, self.now)
        return self.handshake.acknowledge()

    def publish(self, part: Trigger, verdict: Verdict = Verdict.ACCEPT, **changes: Any) -> Placed | Discarded:
        result = Result(
            part.part_id,
            part.trig_id,
            part.epoch,
            part.recipe,
            verdict,
            Reason.NONE,
            0.5,
            0.1,
            part.seen_at,
        )
        return self.handshake.publish(replace(result, **changes), self.now)

    @property
    def vision(self) -> VisionImage:
        return VisionImage.unpack(self.block)

    @property
    def ring(self) -> Ring:
        return Ring(self.block[20:])

    def verdict_of(self, trig_id: int) -> tuple[int, int] | None:
        """Verdict and reason that the PLC finds for an id, checked as the gate does."""
        entry = self.ring.find(trig_id)
        if entry is None or not entry.holds(self.plc.plc_epoch, self.plc.recipe):
            return None
        return entry.verdict, entry.reason


UNKNOWN_20 = (Verdict.UNKNOWN, Reason.TRIGGER_LATE)
UNKNOWN_40 = (Verdict.UNKNOWN, Reason.RESTARTED)
UNKNOWN_41 = (Verdict.UNKNOWN, Reason.OFFLINE)


# --- triggers ------------------------------------------------------------------------------------------


def test_the_next_id_is_a_trigger_with_what_the_plc_says_of_the_part() -> None:
    """D = 1: one trigger, carrying the part's recipe, encoder, serial and lot."""
    bench = Bench()
    part = bench.next_part(encoder=70000, serial="S1", lot="L1", recipe=2)
    assert (part.trig_id, part.epoch, part.recipe) == (101, 7, 2)
    assert (part.encoder, part.serial, part.lot) == (70000, "S1", "L1")
    assert bench.vision.acq_id == 101


def test_the_window_starts_with_the_previous_goodtake_poll() -> None:
    """The pairing window runs from the start of the previous good poll, never from when the id was seen."""
    bench = Bench()
    bench.poll()
    previous_start = bench.now - 0.001
    part = bench.next_part()
    assert part.window_start == pytest.approx(previous_start)
    assert part.seen_at == pytest.approx(bench.now)


def test_the_same_id_triggers_once() -> None:
    bench = Bench()
    bench.next_part()
    assert bench.poll() == []


def test_65535_is_followed_by_1() -> None:
    bench = Bench(trig_id=65534)
    parts = [bench.next_part() for _ in range(3)]
    assert [part.trig_id for part in parts] == [65535, 1, 2]
    assert [part.part_id - parts[0].part_id for part in parts] == [0, 1, 2]


def test_a_torn_read_is_not_used() -> None:
    """Words 2 and 31 differ: nothing happens, and the poll does not count as a good one."""
    bench = Bench()
    bench.poll()
    good_start = bench.now - 0.001
    words = replace(bench.plc, trig_id=101).pack() + bench.block[:20]
    words[31] = 100
    bench.now += 0.005
    assert bench.handshake.feed(Poll(words, bench.now - 0.001, bench.now), READY, bench.now) == []
    assert bench.next_part().window_start == pytest.approx(good_start)


def test_an_id_older_than_the_limit_is_unknown_20() -> None:
    """The age is bounded by now minus the start of the previous good poll, not by the last poll's start."""
    bench = Bench()
    bench.poll()
    (settled,) = bench.poll(after_s=0.061, trig_id=101)
    assert isinstance(settled, Settled)
    assert (settled.reason, settled.published) == (Reason.TRIGGER_LATE, True)
    assert bench.verdict_of(101) == UNKNOWN_20
    assert Status.MISSED_ACQ in bench.vision.status


def test_an_id_just_within_the_limit_is_a_trigger_and_clears_missed_acq() -> None:
    bench = Bench()
    bench.poll(after_s=0.061, trig_id=101)
    bench.poll()
    (trigger,) = bench.poll(after_s=0.057, trig_id=102)
    assert isinstance(trigger, Trigger)
    assert Status.MISSED_ACQ not in bench.vision.status


def test_the_first_id_after_a_lost_link_is_unknown_20() -> None:
    """While the link was down nobody watched: the good poll before the outage bounds the age."""
    bench = Bench()
    bench.poll()
    (settled,) = bench.poll(after_s=2.0, trig_id=101)
    assert isinstance(settled, Settled)
    assert settled.reason is Reason.TRIGGER_LATE


# --- gaps and steps back -------------------------------------------------------------------------------


@pytest.mark.parametrize("old", [100, 65530, 65535])
@pytest.mark.parametrize("distance", [2, 15, 16, 17, 500])
def test_a_gap_is_unknown_20_for_the_last_16_with_rows_for_all(old: int, distance: int) -> None:
    """Every missed id is told, oldest first; the last 16 stand in the ring, where the newer one wins."""
    bench = Bench(trig_id=old)
    new = (old - 1 + distance) % 65535 + 1
    events = bench.poll(trig_id=new)
    settled = only(events, Settled)
    ids = [step_back(new, steps) for steps in range(distance - 1, -1, -1)]
    assert [event.trig_id for event in settled] == ids
    assert {event.reason for event in settled} == {Reason.TRIGGER_LATE}
    assert [event.published for event in settled] == [steps < 16 for steps in range(distance - 1, -1, -1)]
    for number in ids[-15:]:
        assert bench.verdict_of(number) == UNKNOWN_20
    assert bench.vision.result_trig_id == new


def test_a_gap_leaves_parts_in_flight_whose_slot_is_still_theirs() -> None:
    bench = Bench()
    part = bench.next_part()
    bench.poll(trig_id=103)
    assert isinstance(bench.publish(part), Placed)
    bench.write()
    assert bench.verdict_of(101) == (Verdict.ACCEPT, Reason.NONE)
    assert bench.verdict_of(103) == UNKNOWN_20


@pytest.mark.parametrize("new", [99, 32868, 0])
def test_a_step_back_clears_the_ring_drops_what_is_in_flight_and_latches(new: int) -> None:
    """Beyond 32767: all slots to ID 0, in flight UNKNOWN/40, the present id UNKNOWN/20, a latched fault."""
    bench = Bench()
    judged = bench.next_part()
    bench.publish(judged)
    waiting = bench.next_part()
    new_id = new if new in {0, 99} else (102 - 1 + 32768) % 65535 + 1
    events = bench.poll(trig_id=new_id)
    assert only(events, DropInFlight) == [DropInFlight(Reason.RESTARTED)]
    assert bench.verdict_of(101) is None
    assert isinstance(bench.publish(waiting), Discarded)
    if new_id:
        assert bench.verdict_of(new_id) == UNKNOWN_20
        assert [entry.id for entry in bench.ring if entry.id] == [new_id]
    assert bench.vision.fault == FaultCode.IDS_STEPPED_BACK
    bench.poll()
    assert Status.FAULT in bench.vision.status


def test_0_is_no_id_but_a_step_back() -> None:
    """Within an epoch TRIG_ID never returns to 0; 65534 + 1 is 65535."""
    bench = Bench(trig_id=65534)
    assert bench.poll(trig_id=0) == [DropInFlight(Reason.RESTARTED)]
    assert bench.vision.fault == FaultCode.IDS_STEPPED_BACK


def test_32767_ids_ahead_is_still_a_gap() -> None:
    bench = Bench()
    events = bench.poll(trig_id=100 + 32767)
    assert len(only(events, Settled)) == 32767
    assert bench.vision.fault == FaultCode.NONE


# --- one verdict per part ------------------------------------------------------------------------------


def test_a_verdict_stands_in_the_slot_of_its_id_with_its_check() -> None:
    """Slot = ID mod 16; A = SCORE, B = 0; CHECK with the part's own epoch and recipe."""
    bench = Bench()
    part = bench.next_part(recipe=2)
    placed = bench.publish(part, Verdict.REJECT, reason=Reason.OVER_THRESHOLD, score_relative=1.25)
    assert placed == Placed(part.part_id, bench.vision.result_seq + 1)
    bench.poll(recipe=1)
    assert bench.ring.slot(101 % 16) == RingEntry.make(101, 2, 1, 1250, 0, epoch=7, recipe=2)


def test_the_first_verdict_for_a_part_wins() -> None:
    bench = Bench()
    part = bench.next_part()
    assert isinstance(bench.publish(part, Verdict.UNKNOWN, reason=Reason.VERDICT_LATE), Placed)
    before = bench.handshake.words(READY, bench.now)
    assert isinstance(bench.publish(part, Verdict.ACCEPT), Discarded)
    assert bench.handshake.words(READY, bench.now) == before


def test_an_id_is_in_force_for_16_parts() -> None:
    """A verdict may still come after 15 newer parts, and changes nothing after 16."""
    for newer, kind in ((15, Placed), (16, Discarded)):
        bench = Bench()
        part = bench.next_part()
        for _ in range(newer):
            bench.next_part()
        assert isinstance(bench.publish(part), kind)


def test_an_id_is_in_force_for_15_parts_across_the_wrap() -> None:
    """0 is skipped, so 65535 and 15 share a slot with only 14 ids between them."""
    for newer, kind in ((14, Placed), (15, Discarded)):
        bench = Bench(trig_id=65534)
        part = bench.next_part()
        for _ in range(newer):
            bench.next_part()
        assert isinstance(bench.publish(part), kind)


def test_a_verdict_for_another_recipe_or_epoch_changes_nothing() -> None:
    bench = Bench()
    part = bench.next_part()
    before = bench.handshake.words(READY, bench.now)
    assert isinstance(bench.publish(part, recipe=2), Discarded)
    assert isinstance(bench.publish(part, epoch=6), Discarded)
    assert bench.handshake.words(READY, bench.now) == before


def test_a_stale_verdict_of_the_same_id_is_gone_with_the_trigger() -> None:
    """After a whole turn of the ids, with the slot not used between, the old ACCEPT must not stand."""
    board = VerdictBoard(free_running=False)
    board.admit(Part(1, 101, 7, 1))
    accept = Result(1, 101, 7, 1, Verdict.ACCEPT, Reason.NONE, 0.5, 0.1, 0.0)
    board.place(accept, 7, 0.0)
    board.admit(Part(65536, 101, 7, 1))
    assert board.ring.find(101) is None
    assert board.written() == []
    assert isinstance(board.place(accept, 7, 0.0), Discarded)


def test_last_result_words_tell_of_the_last_verdict() -> None:
    """RESULT_SEQ + 1 per verdict, Completed toggles, score and latency in words 41-44."""
    bench = Bench()
    before = bench.vision
    part = bench.next_part()
    bench.now = part.seen_at + 0.0424
    bench.publish(part, score_relative=0.9999, score=0.25)
    bench.write()
    after = bench.vision
    assert after.result_seq == before.result_seq + 1
    assert (after.result_trig_id, after.verdict, after.reason) == (101, Verdict.ACCEPT, Reason.NONE)
    assert (after.score_relative, after.score, after.latency_ms) == (999, 0.25, 42)
    assert (Status.COMPLETED in after.status) != (Status.COMPLETED in before.status)
    assert Status.RESULTS_VALID in after.status


@pytest.mark.parametrize(
    ("relative", "word"), [(1.0, 1000), (-3.0, 0), (1e9, 65535), (math.nan, 65535), (math.inf, 65535)]
)
def test_the_score_saturates(relative: float, word: int) -> None:
    bench = Bench()
    bench.publish(bench.next_part(), score_relative=relative, score=relative)
    bench.write()
    assert bench.vision.score_relative == word
    assert math.isfinite(bench.vision.score)


def test_latency_saturates_and_counters_wrap() -> None:
    bench = Bench()
    bench.state = replace(READY, missed=65536 + 5, late=65536 * 3 + 6)
    part = bench.next_part()
    bench.now += 100.0
    bench.publish(part)
    bench.write()
    assert (bench.vision.latency_ms, bench.vision.missed, bench.vision.late) == (65535, 5, 6)


def test_result_seq_and_heartbeat_skip_0() -> None:
    """Both count on from what stands in the PLC, and 65535 is followed by 1."""
    left = VisionImage(heartbeat=65534, result_seq=65535, plc_epoch=7, station=9).pack() + [0] * 80
    bench = Bench(trig_id=1, block=left)
    assert (bench.vision.heartbeat, bench.vision.result_seq) == (1, 1)


def test_a_part_is_reported_written_once_and_only_after_the_acknowledgement() -> None:
    bench = Bench()
    part = bench.next_part()
    bench.publish(part)
    bench.handshake.words(READY, bench.now)
    assert bench.handshake.acknowledge() == [part.part_id]
    assert bench.handshake.acknowledge() == []


# --- epoch ---------------------------------------------------------------------------------------------


def test_a_new_epoch_drops_everything_and_the_present_id_is_unknown_40() -> None:
    """All slots to ID 0, the new epoch echoed, the present TRIG_ID UNKNOWN/40, old parts' verdicts void."""
    bench = Bench()
    bench.publish(bench.next_part())
    waiting = bench.next_part()
    events = bench.poll(plc_epoch=8, trig_id=103)
    (changed,) = only(events, EpochChanged)
    assert (changed.old, changed.new) == (7, 8)
    assert changed.good_poll_start == pytest.approx(bench.now - 0.001)
    assert [(event.trig_id, event.reason) for event in only(events, Settled)] == [(103, Reason.RESTARTED)]
    assert only(events, Trigger) == []
    assert bench.vision.plc_epoch == 8
    assert [entry.id for entry in bench.ring if entry.id] == [103]
    assert bench.verdict_of(103) == UNKNOWN_40
    assert isinstance(bench.publish(waiting), Discarded)


def test_a_new_epoch_has_no_last_result_and_nothing_left_to_report() -> None:
    """VERDICT and ResultsValid tell of this epoch; what was not written by now never will be."""
    bench = Bench()
    part = bench.next_part()
    bench.publish(part)
    bench.plc = replace(bench.plc, plc_epoch=8, trig_id=0)
    bench.handshake.feed(bench.take_poll(), READY, bench.now)
    assert bench.write() == []
    assert (bench.vision.verdict, bench.vision.result_trig_id) == (Verdict.NONE, 0)
    assert Status.RESULTS_VALID not in bench.vision.status


def test_in_epoch_0_the_station_is_not_online_even_if_the_rest_is_in_order() -> None:
    bench = Bench()
    bench.poll(plc_epoch=0)
    assert Status.ONLINE not in bench.vision.status


def test_recipe_0_is_no_recipe_even_if_the_agent_lists_it() -> None:
    bench = Bench(recipes=frozenset({0, 1}))
    (settled,) = bench.poll(trig_id=101, recipe=0)
    assert isinstance(settled, Settled)
    assert settled.reason is Reason.OFFLINE


def test_epoch_0_is_a_plc_that_starts_not_online_and_no_fault() -> None:
    """Also with VERSION 0 and a heartbeat that stands still."""
    bench = Bench()
    events = bench.poll(plc_epoch=0, trig_id=0, version=0)
    assert only(events, Settled) == []
    bench.now += 1.0
    bench.write()
    assert Status.ONLINE not in bench.vision.status
    assert Status.FAULT not in bench.vision.status
    assert bench.vision.fault == FaultCode.NONE
    assert bench.vision.plc_epoch == 0
    events = bench.poll(plc_epoch=9, trig_id=55, version=1)
    assert [(event.trig_id, event.reason) for event in only(events, Settled)] == [(55, Reason.RESTARTED)]
    assert Status.ONLINE in bench.vision.status


def test_a_plc_that_has_not_issued_an_id_yet_has_no_present_part() -> None:
    bench = Bench()
    assert only(bench.poll(plc_epoch=8, trig_id=0), Settled) == []
    (trigger,) = bench.poll(trig_id=1)
    assert isinstance(trigger, Trigger)


# --- offline, faults, writers --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "state"),
    [
        ({"control": Control(0)}, READY),
        ({"control": Control.TRIGGER_ENABLE | Control.SET_OFFLINE}, READY),
        ({"recipe": 0}, READY),
        ({"recipe": 3}, READY),
        ({"version": 2}, READY),
        ({}, replace(READY, online=False)),
    ],
)
def test_a_part_that_may_not_be_inspected_is_unknown_41(changes: dict[str, Any], state: AgentState) -> None:
    """No TriggerEnable, SetOffline, no or unknown recipe, bad version, agent not online."""
    bench = Bench()
    bench.state = state
    (settled,) = bench.poll(trig_id=101, **changes)
    assert isinstance(settled, Settled)
    assert settled.reason is Reason.OFFLINE
    assert bench.verdict_of(101) == UNKNOWN_41


def test_set_offline_takes_the_station_offline() -> None:
    bench = Bench()
    bench.poll(control=Control.TRIGGER_ENABLE | Control.SET_OFFLINE)
    assert Status.ONLINE not in bench.vision.status
    assert Status.TRIGGER_READY not in bench.vision.status


def test_a_bad_version_latches_until_clear_fault_rises() -> None:
    """ClearFault clears on its rising edge alone, and only once the reason is gone."""
    bench = Bench()
    bench.poll(version=2)
    assert bench.vision.fault == FaultCode.BAD_VERSION
    bench.poll(control=Control.TRIGGER_ENABLE | Control.CLEAR_FAULT)
    assert bench.vision.fault == FaultCode.BAD_VERSION
    bench.poll(version=1)
    assert bench.vision.fault == FaultCode.BAD_VERSION
    bench.poll(control=Control.TRIGGER_ENABLE)
    assert bench.poll(control=Control.CLEAR_FAULT) == [FaultCleared()]
    assert bench.vision.fault == FaultCode.NONE
    assert bench.poll() == []


def test_the_agents_own_fault_is_shown_and_the_links_latched_one_first() -> None:
    bench = Bench()
    bench.state = replace(READY, fault=FaultCode.CAMERA_LOST)
    bench.poll()
    assert bench.vision.fault == FaultCode.CAMERA_LOST
    bench.poll(version=2)
    assert bench.vision.fault == FaultCode.BAD_VERSION
    assert bench.handshake.link_fault(bench.now) is FaultCode.BAD_VERSION


@pytest.mark.parametrize("foreign", [(4243, 9), (BOOT_ID, 8)])
def test_a_foreign_boot_id_or_station_latches_and_stops_writing(foreign: tuple[int, int]) -> None:
    """Once an own write was acknowledged and read back, anybody else's words mean another writer."""
    bench = Bench()
    bench.poll()
    bench.block[2], bench.block[19] = foreign
    bench.poll()
    assert not bench.handshake.may_write
    assert bench.handshake.link_fault(bench.now) is FaultCode.TWO_WRITERS
    (settled,) = bench.poll(trig_id=101)
    assert isinstance(settled, Settled)
    assert settled.reason is Reason.OFFLINE
    bench.poll(control=Control.CLEAR_FAULT)
    assert bench.handshake.may_write
    bench.write()
    bench.poll()
    assert bench.vision.fault == FaultCode.NONE
    bench.block[2], bench.block[19] = foreign
    bench.poll()
    assert not bench.handshake.may_write


def test_another_writer_is_seen_even_if_own_words_are_never_read_back() -> None:
    """Two agents in step: each reads only the other's words."""
    bench = Bench()
    bench.block[2] = 4243
    bench.poll()
    assert not bench.handshake.may_write


def test_what_stood_there_before_the_first_write_is_not_another_writer() -> None:
    """A PLC may acknowledge a write a scan before its reads show it."""
    old = VisionImage(boot_id=77, station=9).pack() + [0] * 80
    settings = PlcSettings(host="127.0.0.1", station=9)
    handshake = Handshake(settings, frozenset({1}), BOOT_ID)
    words = PlcImage(plc_epoch=7, trig_id=5).pack() + old[:20]
    handshake.begin(Poll(words, 0.0, 0.001), old, RecordedIds(), 0.001)
    own = handshake.words(READY, 0.002)
    handshake.acknowledge()
    handshake.feed(Poll(words, 0.005, 0.006), READY, 0.006)
    assert handshake.may_write
    handshake.feed(Poll(words[:32] + own[:20], 0.010, 0.011), READY, 0.011)
    handshake.feed(Poll(words, 0.015, 0.016), READY, 0.016)
    assert not handshake.may_write


def test_a_plc_restart_that_wipes_our_words_is_not_another_writer() -> None:
    bench = Bench()
    bench.poll()
    bench.block = [0] * 100
    bench.poll(plc_epoch=8)
    assert bench.handshake.may_write


def test_the_heartbeat_counts_only_while_the_loop_beats() -> None:
    """+1 at least every 100 ms with the slowest cycle; it stands still while the agent hangs."""
    bench = Bench()
    seen: list[int] = []
    for _ in range(21):
        bench.poll(after_s=0.049)
        seen.append(bench.vision.heartbeat)
    assert seen[20] - seen[0] >= 10
    assert all(later > earlier for earlier, later in zip(seen, seen[2:], strict=False))
    bench.state = replace(READY, beating=False)
    standing = bench.vision.heartbeat
    for _ in range(20):
        bench.poll(after_s=0.049)
    assert bench.vision.heartbeat == standing


def test_the_plcs_heartbeat_is_lost_after_500_ms_and_the_fault_clears_itself() -> None:
    bench = Bench()
    bench.poll()
    bench.now += 0.49
    bench.write()
    assert Status.PLC_HEARTBEAT_LOST not in bench.vision.status
    bench.now += 0.02
    bench.write()
    assert Status.PLC_HEARTBEAT_LOST in bench.vision.status
    assert bench.vision.fault == FaultCode.PLC_LOST
    bench.poll()
    assert Status.PLC_HEARTBEAT_LOST not in bench.vision.status
    assert bench.vision.fault == FaultCode.NONE


def test_status_says_what_the_agent_says() -> None:
    bench = Bench()
    bench.state = replace(READY, busy=True, stop_line=True, degraded=True, shadow=True)
    bench.poll()
    assert bench.vision.status & ~(Status.COMPLETED | Status.RESULTS_VALID) == (
        Status.ONLINE
        | Status.TRIGGER_READY
        | Status.BUSY
        | Status.STOP_LINE_REQUEST
        | Status.DEGRADED
        | Status.SHADOW
    )
    assert (bench.vision.recipe_in_force, bench.vision.station, bench.vision.boot_id) == (1, 9, BOOT_ID)
    assert bench.vision.version == 1


# --- free-running --------------------------------------------------------------------------------------


def test_free_running_results_stand_at_their_sequence_with_their_position() -> None:
    """ID = RESULT_SEQ, A and B = ENCODER at exposure, CHECK with the part's epoch and recipe."""
    bench = Bench(free_running=True)
    result = Result(1, 0, 7, 2, Verdict.REJECT, Reason.OVER_THRESHOLD, 1.5, 0.1, bench.now, 0xABCD1234)
    placed = bench.handshake.publish(result, bench.now)
    assert isinstance(placed, Placed)
    bench.write()
    expected = RingEntry.make(placed.result_seq, 2, 1, 0xABCD, 0x1234, epoch=7, recipe=2)
    assert bench.ring.slot(placed.result_seq % 16) == expected
    assert isinstance(bench.handshake.publish(result, bench.now), Discarded)


def test_free_running_ignores_trigger_ids() -> None:
    bench = Bench(free_running=True)
    assert bench.poll(trig_id=3) == []
    assert bench.poll(trig_id=0) == []


def test_free_running_without_a_position_fills_no_slot() -> None:
    """The PLC could not tell which part is meant; the slot of that sequence is left empty."""
    bench = Bench(free_running=True)
    for part_id in range(1, 18):
        encoder = part_id if part_id != 17 else None
        result = Result(
            part_id, 0, 7, 1, Verdict.UNKNOWN, Reason.POSITION_UNTRUSTED, 0, 0, bench.now, encoder
        )
        bench.handshake.publish(result, bench.now)
    bench.write()
    assert bench.vision.result_seq == 17
    assert bench.ring.slot(1) == RingEntry()
    assert sum(entry.id != 0 for entry in bench.ring) == 15


def test_free_running_a_new_epoch_clears_the_ring_and_voids_older_results() -> None:
    bench = Bench(free_running=True)
    result = Result(1, 0, 7, 1, Verdict.ACCEPT, Reason.NONE, 0.5, 0.1, bench.now, 5)
    bench.handshake.publish(result, bench.now)
    events = bench.poll(plc_epoch=8)
    assert only(events, Settled) == []
    assert all(entry.id == 0 for entry in bench.ring)
    assert isinstance(bench.handshake.publish(replace(result, part_id=2), bench.now), Discarded)


def test_free_running_a_part_of_a_starting_plc_gets_no_slot() -> None:
    """Epoch 0 belongs to no part, even if the frame was taken in it."""
    bench = Bench(free_running=True)
    bench.poll(plc_epoch=0)
    result = Result(1, 0, 0, 1, Verdict.ACCEPT, Reason.NONE, 0.5, 0.1, bench.now, 5)
    assert isinstance(bench.handshake.publish(result, bench.now), Discarded)


def test_free_running_positions_come_from_the_polls() -> None:
    bench = Bench(free_running=True)
    bench.poll(encoder_now=100)
    stamp = bench.now + 0.002
    assert bench.handshake.position_at(stamp, bench.now) is NoPosition.PENDING
    bench.poll(encoder_now=104)
    assert bench.handshake.position_at(stamp, bench.now) == Position(102, 7, 1)
    assert bench.handshake.plc_now() == (7, 1)
