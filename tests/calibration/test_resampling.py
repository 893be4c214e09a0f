"""Bootstrap intervals take their time on many images: what is done of them is told."""

from __future__ import annotations

import numpy as np

from inspectd.calibration.compare import compare_figures
from inspectd.calibration.evaluate_report import ImageResult, build_report
from inspectd.calibration.metrics import RESAMPLES
from inspectd.calibration.pixels import PixelHistogram

Told = list[tuple[int, int, str]]


def measured() -> tuple[list[ImageResult], PixelHistogram]:
    """Six images of 8 x 8 px, every other one with a defect."""
    pixels, results = PixelHistogram(), list[ImageResult]()
    for number in range(6):
        scores = np.random.default_rng(number).random((8, 8), np.float32)
        mask = scores > 0.8 if number % 2 else None
        pixels.add(scores, mask)
        kind = "good" if mask is None else "spot"
        score = float(scores.max())
        results.append(ImageResult(str(number), kind, mask is not None, score, None, "", (), None, None))
    return results, pixels


def test_intervals_tell_how_far_they_are() -> None:
    """From the first resamples to the last, for an evaluation and for a comparison; the figures stay."""
    results, pixels = measured()
    told: Told = []

    def tell(done: int, total: int, text: str, _left: float | None) -> None:
        told.append((done, total, text))

    report = build_report(results, pixels, None, 0, 0.0, tell)
    for runs in (2, 4):
        done, total, text = zip(*told, strict=True)
        assert set(total) == {runs * RESAMPLES}
        assert set(text) == {"resamples for intervals"}
        assert list(done) == sorted(done)
        assert 0 < done[0] < 0.2 * RESAMPLES
        assert done[-1] == runs * RESAMPLES
        told.clear()
        compared = compare_figures(report, pixels, report, pixels, tell)
    assert report.intervals == build_report(results, pixels, None, 0, 0.0).intervals
    assert compared == compare_figures(report, pixels, report, pixels)
