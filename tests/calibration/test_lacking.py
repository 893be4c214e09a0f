"""What a sample does not support stands in the decision, whatever the method."""

from __future__ import annotations

import dataclasses
import shutil
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest

from inspectd.calibration.choice import choose
from inspectd.calibration.decide import Choice, choose_from_production
from inspectd.calibration.lacking import lacking
from inspectd.calibration.threshold_settings import ThresholdSettings
from inspectd.inference.bundle import Bundle, load_bundle

SHIPPED = Path(str(files("inspectd.configs") / "bundles" / "buttons"))
KEY = "float32/openvino/float32"
GOOD = np.linspace(1.0, 1.2, 299).tolist()
LABELLED = [
    {"method": "best-f1"},
    {"method": "no-misses"},
    {"method": "least-cost", "escape_cost": 100, "false_reject_cost": 1},
]


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """A copy of the shipped bundle."""
    return load_bundle(Path(shutil.copytree(SHIPPED, tmp_path_factory.mktemp("lacking") / "buttons")))


def by_production(bundle: Bundle, settings: dict[str, object], defective: list[float]) -> Choice:
    asked = ThresholdSettings.model_validate(settings)
    return choose_from_production(bundle, KEY, GOOD, defective, asked, "production")


def test_a_threshold_that_rejects_most_good_parts_is_not_complete(bundle: Bundle) -> None:
    """One defective part that scores low is enough to make no-misses reject them; so it is said."""
    choice = by_production(bundle, {"method": "no-misses"}, [1.04])
    assert choice.keys[KEY].numbers["good_over"]["found"] == 239
    assert (
        "rejects 239 of the sample's 299 good parts (79.9 %), more than the 1 % wanted" in choice.provisional
    )
    assert "0 of 1 defective parts missed: up to 97.5 % of them may be" in choice.provisional


@pytest.mark.parametrize("settings", LABELLED)
@pytest.mark.parametrize(("count", "complete"), [(35, False), (36, True)])
def test_few_defects_prove_little_of_misses(
    bundle: Bundle, settings: dict[str, object], count: int, *, complete: bool
) -> None:
    """None of 36 missed proves less than 10 % (1 - 0.025^(1/36)); the rate was only checked by."""
    choice = by_production(bundle, settings, [2.0] * count)
    assert (choice.provisional == "") == complete
    assert ("it takes 36 defective parts and no miss" in choice.provisional) != complete
    assert 1.2 < choice.limits[KEY].threshold <= 2.0
    line, _, rest = choice.how.partition(". ")
    assert "false-reject rate" not in line
    assert "complete only if so many good parts can prove 1 % false rejects, no more" in rest


def test_the_worst_runtime_counts() -> None:
    """A decision holds for all of them."""
    settings = ThresholdSettings(method="best-f1")
    fine = choose(settings, GOOD, [2.0] * 36)
    poor = choose(settings, [*GOOD[:-9], *[2.5] * 9], [2.0] * 36)
    assert lacking(settings, {"a": fine}) == []
    for keys in ({"a": fine, "b": poor}, {"a": poor, "b": fine}):
        assert "rejects 9 of the sample's 299 good parts" in lacking(settings, keys)[0]


def test_a_tail_is_complete_only_as_far_as_its_interval_reaches() -> None:
    """Its threshold is a best guess at the wanted rate; the interval goes over it."""
    settings = ThresholdSettings(method="tail", false_reject_rate=0.001)
    scores = (1 + 0.1 * np.random.default_rng(3).standard_exponential(2000)).tolist()
    chosen = choose(settings, scores, [])
    upper = chosen.numbers["tail"]["rate_interval"][1]
    assert upper > 0.001
    text = lacking(settings, {KEY: chosen})[0]
    assert f"a false-reject rate of up to {100 * upper:.3g} %" in text
    within = {**chosen.numbers, "tail": {**chosen.numbers["tail"], "rate_interval": (0.0, 0.001)}}
    good = dataclasses.replace(chosen, numbers=within)
    assert lacking(settings, {KEY: good}) == []
    assert lacking(settings, {"a": good, "b": chosen})
