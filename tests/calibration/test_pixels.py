"""AUPRO and the bootstrap of pixel figures, against plain exact computations on small maps."""

from __future__ import annotations

import gc
import tracemalloc
from collections.abc import Sequence
from itertools import pairwise
from typing import Any, cast

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import ndimage
from sklearn import metrics

from inspectd.calibration.metrics import percentiles, resample
from inspectd.calibration.pixels import AUPRO_LIMIT, MOST_BYTES, PixelHistogram

Pair = tuple[NDArray[np.float32], NDArray[np.bool_] | None]
roc_auc_score = cast("Any", metrics).roc_auc_score


def histogram_of(pairs: Sequence[Pair]) -> PixelHistogram:
    histogram = PixelHistogram()
    for amap, mask in pairs:
        histogram.add(amap, mask)
    return histogram


def exact_aupro(pairs: Sequence[Pair], limit: float = AUPRO_LIMIT) -> float:
    """Compute the definition plainly: every score a threshold, every region a mask of its own."""
    regions: list[NDArray[np.float32]] = []
    good: list[NDArray[np.float32]] = []
    for amap, mask in pairs:
        truth = np.zeros(amap.shape, np.bool_) if mask is None else mask
        labels, count = cast("Any", ndimage).label(truth, structure=np.ones((3, 3)))
        regions.extend(amap[labels == region] for region in range(1, count + 1))
        good.append(amap[~truth])
    good_scores = np.concatenate(good)
    points = [(0.0, 0.0)]
    for threshold in sorted({float(score) for amap, _ in pairs for score in amap.ravel()}, reverse=True):
        rate = float(np.mean(good_scores >= threshold))
        points.append((rate, float(np.mean([np.mean(region >= threshold) for region in regions]))))
    area = 0.0
    for (x0, y0), (x1, y1) in pairwise(points):
        end = min(x1, limit)
        if end > x0:
            at_end = y0 + (y1 - y0) * (end - x0) / (x1 - x0)
            area += (end - x0) * (y0 + at_end) / 2
    return area / limit


def random_pairs(seed: int, *, ties: bool) -> list[Pair]:
    """Two good maps and three with blobs that score higher."""
    generator = np.random.default_rng(seed)
    pairs: list[Pair] = []
    for number in range(5):
        amap = generator.gamma(2, 0.1, (24, 20)).astype(np.float32)
        mask = None
        if number > 1:
            mask = cv2.dilate((generator.random((24, 20)) < 0.01).astype(np.uint8), np.ones((2, 3))) > 0
            mask[3, 4] = True
            amap = (amap + 0.2 * mask * generator.random()).astype(np.float32)
        pairs.append((np.round(amap, 1) if ties else amap, mask))
    return pairs


@settings(deadline=None, max_examples=12)
@given(seed=st.integers(0, 2**32 - 1), ties=st.booleans(), limit=st.sampled_from([0.05, 0.3, 1.0]))
def test_aupro_is_that_of_the_definition(seed: int, limit: float, *, ties: bool) -> None:
    """On maps of random scores, with ties, to any limit."""
    pairs = random_pairs(seed, ties=ties)
    assert histogram_of(pairs).aupro(limit) == pytest.approx(exact_aupro(pairs, limit), abs=2e-3)


def test_aupro_by_hand() -> None:
    """A large region found at once and a small one never found: half of the overlap, however large."""
    amap, mask = np.zeros((10, 10), np.float32), np.zeros((10, 10), np.bool_)
    mask[:5, :5] = mask[9, 9] = True
    amap[:5, :5] = 1.0
    amap[9, 9] = 0.25
    good = ~mask
    amap[good] = np.linspace(0.5, 0.9, int(good.sum()))
    # Over all thresholds above 0.25 the overlap is (1 + 0) / 2.
    assert histogram_of([(amap, mask)]).aupro() == pytest.approx(0.5)
    # By pixels instead of regions it would be 25 of 26.
    assert histogram_of([(amap, mask)]).auroc() == pytest.approx(25 / 26)


