"""A threshold from parts known to be good or defective: best F1, least cost, or no miss on the sample."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from inspectd.calibration.errors import CalibrationError
from inspectd.calibration.rates import CONFIDENCE, Rate, descending

F64 = NDArray[np.float64]

DEFECT_RATE = 0.01
"""Share of defective parts in production that is assumed where none is given: a sample seldom has it."""


@dataclass(frozen=True, slots=True)
class Costs:
    """What an error costs, in any one unit, and how often parts are defective (0 to 1)."""

    escape: float
    false_reject: float
    defect_rate: float = DEFECT_RATE


@dataclass(frozen=True, slots=True)
class Confusion:
    """What a threshold makes of a labelled sample, each with its interval."""

    false_rejects: Rate
    """Of the good parts, those that score at or over the threshold."""
    misses: Rate
    """Of the defective parts, those that score under it."""

    @property
    def f1(self) -> float:
        """Return F1 of "defective", 0 to 1; 0 where no defective part is found."""
        found = self.misses.of - self.misses.count
        wrong = self.misses.count + self.false_rejects.count
        return 2 * found / (2 * found + wrong) if found else 0.0


def confusion_at(
    threshold: float, good: Sequence[float], defective: Sequence[float], confidence: float = CONFIDENCE
) -> Confusion:
    """Count what a threshold does to a sample."""
    rejected = sum(score >= threshold for score in good)
    missed = sum(score < threshold for score in defective)
    return Confusion(
        Rate.of_counts(rejected, len(good), confidence), Rate.of_counts(missed, len(defective), confidence)
    )


def best_f1(good: Sequence[float], defective: Sequence[float]) -> float:
    """Return the threshold with the largest F1 of "defective". Raises CalibrationError, see `_choose`."""

    def f1(rejected_good: F64, rejected_defective: F64) -> F64:
        return 2 * rejected_defective / (rejected_defective + len(defective) + rejected_good)

    return _choose(good, defective, f1, "F1 is best")


def least_cost(good: Sequence[float], defective: Sequence[float], costs: Costs) -> float:
    """Return the threshold at which a part of production costs least in escapes and false rejects.

    Cost = defect rate x misses x cost of an escape + (1 - defect rate) x false rejects x cost of one, with
    the sample's rates of misses and false rejects. Raises CalibrationError, see `_choose`.
    """

    def saving(rejected_good: F64, rejected_defective: F64) -> F64:
        misses = 1 - rejected_defective / len(defective)
        false_rejects = rejected_good / len(good)
        escapes_cost = costs.defect_rate * misses * costs.escape
        return -(escapes_cost + (1 - costs.defect_rate) * false_rejects * costs.false_reject)

    return _choose(good, defective, saving, "it is cheapest")


def no_misses(good: Sequence[float], defective: Sequence[float]) -> float:
    """Return the highest threshold that no defective part of the sample is under, less half a gap.

    Half-way between the lowest defective score and the next score under it. Raises CalibrationError, see
    `_choose`.
    """

    def passed(rejected_good: F64, rejected_defective: F64) -> F64:
        all_found = rejected_defective == len(defective)
        return np.where(all_found, len(good) - rejected_good, -1.0)

    return _choose(good, defective, passed, "no defective part is missed")


def _choose(
    good: Sequence[float], defective: Sequence[float], merit: Callable[[F64, F64], F64], where: str
) -> float:
    """Return the threshold of the largest merit; of equals the lowest, which rejects more.

    Candidates lie half-way between neighbouring scores; one that accepts all or rejects all is none. Raises
    CalibrationError without scores of either side, or if accepting or rejecting everything has more merit.
    """
    if not defective:
        raise CalibrationError("no defective part in the sample. Give some in validation/<kind>.")
    values = np.unique(np.concatenate((descending(good), descending(defective))))
    # Half-way may round down to the lower score, which would then be rejected as well.
    between = np.maximum((values[1:] + values[:-1]) / 2, np.nextafter(values[:-1], np.inf))
    thresholds = np.concatenate((values[:1], between, np.nextafter(values[-1:], np.inf)))
    rejected_good, rejected_defective = (_at_or_over(thresholds, scores) for scores in (good, defective))
    # Rounding must not decide between equals.
    merits = np.round(merit(rejected_good, rejected_defective), 12)
    best = int(np.argmax(merits))
    if not rejected_defective[best]:
        raise CalibrationError(
            f"{where} where not one of the {len(defective)} defective parts is rejected."
            " Check the labels and costs, or train again."
        )
    if rejected_good[best] == len(good):
        raise CalibrationError(
            f"{where} where all {len(good)} good parts are rejected: the scores do not tell good from"
            " defective. Check the labels and costs, or train again."
        )
    return float(thresholds[best])


def _at_or_over(thresholds: F64, scores: Sequence[float]) -> F64:
    """Count the scores at or over each threshold."""
    ordered = np.sort(np.asarray(scores, np.float64))
    return (len(ordered) - np.searchsorted(ordered, thresholds, side="left")).astype(np.float64)
