"""The accept rule: the one place where ACCEPT is said.

A part is accepted only if no clause objects. Every clause looks at the evidence of one part and either
passes or names its objection; the worst objection decides (REJECT beats UNKNOWN beats ACCEPT).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from inspectd.inference.manifest import Limits
from inspectd.io.plc import Reason, Verdict


@dataclass(frozen=True, slots=True)
class InForce:
    """What a part is judged by, fixed at its trigger."""

    recipe: int
    class_name: str
    bundle_id: str
    decision_id: str


@dataclass(frozen=True, slots=True)
class ViewEvidence:
    """What one camera has to say of the part.

    `frames` counts the exposures in the part's window; `score` is NaN until an engine has given one.
    `camera_alive` says that the camera has been open since before the window, `window_seen` that it has been
    heard from past the window's end and that no exposure in the window can have been lost.
    """

    camera: str
    frames: int
    camera_alive: bool
    window_seen: bool
    exposure_stamped: bool
    unfit: tuple[str, ...]
    score: float
    limits: Limits
    judged_by: InForce | None
    failure: str = ""


@dataclass(frozen=True, slots=True)
class Evidence:
    """All that is known of one part when its verdict is due; times in seconds, monotonic.

    `position_trusted` says that the part's encoder position is certain; it matters in free-running mode.
    """

    in_force: InForce
    views_wanted: int
    views: tuple[ViewEvidence, ...]
    fault: bool
    shadow: bool
    now: float
    deadline: float
    position_trusted: bool = True


@dataclass(frozen=True, slots=True)
class Finding:
    """A verdict with its reason and, for a person, the detail."""

    verdict: Verdict
    reason: Reason
    detail: str = ""


Clause = Callable[[Evidence], Iterator[Finding]]


def _unknown(reason: Reason, detail: str) -> Finding:
    return Finding(Verdict.UNKNOWN, reason, detail)


def before_deadline(part: Evidence) -> Iterator[Finding]:
    """The verdict is in time."""
    if not part.now <= part.deadline:
        late_ms = (part.now - part.deadline) * 1000
        yield _unknown(Reason.VERDICT_LATE, f"{late_ms:.1f} ms after the deadline")


def every_view(part: Evidence) -> Iterator[Finding]:
    """Every configured view has spoken."""
    missing = part.views_wanted - len(part.views)
    if missing:
        yield _unknown(Reason.VIEW_MISSING, f"{missing} of {part.views_wanted} views missing")


def own_frame(part: Evidence) -> Iterator[Finding]:
    """Each view has exactly one frame, and it was exposed in this part's window."""
    for view in part.views:
        if view.frames == 0 and not view.camera_alive:
            yield _unknown(Reason.CAMERA_LOST, f"camera {view.camera} is lost")
        elif view.frames != 1:
            yield _unknown(Reason.FRAME_MISMATCH, f"{view.frames} exposures in the part's window")


def whole_window(part: Evidence) -> Iterator[Finding]:
    """Each camera has told of every exposure in this part's window: the one frame is the only one."""
    for view in part.views:
        if view.window_seen:
            continue
        if view.camera_alive:
            yield _unknown(Reason.FRAME_MISMATCH, "an exposure in the part's window may have been lost")
        else:
            yield _unknown(Reason.CAMERA_LOST, f"camera {view.camera} was lost in the part's window")


def stamped_frame(part: Evidence) -> Iterator[Finding]:
    """Each frame carries the moment of its exposure, not merely that of its arrival."""
    for view in part.views:
        if view.frames and not view.exposure_stamped:
            yield _unknown(Reason.FRAME_MISMATCH, f"camera {view.camera} gives no exposure stamps")


def trusted_position(part: Evidence) -> Iterator[Finding]:
    """The PLC can tell from the position which part this is."""
    if not part.position_trusted:
        yield _unknown(Reason.POSITION_UNTRUSTED, "no two polls close enough around the exposure")


def fit_frame(part: Evidence) -> Iterator[Finding]:
    """Each frame passed its fitness checks."""
    for view in part.views:
        if view.unfit:
            yield _unknown(Reason.FRAME_UNFIT, "; ".join(view.unfit))


def finite_score(part: Evidence) -> Iterator[Finding]:
    """Inference gave a finite score; NaN is what an output buffer holds that was not rewritten."""
    for view in part.views:
        if view.failure:
            yield _unknown(Reason.INFERENCE_FAILED, view.failure)
        elif view.frames == 1 and not view.unfit and not math.isfinite(view.score):
            yield _unknown(Reason.INFERENCE_FAILED, f"score {view.score}")


def under_threshold(part: Evidence) -> Iterator[Finding]:
    """Each score is under the threshold."""
    for view in part.views:
        if view.score >= view.limits.threshold:
            yield Finding(Verdict.REJECT, Reason.OVER_THRESHOLD, f"score {view.score:.6g}")


def over_low_limit(part: Evidence) -> Iterator[Finding]:
    """No score is implausibly good: an empty place or a covered lens reconstructs well too."""
    for view in part.views:
        if view.score < view.limits.low_limit:
            yield _unknown(Reason.UNDER_LOW_LIMIT, f"score {view.score:.6g} under the low limit")


def outside_recheck(part: Evidence) -> Iterator[Finding]:
    """No score lies in the recheck band just under the threshold."""
    for view in part.views:
        recheck_from = view.limits.threshold * (1 - view.limits.recheck)
        if recheck_from <= view.score < view.limits.threshold:
            yield _unknown(Reason.RECHECK, f"score {view.score:.6g} in the recheck band")


def as_triggered(part: Evidence) -> Iterator[Finding]:
    """Recipe, bundle and decision are those fixed at the trigger."""
    for view in part.views:
        if view.judged_by is not None and view.judged_by != part.in_force:
            yield _unknown(Reason.OFFLINE, "judged by another class than at the trigger")


def no_fault(part: Evidence) -> Iterator[Finding]:
    """No fault is set."""
    if part.fault:
        yield _unknown(Reason.OFFLINE, "a fault is set")


def no_shadow(part: Evidence) -> Iterator[Finding]:
    """The station is not in shadow mode."""
    if part.shadow:
        yield _unknown(Reason.SHADOW, "shadow mode")


CLAUSES: tuple[Clause, ...] = (
    before_deadline,
    every_view,
    own_frame,
    whole_window,
    stamped_frame,
    trusted_position,
    fit_frame,
    finite_score,
    under_threshold,
    over_low_limit,
    outside_recheck,
    as_triggered,
    no_fault,
    no_shadow,
)


def decide(part: Evidence) -> Finding:
    """Give the verdict on a part: ACCEPT only where no clause objects.

    Of several objections a REJECT counts before an UNKNOWN, and the clause that stands first in `CLAUSES`
    gives the reason.
    """
    objections = [finding for clause in CLAUSES for finding in clause(part)]
    for verdict in (Verdict.REJECT, Verdict.UNKNOWN):
        for finding in objections:
            if finding.verdict is verdict:
                return finding
    return Finding(Verdict.ACCEPT, Reason.NONE)
