"""Scores of production from the record of verdicts, to complete a decision that rested on too few parts."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from inspectd.calibration.errors import CalibrationError


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which rows count: those of a bundle and class, scored by `key`, with one of the judged reasons.

    `assume_key`: rows that do not say by which runtime they were scored are taken for `key`'s too.
    """

    bundle_id: str
    class_name: str
    key: str
    judged: Collection[int]
    assume_key: bool = False


@dataclass(frozen=True, slots=True)
class Part:
    """A part of production. `time` is wall clock, ISO 8601; `image` what the camera called the frame."""

    part: int
    time: str
    image: str
    score: float


@dataclass(slots=True)
class Journal:
    """The usable parts, in the record's order, and how many rows were not usable, by reason."""

    parts: list[Part] = field(default_factory=list[Part])
    left_out: dict[str, int] = field(default_factory=dict[str, int])
    known: set[int] = field(default_factory=set[int])
    """Ids of all parts that the record tells of, usable or not."""

    def highest(self, count: int) -> list[Part]:
        """Return the parts with the highest scores, highest first: where defective ones are."""
        return sorted(self.parts, key=lambda part: (-part.score, part.part))[:count]

    def divide(self, bad: Collection[int]) -> tuple[list[float], list[float]]:
        """Return the scores of the good parts and of those named bad.

        Raises CalibrationError for a bad part that the record does not know: a slip of the pen would leave a
        defective part among the good ones.
        """
        if unknown := sorted(set(bad) - self.known):
            raise CalibrationError(
                f"parts named bad that the record does not have: {', '.join(map(str, unknown[:10]))}."
                " Correct the list."
            )
        good = [part.score for part in self.parts if part.part not in bad]
        return good, [part.score for part in self.parts if part.part in bad]


def read_journal(rows: Iterable[Mapping[str, Any]], wanted: Wanted) -> Journal:
    """Pick the rows that a threshold may be chosen by; what does not fit is counted, never used."""
    journal = Journal()
    used: set[int] = set()
    for row in rows:
        if type(row.get("part")) is int:
            journal.known.add(row["part"])
        part = _usable(row, wanted)
        if isinstance(part, Part) and part.part in used:
            part = "a part told of twice"
        if isinstance(part, str):
            journal.left_out[part] = journal.left_out.get(part, 0) + 1
            continue
        used.add(part.part)
        journal.parts.append(part)
    return journal


def keys_told(rows: Iterable[Mapping[str, Any]], bundle_id: str) -> dict[str, int]:
    """Count the rows of a bundle by the runtime that scored them."""
    found: dict[str, int] = {}
    for row in rows:
        key = row.get("engine")
        if row.get("bundle") == bundle_id and isinstance(key, str):
            found[key] = found.get(key, 0) + 1
    return found


def _usable(row: Mapping[str, Any], wanted: Wanted) -> Part | str:  # noqa: PLR0911  one for each reason
    """Return a row's part, or why it cannot be used."""
    part, score, engine = row.get("part"), row.get("score"), row.get("engine")
    if not isinstance(part, int) or isinstance(part, bool):
        return "no part id"
    if row.get("bundle") != wanted.bundle_id:
        return "another bundle"
    if row.get("class") != wanted.class_name:
        return "another class"
    if row.get("reason") not in wanted.judged:
        return "not judged by its score"
    if not isinstance(score, (int, float)) or isinstance(score, bool) or not 0 <= score < math.inf:
        return "no finite score"
    if engine is None and not wanted.assume_key:
        return "runtime not told"
    if engine not in (None, wanted.key):
        return "another runtime"
    return Part(part, str(row.get("time", "")), str(row.get("image", "")), float(score))
