"""Each kind of defect: what it changes, how large and how strong it is, and where its mask lies."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from inspectd.io.button_defects import (
    DEFECTS,
    SIZES,
    USUAL_CONTRAST,
    draw_contrast,
    draw_size,
)
from inspectd.io.button_surface import DIAMETER
from inspectd.io.buttons import DEFECT_KINDS, VISIBLE, Mask, PartTruth, part_truth, render_part

SEED = 21
FRAME = 512


def parts_of(kind: str, count: int) -> list[int]:
    """The first parts that have a defect of `kind`."""
    return [part for part in range(200) if part_truth(SEED, part, 1.0).kind == kind][:count]


def with_twin(part: int) -> tuple[NDArray[np.float32], NDArray[np.float32], Mask, PartTruth]:
    """A defective part, the same part without its defect, mask and truth."""
    pixels, mask, truth = render_part(SEED, part, 1.0, FRAME)
    twin, nothing, _ = render_part(SEED, part, 0.0, FRAME)
    assert not nothing.any()
    return pixels.astype(np.float32), twin.astype(np.float32), mask, truth


def longest_extent(mask: Mask) -> float:
    rows, columns = np.nonzero(mask)
    hull = cv2.convexHull(np.stack([columns, rows], axis=1).astype(np.int32))[:, 0].astype(np.float64)
    return float(np.sqrt(np.square(hull[:, None] - hull[None]).sum(axis=-1)).max()) + 1


def texture_spread(twin: NDArray[np.float32]) -> NDArray[np.float64]:
    """Standard deviation of each colour in the middle of a good part, less what the lighting varies there."""
    middle = twin[FRAME // 2 - 24 : FRAME // 2 + 24, FRAME // 2 - 24 : FRAME // 2 + 24]
    return (middle - cv2.blur(middle, (31, 31))).std(axis=(0, 1)).astype(np.float64)


@pytest.mark.parametrize("kind", DEFECT_KINDS)
def test_the_mask_marks_what_changed(kind: str) -> None:
    """Every pixel changed beyond VISIBLE is in the mask, and hardly a pixel in the mask is not."""
    for part in parts_of(kind, 3):
        pixels, twin, mask, _ = with_twin(part)
        change = np.abs(pixels - twin).max(axis=2)
        assert mask.any()
        assert change[~mask].max() <= VISIBLE + 1  # both pictures are rounded
        assert (change[mask] >= VISIBLE - 1).mean() > 0.9


@pytest.mark.parametrize("kind", DEFECT_KINDS)
def test_the_size_is_the_longest_extent(kind: str) -> None:
    """Truth and mask agree on the size, as far as the parts of a defect that hide over a hole allow."""
    for part in parts_of(kind, 4):
        _, _, mask, truth = with_twin(part)
        assert longest_extent(mask) / (DIAMETER * FRAME) == pytest.approx(truth.size, rel=0.35), part
        assert SIZES[kind][0] <= truth.size <= SIZES[kind][1]


def test_contrast_is_at_least_three_times_the_texture() -> None:
    """No defect is fainter, measured in the pictures; a tenth less is allowed for rounding and soft edges."""
    for kind in DEFECT_KINDS:
        for part in parts_of(kind, 4):
            pixels, twin, mask, _ = with_twin(part)
            contrast = np.abs(pixels - twin)[mask].mean(axis=0) / texture_spread(twin)
            assert contrast.max() > 0.9 * 3.0, (kind, part)


def test_sizes_and_contrasts_reach_down_to_their_least() -> None:
    """Drawn sizes begin at 4 % of the diameter and contrasts at three texture spreads; most are higher."""
    generator = np.random.Generator(np.random.PCG64(1))
    contrasts = np.array([draw_contrast(generator) for _ in range(2000)])
    assert 3.0 <= contrasts.min() < 3.2
    assert 0.05 < (contrasts < USUAL_CONTRAST[0]).mean() < 0.2
    sizes = np.array([draw_size("stain", generator) for _ in range(1000)])
    assert 0.04 <= sizes.min() < 0.042
    assert (sizes < 0.12).mean() == pytest.approx(0.5, abs=0.06)  # log-uniform from 0.04 to 0.35


def test_every_kind_has_a_size_and_a_drawing() -> None:
    assert set(DEFECT_KINDS) == set(SIZES) == set(DEFECTS)


def holes(pixels: NDArray[np.float32]) -> int:
    """Count the holes: dark areas inside the button's outline."""
    grey = cv2.GaussianBlur(pixels, (0, 0), 2.0) @ np.array([0.5, 0.3, 0.2], np.float32)
    button = (grey > 110).astype(np.uint8)
    outlines, tree = cv2.findContours(button, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
    inner = [
        o for o, links in zip(outlines, tree[0], strict=True) if links[3] >= 0 and cv2.contourArea(o) > 500
    ]
    return len(inner)


def test_a_missing_hole_is_missing() -> None:
    """A good part has four holes, one with a missing hole three."""
    for part in parts_of("missing_hole", 4):
        pixels, twin, _, _ = with_twin(part)
        assert holes(twin) == 4
        assert holes(pixels) == 3


def test_chips_show_the_belt_and_plugs_hide_it() -> None:
    """Inside a chip's mask the part gets darker on the whole, inside a blocked hole's lighter."""
    for kind, sign in (("chip", -1), ("blocked_hole", 1), ("crack", -1), ("stain", -1)):
        for part in parts_of(kind, 3):
            pixels, twin, mask, _ = with_twin(part)
            assert np.sign((pixels - twin)[mask].mean()) == sign, (kind, part)
