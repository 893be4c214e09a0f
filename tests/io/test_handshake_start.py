"""The agent's own start: read-back, ids that nobody judged, and another agent that still beats."""

from __future__ import annotations

from dataclasses import replace

import pytest
from handshake_start_bench import EPOCH, READY, Started, left_behind
from hypothesis import given, settings
from hypothesis import strategies as st

from inspectd.io.handshake import Handshake, Poll
from inspectd.io.handshake_start import StartWatch, orphan_ids
from inspectd.io.plc import Control, FaultCode, PlcImage, Reason, Status, Verdict, id_distance, step_back
from inspectd.io.plc_events import Placed, RecordedIds, Result, Trigger
from inspectd.io.plc_settings import PlcSettings


def test_ring_and_sequence_of_the_same_epoch_are_kept() -> None:
    """Verdicts of before stand, the sequence counts on, and Completed goes on from where it was."""
    started = Started(103, left_behind([101, 102, 103]), RecordedIds(3, {101: 1, 102: 2, 103: 3}))
    assert started.events == []
    assert [started.verdict_of(number) for number in (101, 102, 103)] == [Verdict.ACCEPT] * 3
    assert started.vision.result_seq == 30
    assert Status.COMPLETED in started.vision.status


@pytest.mark.parametrize(
    "block",
    [
        left_behind([101, 102, 103], epoch=6),
        left_behind([101, 102, 103], station=2),
        left_behind([101, 102, 103], epoch=0),
        [0] * 100,
    ],
)
def test_a_ring_of_another_epoch_or_station_is_cleared(block: list[int]) -> None:
    """Nothing of it stays, and the present id is UNKNOWN/40."""
    started = Started(103, block, RecordedIds(2, {101: 1, 102: 2}))
    assert [entry.id for entry in started.ring if entry.id] == [103]
    assert started.verdict_of(103) == Verdict.UNKNOWN
    assert [(event.trig_id, event.reason) for event in started.settled] == [(103, Reason.RESTARTED)]
    assert started.lost == []


def test_a_half_written_block_is_not_kept() -> None:
    """Words 37 and 47 differ: the last agent died while it wrote."""
    block = left_behind([103])
    block[15] += 1
    assert Started(103, block, RecordedIds(3, {101: 1, 102: 2, 103: 3})).verdict_of(103) is None


def test_slots_that_make_no_sense_are_not_kept() -> None:
    """An id in another's slot, no verdict, or an id ahead of the present one: all of it is left out."""
    block = left_behind([103])
    for index, words in ((0, [5, 256, 0, 0, 0]), (1, [1, 0, 0, 0, 0]), (9, [105, 256, 0, 0, 0])):
        block[20 + 5 * index : 25 + 5 * index] = words
    started = Started(103, block, RecordedIds(3, {101: 1, 102: 2, 103: 3}))
    assert [entry.id for entry in started.ring if entry.id] == [103]


def test_ids_in_flight_when_the_agent_died_are_unknown_40() -> None:
    """102 was in flight, 104 and 105 passed meanwhile; 101 and 103 have their verdicts."""
    started = Started(105, left_behind([101, 103]), RecordedIds(13, {101: 11, 103: 13}))
    assert [(event.trig_id, event.part_id) for event in started.settled] == [(102, 12), (104, 14), (105, 15)]
    assert all(event.published and event.reason is Reason.RESTARTED for event in started.settled)
    assert started.verdict_of(101) == started.verdict_of(103) == Verdict.ACCEPT
    assert started.verdict_of(102) == started.verdict_of(105) == Verdict.UNKNOWN


def test_ids_that_passed_while_the_agent_was_away_have_rows_and_the_last_16_verdicts() -> None:
    """The rows go on from the last recorded id; only ids whose slot is still theirs are published."""
    started = Started(65521, left_behind([65481]), RecordedIds(9, {65481: 9}))
    assert [event.trig_id for event in started.settled] == list(range(65482, 65522))
    assert [event.published for event in started.settled] == [False] * 24 + [True] * 16
    assert [event.part_id for event in started.settled] == list(range(10, 50))


