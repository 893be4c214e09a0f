"""The shared memory of frames: who may write which slot, and how long a view lives."""

from __future__ import annotations

import fcntl
import os
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inspectd.io.errors import CameraError
from inspectd.io.frame_ring import RingReader, RingShape, RingWriter, create_memory

if TYPE_CHECKING:
    from collections.abc import Sequence

SHAPE = RingShape(slots=2, width=40, height=30)


def open_ring(shape: RingShape) -> tuple[RingWriter, RingReader]:
    memory = create_memory(shape)
    ring = RingWriter(memory, shape, "cam"), RingReader(memory, shape)
    os.close(memory)
    return ring


def mappings() -> int:
    with open("/proc/self/maps") as maps:  # noqa: PTH123  a file of the kernel
        return sum("inspectd-frames" in line for line in maps)


def test_pixels_written_are_the_pixels_read() -> None:
    """Both sides see the same bytes, without a copy, and the reader cannot write them."""
    writer, reader = open_ring(SHAPE)
    image = np.arange(20 * 10 * 3, dtype=np.uint8).reshape(20, 10, 3)
    writer.in_hand.pixels(20, 10)[:] = image
    slot = writer.hand_over()
    seen = reader.pixels(slot, 20, 10)
    np.testing.assert_array_equal(seen, image)
    assert not seen.flags.writeable
    with pytest.raises(ValueError, match="read-only"):
        seen[0, 0, 0] = 1


def test_image_of_another_shape_but_no_more_pixels_fits() -> None:
    """A slot for 40 x 30 takes 30 x 40 too, and not one pixel more; the error tells the remedy."""
    writer, _reader = open_ring(SHAPE)
    assert writer.in_hand.pixels(40, 30).shape == (40, 30, 3)
    with pytest.raises(CameraError, match="set width and height to at least 31 and 40"):
        writer.in_hand.pixels(40, 31)


def test_slots_do_not_overlap() -> None:
    """Filling one slot to its last byte leaves the others as they are."""
    writer, reader = open_ring(SHAPE)
    slots: list[int] = []
    for value in (1, 2):
        writer.in_hand.pixels(30, 40).fill(value)
        slots.append(writer.hand_over())
    writer.in_hand.pixels(30, 40).fill(3)
    assert [int(reader.pixels(slot, 30, 40).min()) for slot in slots] == [1, 2]
    assert [int(reader.pixels(slot, 30, 40).max()) for slot in slots] == [1, 2]


@given(releases=st.lists(st.integers(0, 3), min_size=20, max_size=60))
@settings(deadline=None, max_examples=40)
def test_a_slot_is_not_written_before_its_return(releases: Sequence[int]) -> None:
    """Whatever the order of returns, an image handed out keeps its content until it is given back."""
    shape = RingShape(slots=3, width=8, height=4)
    writer, reader = open_ring(shape)
    held: dict[int, int] = {}
    for number, release in enumerate(releases):
        writer.in_hand.pixels(4, 8).fill(number)
        if writer.can_hand_over:
            held[writer.hand_over()] = number
        assert len(held) <= shape.slots
        for slot, value in held.items():
            assert (reader.pixels(slot, 4, 8) == value).all()
        if release < len(held):
            slot = list(held)[release]
            del held[slot]
            writer.take_back(slot)


def test_with_all_slots_out_the_newest_frame_is_the_one_lost() -> None:
    """The writer keeps a slot to write into, so it can go on, and hands nothing over."""
    writer, _reader = open_ring(SHAPE)
    first = writer.hand_over()
    writer.hand_over()
    assert not writer.can_hand_over
    writer.in_hand.pixels(30, 40).fill(9)
    writer.take_back(first)
    assert writer.can_hand_over


def test_memory_is_unmapped_with_its_last_view() -> None:
    """Views outlive the ring, and nothing outlives the views."""
    before = mappings()
    writer, reader = open_ring(SHAPE)
    writer.in_hand.pixels(30, 40).fill(7)
    view = reader.pixels(writer.hand_over(), 30, 40)
    del writer, reader
    assert int(view.min()) == 7
    assert mappings() == before + 1
    del view
    assert mappings() == before


def test_memory_cannot_be_cut_off() -> None:
    """The size is sealed: truncating it would kill the parent by SIGBUS."""
    memory = create_memory(SHAPE)
    try:
        with pytest.raises(PermissionError):
            os.ftruncate(memory, 0)
        assert fcntl.fcntl(memory, fcntl.F_GET_SEALS) & fcntl.F_SEAL_SHRINK
    finally:
        os.close(memory)


@pytest.mark.parametrize(("slot", "height", "width"), [(3, 4, 4), (-1, 4, 4), (0, 31, 40), (0, -1, -4)])
def test_reader_refuses_what_the_memory_lacks(slot: int, height: int, width: int) -> None:
    """A child gone mad cannot make the parent look outside its slot."""
    _writer, reader = open_ring(SHAPE)
    with pytest.raises(CameraError, match="does not exist"):
        reader.pixels(slot, height, width)


def test_empty_image_can_be_read() -> None:
    """A frame with a problem has no pixels, and is still a frame."""
    _writer, reader = open_ring(SHAPE)
    assert reader.pixels(0, 0, 0).shape == (0, 0, 3)
