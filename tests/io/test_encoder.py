"""Positions between polls, in free-running mode."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inspectd.io.encoder import EncoderPoll, EncoderTrack
from inspectd.io.plc_events import NoPosition, Position
from inspectd.io.plc_settings import PlcSettings

SPEED = 1000.0
SETTINGS = PlcSettings(
    host="127.0.0.1", mode="free_running", cycle_ms=5, plc_scan_ms=10, max_speed_counts_per_s=SPEED
)


def track(*polls: EncoderPoll) -> EncoderTrack:
    made = EncoderTrack(SETTINGS)
    for poll in polls:
        made.add(poll)
    return made


def poll(at: float, encoder: int, epoch: int = 7, recipe: int = 1) -> EncoderPoll:
    """Poll of 1 ms around `at`."""
    return EncoderPoll(at - 0.0005, at + 0.0005, encoder % 2**32, epoch, recipe)


@settings(deadline=None, max_examples=100)
@given(
    start=st.integers(0, 2**32 - 1),
    moved=st.integers(-10, 10),
    span=st.floats(0.0015, 0.025),
    fraction=st.floats(0.01, 0.99),
)
def test_positions_are_linear_between_polls_across_the_wrap(
    start: int, moved: int, span: float, fraction: float
) -> None:
    """Against plain arithmetic without wrap; all 32 bits count."""
    around = track(poll(10.0, start), poll(10.0 + span, start + moved))
    stamp = 10.0005 + fraction * (span - 0.001)
    found = around.position_at(stamp, 11.0)
    assert isinstance(found, Position)
    expected = start + moved * (stamp - 10.0) / span
    assert abs((found.encoder - expected + 2**31) % 2**32 - 2**31) <= 0.5 + 1e-6
    assert 0 <= found.encoder < 2**32


def test_the_last_poll_before_and_the_first_after_count() -> None:
    """Further polls on either side change nothing."""
    around = track(poll(9.990, 0), poll(10.000, 5), poll(10.010, 9), poll(10.020, 30))
    assert around.position_at(10.005, 10.03) == Position(7, 7, 1)


def test_a_poll_under_way_at_the_stamp_is_neither_before_nor_after() -> None:
    around = track(poll(10.000, 0), poll(10.005, 3), poll(10.010, 10))
    assert around.position_at(10.005, 10.02) == Position(5, 7, 1)


def test_no_poll_after_the_stamp_yet_is_pending_and_then_untrusted() -> None:
    """Once the next poll would come too late to be trusted, waiting is over."""
    around = track(poll(10.0, 0))
    assert around.position_at(10.003, 10.005) is NoPosition.PENDING
    assert around.position_at(10.003, 10.029) is NoPosition.PENDING
    assert around.position_at(10.003, 10.031) is NoPosition.UNTRUSTED


def test_no_poll_before_the_stamp_is_untrusted() -> None:
    assert track().position_at(1.0, 1.0) is NoPosition.UNTRUSTED
    assert track(poll(10.0, 0)).position_at(9.0, 10.1) is NoPosition.UNTRUSTED


@pytest.mark.parametrize(("gap", "trusted"), [(0.0285, True), (0.0295, False)])
def test_polls_more_than_25_ms_and_one_cycle_apart_are_untrusted(gap: float, trusted: bool) -> None:  # noqa: FBT001  a table's column
    """Counted from the start of the one to the end of the other: 1 ms more than between their middles."""
    around = track(poll(10.0, 0), poll(10.0 + gap, 5))
    assert isinstance(around.position_at(10.01, 10.05), Position) == trusted


@pytest.mark.parametrize(("moved", "trusted"), [(20, True), (-20, True), (22, False), (-22, False)])
def test_more_movement_than_the_highest_speed_allows_is_untrusted(moved: int, trusted: bool) -> None:  # noqa: FBT001  a table's column
    """10 ms between the middles, 11 ms with the polls, and one scan of 10 ms that the PLC may be late."""
    around = track(poll(10.0, 0), poll(10.01, moved))
    assert isinstance(around.position_at(10.005, 10.05), Position) == trusted


@pytest.mark.parametrize("change", [{"epoch": 8}, {"recipe": 2}])
def test_a_change_of_epoch_or_recipe_around_the_stamp_is_untrusted(change: dict[str, int]) -> None:
    """Between the two polls, or in a poll that was under way at the stamp."""
    after = track(poll(10.0, 0), poll(10.01, 1, **change))
    assert after.position_at(10.005, 10.05) is NoPosition.UNTRUSTED
    during = track(poll(10.0, 0), poll(10.005, 1, **change), poll(10.01, 1))
    assert during.position_at(10.005, 10.05) is NoPosition.UNTRUSTED
    before = track(poll(9.99, 0, **change), poll(10.0, 0), poll(10.01, 1))
    assert isinstance(before.position_at(10.005, 10.05), Position)


def test_a_plc_that_is_starting_has_no_position() -> None:
    around = track(poll(10.0, 0, epoch=0), poll(10.01, 1, epoch=0))
    assert around.position_at(10.005, 10.05) is NoPosition.UNTRUSTED


def test_what_the_plc_said_before_a_stamp() -> None:
    """The last poll that had ended by then: one that was under way may have read its words later."""
    around = track(poll(9.995, 0, recipe=1), poll(10.0, 0, recipe=2), poll(10.01, 1, recipe=3))
    before = around.poll_before(10.0101)
    assert before is not None
    assert before.recipe == 2
    assert around.poll_before(9.0) is None


def test_a_coil_makes_no_position_untrusted() -> None:
    """It tells of the write before it once more, however long it was under way itself."""
    again = replace(poll(10.0, 100), started=float("-inf"))
    around = track(poll(9.99, 100), poll(10.0, 100), again, poll(10.01, 110))
    assert around.position_at(10.005, 11.0) == Position(105, 7, 1)
