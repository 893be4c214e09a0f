"""What the sample behind a threshold does not support, for the decision's `provisional`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from inspectd.calibration.rates import parts_to_support
from inspectd.calibration.threshold import percent, unsupported
from inspectd.calibration.threshold_settings import NEEDS_DEFECTS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from inspectd.calibration.choice import KeyChoice
    from inspectd.calibration.threshold_settings import ThresholdSettings

HIGHEST_MISS_RATE = 0.1
"""A sample whose interval lets more misses than this be possible says little about what escapes."""


def lacking(settings: ThresholdSettings, keys: Mapping[str, KeyChoice]) -> list[str]:
    """Say what the sample does not support of the wanted rate, and of misses where defects chose.

    Of several keys the worst counts. Empty if it supports all.
    """
    if settings.method == "tail":
        return _of_tail(settings, keys)
    count = int(next(iter(keys.values())).numbers["good"])
    too_few = unsupported(count, settings.false_reject_rate, settings.confidence)
    texts = [too_few] if too_few else []
    if settings.method in NEEDS_DEFECTS:
        texts += _of_labelled(settings, keys)
    return texts


def checked(settings: ThresholdSettings) -> str:
    """Say in words what `lacking` holds the sample against."""
    rate = percent(settings.false_reject_rate)
    if settings.method == "tail":
        return f"complete only if the interval of the rate of false rejects ends at {rate} or under"
    text = f"complete only if so many good parts can prove {rate} false rejects"
    if settings.method in NEEDS_DEFECTS:
        text += (
            f", no more of them are rejected on the sample, and its misses prove {percent(HIGHEST_MISS_RATE)}"
            " or less"
        )
    return text


def _of_tail(settings: ThresholdSettings, keys: Mapping[str, KeyChoice]) -> list[str]:
    """A fitted tail supports what counting does not, as far as its own interval reaches."""
    upper = max(float(each.numbers["tail"]["rate_interval"][1]) for each in keys.values())
    if upper <= settings.false_reject_rate:
        return []
    text = (
        f"the fitted tail allows a false-reject rate of up to {percent(upper)} (the upper end of its"
        f" {percent(settings.confidence)} interval), not only {percent(settings.false_reject_rate)}"
    )
    return [text]


def _of_labelled(settings: ThresholdSettings, keys: Mapping[str, KeyChoice]) -> list[str]:
    """A threshold that defects chose may reject any number of good parts, and a few defects prove little."""
    texts: list[str] = []
    rejected = max((each.numbers["good_over"] for each in keys.values()), key=lambda rate: rate["share"])
    if rejected["share"] > settings.false_reject_rate:
        texts.append(
            f"it rejects {rejected['found']} of the sample's {rejected['of']} good parts"
            f" ({percent(rejected['share'])}), more than the {percent(settings.false_reject_rate)} wanted"
        )
    missed = max((each.numbers["misses"] for each in keys.values()), key=lambda rate: rate["high"])
    if missed["high"] > HIGHEST_MISS_RATE:
        # The interval is two-sided: half of what confidence leaves lies over its upper end.
        needed = parts_to_support(HIGHEST_MISS_RATE, (1 + settings.confidence) / 2)
        texts.append(
            f"{missed['found']} of {missed['of']} defective parts missed: up to {percent(missed['high'])} of"
            f" them may be (confidence {percent(settings.confidence)}); for {percent(HIGHEST_MISS_RATE)} it"
            f" takes {needed} defective parts and no miss"
        )
    return texts
