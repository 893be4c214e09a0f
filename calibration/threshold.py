"""Limits on the score, from the scores of good images that training did not see."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from inspectd.calibration.errors import CalibrationError
from inspectd.inference.manifest import Limits

if TYPE_CHECKING:
    from collections.abc import Sequence

FALSE_REJECT_RATE = 0.01
"""Share of good parts that a threshold may cost, as far as the sample can tell."""

_MARGIN = 0.3
"""The low limit stands at least this share below the lowest good score: it is there for covered lenses."""


@dataclass(frozen=True, slots=True)
class ChosenLimits:
    """Limits and how they were chosen, in words for the decision."""

    limits: Limits
    how: str


def choose_limits(scores: Sequence[float], false_reject_rate: float = FALSE_REJECT_RATE) -> ChosenLimits:
    """Choose limits from the scores of n good images that training did not see.

    The threshold is the k-th largest score: another good part reaches it with probability k / (n + 1), if it
    comes from the same production. k is the largest that keeps this at or under `false_reject_rate`; if n is
    too small for that, k = 1, and `how` says so. Raises CalibrationError without scores, or if one is
    negative or not finite.
    """
    ordered = np.sort(np.asarray(scores, np.float64))[::-1]
    count = len(ordered)
    if not count or not np.isfinite(ordered).all() or ordered[-1] < 0 or ordered[0] <= 0:
        raise CalibrationError(
            f"no limits from {count} scores of good images: empty, or not finite and positive. Train again."
        )
    rank = max(1, int(false_reject_rate * (count + 1)))
    expected = rank / (count + 1)
    threshold, lowest, median = float(ordered[rank - 1]), float(ordered[-1]), float(np.median(ordered))
    low_limit = max(0.0, lowest - max(median - lowest, _MARGIN * lowest))
    name = "largest" if rank == 1 else f"{rank}. largest"
    how = (
        f"threshold: {name} of {count} scores of good images that neither training"
        f" nor stopping used; expected false rejects {expected:.1%}"
    )
    if expected > false_reject_rate:
        how += f", more than the {false_reject_rate:.1%} aimed at: too few images for less"
    how += f". Low limit: {_MARGIN:.0%} or more under the lowest of them"
    return ChosenLimits(Limits(threshold=threshold, low_limit=low_limit), how)
