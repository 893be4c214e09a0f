"""The simulated parts: pure functions of seed and part, varied, and no toy for a simple comparison."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from inspectd.io.buttons import DEFECT_KINDS, PartTruth, empty_frame, part_truth, render_into, render_part

PARTS = (0, 1, 2, 3, 65_536, 1 << 40)


def digest(seed: int, parts: tuple[int, ...]) -> str:
    """Hash of pixels and masks of some parts, half of them defective."""
    total = hashlib.sha256()
    for part in parts:
        for rate in (0.0, 1.0):
            pixels, mask, _ = render_part(seed, part, rate, 256)
            total.update(pixels.tobytes() + mask.tobytes())
    return total.hexdigest()


def auroc(good: NDArray[np.float64], bad: NDArray[np.float64]) -> float:
    """Chance that a defective part scores higher than a good one."""
    return float((bad[:, None] > good[None]).mean() + 0.5 * (bad[:, None] == good[None]).mean())


@given(seed=st.integers(0, 2**32), part=st.integers(0, 2**50), rate=st.floats(0, 1))
@settings(deadline=None, max_examples=50)
def test_truth_is_a_pure_function_and_grows_with_the_rate(seed: int, part: int, rate: float) -> None:
    truth = part_truth(seed, part, rate)
    assert truth == part_truth(seed, part, rate)
    assert part_truth(seed, part, 0.0) == PartTruth(part, None, 0.0)
    certain = part_truth(seed, part, 1.0)
    assert certain.kind in DEFECT_KINDS
    assert truth in (certain, PartTruth(part, None, 0.0))


def test_the_share_of_defects_is_the_rate_and_every_kind_occurs() -> None:
    truths = [part_truth(8, part, 0.1) for part in range(3000)]
    kinds = [truth.kind for truth in truths if truth.kind is not None]
    assert len(kinds) / 3000 == pytest.approx(0.1, abs=0.02)
    assert min(kinds.count(kind) for kind in DEFECT_KINDS) > 20


@pytest.mark.parametrize("threads", [1, 3])
def test_any_process_renders_the_same_pixels(threads: int) -> None:
    """A fresh process with another number of OpenCV threads renders what this one does, bit for bit."""
    script = (
        "import cv2, sys; from tests_io_buttons import digest, PARTS;"
        f"cv2.setNumThreads({threads}); print(digest(5, PARTS))"
    )
    loader = (
        "import importlib.util, sys;"
        f"spec = importlib.util.spec_from_file_location('tests_io_buttons', {__file__!r});"
        "module = importlib.util.module_from_spec(spec); sys.modules['tests_io_buttons'] = module;"
        "spec.loader.exec_module(module);"
    )
    other = subprocess.run(
        [sys.executable, "-c", loader + script], capture_output=True, text=True, timeout=60, check=True
    )
    assert other.stdout.strip() == digest(5, PARTS)


def test_a_part_does_not_depend_on_the_parts_before_it() -> None:
    """No state is carried over: any order and any frame size between gives the same pixels."""
    first = render_part(5, 10, 1.0, 256)[0]
    for part in (11, 12):
        render_part(5, part, 1.0, 192)
    np.testing.assert_array_equal(render_part(5, 10, 1.0, 256)[0], first)


def test_threads_do_not_disturb_each_other() -> None:
    """Parts rendered by four threads at once are the parts rendered one by one."""

    def render(part: int) -> NDArray[np.uint8]:
        return render_part(5, part, 1.0, 256)[0]

    alone = [render(part) for part in range(16)]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(render, range(16)))
    for one, other in zip(alone, together, strict=True):
        np.testing.assert_array_equal(one, other)


def test_rendering_into_a_given_array_gives_the_same_picture() -> None:
    """A slot of a larger buffer is filled in place, and its neighbours are left alone."""
    slots = np.full((3, 256, 256, 3), 7, np.uint8)
    mask, truth = render_into(slots[1], 5, 20, 1.0, marker=True)
    pixels, same_mask, same_truth = render_part(5, 20, 1.0, 256, marker=True)
    np.testing.assert_array_equal(slots[1], pixels)
    np.testing.assert_array_equal(mask, same_mask)
    assert truth == same_truth
    assert (slots[[0, 2]] == 7).all()


@pytest.mark.parametrize("shape", [(128, 128), (192, 320), (300, 200)])
def test_frames_of_any_shape_hold_the_whole_button(shape: tuple[int, int]) -> None:
    """The belt is all round the button: near the frame's border there is nothing of its colour."""
    for part in range(20):
        out = np.empty((*shape, 3), np.uint8)
        render_into(out, 2, part, 0.0)
        rows = [out[:2].reshape(-1, 3), out[-2:].reshape(-1, 3)]
        border = np.concatenate([*rows, out[:, 0], out[:, -1]])
        assert (border[:, 0].astype(int) - border[:, 2]).max() < 15  # the button is far redder than blue
        row, column = shape[0] // 2, shape[1] // 2
        middle = out[row - 4 : row + 4, column - 4 : column + 4]
        assert (middle[..., 0].astype(int) - middle[..., 2]).mean() > 35