def test_pixels_that_touch_at_a_corner_are_one_region() -> None:
    """As in MVTec AD's evaluation: 8 neighbours."""
    amap, mask = np.zeros((8, 8), np.float32), np.zeros((8, 8), np.bool_)
    mask[1, 1] = mask[2, 2] = mask[6, 6] = True
    amap[1, 1] = 1.0
    # Two regions, one of them found by half: overlap 1/4. Three regions would give 1/3.
    amap[~mask] = 0.5
    curve_start = 0.25
    found = histogram_of([(amap, mask)]).aupro()
    # From (0, 1/4) all good pixels tie at 0.5, so the rest is a straight line to (1, 1/4).
    assert found == pytest.approx(curve_start)


def test_constant_maps_have_chances_figures() -> None:
    """All pixels tie: the curve is the diagonal, also where the scores are 0 or -0."""
    mask = np.zeros((6, 6), np.bool_)
    mask[2:4, 2:4] = True
    for value in (0.0, -0.0, 0.3):
        histogram = histogram_of([(np.full((6, 6), value, np.float32), mask)])
        assert histogram.auroc() == pytest.approx(0.5)
        assert histogram.aupro() == pytest.approx(AUPRO_LIMIT / 2)


def test_without_a_side_there_is_no_aupro() -> None:
    """No region, no good pixel, nothing at all."""
    empty = np.zeros((4, 4), np.bool_)
    amap = np.ones((4, 4), np.float32)
    assert PixelHistogram().aupro() is None
    assert histogram_of([(amap, None)]).aupro() is None
    assert histogram_of([(amap, empty)]).aupro() is None
    assert histogram_of([(amap, ~empty)]).aupro() is None


def test_memory_grows_with_images_and_not_with_pixels() -> None:
    """What is kept of an image is bounded, however many scores it has and however far apart they lie."""
    generator = np.random.default_rng(0)
    # 70 octaves, evenly: more bins are occupied than by any map of a model.
    amap = np.exp2(generator.uniform(-60, 10, (1200, 1200))).astype(np.float32)
    mask = np.zeros(amap.shape, np.bool_)
    mask[:, ::2] = True
    assert amap.nbytes > MOST_BYTES
    histogram = histogram_of([(amap, mask)])
    tracemalloc.start()
    try:
        for _ in range(3):
            histogram.add(amap, mask)
        gc.collect()
        grown = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
    assert grown < 3 * MOST_BYTES + 100_000


def test_resampled_pixel_figures_are_those_of_the_repeated_images() -> None:
    """Each image counted as often as it is drawn, as if its map stood there so many times."""
    pairs = random_pairs(3, ties=False)
    histogram = histogram_of(pairs)
    weights = resample(histogram.defective, seed=1, count=6)
    aurocs, aupros = histogram.resampled_auroc(weights), histogram.resampled_aupro(weights)
    for row, auroc, aupro in zip(weights, aurocs, aupros, strict=True):
        repeated = [pair for pair, times in zip(pairs, row, strict=True) for _ in range(int(times))]
        scores = np.concatenate([amap.ravel() for amap, _ in repeated])
        truth = np.concatenate(
            [(np.zeros(amap.shape, np.bool_) if mask is None else mask).ravel() for amap, mask in repeated]
        )
        assert auroc == pytest.approx(roc_auc_score(truth, scores), abs=2e-3)
        assert aupro == pytest.approx(exact_aupro(repeated), abs=5e-3)


def test_intervals_of_pixel_figures_hold_them() -> None:
    """The figure itself lies in its interval, which the coarse histograms do not shift."""
    histogram = histogram_of([pair for seed in range(6) for pair in random_pairs(seed, ties=False)])
    weights = resample(histogram.defective, seed=0, count=200)
    for figure, resampled in (
        (histogram.auroc(), histogram.resampled_auroc(weights)),
        (histogram.aupro(), histogram.resampled_aupro(weights)),
    ):
        interval = percentiles(resampled)
        assert interval is not None
        assert figure is not None
        assert interval[0] < figure < interval[1]
        assert interval[1] - interval[0] < 0.3
