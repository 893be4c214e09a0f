"""Figures by image: Eq. 8 to 11, exact and bootstrap intervals, best F1, the line's verdicts."""

from __future__ import annotations

import math
from typing import Any, cast

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics

from inspectd.agent.verdict import Evidence, InForce, ViewEvidence, decide
from inspectd.calibration.evaluate_report import ImageResult, build_report, count_outcomes
from inspectd.calibration.metrics import (
    Agreement,
    average_precision,
    best_f1,
    image_auroc,
    percentiles,
    resample,
    resampled_f1,
    thirds,
)
from inspectd.calibration.pixels import Counted, PixelHistogram, resampled_auroc
from inspectd.calibration.rates import Rate
from inspectd.calibration.verdicts import Verdict, judge
from inspectd.inference.manifest import Limits

LIMITS = Limits(threshold=1.0, low_limit=0.2, recheck=0.1)
JUDGED_BY = InForce(1, "disk", "b" * 64, "d" * 64)
sklearn_metrics = cast("Any", metrics)


@pytest.mark.parametrize("unfit", [(), ("too dark",)])
@pytest.mark.parametrize(
    "score", [0.0, 0.19, 0.2, 0.5, 0.8999, 0.9, 0.95, 1.0, 1.1, math.inf, -math.inf, math.nan]
)
def test_verdicts_are_those_of_the_accept_rule(score: float, unfit: tuple[str, ...]) -> None:
    """What calibration expects of the line is what the line's own rule says, at every edge."""
    # The line scores no frame that is unfit.
    seen = ViewEvidence(
        camera="top",
        frames=1,
        camera_alive=True,
        window_seen=True,
        exposure_stamped=True,
        unfit=unfit,
        score=math.nan if unfit else score,
        limits=LIMITS,
        judged_by=JUDGED_BY,
    )
    part = Evidence(JUDGED_BY, 1, (seen,), fault=False, shadow=False, now=0.0, deadline=1.0)
    finding = decide(part)
    judged = judge(score, unfit, LIMITS)
    assert (judged.verdict, judged.reason) == (finding.verdict.name, finding.reason.name)


def test_equations_by_hand() -> None:
    """TP 6, TN 8, FP 2, FN 4: Eq. 8 to 11 computed on paper."""
    found = Agreement.of_counts(tp=6, tn=8, fp=2, fn=4)
    assert found.accuracy == pytest.approx(14 / 20)
    assert found.precision == pytest.approx(6 / 8)
    assert found.recall == pytest.approx(6 / 10)
    assert found.f1 == pytest.approx(2 * 0.75 * 0.6 / (0.75 + 0.6))


def test_equations_that_divide_by_zero_are_undefined() -> None:
    """No number is made up where nothing was called defective, or where there is nothing at all."""
    nothing_found = Agreement.of_counts(tp=0, tn=5, fp=0, fn=3)
    assert (nothing_found.precision, nothing_found.recall, nothing_found.f1) == (None, 0.0, 0.0)
    assert Agreement.of_counts(0, 0, 0, 0) == Agreement(None, None, None, None)


def test_rates_have_exact_intervals() -> None:
    """Of 0 in n, the upper end is 1 - 0.025^(1/n); of none there is no rate."""
    rate = Rate.of_counts(0, 60)
    assert rate.interval == pytest.approx((0.0, 1 - 0.025 ** (1 / 60)))
    assert Rate.of_counts(16, 60).interval == pytest.approx((0.1607, 0.3966), abs=1e-4)
    assert Rate.of_counts(0, 0) == Rate(0, 0, None, None)


@settings(deadline=None, max_examples=30)
@given(seed=st.integers(0, 2**32 - 1), size=st.integers(2, 30))
def test_best_f1_is_found_by_trying_every_threshold(seed: int, size: int) -> None:
    """Ties among the scores too."""
    generator = np.random.default_rng(seed)
    scores = np.round(generator.random(size), 1)
    defective = generator.random(size) < 0.5
    found = best_f1(scores, defective)
    if defective.all() or not defective.any():
        assert found is None
        return

    def f1(threshold: float) -> float:
        positive = scores >= threshold
        tp = int((positive & defective).sum())
        return 2 * tp / (int(positive.sum()) + int(defective.sum()))

    assert found is not None
    assert found.f1 == pytest.approx(max(f1(float(threshold)) for threshold in scores))
    assert f1(found.threshold) == pytest.approx(found.f1)
    agreeing = int(np.count_nonzero((scores >= found.threshold) == defective))
    assert found.accuracy == pytest.approx(agreeing / size)


def test_resamples_keep_both_sides_as_large_as_they_are() -> None:
    """Good and defective images are drawn apart, with replacement, the same for the same seed."""
    defective = np.array([False] * 7 + [True] * 3)
    weights = resample(defective, seed=1, count=50)
    assert (weights[:, :7].sum(axis=1) == 7).all()
    assert (weights[:, 7:].sum(axis=1) == 3).all()
    assert weights.max() > 1
    assert (weights == resample(defective, seed=1, count=50)).all()
    assert (weights != resample(defective, seed=2, count=50)).any()


