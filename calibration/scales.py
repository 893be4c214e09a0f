"""Carries limits from one runtime and precision to another, where the other was not measured itself.

Each has its own scale: bfloat16 scores differ by percents. How two scales lie to each other is told by the
golden frames, whose scores by every runtime stand in the manifest; a runtime that does not reproduce them
within the tolerance refuses to start, so limits carried over are off by no more than that.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from inspectd.inference.manifest import Limits

if TYPE_CHECKING:
    from collections.abc import Mapping

    from inspectd.inference.manifest import Manifest

_LOOSEST_TOLERANCE = 0.03
REFERENCE_KEY = "float32/openvino/float32"
"""The scale in which a threshold is meant where nobody says otherwise: the line PC's default runtime."""


def scale_between(manifest: Manifest, source: str, target: str) -> float | None:
    """Return by what factor scores of `target` are larger than those of `source` (limits keys).

    None where a golden frame lacks one of them or the frames disagree by more than both tolerances together.
    """
    if source == target:
        return 1.0
    pairs = [(frame.scores.get(source, 0.0), frame.scores.get(target, 0.0)) for frame in manifest.golden]
    if any(not (ours > 0 and theirs > 0) for ours, theirs in pairs):
        return None
    factors = [theirs / ours for ours, theirs in pairs]
    tolerances = (
        manifest.tolerance.get(key.rpartition("/")[2], _LOOSEST_TOLERANCE) for key in (source, target)
    )
    if max(factors) / min(factors) - 1 > sum(tolerances):
        return None
    return float(np.median(factors))


def scaled(limits: Limits, factor: float) -> Limits:
    """Return limits on a scale that is `factor` times as large; the recheck band is a share and stays."""
    pixel = limits.pixel_threshold
    return Limits(
        threshold=limits.threshold * factor,
        low_limit=limits.low_limit * factor,
        recheck=limits.recheck,
        pixel_threshold=None if pixel is None else pixel * factor,
    )


def with_recheck(limits: Limits, recheck: float) -> Limits:
    """Return limits with another recheck band; low limit and pixel threshold give way to a wider one."""
    edge = limits.threshold * (1 - recheck)
    pixel = limits.pixel_threshold
    return Limits(
        threshold=limits.threshold,
        low_limit=limits.low_limit if limits.low_limit < edge else edge / 2,
        recheck=recheck,
        pixel_threshold=None if pixel is None else min(pixel, edge),
    )


def carry_over(
    manifest: Manifest, measured: Mapping[str, Limits], keys: Mapping[str, Limits]
) -> tuple[dict[str, Limits], list[str]]:
    """Return limits for those of `keys` that were not measured, and the keys that none can be carried to.

    They come from the reference runtime's, or the first measured one's if that is not among them.
    """
    source = REFERENCE_KEY if REFERENCE_KEY in measured else next(iter(measured))
    carried: dict[str, Limits] = {}
    left: list[str] = []
    for key in keys:
        if key in measured:
            continue
        factor = scale_between(manifest, source, key)
        if factor is None:
            left.append(key)
        else:
            carried[key] = scaled(measured[source], factor)
    return carried, left