def test_at_the_wrap_the_newer_id_keeps_the_slot_that_two_share() -> None:
    """65530 and 10 share slot 10: the verdict that 10 has must not be overwritten by the older id's."""
    started = Started(10, left_behind([10]), RecordedIds(99, {65529: 83, 10: 99}))
    assert started.verdict_of(10) == Verdict.ACCEPT
    (shared,) = [event for event in started.settled if event.trig_id == 65530]
    assert not shared.published


def test_across_the_wrap_only_the_last_16_ids_are_published() -> None:
    """Slot 0 belongs to 65520, 24 ids back; 65528 gave its slot to 8."""
    started = Started(8, [0] * 100, RecordedIds(1, {65500: 1}))
    assert [event.trig_id for event in started.settled if event.published] == [
        *range(65529, 65536),
        *range(1, 9),
    ]


def test_no_part_id_is_given_twice_after_ids_stepped_back() -> None:
    """The records then hold 500, 100, 101 in this order: the id before 100 has nobody's part id."""
    started = Started(102, left_behind([]), RecordedIds(3, {500: 1, 100: 2, 101: 3}))
    assert [(event.trig_id, event.part_id) for event in started.settled] == [(102, 4)]


def test_a_ring_left_in_epoch_0_is_nobodys() -> None:
    started = Started(103, left_behind([103], epoch=0), epoch=0)
    assert all(entry.id == 0 for entry in started.ring)
    assert started.events == []


def test_without_records_the_last_16_ids_are_unknown_40() -> None:
    """Nobody can tell how many there were before; none is invented below id 1."""
    assert [event.trig_id for event in Started(500, [0] * 100).settled] == list(range(485, 501))
    assert [event.trig_id for event in Started(3, [0] * 100).settled] == [1, 2, 3]
    assert Started(0, [0] * 100).settled == []


def test_without_records_a_ring_tells_that_ids_wrapped() -> None:
    started = Started(2, left_behind([65534]))
    assert [event.trig_id for event in started.settled] == [*range(65522, 65534), 65535, 1, 2]


def test_a_present_id_that_has_its_verdict_keeps_it() -> None:
    """In the ring or in the records: the first verdict for a part stands."""
    assert Started(103, left_behind([103]), RecordedIds(3, {101: 1, 102: 2, 103: 3})).settled == []
    assert Started(103, left_behind([]), RecordedIds(3, {101: 1, 102: 2, 103: 3})).settled == []


def test_ring_ids_without_a_record_are_published_details_lost() -> None:
    started = Started(103, left_behind([101, 102, 103]), RecordedIds(2, {101: 1, 102: 2}))
    assert started.lost == [103]
    assert started.settled == []


def test_part_ids_count_on_from_the_records() -> None:
    """The next trigger gets the next part id, also after ids that passed unseen."""
    started = Started(105, left_behind([103]), RecordedIds(13, {103: 13}))
    poll = Poll(replace(started.plc, trig_id=106).pack() + [0] * 20, 10.005, 10.006)
    (trigger,) = started.handshake.feed(poll, READY, 10.007)
    assert isinstance(trigger, Trigger)
    assert trigger.part_id == 16


def test_part_ids_never_repeat_when_an_epoch_number_comes_again() -> None:
    """Old records of the same epoch number are not this epoch's: newer part ids exist already."""
    started = Started(103, [0] * 100, RecordedIds(500, {101: 1, 102: 2, 103: 3}))
    assert [event.part_id for event in started.settled] == list(range(501, 517))


def test_far_from_the_records_only_the_last_16_are_told() -> None:
    """More than 32767 ids away, a long absence and a step back look the same."""
    started = Started(100, left_behind([]), RecordedIds(9, {101: 9}))
    assert len(started.settled) == 16
    assert min(event.part_id for event in started.settled) == 10


def test_boot_id_is_new_at_each_start() -> None:
    assert Started(103, left_behind([], boot_id=4242)).vision.boot_id == 4243


def test_the_heartbeat_counts_on_from_what_stands_in_the_plc() -> None:
    """So that the first write shows the PLC a change."""
    assert Started(103, left_behind([])).vision.heartbeat not in {0, 8}


