"""Frames are paired with parts by the moment of exposure, never by order."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from inspectd.agent.ledger import OpenPart
from inspectd.agent.pairing import Pairing
from inspectd.agent.verdict import InForce
from inspectd.io.camera import Frame

IN_FORCE = InForce(1, "button", "b", "d")


def part(part_id: int, start: float, end: float) -> OpenPart:
    return OpenPart(part_id, part_id, 1, IN_FORCE, start, start, end, end + 10)


def frame(exposed_at: float, released: list[float] | None = None) -> Frame:
    log = [] if released is None else released
    return Frame(
        camera="top",
        number=0,
        exposed_at=exposed_at,
        exposure_stamped=True,
        received_at=exposed_at,
        pixels=np.zeros((1, 1, 3), np.uint8),
        give_back=lambda: log.append(exposed_at),
    )


def test_frame_before_its_trigger_is_kept() -> None:
    """With a hardware trigger the frame may come first; it still finds its part."""
    pairing = Pairing(transfer_s=0.0, spare_frames=4)
    pairing.offer(frame(1.5))
    pairing.open(part(1, 1.0, 2.0))
    (candidate,) = pairing.take_closed(2.0)
    assert [one.exposed_at for one in candidate.frames] == [1.5]


def test_order_does_not_pair() -> None:
    """A frame from outside the window is no frame of the part, though it is the only one there is."""
    pairing = Pairing(transfer_s=0.0, spare_frames=4)
    pairing.open(part(1, 1.0, 2.0))
    pairing.offer(frame(2.1))
    (candidate,) = pairing.take_closed(2.5)
    assert candidate.frames == []


def test_two_exposures_in_a_window_are_both_counted() -> None:
    """A second exposure in the window makes the part ambiguous."""
    pairing = Pairing(transfer_s=0.0, spare_frames=4)
    pairing.open(part(1, 1.0, 2.0))
    pairing.offer(frame(1.2))
    pairing.offer(frame(1.3))
    assert len(pairing.take_closed(2.0)[0].frames) == 2


def test_frame_in_two_windows_spoils_both() -> None:
    """Overlapping windows: the frame could be either part's, so it is neither's."""
    pairing = Pairing(transfer_s=0.0, spare_frames=4)
    pairing.open(part(1, 1.0, 2.0))
    pairing.open(part(2, 1.5, 2.5))
    pairing.offer(frame(1.7))
    assert [len(one.frames) for one in pairing.take_closed(3.0)] == [2, 2]


def test_window_stays_open_for_slow_frames() -> None:
    """A window closes only after the slowest frame could have arrived."""
    pairing = Pairing(transfer_s=0.5, spare_frames=4)
    pairing.open(part(1, 1.0, 2.0))
    assert pairing.take_closed(2.4) == []
    assert pairing.next_close() == 2.5
    assert len(pairing.take_closed(2.5)) == 1


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
    for candidate in pairing.take_closed(100.0):
        number = candidate.part.part_id
        assert len(candidate.frames) == sum(number + 0.01 <= s / 10 <= number + 0.99 for s in stamps)
