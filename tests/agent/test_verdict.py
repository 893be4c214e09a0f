"""The accept rule: every clause matters, and nothing but a whole good part is accepted."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inspectd.agent import verdict
from inspectd.agent.verdict import Evidence, InForce, ViewEvidence, decide
from inspectd.inference.manifest import Limits
from inspectd.io.plc import Reason, Verdict

IN_FORCE = InForce(recipe=1, class_name="button", bundle_id="b", decision_id="d")
GOOD_VIEW = ViewEvidence(
    camera="top",
    frames=1,
    camera_alive=True,
    window_seen=True,
    exposure_stamped=True,
    unfit=(),
    score=0.5,
    limits=Limits(threshold=1.0, low_limit=0.1, recheck=0.1),
    judged_by=IN_FORCE,
)
GOOD = Evidence(
    in_force=IN_FORCE, views_wanted=1, views=(GOOD_VIEW,), fault=False, shadow=False, now=1.0, deadline=2.0
)


def with_view(**changes: object) -> Evidence:
    return replace(GOOD, views=(replace(GOOD_VIEW, **changes),))  # pyright: ignore[reportArgumentType]


BAD = {
    "before_deadline": (replace(GOOD, now=2.1), Verdict.UNKNOWN, Reason.VERDICT_LATE),
    "every_view": (replace(GOOD, views_wanted=2), Verdict.UNKNOWN, Reason.VIEW_MISSING),
    "own_frame": (with_view(frames=2), Verdict.UNKNOWN, Reason.FRAME_MISMATCH),
    "whole_window": (with_view(window_seen=False), Verdict.UNKNOWN, Reason.FRAME_MISMATCH),
    "stamped_frame": (with_view(exposure_stamped=False), Verdict.UNKNOWN, Reason.FRAME_MISMATCH),
    "trusted_position": (replace(GOOD, position_trusted=False), Verdict.UNKNOWN, Reason.POSITION_UNTRUSTED),
    "fit_frame": (with_view(unfit=("too dark",)), Verdict.UNKNOWN, Reason.FRAME_UNFIT),
    "finite_score": (with_view(score=float("nan")), Verdict.UNKNOWN, Reason.INFERENCE_FAILED),
    "under_threshold": (with_view(score=1.0), Verdict.REJECT, Reason.OVER_THRESHOLD),
    "over_low_limit": (with_view(score=0.09), Verdict.UNKNOWN, Reason.UNDER_LOW_LIMIT),
    "outside_recheck": (with_view(score=0.95), Verdict.UNKNOWN, Reason.RECHECK),
    "as_triggered": (
        with_view(judged_by=replace(IN_FORCE, bundle_id="other")),
        Verdict.UNKNOWN,
        Reason.OFFLINE,
    ),
    "no_fault": (replace(GOOD, fault=True), Verdict.UNKNOWN, Reason.OFFLINE),
    "no_shadow": (replace(GOOD, shadow=True), Verdict.UNKNOWN, Reason.SHADOW),
}


def test_whole_good_part_is_accepted() -> None:
    """Without an objection the verdict is ACCEPT."""
    assert decide(GOOD).verdict is Verdict.ACCEPT


def test_every_clause_has_a_case_here() -> None:
    """No clause can be added without a case that it alone stops."""
    assert {clause.__name__ for clause in verdict.CLAUSES} == set(BAD)


@pytest.mark.parametrize("name", BAD)
def test_clause_stops_what_it_must(name: str) -> None:
    """Each clause gives its own verdict and reason."""
    evidence, expected, reason = BAD[name]
    finding = decide(evidence)
    assert (finding.verdict, finding.reason) == (expected, reason)


@pytest.mark.parametrize("name", BAD)
def test_without_the_clause_the_part_would_be_accepted(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Mutation: take one clause out, and exactly its case becomes ACCEPT; so every clause is needed."""
    remaining = tuple(clause for clause in verdict.CLAUSES if clause.__name__ != name)
    monkeypatch.setattr(verdict, "CLAUSES", remaining)
    evidence, _, _ = BAD[name]
    assert decide(evidence).verdict is Verdict.ACCEPT


def test_reject_beats_unknown() -> None:
    """A defect seen by one view rejects the part though another view is missing."""
    evidence = replace(with_view(score=3.0), views_wanted=2)
    assert decide(evidence).verdict is Verdict.REJECT


def test_lost_camera_is_named() -> None:
    """No frame from a lost camera is UNKNOWN/31, none from a living one UNKNOWN/32."""
    lost = decide(with_view(frames=0, camera_alive=False, score=float("nan"), judged_by=None))
    absent = decide(with_view(frames=0, camera_alive=True, score=float("nan"), judged_by=None))
    assert (lost.reason, absent.reason) == (Reason.CAMERA_LOST, Reason.FRAME_MISMATCH)


def test_camera_lost_in_the_window_is_named() -> None:
    """One frame and then no camera: UNKNOWN/31; one frame and a loss of a living one: UNKNOWN/32."""
    lost = decide(with_view(window_seen=False, camera_alive=False))
    gap = decide(with_view(window_seen=False, camera_alive=True))
    assert (lost.reason, gap.reason) == (Reason.CAMERA_LOST, Reason.FRAME_MISMATCH)


@settings(deadline=None, max_examples=300)
@given(
    frames=st.integers(0, 3),
    score=st.floats(allow_nan=True, allow_infinity=True),
    unfit=st.sampled_from([(), ("blurred",)]),
    failure=st.sampled_from(["", "engine stopped"]),
    flags=st.tuples(*[st.booleans()] * 6),
    now=st.floats(0, 4),
)
def test_accept_only_for_the_whole_good_part(
    frames: int,
    score: float,
    unfit: tuple[str, ...],
    failure: str,
    flags: tuple[bool, bool, bool, bool, bool, bool],
    now: float,
) -> None:
    """Whatever the evidence, ACCEPT is said if and only if the contract's sentence holds."""
    stamped, fault, shadow, alive, trusted, whole = flags
    evidence = replace(
        with_view(
            frames=frames,
            score=score,
            unfit=unfit,
            failure=failure,
            exposure_stamped=stamped,
            camera_alive=alive,
            window_seen=whole,
        ),
        fault=fault,
        shadow=shadow,
        now=now,
        position_trusted=trusted,
    )
    good = (
        frames == 1
        and 0.1 <= score < 0.9
        and not (unfit or failure or fault or shadow)
        and stamped
        and whole
        and trusted
        and now <= 2.0
    )
    assert (decide(evidence).verdict is Verdict.ACCEPT) == good
