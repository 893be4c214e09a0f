"""The image where the agent is the server: 132 words in its own memory, which the PLC writes and reads.

Each block has one writer, as everywhere: the PLC writes words 0 to 31, the agent words 32 to 131. Every read
and every write is one piece, under one lock.

A write says what was true when the PLC composed it, and it may have been under way for a long time since: a
packet that was lost and sent again comes a fifth of a second late. What bounds the age of what it says is the
answer before it on the same connection: the PLC composes a request once the last one was answered. So a poll
lasts from that answer to the write's arrival, as a read lasts from its start to its end. A write with no
answer before it on its connection proves nothing about time, and is not used.
"""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

from inspectd.io.handshake import Poll
from inspectd.io.handshake_faults import PLC_SILENCE_S
from inspectd.io.plc import PLC_WORDS, READ_COUNT, VISION_START, WORDS, plc_words_torn

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

UNPROVEN = float("-inf")
_CONTROL, _TRIG_ID, _TRIG_ID_AGAIN = 1, 2, 31
_STATUS = VISION_START + 1
_NEWS = (1, 2, 8)  # CONTROL, TRIG_ID, PLC_EPOCH
_KEPT_POLLS = 256


@dataclass(slots=True)
class WriteRound:
    """One connection's way through words 0 to 31, in one request or in pieces; word 31 ends it.

    `composed_after`: the answer before its first piece (s, monotonic), UNPROVEN if there was none.
    """

    begun: bool = False
    composed_after: float = UNPROVEN
    has_trig_id: bool = False

    def begin(self, composed_after: float) -> None:
        """Begin anew with this piece."""
        self.begun = True
        self.composed_after = composed_after
        self.has_trig_id = False


@dataclass(frozen=True, slots=True)
class _Shown:
    """Words 0 to 31 as the PLC completed them, and between which moments it composed them."""

    words: Sequence[int]
    started: float
    ended: float


class ServerImage:
    """The words, and the polls that the PLC's writes amount to. For any thread."""

    def __init__(self) -> None:
        self._words = [0] * WORDS
        self._shown: _Shown | None = None
        self._queue: deque[_Shown] = deque(maxlen=_KEPT_POLLS)
        self._lock = threading.Lock()
        self._heard_at = UNPROVEN
        self._status_read = threading.Event()
        self._news: Callable[[], None] = _nobody
        self.unproven = 0
        """Complete writes in a row not used, since nothing was answered before on their connection."""

    # --- for the PLC's side ----------------------------------------------------------------------------

    def answer(self, start: int, count: int) -> list[int]:
        """Give `count` words from word `start`, 0..131, to a client, as one piece."""
        with self._lock:
            if _STATUS in range(start, start + count):
                self._status_read.set()
            return self._words[start : start + count]

    def write(
        self, round_: WriteRound, start: int, words: Sequence[int], *, composed_after: float, at: float
    ) -> None:
        """Take a request that writes words within 0 to 31 and arrived `at` (s, monotonic).

        The words are used once word 31 is written and word 2 was in the same round; where they differ, that
        poll is torn.
        """
        written = range(start, start + len(words))
        with self._lock:
            self._words[start : start + len(words)] = words
            if not round_.begun or (_TRIG_ID in written and _TRIG_ID_AGAIN in written):
                round_.begin(composed_after)
            round_.has_trig_id |= _TRIG_ID in written
            if _TRIG_ID_AGAIN in written:
                round_.begun = False
                if round_.has_trig_id:
                    self._complete(_Shown(self._words[:PLC_WORDS], round_.composed_after, at))

    def write_control(self, first: int, bits: Sequence[bool], *, composed_after: float) -> None:
        """Set bits of CONTROL from bit `first` on; it holds at once, and says nothing about TRIG_ID.

        The poll that tells of it bears the times of the last complete write, but is no younger than the
        answer before the coils on their own connection (`composed_after`, UNPROVEN if there was none).
        """
        with self._lock:
            for number, bit in enumerate(bits, start=first):
                mask = 1 << number
                self._words[_CONTROL] = self._words[_CONTROL] & ~mask | (mask if bit else 0)
            if self._shown is not None:
                words = list(self._shown.words)
                words[_CONTROL] = self._words[_CONTROL]
                self._shown = _Shown(words, self._shown.started, self._shown.ended)
                started = min(self._shown.started, composed_after)
                self._queue.append(_Shown(words, started, self._shown.ended))
                self._news()

    def _complete(self, shown: _Shown) -> None:
        if shown.started == UNPROVEN:
            self.unproven += 1
            return
        self.unproven = 0
        self._queue.append(shown)
        if not plc_words_torn(shown.words):
            before, self._shown = self._shown, shown
            self._heard_at = shown.ended
            if before is None or any(before.words[word] != shown.words[word] for word in _NEWS):
                self._news()

    # --- for the agent's side --------------------------------------------------------------------------

    def read(self, start: int, count: int) -> list[int]:
        """Read `count` words from word `start`, 0..131, as one piece."""
        with self._lock:
            return self._words[start : start + count]

    def put(self, start: int, words: Sequence[int]) -> None:
        """Replace words from word `start` on, 32 or more, as one piece."""
        with self._lock:
            self._words[start : start + len(words)] = words
            self._status_read.clear()

    def await_read(self, timeout_s: float) -> bool:
        """Wait until a client has read STATUS as it was put last; False if none did within `timeout_s`."""
        return self._status_read.wait(timeout_s)

    def take(self) -> list[Poll]:
        """Give what the PLC wrote since the last call, oldest first, each with words 32 to 51 as of now."""
        with self._lock:
            shown = list(self._queue)
            self._queue.clear()
            vision = self._words[VISION_START:READ_COUNT]
        return [Poll([*one.words, *vision], one.started, one.ended) for one in shown]

    def call_at_news(self, news: Callable[[], None]) -> None:
        """Call `news`, which must not block, when a write changes CONTROL, TRIG_ID or PLC_EPOCH."""
        self._news = news

    def silence(self, now: float) -> str:
        """Say that the PLC has completed no write for 500 ms (`now`: s, monotonic); "" if it has."""
        if now - self._heard_at <= PLC_SILENCE_S:
            return ""
        return f"the PLC has written nothing complete for {PLC_SILENCE_S * 1000:.0f} ms"


def _nobody() -> None:
    """Nobody asked to be told."""
