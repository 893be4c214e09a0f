"""Memory that is kept from one picture to the next.

A picture takes some twenty arrays of about a megabyte. Where they are allocated anew each time, the C library
may hand them back to the system after each picture, and to fetch them again page by page then costs as much
as half the rendering.
"""

from __future__ import annotations

import math
import threading
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

Number = TypeVar("Number", bound=np.generic)

_ALIGNMENT = 64  # bytes: a cache line


class Arena:
    """Hands out arrays one after another from one piece of memory, and takes them all back at once.

    Arrays are not cleared: they hold what was there before. Used from one thread.
    """

    def __init__(self, size: int) -> None:
        """Reserve `size` bytes."""
        self._memory = np.empty(size, np.uint8)
        self._used = 0

    def take(self, shape: tuple[int, ...], dtype: type[Number]) -> NDArray[Number]:
        """Give an array of `shape`, contiguous, valid until `release` goes back before it.

        Raises MemoryError when the arena is used up.
        """
        size = math.prod(shape) * np.dtype(dtype).itemsize
        end = self._used + size
        if end > self._memory.size:
            raise MemoryError(f"arena: {end} bytes are needed, {self._memory.size} were reserved")
        array: NDArray[Any] = self._memory[self._used : end].view(dtype).reshape(shape)
        self._used = -(-end // _ALIGNMENT) * _ALIGNMENT
        return array

    def mark(self) -> int:
        """Give the point to which `release` can go back."""
        return self._used

    def release(self, mark: int = 0) -> None:
        """Take back all arrays given since `mark`."""
        self._used = mark


class ArenaPool(threading.local):
    """One arena for each thread, as large as was last asked for."""

    def __init__(self) -> None:
        self._arena = Arena(0)
        self._size = 0

    def empty(self, size: int) -> Arena:
        """Give this thread's arena of `size` bytes with nothing taken: arrays taken earlier are void."""
        if size != self._size:
            self._arena, self._size = Arena(size), size
        self._arena.release()
        return self._arena
