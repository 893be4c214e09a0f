"""Frames are paired with parts by the moment of exposure, never by order."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pairing_bench import frame, part, status, take_due

from inspectd.agent.ledger import OpenPart
from inspectd.agent.pairing import (
    REMEMBERED_SPANS,
    Candidate,
    Pairing,
    open_throughout,
    seen_through,
)


def test_frame_before_its_trigger_is_kept() -> None:
    """With a hardware trigger the frame may come first; it still finds its part."""
    pairing = Pairing(transfer_s=0.0, spare_frames=4)
    pairing.offer(frame(1.5))
    pairing.open(part(1, 1.0, 2.0))
    (candidate,) = take_due(pairing, 2.0)
    assert [one.exposed_at for one in candidate.frames] == [1.5]


def test_order_does_not_pair() -> None:
    """A frame from outside the window is no frame of the part, though it is the only one there is."""
    pairing = Pairing(transfer_s=0.0, spare_frames=4)
    pairing.open(part(1, 1.0, 2.0))
    pairing.offer(frame(2.1))
    (candidate,) = take_due(pairing, 2.5)
    assert candidate.frames == []


def test_two_exposures_in_a_window_are_both_counted() -> None:
    """A second exposure in the window makes the part ambiguous."""
    pairing = Pairing(transfer_s=0.0, spare_frames=4)
    pairing.open(part(1, 1.0, 2.0))
    pairing.offer(frame(1.2))
    pairing.offer(frame(1.3))
    assert len(take_due(pairing, 2.0)[0].frames) == 2


def test_frame_in_two_windows_spoils_both() -> None:
    """Overlapping windows: the frame could be either part's, so it is neither's."""
    pairing = Pairing(transfer_s=0.0, spare_frames=4)
    pairing.open(part(1, 1.0, 2.0))
    pairing.open(part(2, 1.5, 2.5))
    pairing.offer(frame(1.7))
    assert all(one.exposures > 1 for one in take_due(pairing, 3.0))


def test_the_newest_part_with_an_exposure_of_its_own_is_told() -> None:
    """ExposureDone follows it: not an exposure that may be another's, nor one for an older part."""
    pairing = Pairing(transfer_s=0.0, spare_frames=4)
    assert pairing.exposed_part_id == 0
    pairing.open(part(1, 1.0, 2.0))
    pairing.open(part(2, 3.0, 4.0))
    pairing.open(part(3, 3.8, 5.0))
    pairing.offer(frame(3.9))
    assert pairing.exposed_part_id == 0
    pairing.offer(frame(3.2))
    assert pairing.exposed_part_id == 2
    pairing.offer(frame(1.5))
    assert pairing.exposed_part_id == 2


def test_window_stays_open_for_slow_frames() -> None:
    """A window closes only after the slowest frame could have arrived."""
    pairing = Pairing(transfer_s=0.5, spare_frames=4)
    pairing.open(part(1, 1.0, 2.0))
    assert take_due(pairing, 2.4) == []
    assert pairing.next_close() == 2.5
    assert len(take_due(pairing, 2.5)) == 1


def test_spare_frames_are_bounded_and_given_back() -> None:
    """Frames that no part claims do not pile up in the camera's memory."""
    released: list[float] = []
    pairing = Pairing(transfer_s=0.0, spare_frames=2)
    for stamp in (1.0, 2.0, 3.0):
        pairing.offer(frame(stamp, released))
    pairing.release_older(2.5)
    assert released == [1.0, 2.0]
    assert pairing.unclaimed == 2
    pairing.close()
    assert released == [1.0, 2.0, 3.0]


@pytest.mark.parametrize("concluded", [False, True])
def test_exposure_of_another_part_in_a_new_window_counts(concluded: bool) -> None:  # noqa: FBT001  two cases
    """A part that comes too close: what the one before was exposed by may be its own frame, or its own lost.

    The part before cannot be judged by it either, if it still waits.
    """
    pairing = Pairing(transfer_s=0.0, spare_frames=4)
    pairing.open(part(1, 1.0, 2.0))
    pairing.offer(frame(1.7))
    first = take_due(pairing, 2.0)[0] if concluded else pairing.open_candidates()[0]
    second = pairing.open(part(2, 1.5, 2.5))
    assert second.exposures > 1
    assert (first.exposures > 1) is not concluded
    pairing.offer(frame(2.2))
    assert second.exposures > 1


