"""What a diagnosis of the PLC link finds, step by step, and the polls that it looks at."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from enum import Enum
from itertools import pairwise
from typing import TYPE_CHECKING

from inspectd.io.plc import PlcImage, plc_words_torn

if TYPE_CHECKING:
    from collections.abc import Sequence

    from inspectd.io.handshake import Poll


class Outcome(Enum):
    """How a step ended. Only FAILED keeps a station from working."""

    PASSED = "passed"
    FAILED = "failed"
    WARNED = "warning"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True)
class Finding:
    """One step: what was looked at, what was seen, and what to do if it is not as it should be."""

    step: str
    outcome: Outcome
    text: str
    remedy: str = ""

    def __str__(self) -> str:
        return f"{self.step}: {self.text}" + (f"; {self.remedy}" if self.remedy else "")


def passed(step: str, text: str) -> Finding:
    """Make the finding of a step in which all is well."""
    return Finding(step, Outcome.PASSED, text)


def failed(step: str, text: str, remedy: str) -> Finding:
    """Make the finding of what is wired or programmed wrongly."""
    return Finding(step, Outcome.FAILED, text, remedy)


def warned(step: str, text: str, remedy: str) -> Finding:
    """Make the finding of what works, but not as the contract says."""
    return Finding(step, Outcome.WARNED, text, remedy)


def skipped(step: str, text: str, remedy: str = "") -> Finding:
    """Make the finding of a step that could not be looked at, and what it would need."""
    return Finding(step, Outcome.SKIPPED, text, remedy)


@dataclass(frozen=True, slots=True)
class Sample:
    """One poll of words 0 to 51 with its start and end (s, monotonic)."""

    words: Sequence[int]
    started: float
    ended: float

    @classmethod
    def of(cls, poll: Poll) -> Sample:
        """Take a poll of the link."""
        return cls(poll.words, poll.started, poll.ended)

    @property
    def plc(self) -> PlcImage:
        """Words 0 to 31."""
        return PlcImage.unpack(self.words)

    @property
    def torn(self) -> bool:
        """Whether words 2 and 31 differ."""
        return plc_words_torn(self.words)


@dataclass(slots=True)
class Listening:
    """The polls of a while, and the requests that failed meanwhile."""

    samples: list[Sample] = field(default_factory=list[Sample])
    errors: list[str] = field(default_factory=list[str])
    """Texts of the errors."""

    @property
    def seconds(self) -> float:
        """From the first poll to the last."""
        return self.samples[-1].ended - self.samples[0].ended if self.samples else 0.0

    def values(self, word: int) -> list[int]:
        """One word over time."""
        return [sample.words[word] for sample in self.samples]

    def changes(self, word: int) -> list[float]:
        """When a word was first seen with another value than before (s, monotonic)."""
        pairs = pairwise(self.samples)
        return [after.ended for before, after in pairs if before.words[word] != after.words[word]]

    def longest_rest(self, word: int) -> float:
        """Longest time that a word stood unchanged, s."""
        times = [self.samples[0].ended, *self.changes(word), self.samples[-1].ended]
        return max(after - before for before, after in pairwise(times))


def percentile(values: list[float], percent: float) -> float:
    """Give the value that so many percent of `values` do not exceed; 0 for none."""
    ordered = sorted(values)
    return ordered[math.ceil(percent / 100 * len(ordered)) - 1] if ordered else 0.0
