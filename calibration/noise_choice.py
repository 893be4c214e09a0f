"""Which of the tried rates is best, and how far that can be trusted: a short training's figures are noisy."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from optuna.trial import FrozenTrial, TrialState

from inspectd.calibration.noise_result import NoiseBest, NoiseTrial
from inspectd.calibration.noise_storage import FIGURES, NOTE, SIGMA

if TYPE_CHECKING:
    from optuna.study import Study

FEWEST_COMPLETE = 4
"""With fewer complete trials the spread by chance is not known from their neighbours."""
_APART = 2.0
"""Values are told apart if they differ by more than this many standard deviations of a difference."""
_AT_THE_END = 1.15
"""A best rate within this factor of an end of the search may lie beyond it."""

_STATES = {
    TrialState.COMPLETE: "complete",
    TrialState.PRUNED: "pruned",
    TrialState.FAIL: "failed",
    TrialState.RUNNING: "running",
}


def rate_of(parameter: float) -> float:
    """Round a proposed rate to what is trained with and told: no more digits than anyone can tell apart."""
    return float(f"{parameter:.3g}")


def trials_of(study: Study) -> tuple[NoiseTrial, ...]:
    """Return all trials that were begun, by number."""
    begun = [each for each in study.get_trials(deepcopy=False) if each.state in _STATES]
    return tuple(_trial(each) for each in begun if SIGMA in each.params)


def _trial(trial: FrozenTrial) -> NoiseTrial:
    figures: dict[str, Any] = trial.user_attrs.get(FIGURES, {})
    state = _STATES[trial.state]
    note = str(trial.user_attrs.get(NOTE, ""))
    if state == "failed" and not note:
        note = "its worker was ended in mid-trial"
    return NoiseTrial(
        number=trial.number,
        sigma=rate_of(trial.params[SIGMA]),
        state=state,  # pyright: ignore[reportArgumentType]  one of the four above
        value=figures.get("value"),
        image_auroc=figures.get("image_auroc"),
        pixel_auroc=figures.get("pixel_auroc"),
        seed_values=tuple(figures.get("seed_values", ())) if state == "complete" else (),
        steps=figures.get("steps", 0),
        seconds=figures.get("seconds", 0.0),
        note=note,
    )


def choose_best(trials: Sequence[NoiseTrial], low: float, high: float) -> NoiseBest | None:
    """Return the complete trial of the highest value, with what is known of its lead; None without any."""
    complete = [(trial.value, trial) for trial in trials if trial.state == "complete"]
    known = [(value, trial) for value, trial in complete if value is not None]
    if not known:
        return None
    # Of equal values the first tried: the paper's rate, or the profile's.
    value, best = max(known, key=lambda pair: (pair[0], -pair[1].number))
    spread = spread_by_chance([trial for _, trial in known])
    plausible = None
    if spread is not None:
        bound = value - _APART * math.sqrt(2) * spread
        close = [trial.sigma for other, trial in known if other >= bound]
        plausible = (min(close), max(close))
    return NoiseBest(
        number=best.number,
        sigma=best.sigma,
        value=value,
        image_auroc=best.image_auroc,
        pixel_auroc=best.pixel_auroc,
        spread=spread,
        plausible=plausible,
        certainty=_certainty(best.sigma, len(known), spread, plausible, (low, high)),
    )


def spread_by_chance(complete: Sequence[NoiseTrial]) -> float | None:
    """Estimate the standard deviation of a trial's value from one training to the next.

    From the seeds of each rate, where there are several. Else from how far each value lies off the line
    between its neighbours' (Gasser, Sroka and Jennen-Steinmetz 1986), which the curve itself can only make
    too large. None if there are too few trials.
    """
    groups = [trial.seed_values for trial in complete if len(trial.seed_values) > 1]
    if groups:
        # Of a mean over the seeds.
        variances = [float(np.asarray(group).var(ddof=1)) / len(group) for group in groups]
        return math.sqrt(sum(variances) / len(variances))
    by_rate: dict[float, list[float]] = {}
    for trial in complete:
        if trial.value is not None:
            by_rate.setdefault(trial.sigma, []).append(trial.value)
    if len(by_rate) < FEWEST_COMPLETE:
        return None
    rates = sorted(by_rate)
    means = [sum(by_rate[rate]) / len(by_rate[rate]) for rate in rates]
    x, y = np.log(rates), np.asarray(means, np.float64)
    left = (x[2:] - x[1:-1]) / (x[2:] - x[:-2])
    off = left * y[:-2] + (1 - left) * y[2:] - y[1:-1]
    return float(np.sqrt(np.mean(off**2 / (left**2 + (1 - left) ** 2 + 1))))


def _certainty(
    sigma: float,
    complete: int,
    spread: float | None,
    plausible: tuple[float, float] | None,
    ends: tuple[float, float],
) -> str:
    if spread is None or plausible is None:
        text = (
            f"of {complete} complete trials: too few to tell a better rate from a lucky training;"
            f" let at least {FEWEST_COMPLETE} finish, or use --seeds"
        )
    elif plausible[0] == plausible[1]:
        text = f"told apart from all others tried (a value varies by {spread:.4f} by chance)"
    else:
        text = (
            f"not told apart from others from {plausible[0]:g} to {plausible[1]:g} (a value varies by"
            f" {spread:.4f} by chance): any of them will do; more --seeds would narrow it"
        )
    if sigma * _AT_THE_END >= ends[1] or sigma <= ends[0] * _AT_THE_END:
        option = "--high" if sigma * _AT_THE_END >= ends[1] else "--low"
        text += f"; it lies at the end of the range searched: widen that by {option}"
    return text
