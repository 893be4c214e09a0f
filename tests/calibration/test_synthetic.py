"""Synthetic defects: seen, bounded, local and repeatable."""

from __future__ import annotations

import numpy as np

from inspectd.calibration.synthetic import add_defects

SIDE = 64


def test_synthetic_defects_change_a_part_of_the_image() -> None:
    """The image stays in range and mostly itself, the input is left alone, and a seed repeats the defect."""
    y, x = np.mgrid[0:SIDE, 0:SIDE]
    image = np.stack(((x / SIDE), (y / SIDE), ((x // 8 + y // 8) % 2).astype(float)), axis=2)
    image = image.astype(np.float32)
    original = np.array(image)
    visible = 0
    for seed in range(60):
        changed = add_defects(image, np.random.default_rng(seed))
        assert changed.dtype == np.float32
        assert changed.min() >= 0
        assert changed.max() <= 1
        difference = np.abs(changed - image).max(axis=2) > 0.02
        assert difference.mean() < 0.5
        visible += bool(difference.any())
        assert np.array_equal(changed, add_defects(image, np.random.default_rng(seed)))
    assert visible > 50
    assert np.array_equal(image, original)
