"""From production to a decision: what completes it, and what of the one in force stays."""

from __future__ import annotations

import shutil
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest

from inspectd.calibration.decide import choose_from_production, put_in_force
from inspectd.calibration.errors import CalibrationError
from inspectd.calibration.threshold_settings import ThresholdSettings
from inspectd.inference.bundle import Bundle, adjust_limits, load_bundle
from inspectd.inference.manifest import Limits

SHIPPED = Path(str(files("inspectd.configs") / "bundles" / "buttons"))
KEY, BF16 = "float32/openvino/float32", "float32/openvino/bfloat16"


@pytest.fixture
def bundle(tmp_path: Path) -> Bundle:
    """A copy of the shipped bundle."""
    return load_bundle(Path(shutil.copytree(SHIPPED, tmp_path / "buttons")))


def with_band(bundle: Bundle) -> Bundle:
    """The bundle with recheck bands and a pixel threshold that no choice would come to."""
    limits: dict[str, Limits] = {}
    for key, old in bundle.decision.limits.items():
        values = {"recheck": 0.2 if key == BF16 else 0.1, "pixel_threshold": old.threshold * 0.7}
        limits[key] = Limits.model_validate({**old.model_dump(), "low_limit": 0.0, **values})
    return adjust_limits(bundle.folder, limits, how="test", why="test", by="test", provisional="too few")


def test_production_completes_a_provisional_decision(bundle: Bundle) -> None:
    """299 parts complete it for 1 %; the low limit stays; other runtimes by golden scores."""
    bundle = with_band(bundle)
    old = bundle.decision.limits[KEY]
    good = np.random.default_rng(1).normal(old.threshold * 0.8, old.threshold * 0.02, 299).tolist()
    few = choose_from_production(bundle, KEY, good[:298], [], ThresholdSettings(), "production")
    assert "298 good parts support" in few.provisional
    choice = choose_from_production(bundle, KEY, good, [], ThresholdSettings(), "production")
    assert choice.provisional == ""
    assert choice.limits[KEY].low_limit == old.low_limit
    assert choice.limits[KEY].threshold == sorted(good)[-3]
    # What was rechecked, and where a defect was drawn from, stays so.
    assert choice.limits[KEY].recheck == old.recheck == 0.1
    assert choice.limits[KEY].pixel_threshold == old.pixel_threshold
    assert choice.limits[BF16].recheck == bundle.decision.limits[BF16].recheck == 0.2
    for text in ("recheck band 10 % of the threshold as before", "as before; pixel threshold"):
        assert text in choice.how
    assert "under all good scores" not in choice.how
    after = put_in_force(bundle, choice, why="shadow", by="tech")
    assert after.decision.provisional == ""
    assert set(choice.limits) == set(bundle.decision.limits)
    torch = choice.limits["float32/torch/float32"]
    assert torch.threshold == pytest.approx(choice.limits[KEY].threshold, rel=1e-3)
    assert "carried over by the golden scores" in choice.how


def test_the_band_in_force_stays_unless_another_is_asked_for(bundle: Bundle) -> None:
    """0 takes it away, in every runtime."""
    bundle = with_band(bundle)
    good = np.random.default_rng(1).normal(1.0, 0.02, 299).tolist()
    for settings, recheck in ({"recheck": 0.0}, 0.0), ({"recheck": 0.05}, 0.05):
        asked = ThresholdSettings.model_validate(settings)
        choice = choose_from_production(bundle, KEY, good, [], asked, "production")
        assert {each.recheck for each in choice.limits.values()} == {recheck}
    by_rate = choose_from_production(
        bundle, KEY, good, [], ThresholdSettings(recheck_rate=0.02), "production"
    )
    assert by_rate.keys[KEY].numbers["good_in_recheck"]["found"] == 5


def test_a_pixel_threshold_of_before_is_lowered_to_the_edge(bundle: Bundle) -> None:
    """A part that is not accepted shows where, also under a lower threshold."""
    bundle = with_band(bundle)
    good = np.random.default_rng(1).normal(bundle.decision.limits[KEY].threshold * 0.4, 0.0001, 299).tolist()
    choice = choose_from_production(bundle, KEY, good, [], ThresholdSettings(), "production")
    limits = choice.limits[KEY]
    assert limits.pixel_threshold == limits.threshold * 0.9
    assert "lowered" in choice.how


def test_production_under_an_unknown_key_is_refused(bundle: Bundle) -> None:
    """What was never calibrated is not decided on."""
    with pytest.raises(CalibrationError, match="has no limits for float32/x/y"):
        choose_from_production(bundle, "float32/x/y", [1.0], [], ThresholdSettings(), "production")


def test_a_low_limit_over_the_new_threshold_gives_way(bundle: Bundle) -> None:
    """Production may score far below the first few images; limits that exclude one another decide nothing."""
    low = bundle.decision.limits[KEY].low_limit
    good = [low * (0.5 + number / 1000) for number in range(300)]
    limits = choose_from_production(bundle, KEY, good, [], ThresholdSettings(), "production").limits[KEY]
    assert (
        "under all good scores"
        in choose_from_production(bundle, KEY, good, [], ThresholdSettings(), "production").how
    )
    assert 0 < limits.low_limit < min(good) < limits.threshold < low
