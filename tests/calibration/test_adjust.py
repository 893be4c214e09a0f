"""Limits by hand, and how they are carried from one runtime to another."""

from __future__ import annotations

import dataclasses
import math
import shutil
from importlib.resources import files
from pathlib import Path

import pytest

from inspectd.calibration.adjust import Changes, adjust, plan_adjustment
from inspectd.calibration.errors import CalibrationError
from inspectd.calibration.scales import carry_over, scale_between, scaled
from inspectd.inference.bundle import Bundle, adjust_limits, load_bundle
from inspectd.inference.manifest import Limits

SHIPPED = Path(str(files("inspectd.configs") / "bundles" / "buttons"))
KEY, BF16, TORCH = "float32/openvino/float32", "float32/openvino/bfloat16", "float32/torch/float32"


@pytest.fixture
def bundle(tmp_path: Path) -> Bundle:
    """A copy of the shipped bundle, its decision provisional."""
    folder = Path(shutil.copytree(SHIPPED, tmp_path / "buttons"))
    return adjust_limits(
        folder, {}, how="test", why="test", by="test", provisional="too few", reserved=("aa",)
    )


def test_all_runtimes_move_together_each_on_its_own_scale(bundle: Bundle) -> None:
    """The number is meant for openvino in float32; the others get it by the ratio of golden scores."""
    plan = plan_adjustment(bundle, Changes(threshold=0.05))
    assert plan.after[KEY].threshold == 0.05
    ratios = [frame.scores[BF16] / frame.scores[KEY] for frame in bundle.manifest.golden]
    assert min(ratios) <= plan.after[BF16].threshold / 0.05 <= max(ratios)
    assert plan.after[BF16].threshold != 0.05
    assert plan.after[TORCH].threshold == pytest.approx(0.05, rel=1e-3)
    assert {key: limits.low_limit for key, limits in plan.after.items()} == {
        key: limits.low_limit for key, limits in plan.before.items()
    }


def test_one_runtime_alone(bundle: Bundle) -> None:
    """With a key only its limits change, by the number itself."""
    plan = plan_adjustment(bundle, Changes(threshold=0.05), BF16)
    assert list(plan.after) == [BF16]
    assert plan.after[BF16].threshold == 0.05
    after = adjust(bundle, plan, why="light", by="tech")
    assert after.decision.limits[KEY] == bundle.decision.limits[KEY]


def test_a_new_version_that_keeps_the_old(bundle: Bundle) -> None:
    """Why, who and what was before stand in it; it stays provisional, and reserved images stay reserved."""
    changes = Changes(threshold=0.06, low_limit=0.01, recheck=0.1, pixel_threshold=0.05)
    plan = plan_adjustment(bundle, changes)
    after = adjust(bundle, plan, why=" too many rejects ", by="tech")
    decision = load_bundle(bundle.folder).decision
    assert decision == after.decision
    assert decision.limits[KEY] == Limits(threshold=0.06, low_limit=0.01, recheck=0.1, pixel_threshold=0.05)
    assert (decision.version, decision.parent) == (bundle.decision.version + 1, bundle.decision_id)
    assert (decision.why, decision.by) == ("too many rejects", "tech")
    assert decision.provisional == "too few"
    assert decision.reserved == ("aa",)
    assert "0.06" in decision.how
    assert str(bundle.decision.limits[KEY].threshold) in decision.how
    assert (bundle.folder / f"decision-{bundle.decision.version}.json").is_file()


def test_complete_ends_provisional(bundle: Bundle) -> None:
    """Only if it is said."""
    assert plan_adjustment(bundle, Changes(threshold=0.06)).provisional == "too few"
    plan = plan_adjustment(bundle, Changes(threshold=0.06), complete=True)
    assert plan.provisional == ""
    assert plan.how.endswith("declared complete by hand, provisional until now: too few")


def test_a_threshold_by_hand_is_provisional(bundle: Bundle) -> None:
    """Nobody measured it; what only narrows or widens the band, or says the same again, changes nothing."""
    complete = adjust_limits(bundle.folder, {}, how="test", why="test", by="test")
    plan = plan_adjustment(complete, Changes(threshold=0.06))
    assert plan.provisional == "threshold set by hand, not measured"
    assert "declared complete" not in plan.how
    for unchanged in (Changes(recheck=0.05), Changes(threshold=complete.decision.limits[KEY].threshold)):
        assert plan_adjustment(complete, unchanged, KEY).provisional == ""
    declared = plan_adjustment(complete, Changes(threshold=0.06), complete=True)
    assert declared.provisional == ""
    assert "declared complete by hand, provisional until now: no" in declared.how


