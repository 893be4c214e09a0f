"""Preparation: the size, the fitness checks and the frozen camera."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from inspectd.inference.errors import InferenceError
from inspectd.inference.prepare import Preparation, Preparer, learn_preparation, resize

SIZE, CAMERA = 64, 96
U8 = NDArray[np.uint8]
MakeFrame = Callable[[int], U8]


@pytest.fixture(scope="module")
def preparation(make_frame: MakeFrame) -> Preparation:
    """Limits learned from twelve good frames."""
    return learn_preparation([resize(make_frame(seed), SIZE) for seed in range(12)], (CAMERA, CAMERA))


def unfit(preparation: Preparation, pixels: NDArray[Any]) -> str:
    return "; ".join(Preparer(preparation, SIZE).prepare(pixels).unfit)


def noisy(pixels: NDArray[Any]) -> U8:
    noise = np.random.default_rng(5).normal(0, 3, pixels.shape)
    return np.clip(pixels + noise, 0, 255).astype(np.uint8)


def test_good_frames_are_fit(preparation: Preparation, make_frame: MakeFrame) -> None:
    """No good part is refused, those that the limits were not learned from included."""
    preparer = Preparer(preparation, SIZE)
    for seed in range(200):
        prepared = preparer.prepare(make_frame(seed))
        assert prepared.unfit == ()
        assert prepared.image is not None
        assert prepared.image.shape == (1, SIZE, SIZE, 3)
        assert prepared.image.dtype == np.uint8


def darkened(pixels: U8) -> U8:
    return (pixels * 0.3).astype(np.uint8)


def overexposed(pixels: U8) -> U8:
    return np.clip(pixels.astype(np.float32) * 1.8, 0, 255).astype(np.uint8)


def blurred(pixels: U8) -> U8:
    return np.asarray(cv2.GaussianBlur(pixels, (0, 0), 3), np.uint8)


def belt(pixels: U8) -> U8:
    return noisy(np.full(pixels.shape, (70, 75, 80), np.float32))


def lit_belt(pixels: U8) -> U8:
    """The empty belt under a slope of light as strong as the part's own contrast."""
    slope = np.linspace(60, 190, pixels.shape[1])[np.newaxis, :, np.newaxis]
    return noisy(np.broadcast_to(slope, pixels.shape))


def covered(pixels: U8) -> U8:
    return np.zeros(pixels.shape, np.uint8)


@pytest.mark.parametrize(
    ("spoil", "measure"),
    [
        (darkened, "too dark: brightness"),
        (overexposed, "saturated: share"),
        (blurred, "blurred: sharpness"),
        (belt, "empty: contrast"),
        (belt, "empty: presence"),
        (lit_belt, "empty: presence"),
        (covered, "too dark: brightness"),
    ],
)
def test_frames_that_cannot_be_judged_are_unfit(
    preparation: Preparation, make_frame: MakeFrame, spoil: Callable[[U8], U8], measure: str
) -> None:
    """Each text names the measure, its value and the limit that it passed."""
    text = unfit(preparation, spoil(make_frame(30)))
    assert measure in text
    assert any(sign in text for sign in (" < ", " > "))


@pytest.mark.parametrize(
    "pixels",
    [
        np.zeros((CAMERA, CAMERA + 1, 3), np.uint8),
        np.zeros((CAMERA, CAMERA), np.uint8),
        np.zeros((0, 0, 3), np.uint8),
        np.zeros((CAMERA, CAMERA, 4), np.uint8),
        np.zeros((CAMERA, CAMERA, 3), np.float32),
    ],
)
def test_a_frame_of_the_wrong_shape_or_type_is_unfit(preparation: Preparation, pixels: NDArray[Any]) -> None:
    """Whatever a camera delivers, preparation answers and never raises."""
    prepared = Preparer(preparation, SIZE).prepare(pixels)
    assert prepared.image is None
    assert "wrong size" in prepared.unfit[0]
    assert f"expected {CAMERA}x{CAMERA}x3 uint8" in prepared.unfit[0]


