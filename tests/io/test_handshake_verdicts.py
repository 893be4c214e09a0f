"""One verdict per part, in the ring and in the last result's words, in either mode."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from handshake_bench import READY, Bench, only

from inspectd.io.handshake_board import Part, VerdictBoard
from inspectd.io.plc import (
    Reason,
    RingEntry,
    Status,
    Verdict,
    VisionImage,
)
from inspectd.io.plc_events import (
    Discarded,
    NoPosition,
    Placed,
    Position,
    Result,
    Settled,
)


def test_a_verdict_stands_in_the_slot_of_its_id_with_its_check() -> None:
    """Slot = ID mod 16; A = SCORE, B = 0; CHECK with the part's own epoch and recipe."""
    bench = Bench()
    part = bench.next_part(recipe=2)
    placed = bench.publish(part, Verdict.REJECT, reason=Reason.OVER_THRESHOLD, score_relative=1.25)
    assert placed == Placed(
        part.part_id, bench.vision.result_seq + 1, Verdict.REJECT, Reason.OVER_THRESHOLD, bench.now
    )
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
    accept = Result(1, 101, 7, 1, Verdict.ACCEPT, Reason.NONE, 0.5, 0.1, 0.0, 0.0)
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


def test_free_running_results_stand_at_their_sequence_with_their_position() -> None:
    """ID = RESULT_SEQ, A and B = ENCODER at exposure, CHECK with the part's epoch and recipe."""
    bench = Bench(free_running=True)
    result = Result(
        1, 0, 7, 2, Verdict.REJECT, Reason.OVER_THRESHOLD, 1.5, 0.1, bench.now, bench.now, 0xABCD1234
    )
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
            part_id, 0, 7, 1, Verdict.UNKNOWN, Reason.POSITION_UNTRUSTED, 0, 0, bench.now, bench.now, encoder
        )
        bench.handshake.publish(result, bench.now)
    bench.write()
    assert bench.vision.result_seq == 17
    assert bench.ring.slot(1) == RingEntry()
    assert sum(entry.id != 0 for entry in bench.ring) == 15


def test_free_running_a_new_epoch_clears_the_ring_and_voids_older_results() -> None:
    bench = Bench(free_running=True)
    result = Result(1, 0, 7, 1, Verdict.ACCEPT, Reason.NONE, 0.5, 0.1, bench.now, bench.now, 5)
    bench.handshake.publish(result, bench.now)
    events = bench.poll(plc_epoch=8)
    assert only(events, Settled) == []
    assert all(entry.id == 0 for entry in bench.ring)
    assert isinstance(bench.handshake.publish(replace(result, part_id=2), bench.now), Discarded)


def test_free_running_a_part_of_a_starting_plc_gets_no_slot() -> None:
    """Epoch 0 belongs to no part, even if the frame was taken in it."""
    bench = Bench(free_running=True)
    bench.poll(plc_epoch=0)
    result = Result(1, 0, 0, 1, Verdict.ACCEPT, Reason.NONE, 0.5, 0.1, bench.now, bench.now, 5)
    assert isinstance(bench.handshake.publish(result, bench.now), Discarded)


def test_free_running_positions_come_from_the_polls() -> None:
    bench = Bench(free_running=True)
    bench.poll(encoder_now=100)
    stamp = bench.now + 0.002
    assert bench.handshake.position_at(stamp, bench.now) is NoPosition.PENDING
    bench.poll(encoder_now=104)
    assert bench.handshake.position_at(stamp, bench.now) == Position(102, 7, 1)
    assert bench.handshake.plc_now() == (7, 1)
