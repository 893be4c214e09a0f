"""Memory kept between pictures: arrays do not overlap, and taking too much is an error."""

from __future__ import annotations

import numpy as np
import pytest

from inspectd.io.arena import Arena, ArenaPool


def test_arrays_do_not_overlap_until_they_are_released() -> None:
    arena = Arena(4096)
    first = arena.take((3, 5), np.uint8)
    mark = arena.mark()
    second = arena.take((10, 10), np.float32)
    first[:], second[:] = 1, 2.0
    assert (first == 1).all()
    assert second.flags.c_contiguous
    assert second.ctypes.data % second.itemsize == 0
    arena.release(mark)
    third = arena.take((10, 10), np.float32)
    assert np.shares_memory(second, third)
    assert not np.shares_memory(first, third)


def test_taking_more_than_was_reserved_is_an_error() -> None:
    arena = Arena(100)
    with pytest.raises(MemoryError, match="104 bytes are needed, 100 were reserved"):
        arena.take((26,), np.float32)
    assert arena.take((25,), np.float32).size == 25


def test_a_pool_gives_its_thread_the_same_memory_again_and_follows_the_size() -> None:
    pool = ArenaPool()
    first = pool.empty(1000).take((1000,), np.uint8)
    assert np.shares_memory(first, pool.empty(1000).take((10,), np.uint8))
    assert pool.empty(2000).take((2000,), np.uint8).size == 2000