@settings(deadline=None, max_examples=20)
@given(seed=st.integers(0, 2**32 - 1))
def test_resampled_figures_are_those_of_the_repeated_images(seed: int) -> None:
    """Each resample's AUROC and F1 as scikit-learn has them for images written out so many times."""
    generator = np.random.default_rng(seed)
    scores, defective = np.round(generator.random(14), 1), np.arange(14) >= 6
    weights = resample(defective, seed, count=5)
    aurocs = resampled_auroc(Counted.of_scores(scores, defective), weights)
    f1s = resampled_f1(defective, scores >= 0.5, weights)
    for row, auroc, f1 in zip(weights, aurocs, f1s, strict=True):
        truth, drawn = np.repeat(defective, row), np.repeat(scores, row)
        assert auroc == pytest.approx(sklearn_metrics.roc_auc_score(truth, drawn))
        assert f1 == pytest.approx(sklearn_metrics.f1_score(truth, drawn >= 0.5, zero_division=0))


def test_intervals_cover_as_often_as_they_say() -> None:
    """Of 200 samples with a known AUROC, about 95 % of the intervals hold it."""
    generator = np.random.default_rng(5)
    defective = np.arange(120) >= 60
    truth = 0.5 * (1 + math.erf(1.2 / 2))  # of two normal distributions 1.2 deviations apart
    held = 0
    for seed in range(200):
        scores = generator.normal(0, 1, 120) + 1.2 * defective
        weights = resample(defective, seed, count=200)
        interval = percentiles(resampled_auroc(Counted.of_scores(scores, defective), weights))
        assert interval is not None
        held += interval[0] <= truth <= interval[1]
    assert 180 <= held <= 199


def test_one_side_alone_has_no_figures() -> None:
    """Good parts alone or defective parts alone rank nothing; nothing is made up."""
    scores = np.array([0.1, 0.2])
    for defective in (np.array([True, True]), np.array([False, False])):
        assert best_f1(scores, defective) is None
        assert average_precision(scores, defective) is None
        counted = Counted.of_scores(scores, defective)
        assert percentiles(resampled_auroc(counted, resample(defective, 0, count=5))) is None
    assert image_auroc(scores, scores[:0]) is None


def test_thirds_of_sizes() -> None:
    """From small to large; unknown sizes are in none, and two sizes make two."""
    assert [list(part) for part in thirds([5.0, None, 1.0, 3.0])] == [[2], [3], [0]]
    assert [list(part) for part in thirds([2.0, 1.0])] == [[1], [0]]
    assert thirds([None]) == []


def result(kind: str, verdict: Verdict, reason: str, score: float) -> ImageResult:
    return ImageResult(
        file=f"{kind}-{score}",
        kind=kind,
        defective=kind != "good",
        score=score,
        verdict=verdict,
        reason=reason,
        unfit=("dark",) if reason == "FRAME_UNFIT" else (),
        mask=None,
        size=None,
    )


RESULTS = [
    result("good", "ACCEPT", "NONE", 0.3),
    result("good", "ACCEPT", "NONE", 0.4),
    result("good", "REJECT", "OVER_THRESHOLD", 1.2),
    result("good", "UNKNOWN", "RECHECK", 0.95),
    result("good", "UNKNOWN", "FRAME_UNFIT", 0.5),
    result("crack", "ACCEPT", "NONE", 0.45),
    result("crack", "REJECT", "OVER_THRESHOLD", 2.0),
    result("dent", "REJECT", "OVER_THRESHOLD", 3.0),
    result("dent", "UNKNOWN", "UNDER_LOW_LIMIT", 0.1),
]


def test_outcomes_by_hand() -> None:
    """UNKNOWN stands apart from REJECT, is no false reject and no escape, and counts as not accepted."""
    found = count_outcomes(RESULTS)
    assert found.good == {"ACCEPT": 2, "REJECT": 1, "UNKNOWN": 2}
    assert found.defective == {"ACCEPT": 1, "REJECT": 2, "UNKNOWN": 1}
    assert found.unknown_reasons == {"FRAME_UNFIT": 1, "RECHECK": 1, "UNDER_LOW_LIMIT": 1}
    assert (found.escapes.count, found.escapes.of) == (1, 4)
    assert (found.false_rejects.count, found.good_unknown.count, found.good_unknown.of) == (1, 2, 5)
    assert found.agreement == Agreement.of_counts(tp=3, tn=2, fp=3, fn=1)


def test_a_report_tells_escapes_by_kind_and_exact_intervals() -> None:
    """Each kind has its own escapes; accuracy, precision and recall have the intervals of their counts."""
    report = build_report(RESULTS, PixelHistogram(), LIMITS, 4, 0.0)
    assert [(group.name, group.images, group.unknown) for group in report.per_kind] == [
        ("crack", 2, 0),
        ("dent", 2, 1),
    ]
    assert [group.escapes for group in report.per_kind] == [Rate.of_counts(1, 2), Rate.of_counts(0, 2)]
    assert report.intervals["accuracy"] == Rate.of_counts(5, 9).interval
    assert report.intervals["precision"] == Rate.of_counts(3, 6).interval
    assert report.intervals["recall"] == Rate.of_counts(3, 4).interval
    assert {"f1", "image_auroc"} <= report.intervals.keys()
    assert (report.pixel_auroc, report.aupro, report.unfit) == (None, None, 1)


def test_defects_alone_still_have_escapes() -> None:
    """Without a good image there is no AUROC, but what slipped through is told by kind."""
    report = build_report([each for each in RESULTS if each.defective], PixelHistogram(), LIMITS, 4, 0.0)
    assert report.image_auroc is None
    assert [group.image_auroc for group in report.per_kind] == [None, None]
    assert [group.escapes for group in report.per_kind] == [Rate.of_counts(1, 2), Rate.of_counts(0, 2)]
    assert report.outcomes is not None
    assert report.outcomes.false_rejects.rate is None
