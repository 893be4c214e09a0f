"""Synthetic defects: seen, bounded, local and repeatable."""

from __future__ import annotations

import cv2
import numpy as np

from inspectd.calibration.removal import F32, find_blobs, remove_feature
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


def plate(holes: int) -> tuple[F32, list[tuple[int, int]]]:
    """A textured plate with round dark holes, float32 [128, 128, 3]; gives their centres, column and row."""
    centres = [(40, 40), (88, 40), (40, 88), (88, 88)][:holes]
    pixels = np.random.default_rng(0).normal(0.6, 0.01, (128, 128, 3)).astype(np.float32)
    for centre in centres:
        cv2.circle(pixels, centre, 7, (0.15, 0.15, 0.15), -1)
    return pixels, centres


def test_blobs_are_found_where_they_are() -> None:
    """Each hole is among the strongest, at its place and about its size."""
    image, centres = plate(4)
    strongest = sorted(find_blobs(image), key=lambda blob: -blob.strength)[:4]
    assert len({(round(blob.column / 8), round(blob.row / 8)) for blob in strongest}) == 4
    for blob in strongest:
        assert min(np.hypot(blob.column - x, blob.row - y) for x, y in centres) < 3
        assert 4 < blob.radius < 12


def test_a_removed_hole_leaves_no_trace() -> None:
    """The plate goes on where one of the holes was, within its texture, and the others stay as they are."""
    image, centres = plate(2)
    for seed in range(10):
        changed = remove_feature(image, np.random.default_rng(seed))
        gone = [x for x, y in centres if abs(float(changed[y, x].mean()) - 0.6) < 0.05]
        assert len(gone) == 1
        x, y = next((x, y) for x, y in centres if x == gone[0])
        assert abs(changed[y - 7 : y + 8, x - 7 : x + 8].mean(axis=2) - 0.6).max() < 0.1
        other, row = next((x, y) for x, y in centres if x != gone[0])
        assert np.array_equal(changed[row, other], image[row, other])


def test_an_even_image_has_nothing_to_remove() -> None:
    even = np.full((64, 64, 3), 0.5, np.float32)
    assert np.array_equal(remove_feature(even, np.random.default_rng(0)), even)
