"""Which verdict the line would give on a scored image, by the limits in force.

The line's accept rule stands in the agent, which calibration must not import. This is its part that depends
on a score; a test holds the two against each other.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from inspectd.inference.manifest import Limits

Verdict = Literal["ACCEPT", "REJECT", "UNKNOWN"]


@dataclass(frozen=True, slots=True)
class Judged:
    """A verdict with the name of its reason as the record has it; NONE for ACCEPT."""

    verdict: Verdict
    reason: str


def judge(score: float, unfit: Sequence[str], limits: Limits) -> Judged:
    """Judge an image's score; `unfit` says why its frame must not be judged, empty: it may.

    ACCEPT stands last, after every objection, so that no failure and no NaN ever becomes one.
    """
    if unfit:
        return Judged("UNKNOWN", "FRAME_UNFIT")
    if score >= limits.threshold:
        return Judged("REJECT", "OVER_THRESHOLD")
    if not math.isfinite(score):
        return Judged("UNKNOWN", "INFERENCE_FAILED")
    if score < limits.low_limit:
        return Judged("UNKNOWN", "UNDER_LOW_LIMIT")
    if score >= limits.threshold * (1 - limits.recheck):
        return Judged("UNKNOWN", "RECHECK")
    return Judged("ACCEPT", "NONE")