def test_exposures_of_two_neighbours_that_nobody_shares_do_not_count() -> None:
    """Windows may overlap as long as no exposure lies where they do."""
    pairing = Pairing(transfer_s=0.0, spare_frames=4)
    pairing.open(part(1, 1.0, 2.0))
    pairing.offer(frame(1.2))
    pairing.open(part(2, 1.5, 2.5))
    pairing.offer(frame(2.2))
    assert [one.exposures for one in take_due(pairing, 3.0)] == [1, 1]


def test_late_exposure_in_the_window_of_a_concluded_part_counts() -> None:
    """It may be that part's, whose verdict stands, as well as the open part's."""
    pairing = Pairing(transfer_s=0.0, spare_frames=4)
    pairing.open(part(1, 1.0, 2.0))
    take_due(pairing, 2.0)
    second = pairing.open(part(2, 1.5, 2.5))
    released: list[float] = []
    pairing.offer(frame(1.7, released))
    assert second.exposures > 1
    assert released == [1.7]


def test_concluded_part_s_late_exposure_in_a_part_that_comes_later_counts() -> None:
    """The frame came when no part was open; the part whose window it lies in shares it with one before."""
    pairing = Pairing(transfer_s=0.0, spare_frames=4)
    pairing.open(part(1, 1.0, 2.0))
    take_due(pairing, 2.0)
    pairing.offer(frame(1.7))
    assert pairing.open(part(2, 1.5, 2.5)).exposures > 1


@pytest.mark.parametrize("how", ["no room", "too old", "passed over"])
def test_exposure_whose_frame_is_gone_counts(how: str) -> None:
    """However it was given up: the part had two exposures all the same."""
    pairing = Pairing(transfer_s=0.0, spare_frames=1 if how == "no room" else 4)
    (pairing.pass_over if how == "passed over" else pairing.offer)(frame(1.2))
    if how == "too old":
        pairing.release_older(1.25)
    pairing.offer(frame(1.3))
    candidate = pairing.open(part(1, 1.0, 2.0))
    assert len(candidate.frames) == 1
    assert candidate.exposures > 1


def test_exposure_passed_over_in_an_open_window_counts() -> None:
    """Passed over, its frame is given back, and the part is not judged by the one that it has."""
    pairing = Pairing(transfer_s=0.0, spare_frames=4)
    candidate = pairing.open(part(1, 1.0, 2.0))
    released: list[float] = []
    pairing.offer(frame(1.2))
    pairing.pass_over(frame(1.3, released))
    assert candidate.exposures > 1
    assert released == [1.3]


@pytest.mark.parametrize(
    ("unseen", "spoiled"),
    [((0.5, 0.9), False), ((0.5, 1.1), True), ((1.2, 1.3), True), ((1.9, 2.5), True), ((2.1, 3.0), False)],
)
def test_span_of_possible_losses_spoils_the_windows_it_touches(
    unseen: tuple[float, float],
    spoiled: bool,  # noqa: FBT001
) -> None:
    """Where one may have been lost, the exposure that came may be a stray one.

    A frame that is passed over tells of losses as well.
    """
    for take_in in (Pairing.offer, Pairing.pass_over):
        pairing = Pairing(transfer_s=0.0, spare_frames=4)
        take_in(pairing, frame(9.0, unseen=unseen))
        assert pairing.lost_in(part(1, 1.0, 2.0)) is spoiled


def test_frames_around_a_loss_are_not_in_it() -> None:
    """In free-running mode a part's window is its exposure: a loss between two spoils neither."""
    pairing = Pairing(transfer_s=0.0, spare_frames=4)
    pairing.offer(frame(2.0, unseen=(1.0, 2.0)))
    assert not pairing.lost_in(part(1, 1.0, 1.0))
    assert not pairing.lost_in(part(2, 2.0, 2.0))
    assert pairing.lost_in(part(3, 1.5, 1.5))


