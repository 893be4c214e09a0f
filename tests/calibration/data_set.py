"""A generated data set on which nothing is wrong, and another product's picture."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

SIDE = 48
GOOD = 60
FIRST = 1900  # none of the sixty parts from here on stands out by chance


def part(seed: int) -> NDArray[np.uint8]:
    """A good part, uint8 [48, 48, 3]: a disk with a bar, each somewhat elsewhere, in somewhat other light."""
    generator = np.random.default_rng(FIRST + seed)
    pixels = np.full((SIDE, SIDE, 3), 80, np.float32)
    shift = tuple(int(value) for value in generator.integers(-40, 41, 2))
    centre = (24 * 16 + shift[0], 24 * 16 + shift[1])
    cv2.circle(pixels, centre, 15 * 16, (120, 160, 190), -1, cv2.LINE_AA, 4)
    turn = np.deg2rad(generator.uniform(-25, 25))
    end = (int(centre[0] + 150 * np.cos(turn)), int(centre[1] + 150 * np.sin(turn)))
    cv2.line(pixels, centre, end, (60, 60, 90), 3, cv2.LINE_AA, 4)
    pixels *= generator.uniform(0.93, 1.07)
    return np.clip(pixels + generator.normal(0, 2, pixels.shape), 0, 255).astype(np.uint8)


def other_product(seed: int) -> NDArray[np.uint8]:
    """Another product under the same camera: a striped square."""
    generator = np.random.default_rng(seed)
    pixels = np.full((SIDE, SIDE, 3), 80, np.float32)
    pixels[8:40, 8:40] = (190, 170, 120)
    pixels[8:40:4, 8:40] = 60
    return np.clip(pixels + generator.normal(0, 2, pixels.shape), 0, 255).astype(np.uint8)


def write_image(file: Path, pixels: NDArray[np.uint8]) -> None:
    """Write an image, making its folder."""
    file.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(file), pixels)


def write_defective(folder: Path, split: str, seed: int, kind: str = "spot") -> None:
    """Write a defective part and its mask."""
    pixels, mask = part(seed), np.zeros((SIDE, SIDE), np.uint8)
    cv2.circle(mask, (24, 20), 2 + seed % 3, 255, -1)
    pixels[mask > 0] = 10
    write_image(folder / split / kind / f"{seed}.png", pixels)
    write_image(folder / "ground_truth" / kind / f"{seed}_mask.png", mask)


def write_data_set(folder: Path) -> None:
    """Write train/good, validation and test with good and spotted parts, and their masks."""
    for seed in range(GOOD):
        write_image(folder / "train" / "good" / f"{seed:03}.png", part(seed))
    for split, start in (("validation", 300), ("test", 400)):
        for seed in range(start, start + 4):
            write_image(folder / split / "good" / f"{seed}.png", part(seed))
        for seed in range(start + 50, start + 54):
            write_defective(folder, split, seed)
