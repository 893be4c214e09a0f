"""The same part, many times before the camera: how far its score spreads, and whether its verdict changes.

A gauge study in small, of camera, light, fixture and model together. Its figure is that of measurement
system analysis (AIAG MSA): six standard deviations in percent of the tolerance, here the distance from the
mean score to the nearest limit at which the verdict would change. MSA's form for a one-sided tolerance takes
three standard deviations: this one asks for twice as much.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from inspectd.calibration.errors import CalibrationError
from inspectd.calibration.verdicts import judge

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from inspectd.inference.manifest import Limits

FEWEST_FRAMES = 10
"""The deviation of so few is known to a factor of 1.7; fewer say nothing."""
USUAL_FRAMES = 50
"""As in a gauge's type-1 study; the deviation is then known to 18 %."""
MAX_SPREAD = 0.3
"""MSA's bound: over 30 % of the tolerance a gauge is not acceptable (under 10 % it is good)."""
MAX_DRIFT = 0.1
"""A score that moves by a tenth of its distance to the limit within one run does not last a shift."""

_BEYOND_CHANCE = 3.0
"""Standard errors between both halves' means; by chance in 3 of 1000 runs."""
_Z95 = 1.645


@dataclass(frozen=True, slots=True)
class Reading:
    """One frame. `score` is NaN where `unfit` says why it must not be judged; `digest` is of its pixels."""

    name: str
    score: float
    unfit: tuple[str, ...]
    digest: str


@dataclass(frozen=True, slots=True)
class Allowed:
    """The limits of the study, as shares of the distance from the mean score to the nearest limit."""

    max_spread: float = MAX_SPREAD
    max_drift: float = MAX_DRIFT


@dataclass(frozen=True, slots=True)
class Repeatability:
    """Figures of one part's frames. Scores are None where no frame was fit to be judged."""

    frames: int
    fit: int
    verdicts: dict[str, int]
    """Frames by verdict; unfit ones are UNKNOWN."""
    flips: int
    """Frames whose verdict is not that of most."""
    unfit: dict[str, int]
    """Frames by reason, without its figures."""
    unfit_example: str
    """The first of them with its figures; empty: none."""
    repeated: int
    """Frames that show to the last bit what an earlier one showed."""
    mean: float | None
    deviation: float | None
    deviation_upper: float | None
    """The true deviation is under this with 95 % confidence, if scores are normally distributed."""
    lowest: float | None
    highest: float | None
    limit: float | None
    limit_name: str
    spread: float | None
    """Six deviations as a share of the distance from the mean to `limit`."""
    drift: float | None
    """Mean score of the second half less that of the first."""
    drift_share: float | None
    drift_beyond_chance: bool
    problems: tuple[str, ...]
    """What is out of its limits; empty: passed."""

    @property
    def passed(self) -> bool:
        """Whether nothing is out of its limits."""
        return not self.problems

    def to_json(self) -> dict[str, Any]:
        """Return all of it as a JSON object."""
        return {"passed": self.passed, **asdict(self)}


def assess(readings: Sequence[Reading], limits: Limits, allowed: Allowed | None = None) -> Repeatability:
    """Hold the frames of one part, in the order of their exposure, against the limits.

    Raises CalibrationError for fewer than `FEWEST_FRAMES`.
    """
    if len(readings) < FEWEST_FRAMES:
        raise CalibrationError(
            f"{len(readings)} frames: a spread is measured on at least {FEWEST_FRAMES}. Take more."
        )
    allowed = allowed or Allowed()
    scores = np.asarray([each.score for each in readings if not each.unfit], np.float64)
    verdicts = Counter[str](judge(each.score, each.unfit, limits).verdict for each in readings)
    unfit = Counter(text.partition(":")[0] for each in readings for text in each.unfit)
    repeated = len(readings) - len({each.digest for each in readings})
    known = len(scores) >= FEWEST_FRAMES
    mean = float(scores.mean()) if known else None
    deviation = float(scores.std(ddof=1)) if known else None
    name, limit = _nearest_limit(mean, limits) if mean is not None else ("", None)
    distance = abs(limit - mean) if limit is not None and mean is not None else None
    drift, errors = _drift(scores) if known else (None, 0.0)
    result = Repeatability(
        frames=len(readings),
        fit=len(scores),
        verdicts=dict(verdicts),
        flips=len(readings) - max(verdicts.values()),
        unfit=dict(unfit),
        unfit_example=next((text for each in readings for text in each.unfit), ""),
        repeated=repeated,
        mean=mean,
        deviation=deviation,
        deviation_upper=_upper(deviation, len(scores)) if deviation is not None else None,
        lowest=float(scores.min()) if known else None,
        highest=float(scores.max()) if known else None,
        limit=limit,
        limit_name=name,
        spread=_share(6 * deviation, distance) if deviation is not None else None,
        drift=drift,
        drift_share=_share(abs(drift), distance) if drift is not None else None,
        drift_beyond_chance=errors > _BEYOND_CHANCE,
        problems=(),
    )
    return replace(result, problems=_problems(result, allowed))