def test_no_loss_is_ever_forgotten() -> None:
    """However many there are, memory stays bounded, and a part that one of them touches is known."""
    pairing = Pairing(transfer_s=0.0, spare_frames=4)
    spans = [(float(number), number + 0.5) for number in range(3 * REMEMBERED_SPANS)]
    for start, end in spans:
        pairing.offer(frame(end, unseen=(start, end)))
    assert all(pairing.lost_in(part(1, start + 0.1, start + 0.2)) for start, _end in spans)
    last = spans[-1][0]
    assert not pairing.lost_in(part(1, last - 0.4, last - 0.1))


@pytest.mark.parametrize(
    ("said", "seen"),
    [
        ({}, False),
        ({"last_exposed_at": 1.9}, False),
        ({"last_exposed_at": 2.0}, True),
        ({"looked_at": 2.49}, False),
        ({"looked_at": 2.5}, True),
        ({"looked_at": 2.5, "alive": False}, False),
        ({"last_exposed_at": 2.1, "looked_at": 2.5, "since": 1.1}, False),
        ({"looked_at": 2.5, "since": 1.0}, True),
    ],
)
def test_window_is_seen_through_once_the_camera_was_heard_from_past_it(
    said: dict[str, Any],
    seen: bool,  # noqa: FBT001
) -> None:
    """A later frame, or none where all must have come, from a camera that was open all the time."""
    candidate = Pairing(transfer_s=0.5, spare_frames=4).open(part(1, 1.0, 2.0))
    assert seen_through(candidate, status(**said)) is seen


def test_camera_opened_in_the_window_was_not_open_throughout() -> None:
    """What was exposed before it was open, nobody knows."""
    assert open_throughout(status(since=1.0), part(1, 1.0, 2.0))
    assert not open_throughout(status(since=1.1), part(1, 1.0, 2.0))
    assert not open_throughout(status(alive=False), part(1, 1.0, 2.0))


@settings(deadline=None, max_examples=200)
@given(stamps=st.lists(st.integers(0, 99), max_size=30), parts=st.integers(1, 9))
def test_each_part_sees_exactly_the_exposures_of_its_window(stamps: list[int], parts: int) -> None:
    """Windows that do not overlap: each part counts the exposures in its own window, whatever the order."""
    pairing = Pairing(transfer_s=0.0, spare_frames=100)
    half = len(stamps) // 2
    for stamp in stamps[:half]:
        pairing.offer(frame(stamp / 10))
    for number in range(parts):
        pairing.open(part(number, number + 0.01, number + 0.99))
    for stamp in stamps[half:]:
        pairing.offer(frame(stamp / 10))
    for candidate in take_due(pairing, 100.0):
        number = candidate.part.part_id
        assert candidate.exposures == sum(number + 0.01 <= s / 10 <= number + 0.99 for s in stamps)


@settings(deadline=None, max_examples=300)
@given(
    steps=st.lists(
        st.tuples(st.sampled_from(["open", "expose", "expose", "take"]), st.integers(0, 60)), max_size=40
    ),
    length=st.integers(1, 15),
)
def test_part_is_judged_by_an_exposure_of_no_other_part(steps: list[tuple[str, int]], length: int) -> None:
    """Windows that overlap at will, in any order: whom one exposure is left to, it is the only one's."""
    pairing = Pairing(transfer_s=0.0, spare_frames=4)
    stamps: list[float] = []
    parts: list[OpenPart] = []
    waiting: list[Candidate] = []

    def holds(one: OpenPart) -> list[float]:
        return [stamp for stamp in stamps if one.window_start <= stamp <= one.window_end]

    for step, number in steps:
        if step == "expose":
            stamps.append(number / 10)
            pairing.offer(frame(number / 10))
        elif step == "open":
            parts.append(part(len(parts), number / 10, (number + length) / 10))
            waiting.append(pairing.open(parts[-1]))
        elif waiting:
            candidate = waiting.pop(number % len(waiting))
            pairing.take(candidate)
            if candidate.exposures == 1:
                (own,) = holds(candidate.part)
                assert [one for one in parts if own in holds(one)] == [candidate.part]
                assert [one.exposed_at for one in candidate.frames] == [own]
