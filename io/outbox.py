"""A bounded queue between a caller that must not wait and a thread that may have to."""

from __future__ import annotations

import threading
from collections import deque
from typing import Generic, TypeVar

Item = TypeVar("Item")


class Outbox(Generic[Item]):
    """Keeps the newest `capacity` items; for each that comes too many the oldest is dropped and counted."""

    def __init__(self, capacity: int) -> None:
        self._items: deque[Item] = deque(maxlen=capacity)
        self._lock = threading.Lock()
        self.dropped = 0

    def put(self, item: Item) -> None:
        """Add an item; never waits. Any thread."""
        with self._lock:
            self.dropped += len(self._items) == self._items.maxlen
            self._items.append(item)

    def take(self) -> Item | None:
        """Take the oldest item; None if there is none. Any thread."""
        with self._lock:
            return self._items.popleft() if self._items else None

    def __len__(self) -> int:
        return len(self._items)