def _problems(result: Repeatability, allowed: Allowed) -> tuple[str, ...]:
    problems: list[str] = []
    if result.repeated:
        problems.append(
            f"{result.repeated} frames are the same as an earlier one to the last bit: the camera repeats"
            " itself, or images were copied. Nothing was measured; restart the camera"
        )
    if result.fit < result.frames:
        told = ", ".join(f"{reason} ({count})" for reason, count in result.unfit.items())
        problems.append(
            f"{result.frames - result.fit} frames are not fit to be judged: {told}; the first:"
            f" {result.unfit_example}"
        )
    if result.flips:
        told = ", ".join(f"{verdict} {count}" for verdict, count in sorted(result.verdicts.items()))
        problems.append(f"the verdict changes although the part does not: {told}")
    if result.mean is None:
        problems.append(f"only {result.fit} frames have a score: no spread from fewer than {FEWEST_FRAMES}")
    elif result.spread is None:
        problems.append(f"the mean score lies on the {result.limit_name} itself: take another part")
    elif not result.spread <= allowed.max_spread:
        problems.append(
            f"six standard deviations are {result.spread:.0%} of the distance to the {result.limit_name},"
            f" more than {allowed.max_spread:.0%}: steady light, exposure and fixture, or take a part farther"
            " from the limit"
        )
    drifts = result.drift_share is not None and not result.drift_share <= allowed.max_drift
    if drifts and result.drift_beyond_chance:
        problems.append(
            f"the score drifts by {result.drift:+.4g} from first to second half, {result.drift_share:.0%} of"
            f" the distance to the {result.limit_name}, more than {allowed.max_drift:.0%}:"
            " let lamp and camera warm up"
        )
    return tuple(problems)


def _nearest_limit(mean: float, limits: Limits) -> tuple[str, float]:
    """Return the limit that is nearest to a score, at which its verdict would become another."""
    edges = [("threshold", limits.threshold)]
    if limits.recheck:
        edges.append(("recheck band", limits.threshold * (1 - limits.recheck)))
    if limits.low_limit:
        edges.append(("low limit", limits.low_limit))
    return min(edges, key=lambda edge: abs(edge[1] - mean))


def _drift(scores: NDArray[np.float64]) -> tuple[float, float]:
    """Return second half's mean less the first's, and how many standard errors that is (Welch)."""
    first, second = scores[: len(scores) // 2], scores[len(scores) // 2 :]
    drift = float(second.mean() - first.mean())
    error = math.sqrt(float(first.var(ddof=1)) / len(first) + float(second.var(ddof=1)) / len(second))
    if error == 0.0:
        return drift, math.inf if drift else 0.0
    return drift, abs(drift) / error


def _upper(deviation: float, count: int) -> float:
    """Bound the true deviation from above: chi-square's 5 % quantile by Wilson and Hilferty (1931)."""
    freedom = count - 1
    quantile = freedom * (1 - 2 / (9 * freedom) - _Z95 * math.sqrt(2 / (9 * freedom))) ** 3
    return deviation * math.sqrt(freedom / quantile)


def _share(value: float, distance: float | None) -> float | None:
    """Return value / distance; None where a mean on the limit itself leaves no distance (and no pass)."""
    return value / distance if distance else None