def test_free_running_keeps_ring_and_sequence_and_settles_no_ids() -> None:
    block = left_behind([29, 30])
    started = Started(103, block, RecordedIds(3, {29: 2}), free_running=True)
    assert started.settled == []
    assert started.lost == [30]
    assert started.vision.result_seq == 30
    assert started.ring.find(30) is not None


@pytest.mark.parametrize(
    ("written", "recorded", "first"),
    [
        (30, {29: 2, 30: 3}, 31),
        (30, {30: 3, 31: 4, 32: 5}, 33),
        (65_534, {65_535: 8, 1: 9}, 2),
        (30, {29: 2}, 31),
    ],
)
def test_free_running_numbers_that_the_records_know_are_not_given_again(
    written: int, recorded: dict[int, int], first: int
) -> None:
    """Their verdicts may never have reached the PLC: the link was down when the last agent died."""
    block = left_behind([], result_seq=written)
    started = Started(103, block, RecordedIds(20, recorded), free_running=True)
    result = Result(21, 0, EPOCH, 1, Verdict.ACCEPT, Reason.NONE, 0.5, 0.5, 10.0, 10.0, encoder=1000)
    placed = started.handshake.publish(result, 10.1)
    assert isinstance(placed, Placed)
    assert placed.result_seq == first


def test_a_standing_clear_fault_bit_is_no_edge_at_the_start() -> None:
    handshake = Handshake(PlcSettings(host="127.0.0.1"), frozenset({1}), 1)
    plc = PlcImage(version=2, plc_epoch=EPOCH, control=Control.CLEAR_FAULT)
    handshake.begin(Poll(plc.pack() + [0] * 20, 0.0, 0.0), [0] * 100, RecordedIds(), 0.0)
    good = PlcImage(plc_epoch=EPOCH, control=Control.CLEAR_FAULT)
    assert handshake.feed(Poll(good.pack() + [0] * 20, 0.1, 0.1), READY, 0.1) == []
    assert handshake.link_fault(0.1) is FaultCode.BAD_VERSION


@settings(deadline=None, max_examples=60)
@given(
    present=st.integers(1, 65535),
    recorded_back=st.sets(st.integers(0, 20), min_size=1, max_size=15),
    ring_back=st.sets(st.integers(0, 15), max_size=16),
)
def test_every_id_up_to_the_present_gets_exactly_one_verdict_or_record(
    present: int, recorded_back: set[int], ring_back: set[int]
) -> None:
    """Ids from the first recorded one on: in the ring, in the records, or an orphan, never two of them."""
    last_part = 1000
    newest = min(recorded_back)
    recent = {step_back(present, back): last_part - (back - newest) for back in recorded_back}
    in_ring = frozenset(step_back(present, back) for back in ring_back)
    orphans, present_part = orphan_ids(present, in_ring, RecordedIds(last_part, recent))
    expected = {step_back(present, back) for back in range(max(recorded_back) + 1)} - recent.keys() - in_ring
    assert {orphan.trig_id for orphan in orphans} == expected
    assert len(orphans) == len(expected)
    assert present_part == last_part + newest
    for orphan in orphans:
        assert orphan.part_id == present_part - id_distance(orphan.trig_id, present)
        # An id stands for its part for 16 parts, though at the wrap a slot may stay free for longer.
        ids_since = id_distance(orphan.trig_id, present)
        newer = {step_back(present, back) % 16 for back in range(ids_since)}
        assert orphan.in_force == (ids_since < 16 and orphan.trig_id % 16 not in newer)


def test_a_heartbeat_that_changes_within_600_ms_is_another_agent() -> None:
    watch = StartWatch()
    assert not watch.see(5, 0.0)
    assert not watch.see(5, 0.59)
    assert not watch.see(6, 0.595)
    assert watch.contested
    assert not watch.see(6, 2.0)


def test_600_ms_of_silence_let_the_agent_begin() -> None:
    watch = StartWatch()
    assert not watch.see(5, 0.0)
    assert watch.see(5, 0.6)
    assert not watch.contested
