"""The marker: what is printed is what is read, and damage never reads as another part."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from inspectd.io.buttons import render_part
from inspectd.io.marker import COLUMNS, HEIGHT, PART_BITS, ROWS, Marker, draw_marker, read_marker


def frame(width: int = 512, height: int = 512, level: int = 120) -> NDArray[np.uint8]:
    return np.full((height, width, 3), level, np.uint8)


def block(pixels: NDArray[np.uint8], row: int, column: int) -> NDArray[np.uint8]:
    """A view of one block of the marker on a frame 512 px wide."""
    high, wide = round(512 * HEIGHT / ROWS), 512 // COLUMNS
    return pixels[row * high : (row + 1) * high, column * wide : (column + 1) * wide]


@given(
    part=st.integers(0, (1 << PART_BITS) - 1),
    defective=st.booleans(),
    width=st.sampled_from([128, 500, 640, 2048]),
)
@settings(deadline=None, max_examples=40)
def test_what_is_drawn_is_read(part: int, defective: bool, width: int) -> None:  # noqa: FBT001  drawn by hypothesis
    pixels = frame(width, width // 2)
    draw_marker(pixels, part, defective=defective)
    assert read_marker(pixels) == Marker(part, defective)


@pytest.mark.parametrize("part", [0, 65_500, 0x5A5A5A5A5A])
def test_every_single_flipped_block_is_detected(part: int) -> None:
    """A frame with any one block turned black for white reads as no marker at all."""
    for row in range(ROWS):
        for column in range(COLUMNS):
            pixels = frame()
            draw_marker(pixels, part, defective=True)
            spot = block(pixels, row, column)
            spot[:] = 255 - spot
            assert read_marker(pixels) is None, (row, column)


@given(
    part=st.integers(0, (1 << PART_BITS) - 1),
    flips=st.sets(st.tuples(st.integers(0, ROWS - 1), st.integers(0, COLUMNS - 1)), min_size=2, max_size=3),
)
@settings(deadline=None, max_examples=60)
def test_two_or_three_flipped_blocks_are_detected(part: int, flips: set[tuple[int, int]]) -> None:
    pixels = frame()
    draw_marker(pixels, part, defective=False)
    for row, column in flips:
        spot = block(pixels, row, column)
        spot[:] = 255 - spot
    assert read_marker(pixels) is None


def test_a_grey_block_is_damage() -> None:
    """A block that is neither black nor white is not guessed, even where the guess would be right."""
    for column in range(COLUMNS):
        pixels = frame()
        draw_marker(pixels, 7, defective=False)
        spot = block(pixels, 0, column)
        spot[:] = 150 if spot[0, 0, 0] else 105
        assert read_marker(pixels) is None, column


@pytest.mark.parametrize("width", [128, 160, 224, 256, 300])
def test_survives_resizing_and_noise(width: int) -> None:
    generator = np.random.Generator(np.random.PCG64(5))
    for part in (0, 1, 65_535, 65_536, 0xABCDEF0123):
        pixels = frame()
        draw_marker(pixels, part, defective=part % 2 == 0)
        small = np.asarray(cv2.resize(pixels, (width, width), interpolation=cv2.INTER_AREA), np.float64)
        noisy = np.clip(small + generator.normal(0, 12, small.shape), 0, 255).astype(np.uint8)
        assert read_marker(noisy) == Marker(part, part % 2 == 0)


@pytest.mark.parametrize("pixels", [frame(level=0), frame(level=255), frame(64, 64), frame(512, 8)])
def test_no_marker_reads_none(pixels: NDArray[np.uint8]) -> None:
    assert read_marker(pixels) is None


def test_a_part_without_a_marker_reads_none_and_with_one_says_the_truth() -> None:
    for part in range(6):
        assert read_marker(render_part(3, part, 0.5, 256)[0]) is None
        pixels, _, truth = render_part(3, part, 0.5, 256, marker=True)
        assert read_marker(pixels) == Marker(part, truth.kind is not None)


def test_noise_alone_reads_none() -> None:
    generator = np.random.Generator(np.random.PCG64(9))
    for _ in range(50):
        assert read_marker(generator.integers(0, 256, (128, 128, 3)).astype(np.uint8)) is None


def test_random_blocks_of_full_contrast_read_none() -> None:
    """The check bits alone, without the help of grey levels, refuse what was not drawn."""
    generator = np.random.Generator(np.random.PCG64(11))
    for _ in range(200):
        pixels = frame(128, 128)
        bits = generator.integers(0, 2, (ROWS, COLUMNS)).astype(np.uint8) * 255
        pixels[: 3 * ROWS] = np.kron(bits, np.ones((3, 4), np.uint8))[:, :, None]
        assert read_marker(pixels) is None


def test_refuses_what_it_cannot_say() -> None:
    with pytest.raises(ValueError, match="part number"):
        draw_marker(frame(), 1 << PART_BITS, defective=False)
    with pytest.raises(ValueError, match="part number"):
        draw_marker(frame(), -1, defective=False)
    with pytest.raises(ValueError, match="too narrow"):
        draw_marker(frame(100, 100), 1, defective=False)
