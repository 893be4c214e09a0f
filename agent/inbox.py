"""What waits for the inspection loop: parts and frames, in the order in which they came."""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import dataclass

import structlog

from inspectd.agent.ledger import OpenPart
from inspectd.io.camera import Frame

log = structlog.get_logger(__name__)

MOST_WAITING = 256
"""Far more than the parts in flight and a camera's slots: reached only while the loop hangs."""

Span = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Delivery:
    """All that came since the last one. Times in seconds, monotonic.

    Frames exposed before `void_before` are nobody's. `unseen` is the span of the exposures that were dropped.
    """

    items: deque[OpenPart | Frame]
    void_before: float
    unseen: Span | None


class Inbox:
    """A bounded queue for many writers and one reader; the oldest give way, and none of them unnoticed."""

    def __init__(self) -> None:
        self._news = threading.Condition()
        self._items: deque[OpenPart | Frame] = deque()
        self._void_before = 0.0
        self._unseen: Span | None = None
        self.dropped = 0
        """Parts and frames that gave way, since the start."""
        self._told = 0

    def put(self, item: OpenPart | Frame) -> None:
        """Hand in a part or a frame; never waits. Any thread."""
        with self._news:
            self._items.append(item)
            if len(self._items) > MOST_WAITING:
                self._drop(self._items.popleft())
            self._news.notify()

    def void(self, exposed_before: float) -> None:
        """Make frames from before the given moment nobody's. Any thread."""
        with self._news:
            self._void_before = max(self._void_before, exposed_before)
            self._news.notify()

    def wake(self) -> None:
        """End the reader's wait. Any thread."""
        with self._news:
            self._news.notify()

    def wait(self, seconds: float) -> None:
        """Wait until something comes, unless something is there already."""
        with self._news:
            if not self._items:
                self._news.wait(seconds)

    def take(self) -> Delivery:
        """Take out all there is; what was dropped since the last time is logged, once for all of it."""
        with self._news:
            delivery = Delivery(self._items, self._void_before, self._unseen)
            self._items, self._unseen = deque(), None
            dropped, self._told = self.dropped - self._told, self.dropped
        if dropped:
            log.error("inbox_overflowed", dropped=dropped, in_all=self._told, why="the inspection loop hung")
        return delivery

    def _drop(self, item: OpenPart | Frame) -> None:
        """A part that is dropped ends at its deadline; an exposure must not be forgotten with its frame."""
        self.dropped += 1
        if isinstance(item, Frame):
            item.release()
            spans = [(item.exposed_at, item.exposed_at)]
            spans += [span for span in (item.unseen, self._unseen) if span is not None]
            self._unseen = min(since for since, _ in spans), max(until for _, until in spans)
