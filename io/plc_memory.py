"""The 132 words that the PLC twin and its protocol servers share, on whatever threads.

Each block has one writer: the PLC program writes words 0 to 31, clients write words 32 to 131.
"""

from __future__ import annotations

import random
import threading
from typing import TYPE_CHECKING

from inspectd.io.plc import PLC_WORDS, VISION_START, WORDS

if TYPE_CHECKING:
    from collections.abc import Sequence


class PlcMemory:
    """The words, whole unless `tearing` is asked for.

    With `tearing` a client's read may show words 0 to 31 half of this scan and half of the last one, and a
    client's write may reach the program in two halves, a scan apart.
    """

    def __init__(self, seed: int = 0) -> None:
        self.tearing = False
        self._words = [0] * WORDS
        self._last_image = [0] * PLC_WORDS
        self._late: list[tuple[int, list[int]]] = []
        self._random = random.Random(seed)
        self._lock = threading.Lock()

    def show(self, image: Sequence[int]) -> None:
        """Replace words 0 to 31 at the end of a scan; what a torn write held back arrives now."""
        with self._lock:
            self._last_image = self._words[:PLC_WORDS]
            self._words[:PLC_WORDS] = image
            late, self._late = self._late, []
            for start, words in late:
                self._words[start : start + len(words)] = words

    def vision(self) -> list[int]:
        """Words 32 to 131, for the program."""
        with self._lock:
            return self._words[VISION_START:]

    def read(self) -> list[int]:
        """All 132 words, for a client."""
        with self._lock:
            words = list(self._words)
            if self.tearing:
                cut = self._random.randrange(PLC_WORDS)
                words[cut:PLC_WORDS] = self._last_image[cut:]
            return words

    def write(self, start: int, words: Sequence[int]) -> None:
        """Take a client's write of `words` from word `start`, 32 or more; ValueError outside 32 to 131."""
        if start < VISION_START or start + len(words) > WORDS:
            last = start + len(words) - 1
            raise ValueError(f"a client writes words {VISION_START} to {WORDS - 1}, not {start} to {last}")
        with self._lock:
            whole = len(words)
            if self.tearing:
                whole = self._random.randrange(len(words) + 1)
                self._late.append((start + whole, list(words[whole:])))
            self._words[start : start + whole] = words[:whole]

    def clear(self) -> None:
        """Forget every word, as a PLC without retentive memory does when its power goes."""
        self.clear_image()
        with self._lock:
            self._words[VISION_START:] = [0] * (WORDS - VISION_START)

    def clear_image(self) -> None:
        """Forget words 0 to 31 alone."""
        with self._lock:
            self._words[:PLC_WORDS] = [0] * PLC_WORDS
            self._last_image = [0] * PLC_WORDS
            self._late = []