def test_pixel_threshold_follows_a_lowered_threshold(bundle: Bundle) -> None:
    """A part that is rejected always shows where."""
    high = adjust(bundle, plan_adjustment(bundle, Changes(pixel_threshold=0.045)), why="x", by="x")
    plan = plan_adjustment(high, Changes(threshold=0.04))
    assert plan.after[KEY].pixel_threshold == 0.04


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        (Changes(), "nothing to change"),
        (Changes(threshold=math.nan), "not a finite number"),
        (Changes(threshold=math.inf), "not a finite number"),
        (Changes(threshold=0.0), "greater than 0"),
        (Changes(threshold=-1.0), "greater than 0"),
        (Changes(threshold=0.01), "not below the threshold"),
        (Changes(low_limit=0.048), "not below the threshold"),
        (Changes(low_limit=-0.1), "greater than or equal to 0"),
        (Changes(recheck=1.0), "less than 1"),
        (Changes(recheck=0.9), "not below the threshold"),
        (Changes(pixel_threshold=0.0), "greater than 0"),
    ],
)
def test_nonsense_is_refused_and_changes_nothing(bundle: Bundle, changes: Changes, text: str) -> None:
    """A threshold of NaN would accept everything."""
    with pytest.raises(CalibrationError, match=text):
        plan_adjustment(bundle, changes)
    assert load_bundle(bundle.folder).decision == bundle.decision


@pytest.mark.parametrize(("why", "by"), [("", "x"), ("  ", "x"), ("x", " ")])
def test_no_change_without_reason_and_name(bundle: Bundle, why: str, by: str) -> None:
    """An auditor asks for both."""
    plan = plan_adjustment(bundle, Changes(threshold=0.06))
    with pytest.raises(CalibrationError, match="no reason or no name"):
        adjust(bundle, plan, why=why, by=by)
    assert load_bundle(bundle.folder).decision == bundle.decision


def test_an_unknown_key_is_refused(bundle: Bundle) -> None:
    """With those that there are."""
    with pytest.raises(CalibrationError, match=f"no limits for float32/x/y. Choose one of .*{KEY}"):
        plan_adjustment(bundle, Changes(threshold=0.06), "float32/x/y")


def with_golden(bundle: Bundle, *pairs: tuple[float, float]) -> Bundle:
    """The bundle with these golden scores under KEY and BF16."""
    frame = bundle.manifest.golden[0]
    golden = tuple(frame.model_copy(update={"scores": {KEY: ours, BF16: theirs}}) for ours, theirs in pairs)
    return dataclasses.replace(bundle, manifest=bundle.manifest.model_copy(update={"golden": golden}))


def test_scales_that_cannot_be_told_are_refused(bundle: Bundle) -> None:
    """Golden frames that disagree by more than the tolerances, or lack a key, carry nothing over."""
    assert scale_between(with_golden(bundle, (1.0, 2.0), (2.0, 4.04)).manifest, KEY, BF16) == pytest.approx(
        2.01
    )
    for pairs in (((1.0, 2.0), (2.0, 4.2)), ((1.0, 0.0),), ((0.0, 1.0),)):
        odd = with_golden(bundle, *pairs)
        assert scale_between(odd.manifest, KEY, BF16) is None
        with pytest.raises(CalibrationError, match="Adjust each with --key"):
            plan_adjustment(odd, Changes(threshold=0.06))


def test_what_was_not_measured_is_carried_over(bundle: Bundle) -> None:
    """From the reference runtime, all but the recheck band scaled; a key that cannot be reached is named."""
    limits = Limits(threshold=1.0, low_limit=0.1, recheck=0.05, pixel_threshold=0.9)
    doubled = with_golden(bundle, (1.0, 2.0))
    carried, left = carry_over(doubled.manifest, {KEY: limits}, bundle.decision.limits)
    assert carried == {BF16: Limits(threshold=2.0, low_limit=0.2, recheck=0.05, pixel_threshold=1.8)}
    assert carried[BF16] == scaled(limits, 2.0)
    assert left == [TORCH]
