"""Limits on the score, from the scores of good images that training did not see."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from inspectd.calibration.errors import CalibrationError
from inspectd.calibration.rates import CONFIDENCE, descending, parts_to_support, quantile, supportable_rate
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
    provisional: str
    """What the sample does not support; empty if it supports the rate aimed at."""


def choose_limits(
    scores: Sequence[float], false_reject_rate: float = FALSE_REJECT_RATE, confidence: float = CONFIDENCE
) -> ChosenLimits:
    """Choose limits from the scores of n good images that training did not see.

    The threshold is the k-th largest score: another good part reaches it with probability k / (n + 1), if it
    comes from the same production (see `rates.quantile`). Raises CalibrationError without scores, or if one
    is negative or not finite.
    """
    found = quantile(scores, false_reject_rate, confidence)
    how = (
        f"threshold: {place(found.rank)} of {found.count} scores of good images that neither training nor"
        f" stopping used; expected false rejects {percent(found.expected)}, {percent(confidence)} interval"
        f" {percent(found.interval[0])} to {percent(found.interval[1])}"
    )
    if found.expected > false_reject_rate:
        how += f", more than the {percent(false_reject_rate)} aimed at: too few images for less"
    how += f". Low limit: {percent(_MARGIN)} or more under the lowest of them"
    provisional = unsupported(found.count, false_reject_rate, confidence)
    return ChosenLimits(limits_at(found.threshold, scores), how, provisional)


def unsupported(count: int, false_reject_rate: float, confidence: float = CONFIDENCE) -> str:
    """Say what `count` good parts do not support of a wanted rate; empty if they support it.

    They do if none of them over the threshold would prove the rate: `rates.supportable_rate`.
    """
    supportable = supportable_rate(count, confidence)
    if supportable <= false_reject_rate:
        return ""
    return (
        f"{count} good parts support a false-reject rate of {percent(supportable)} at the best"
        f" (confidence {percent(confidence)}), not {percent(false_reject_rate)}:"
        f" that takes {parts_to_support(false_reject_rate, confidence)} parts"
    )


def limits_at(
    threshold: float,
    good_scores: Sequence[float],
    *,
    recheck: float = 0.0,
    recheck_rate: float = 0.0,
    pixel_threshold: float | None = None,
) -> Limits:
    """Return the limits that belong to a threshold, from the scores of good parts.

    The recheck band is `recheck` of the threshold, or, if wider, what sends `recheck_rate` of the good parts
    there. Below the low limit no good part was ever near: it stands as far below the lowest good score as
    that below the median, and 30 % of it at the least. A covered lens or an empty place is smoother than any
    part and scores there. It says nothing of defects, which score high.

    Where the anomaly map reaches `pixel_threshold`, default the threshold (the quantile of good parts' pixel
    maxima, since a map's maximum is its score), a defect is drawn. It is never over the recheck band's lower
    edge: a part that is not accepted always shows where.
    """
    ordered = descending(good_scores)
    recheck = max(recheck, _band(threshold, recheck_rate, ordered.tolist()))
    lowest, median = float(ordered[-1]), float(np.median(ordered))
    low_limit = max(0.0, lowest - max(median - lowest, _MARGIN * lowest))
    edge = threshold * (1 - recheck)
    if low_limit >= edge:
        # Where a threshold stands far below most good scores, chosen by defects that score as low.
        low_limit = edge / 2
    pixel = min(edge, threshold if pixel_threshold is None else pixel_threshold)
    try:
        return Limits(threshold=threshold, low_limit=low_limit, recheck=recheck, pixel_threshold=pixel)
    except ValueError as error:
        raise CalibrationError(f"threshold {threshold:g}: {error}. Choose another method or rate.") from error


def _band(threshold: float, recheck_rate: float, ordered: list[float]) -> float:
    """Return the share of the threshold below it that `recheck_rate` of the good parts score in."""
    below = [score for score in ordered if score < threshold]
    wanted = min(math.floor(recheck_rate * len(ordered) + 1e-9), len(below) - 1)
    # A hair wider than exact, so that rounding does not leave the last of them out.
    return 0.0 if wanted < 1 else 1 - below[wanted - 1] / threshold + 1e-12


def place(rank: int) -> str:
    """Write the place of a score among others, 1 for the largest, 0 for over them all."""
    if rank < 2:  # noqa: PLR2004  those two have words of their own
        return "the largest" if rank else "just over the largest"
    teen = 11 <= rank % 100 <= 13  # noqa: PLR2004  11th, 12th, 13th
    ending = "th" if teen else {1: "st", 2: "nd", 3: "rd"}.get(rank % 10, "th")
    return f"the {rank}{ending} largest"


def percent(share: float) -> str:
    """Write a share in percent with three digits."""
    return f"{100 * share:.3g} %"