def test_a_repeated_frame_is_unfit(preparation: Preparation, make_frame: MakeFrame) -> None:
    """A camera that repeats its picture does not show the next part; the frame after is fit again."""
    preparer = Preparer(preparation, SIZE)
    assert preparer.prepare(make_frame(1)).unfit == ()
    for _ in range(2):
        assert "frozen" in preparer.prepare(make_frame(1)).unfit[0]
    assert preparer.prepare(make_frame(2)).unfit == ()
    assert preparer.prepare(make_frame(1)).unfit == ()


def test_an_unfit_frame_counts_as_the_frame_before(preparation: Preparation, make_frame: MakeFrame) -> None:
    """A camera that freezes on a bad picture is noticed as frozen as well."""
    preparer = Preparer(preparation, SIZE)
    dark = darkened(make_frame(1))
    preparer.prepare(dark)
    assert any("frozen" in text for text in preparer.prepare(dark).unfit)


def test_the_prepared_image_is_a_copy(make_frame: MakeFrame) -> None:
    """The camera's slot is given back after the verdict, also if no resizing was needed."""
    pixels = np.array(make_frame(3))
    same_size = learn_preparation([make_frame(seed) for seed in range(12)], (CAMERA, CAMERA))
    prepared = Preparer(same_size, CAMERA).prepare(pixels)
    pixels[:] = 0
    assert prepared.image is not None
    assert prepared.image.max() > 0


def test_a_texture_without_structure_is_never_empty() -> None:
    """Where every place looks alike there is no 'no part': limits must not refuse what fills the frame."""
    generator = np.random.default_rng(0)
    images = [generator.normal(120, 12, (SIZE, SIZE, 3)).clip(0, 255).astype(np.uint8) for _ in range(60)]
    preparer = Preparer(learn_preparation(images[:20], (SIZE, SIZE)), SIZE)
    assert [text for image in images[20:] for text in preparer.prepare(image).unfit] == []


def test_learning_needs_images() -> None:
    """Limits from nothing would let everything pass."""
    with pytest.raises(InferenceError, match="no good image"):
        learn_preparation([], (CAMERA, CAMERA))


def test_resizing_averages_what_is_too_fine_to_show() -> None:
    """A pattern of single pixels becomes even grey, whatever the sizes, and no moire."""
    for height, width in ((96, 96), (200, 240), (101, 75), (48, 170)):
        stripes = np.zeros((height, width, 3), np.uint8)
        stripes[::2, ::2] = stripes[1::2, 1::2] = 255
        small = resize(stripes, 24)
        assert small.shape == (24, 24, 3)
        assert np.abs(small.astype(int) - 127).max() <= 8


@pytest.mark.parametrize(("height", "width"), [(512, 512), (720, 1280), (447, 795), (1080, 1920)])
def test_resizing_leaves_no_line_out(height: int, width: int) -> None:
    """A scratch of one pixel shows wherever it is, and about as much."""
    contrasts: list[int] = []
    for column in range(width // 2, width // 2 + 40):
        frame = np.zeros((height, width, 3), np.uint8)
        frame[:, column] = 200
        contrasts.append(int(resize(frame, 224)[112].max()))
    assert min(contrasts) >= 0.3 * 200 * 224 / width


def test_resizing_keeps_place_and_brightness() -> None:
    """A ramp stays the same ramp: pixel centres map onto pixel centres."""
    values = np.linspace(0, 255, 448)
    ramp = np.empty((448, 448, 3), np.uint8)
    ramp[:] = values.round().reshape(1, 448, 1)
    small = resize(ramp, 100)
    centres = (np.arange(100) + 0.5) * 4.48 - 0.5
    assert np.abs(small[50, :, 0] - np.interp(centres, np.arange(448), values)).max() < 2.0
