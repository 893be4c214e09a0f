"""One choice of limits for one runtime and precision: by the method asked for, with the numbers behind it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from inspectd.calibration.labelled import Confusion, best_f1, confusion_at, least_cost, no_misses
from inspectd.calibration.rates import Quantile, Rate, quantile, supportable_rate
from inspectd.calibration.tail import Tail, tail_threshold
from inspectd.calibration.threshold import limits_at, percent, place
from inspectd.calibration.threshold_settings import NEEDS_DEFECTS, ThresholdSettings

if TYPE_CHECKING:
    from inspectd.calibration.key_scores import StepProgress
    from inspectd.calibration.pixel_threshold import PixelCounts
    from inspectd.inference.manifest import Limits

_UNKNOWN = (0.0, 1.0)
"""The interval of a rate of which no sample says anything."""


@dataclass(frozen=True, slots=True)
class KeyChoice:
    """Limits for one key; `how` in a sentence, `numbers` for JSON."""

    limits: Limits
    how: str
    numbers: dict[str, Any]


def choose(
    settings: ThresholdSettings,
    good: Sequence[float],
    defective: Sequence[float],
    pixels: PixelCounts | None = None,
    progress: StepProgress | None = None,
    *,
    before: Limits | None = None,
    keep_low_limit: bool = False,
) -> KeyChoice:
    """Choose limits from the scores of good and defective parts. Raises CalibrationError if none follow.

    From the limits `before` come the recheck band where none is asked for and the pixel threshold where no
    masks choose one; with `keep_low_limit` the low limit too, unless it is not under the new threshold less
    its band.
    """
    threshold, text, numbers = _threshold(settings, good, defective, progress)
    drawn = None if pixels is None else pixels.best_f1()
    kept_pixel = None if before is None else before.pixel_threshold
    limits = limits_at(
        threshold,
        good,
        recheck=_recheck(settings, before),
        recheck_rate=settings.recheck_rate,
        pixel_threshold=kept_pixel if drawn is None else drawn[0],
    )
    edge = threshold * (1 - limits.recheck)
    low_limit_text = "under all good scores, for covered lenses and empty places"
    if keep_low_limit and before is not None and before.low_limit < edge:
        limits = limits.model_copy(update={"low_limit": before.low_limit})
        low_limit_text = "as before"
    in_band = sum(edge <= score < threshold for score in good)
    rechecked = Rate.of_counts(in_band, len(good), settings.confidence)
    confusion = confusion_at(threshold, good, defective, settings.confidence)
    numbers |= {
        **limits.model_dump(),
        "good": len(good),
        "defective": len(defective),
        "good_over": _rate(confusion.false_rejects),
        "good_in_recheck": _rate(rechecked),
        "supportable_rate": supportable_rate(len(good), settings.confidence),
    }
    if defective:
        numbers |= {"misses": _rate(confusion.misses), "f1": confusion.f1}
        text += f"; on the sample {_confusion(confusion)}"
    if limits.recheck:
        text += (
            f"; recheck band {percent(limits.recheck)} of the threshold"
            f"{' as before' if recheck_kept(settings) else ''}, {_share(rechecked)} good parts in it"
        )
    text += f"; low limit {limits.low_limit:.6g} {low_limit_text}"
    if drawn is not None:
        numbers["pixel_by_masks"] = {"threshold": drawn[0], "f1": drawn[1]}
        text += f"; pixel threshold by masks {drawn[0]:.6g} (pixel F1 {drawn[1]:.3f})"
        if limits.pixel_threshold != drawn[0]:
            text += f", lowered to {limits.pixel_threshold:.6g}: what is not accepted shows where"
    elif kept_pixel is not None:
        text += f"; pixel threshold {limits.pixel_threshold:.6g} "
        text += "as before" if limits.pixel_threshold == kept_pixel else f"(before {kept_pixel:.6g}), lowered"
    return KeyChoice(limits, f"threshold {threshold:.6g} {text}", numbers)


def recheck_kept(settings: ThresholdSettings) -> bool:
    """Return whether the recheck band stays as before: no other was asked for."""
    return settings.recheck is None and not settings.recheck_rate


def _recheck(settings: ThresholdSettings, before: Limits | None) -> float:
    if recheck_kept(settings) and before is not None:
        return before.recheck
    return settings.recheck or 0.0


def _threshold(
    settings: ThresholdSettings,
    good: Sequence[float],
    defective: Sequence[float],
    progress: StepProgress | None,
) -> tuple[float, str, dict[str, Any]]:
    if settings.method == "tail":
        tail = tail_threshold(
            good,
            settings.false_reject_rate,
            settings.confidence,
            seed=settings.seed,
            progress=progress,
        )
        return tail.threshold, _tail_text(tail, settings), {"tail": asdict(tail)}
    if settings.method in NEEDS_DEFECTS:
        return _by_defects(settings, good, defective), _labelled_text(settings), {}
    found = quantile(good, settings.false_reject_rate, settings.confidence)
    return found.threshold, _quantile_text(found, settings), {"quantile": asdict(found)}


def _by_defects(settings: ThresholdSettings, good: Sequence[float], defective: Sequence[float]) -> float:
    if settings.method == "least-cost":
        return least_cost(good, defective, settings.costs())
    return best_f1(good, defective) if settings.method == "best-f1" else no_misses(good, defective)


def _quantile_text(found: Quantile, settings: ThresholdSettings) -> str:
    low, high = found.threshold_interval
    upper = "above all of them" if high is None else f"{high:.6g}"
    return (
        f"is {place(found.rank)} of {found.count} good scores: expected false rejects"
        f" {percent(found.expected)} (k / (n + 1)), {percent(settings.confidence)} interval"
        f" {percent(found.interval[0])} to {percent(found.interval[1])} (Beta(k, n - k + 1)); the score for"
        f" {percent(settings.false_reject_rate)} lies from {low:.6g} to {upper}"
    )


def _tail_text(tail: Tail, settings: ThresholdSettings) -> str:
    return (
        f"by a generalised Pareto tail over {tail.level:.6g} ({tail.exceedances} exceedances, shape"
        f" {tail.shape:.3f}, scale {tail.scale:.4g}, Cramer-von Mises p {tail.fit:.2f}) for"
        f" {percent(settings.false_reject_rate)} false rejects; {percent(settings.confidence)} intervals from"
        f" {tail.resamples} resamples: threshold {tail.threshold_interval[0]:.6g} to"
        f" {tail.threshold_interval[1]:.6g}, rate {percent(tail.rate_interval[0])} to"
        f" {percent(tail.rate_interval[1])}. It assumes that the tail goes on as fitted"
    )


def _labelled_text(settings: ThresholdSettings) -> str:
    if settings.method == "best-f1":
        return "where F1 on the sample is best"
    if settings.method == "no-misses":
        return "half-way under the lowest defective score: no miss on the sample"
    costs = settings.costs()
    assumed = "assumed" if settings.defect_rate is None else "given"
    return (
        f"at least cost: escape {costs.escape:g}, false reject {costs.false_reject:g}, defect rate"
        f" {percent(costs.defect_rate)} ({assumed})"
    )


def _confusion(confusion: Confusion) -> str:
    return (
        f"{_share(confusion.false_rejects)} good parts rejected, {_share(confusion.misses)} defective ones"
        f" missed, F1 {confusion.f1:.3f}, on the very sample that chose it"
    )


def _share(rate: Rate) -> str:
    low, high = rate.interval or _UNKNOWN
    return f"{rate.count} of {rate.of} ({percent(low)} to {percent(high)})"


def _rate(rate: Rate) -> dict[str, Any]:
    low, high = rate.interval or _UNKNOWN
    return {"found": rate.count, "of": rate.of, "low": low, "high": high, "share": rate.rate or 0.0}
