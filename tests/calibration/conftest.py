"""A tiny data set in MVTec's layout: bright disks on a belt, some with a dark spot."""

from __future__ import annotations

import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from numpy.typing import NDArray

# The helpers beside the tests are imported by their own names.
sys.path.insert(0, str(Path(__file__).parent))

SIDE = 48
GOOD, TEST_GOOD, TEST_DEFECTIVE = 15, 6, 6


def disk(seed: int) -> NDArray[np.uint8]:
    """A good part: uint8 [48, 48, 3]."""
    generator = np.random.default_rng(seed)
    pixels = np.full((SIDE, SIDE, 3), 80, np.float32)
    centre = tuple(int(value) for value in SIDE // 2 + generator.integers(-2, 3, 2))
    cv2.circle(pixels, centre, 16, (120, 160, 190), -1)
    return np.clip(pixels + generator.normal(0, 3, pixels.shape), 0, 255).astype(np.uint8)


def write_png(file: Path, pixels: NDArray[np.uint8]) -> None:
    """Write an image, making its folder."""
    file.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(file), pixels)


@pytest.fixture(scope="session")
def data_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """train/good, test/good, test/spot with masks."""
    folder = tmp_path_factory.mktemp("disks")
    for seed in range(GOOD):
        write_png(folder / "train" / "good" / f"{seed:03}.png", disk(seed))
    for seed in range(100, 100 + TEST_GOOD):
        write_png(folder / "test" / "good" / f"{seed}.png", disk(seed))
    for seed in range(200, 200 + TEST_DEFECTIVE):
        pixels, mask = disk(seed), np.zeros((SIDE, SIDE), np.uint8)
        cv2.circle(mask, (24, 20), 2 + seed % 3, 255, -1)
        pixels[mask > 0] = 10
        write_png(folder / "test" / "spot" / f"{seed}.png", pixels)
        write_png(folder / "ground_truth" / "spot" / f"{seed}_mask.png", mask)
    return folder


@pytest.fixture(autouse=True, scope="session")
def one_thread() -> None:
    """So small a network is quickest on one thread, and sums in one order."""
    torch.set_num_threads(1)
