"""Limits set by hand: the decision's next version, with what was before and why it was changed."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime, timezone

from pydantic import ValidationError

from inspectd.calibration.errors import CalibrationError
from inspectd.calibration.scales import REFERENCE_KEY, scale_between
from inspectd.inference.bundle import Bundle, adjust_limits
from inspectd.inference.manifest import Limits

BY_HAND = "threshold set by hand, not measured"
"""Why a decision is provisional whose threshold was changed by hand and not declared complete."""


@dataclass(frozen=True, slots=True)
class Changes:
    """The new values; None: as before. `recheck` is a share of the threshold, the others are scores."""

    threshold: float | None = None
    low_limit: float | None = None
    recheck: float | None = None
    pixel_threshold: float | None = None

    def given(self) -> dict[str, float]:
        """Return what is to change, by the name in `Limits`."""
        values = {
            "threshold": self.threshold,
            "low_limit": self.low_limit,
            "recheck": self.recheck,
            "pixel_threshold": self.pixel_threshold,
        }
        return {name: value for name, value in values.items() if value is not None}


@dataclass(frozen=True, slots=True)
class Adjustment:
    """A change of limits, not yet in force. `how` and `provisional` are the next decision's."""

    before: dict[str, Limits]
    after: dict[str, Limits]
    how: str
    provisional: str


def plan_adjustment(
    bundle: Bundle, changes: Changes, key: str | None = None, *, complete: bool = False
) -> Adjustment:
    """Work out the new limits, for one `key` (graph/runtime/precision) or for all of them.

    Every runtime and precision has a scale of its own. Without `key` the values are meant on the scale of
    openvino in float32 (or of the only key, or the first), and the others get them times the ratio of the
    golden scores, so that a part is judged alike wherever it is scored. Raises CalibrationError if that ratio
    cannot be told, if nothing is to change, and for limits that exclude one another or are not finite.

    The decision stays provisional if it was, and becomes so if the threshold changes; with `complete` it is
    complete, and `how` keeps what it lacked.
    """
    given = changes.given()
    if not given:
        raise CalibrationError(
            "nothing to change: give --threshold, --low-limit, --recheck or --pixel-threshold."
        )
    if wrong := [f"{name} {value}" for name, value in given.items() if not math.isfinite(value)]:
        raise CalibrationError(f"{', '.join(wrong)}: not a finite number. Give one.")
    limits = bundle.decision.limits
    if key is not None and key not in limits:
        raise CalibrationError(
            f"{bundle.folder}: has no limits for {key}. Choose one of {', '.join(limits)}."
        )
    meant = key or (REFERENCE_KEY if REFERENCE_KEY in limits else next(iter(limits)))
    after: dict[str, Limits] = {}
    for name in [key] if key else list(limits):
        factor = scale_between(bundle.manifest, meant, name)
        if factor is None:
            raise CalibrationError(
                f"{name}: its golden scores do not tell how its scale lies to that of {meant}."
                " Adjust each with --key."
            )
        after[name] = _changed(name, limits[name], given, factor)
    text = ", ".join(f"{name} {value:.6g}" for name, value in given.items())
    where = f"for {key} alone" if key else f"on the scale of {meant}, others by the ratio of golden scores"
    how = (
        f"set by hand {where}: {text} (before: {_told(limits[meant], given)}),"
        f" {datetime.now(timezone.utc).date().isoformat()}. What was not set is as in version"
        f" {bundle.decision.version}, chosen as that says"
    )
    changed = any(limits[name].threshold != each.threshold for name, each in after.items())
    provisional, declared = _completeness(bundle.decision.provisional, complete=complete, changed=changed)
    how += declared
    return Adjustment({name: limits[name] for name in after}, after, how, provisional)


def adjust(bundle: Bundle, adjustment: Adjustment, *, why: str, by: str) -> Bundle:
    """Put an adjustment in force; the decision before is kept. Raises CalibrationError without a reason."""
    if not why.strip() or not by.strip():
        raise CalibrationError("no reason or no name given. Say why with --why, and who with --by.")
    return adjust_limits(
        bundle.folder,
        adjustment.after,
        how=adjustment.how,
        why=why.strip(),
        by=by.strip(),
        provisional=adjustment.provisional,
    )


def _completeness(before: str, *, complete: bool, changed: bool) -> tuple[str, str]:
    """Return what the next decision lacks, and what its `how` adds where a person declared it complete."""
    if complete:
        return "", f". It was declared complete by hand, provisional until now: {before or 'no'}"
    if changed and not before:
        return BY_HAND, ""
    return before, ""


def _changed(key: str, limits: Limits, given: dict[str, float], factor: float) -> Limits:
    values = {name: value if name == "recheck" else value * factor for name, value in given.items()}
    merged = {**limits.model_dump(), **values}
    if merged["pixel_threshold"] is not None and "pixel_threshold" not in given:
        # Lowered with the threshold: a part that is not accepted always shows where.
        edge = merged["threshold"] * (1 - merged["recheck"])
        merged["pixel_threshold"] = min(merged["pixel_threshold"], edge)
    try:
        return Limits.model_validate(merged)
    except ValidationError as error:
        problems = "; ".join(
            f"{' '.join(map(str, each['loc'])) or 'limits'}: {each['msg'].removeprefix('Value error, ')}"
            for each in error.errors()
        )
        raise CalibrationError(f"{key}: {problems}. Nothing was changed; choose other values.") from error


def _told(limits: Limits, given: dict[str, float]) -> str:
    values = limits.model_dump()
    return ", ".join(f"{name} {values[name]}" for name in given)