@pytest.mark.parametrize(
    "out",
    [
        np.empty((256, 256, 3), np.float32),
        np.empty((256, 256), np.uint8),
        np.empty((100, 256, 3), np.uint8),
        np.empty((256, 512, 3), np.uint8)[:, ::2],
    ],
)
def test_refuses_an_array_that_is_no_frame(out: NDArray[np.uint8]) -> None:
    with pytest.raises(ValueError, match="buttons: out is"):
        render_into(out, 1, 1, 0.0)


def test_good_parts_vary_in_place_and_light() -> None:
    """Centre and brightness differ from part to part, so that no two pictures fit over each other."""
    pictures = np.stack([render_part(6, part, 0.0, 128)[0] for part in range(12)]).astype(np.float64)
    button = pictures[..., 0] - pictures[..., 2] > 25
    columns = np.arange(128)
    centres = np.array([(mask.sum(axis=0) * columns).sum() / mask.sum() for mask in button])
    assert centres.std() > 1.0
    assert (
        np.array([picture[mask].mean() for picture, mask in zip(pictures, button, strict=True)]).std() > 1.5
    )


def test_good_parts_lie_in_every_direction() -> None:
    """The bearing of the holes from the button's centre, modulo a quarter turn, spreads over all of it."""
    bearings: list[float] = []
    down, across = np.mgrid[0:128, 0:128].astype(np.float64)
    for part in range(40):
        pixels = render_part(6, part, 0.0, 128)[0].astype(np.float64)
        body = pixels[..., 0] - pixels[..., 2] > 25
        x, y = across[body].mean(), down[body].mean()
        distance = np.hypot(across - x, down - y)
        hole = (pixels[..., 0] < 90) & (distance > 12) & (distance < 25)
        # Four times the bearing is the same for all four holes.
        bearings.append(float(np.angle(np.exp(4j * np.arctan2(down - y, across - x))[hole].mean())))
    assert max(np.diff(np.sort(bearings))) < 1.2
    assert max(bearings) - min(bearings) > 5.0


def test_the_empty_belt_has_no_part_and_moves() -> None:
    belt = [empty_frame(3, number, 256).astype(np.int16) for number in range(2)]
    for picture in belt:
        assert (picture[..., 0] - picture[..., 2]).max() < 15
        assert cv2.blur(picture.astype(np.float32), (9, 9)).std() < 12
    assert np.abs(belt[0] - belt[1]).mean() > 2


def test_comparison_with_the_mean_part_does_not_find_the_defects() -> None:
    """The generator is no toy: the greatest difference to the mean good picture, plain or smoothed, is weak.

    The limit is 0.90; a measurement on 100 parts may stray by 0.05, so it must stay below 0.80 here.
    """
    size = 224

    def peak(error: NDArray[np.float32], side: int) -> float:
        return float(np.max(cv2.blur(error, (side, side))))

    def pictures(parts: range, rate: float) -> NDArray[np.float32]:
        return np.stack([render_part(17, part, rate, size)[0] for part in parts]).astype(np.float32)

    mean = pictures(range(60), 0.0).mean(axis=0)
    good, bad = pictures(range(100, 150), 0.0), pictures(range(200, 250), 1.0)
    for smooth in (False, True):
        scores: list[NDArray[np.float64]] = []
        for group in (good, bad):
            side = 21 if smooth else 1
            errors: NDArray[np.float32] = np.square(group - mean).mean(axis=3)
            scores.append(np.array([peak(error, side) for error in errors]))
        assert auroc(scores[0], scores[1]) < 0.80
