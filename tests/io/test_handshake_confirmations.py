"""What the reject sensor confirms, and what the PLC says of each part, as the link hands it to the agent."""

from __future__ import annotations

from dataclasses import replace

import pytest
from handshake_bench import Bench, only

from inspectd.io.handshake import Poll
from inspectd.io.plc import Reason
from inspectd.io.plc_events import EpochChanged, RecordedIds, RejectConfirmed, Settled, Trigger

# --- REJECT_CONFIRM_ID -------------------------------------------------------------------------------------


def confirmed(bench: Bench, after_s: float = 0.004, **changes: int) -> list[RejectConfirmed]:
    """Poll once and give what the reject sensor confirmed."""
    return only(bench.poll(after_s, **changes), RejectConfirmed)


def test_each_change_is_one_confirmation() -> None:
    """With the PLC's epoch, and the time in which others may have come and gone."""
    bench = Bench()
    bench.poll()
    polled_before = bench.now - 0.001
    (event,) = confirmed(bench, reject_confirm_id=99)
    assert (event.trig_id, event.epoch) == (99, 7)
    assert (event.polled_before, event.seen_at) == (pytest.approx(polled_before), pytest.approx(bench.now))
    assert confirmed(bench) == []
    assert [event.trig_id for event in confirmed(bench, reject_confirm_id=100)] == [100]


def test_zero_confirms_nothing() -> None:
    """It says that there is no sensor."""
    bench = Bench()
    confirmed(bench, reject_confirm_id=99)
    assert confirmed(bench, reject_confirm_id=0) == []
    assert [event.trig_id for event in confirmed(bench, reject_confirm_id=99)] == [99]


def test_what_stood_there_before_confirms_nothing() -> None:
    """Neither at the agent's start nor in a new epoch."""
    bench = Bench()
    bench.plc = replace(bench.plc, reject_confirm_id=42)
    bench.now += 0.004
    bench.handshake.begin(bench.take_poll(), bench.block, RecordedIds(), bench.now)
    assert confirmed(bench) == []
    events = bench.poll(plc_epoch=8, reject_confirm_id=41)
    assert only(events, EpochChanged)
    assert only(events, RejectConfirmed) == []
    assert [event.epoch for event in confirmed(bench, reject_confirm_id=43)] == [8]


def test_a_confirmation_comes_before_the_ids_of_the_same_poll() -> None:
    """Else a part would count as missed for an id seen with its confirmation."""
    bench = Bench()
    events = bench.poll(trig_id=101, reject_confirm_id=99)
    assert [type(event) for event in events] == [RejectConfirmed, Trigger]


def test_the_time_without_polls_is_told() -> None:
    """After a hang of the link only the last of several confirmations shows."""
    bench = Bench()
    bench.poll()
    (event,) = confirmed(bench, after_s=0.8, reject_confirm_id=99)
    assert event.seen_at - event.polled_before == pytest.approx(0.802)


# --- SERIAL and LOT ----------------------------------------------------------------------------------------


def test_parts_that_the_link_settles_carry_serial_and_lot() -> None:
    """Late or refused, the newest id is known by them; ids that were passed over are not."""
    bench = Bench()
    events = bench.poll(trig_id=103, serial="S3", lot="L")
    settled = only(events, Settled)
    assert [(one.trig_id, one.serial, one.lot) for one in settled] == [
        (101, "", ""),
        (102, "", ""),
        (103, "S3", "L"),
    ]
    (refused,) = only(bench.poll(trig_id=104, recipe=9, serial="S4"), Settled)
    assert (refused.reason, refused.recipe, refused.serial) == (Reason.OFFLINE, 9, "S4")


def test_a_serial_that_is_not_ascii_stops_nothing() -> None:
    """Whatever bytes stand in SERIAL and LOT, the part is a part; they are read with U+FFFD."""
    bench = Bench()
    bench.now += 0.004
    bench.plc = replace(bench.plc, trig_id=101, serial="AB")
    poll = bench.take_poll()
    words = [0x41FF, 0xC3A9, *[0xFFFF] * 14]
    odd_text = Poll([*poll.words[:12], *words, *poll.words[28:]], poll.started, poll.ended)
    (event,) = bench.handshake.feed(odd_text, bench.state, bench.now)
    assert isinstance(event, Trigger)
    assert (event.serial, event.lot) == ("A" + 15 * "\ufffd", 16 * "\ufffd")
