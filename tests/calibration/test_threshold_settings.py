"""What a choice of limits refuses before it begins, and sibling models that decide nothing."""

from __future__ import annotations

import math

import pytest

from inspectd.calibration.decide import check_siblings
from inspectd.calibration.errors import CalibrationError
from inspectd.calibration.threshold_settings import ThresholdSettings


@pytest.mark.parametrize(
    ("medians", "comparison", "fits"),
    [
        ((1.0, 1.1, 0.9), 1.1, True),
        ((1.0, 1.1, 0.9), 1.3, False),
        ((1.0, 1.1, 0.9), 0.7, False),
        ((1.0, 1.0, 1.3), 1.0, False),
        ((1.0, 1.0, 0.7), 1.0, False),
        ((1.0, math.nan, 1.0), 1.0, False),
    ],
)
def test_siblings_on_another_scale_decide_nothing(
    medians: tuple[float, ...], comparison: float, *, fits: bool
) -> None:
    """Their threshold would let defective parts through, or reject good ones."""
    if fits:
        check_siblings(medians, comparison)
        return
    with pytest.raises(CalibrationError, match="do not score as this one does"):
        check_siblings(medians, comparison)


@pytest.mark.parametrize(
    "wrong",
    [
        {"false_reject_rate": 0.0},
        {"false_reject_rate": float("nan")},
        {"confidence": 1.0},
        {"method": "least-cost"},
        {"method": "best-f1", "escape_cost": 3},
        {"method": "best-f1", "folds": 3},
        {"method": "least-cost", "escape_cost": float("inf"), "false_reject_cost": 1},
        {"folds": 1},
        {"recheck": 0.1, "recheck_rate": 0.1},
        {"defect_rate": 0.1},
    ],
)
def test_settings_that_make_no_sense_are_refused(wrong: dict[str, object]) -> None:
    """Before any image is read."""
    with pytest.raises(ValueError, match="validation error"):
        ThresholdSettings.model_validate(wrong)
