"""Synthetic defects for training: what is pasted in, the network learns to take out again.

Noise (Eq. 4) hides small defects from the network; larger ones it would copy through its skip connections.
Each defect is a soft-edged shape filled with one of: a place right beside it (which takes away a hole, an
edge, a print), any other place of the image, one of its colours, a colour laid over it, the image itself
lighter or darker. Half of the defects take something away: they lie on the image's edges and are filled from
beside, for a hole or an edge that is missing must be missed. In half of the images whole features are removed
besides, or instead (see `removal`).
"""

from __future__ import annotations

import math
from typing import TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

from inspectd.calibration.removal import remove_feature

F32: TypeAlias = NDArray[np.float32]

_SMALLEST, _LARGEST = 0.02, 0.3
"""A defect's extent as a share of the image's side."""
_SMALLEST_TAKEN = 0.06
"""The same of a defect that takes something away."""
_TAKES_AWAY = 0.5
"""Share of such defects."""
_SHAPES = ("polygon", "ellipse", "stroke")
_FILLINGS = ("beside", "elsewhere", "own colour", "tint", "brightness")
_MOST = 3
"""Defects in one image."""
_FEATURES_GO = 0.5
"""Share of images that lose features, one or two; half of these have no other defect."""


def add_defects(image: F32, generator: np.random.Generator) -> F32:
    """Return a copy of an image, float32 [S, S, 3] in [0, 1], with synthetic defects.

    One to three are pasted in, or one or two features removed, or both.
    """
    image = np.array(image, np.float32)
    if generator.random() < _FEATURES_GO:
        for _ in range(int(generator.integers(1, 3))):
            image = remove_feature(image, generator)
        if generator.random() < 0.5:  # noqa: PLR2004  half of them
            return image
    for _ in range(int(generator.integers(1, _MOST + 1))):
        side = image.shape[0]
        takes_away = bool(generator.random() < _TAKES_AWAY)
        smallest = _SMALLEST_TAKEN if takes_away else _SMALLEST
        extent = side * math.exp(generator.uniform(math.log(smallest), math.log(_LARGEST)))
        centre = _on_an_edge(image, generator) if takes_away else generator.uniform(0.05, 0.95, 2) * side
        mask = _shape(side, centre, extent, generator)[:, :, np.newaxis]
        kind = "beside" if takes_away else str(generator.choice(_FILLINGS))
        image += mask * (_filling(image, kind, extent, generator) - image)
    return image


def _on_an_edge(image: F32, generator: np.random.Generator) -> NDArray[np.float64]:
    """Draw a place, x and y in px, the likelier the steeper the image is there."""
    grey = cv2.GaussianBlur(np.asarray(image.mean(axis=2), np.float32), (0, 0), 2.0)
    steep: NDArray[np.float32 | np.float64] = (
        np.hypot(cv2.Sobel(grey, cv2.CV_32F, 1, 0), cv2.Sobel(grey, cv2.CV_32F, 0, 1)) + 1e-6
    )
    below: NDArray[np.float64] = np.cumsum(steep, dtype=np.float64)
    place = int(np.searchsorted(below, generator.uniform(0, float(below[-1]))))
    row, column = divmod(min(place, steep.size - 1), image.shape[1])
    return np.array((column, row), np.float64)


def _shape(side: int, centre: NDArray[np.float64], extent: float, generator: np.random.Generator) -> F32:
    """Draw a soft-edged shape, float32 [side, side] in [0, 1]: a polygon, a blob or a stroke."""
    mask = np.zeros((side, side), np.float32)
    kind = str(generator.choice(_SHAPES))
    if kind == "polygon":
        angles = np.sort(generator.uniform(0, 2 * np.pi, 8))
        radii = extent / 2 * generator.uniform(0.4, 1.0, 8)
        points = centre + _directions(angles) * radii.reshape(-1, 1)
        cv2.fillPoly(mask, [_pixels(points)], 1.0)
    elif kind == "ellipse":
        axes = extent / 2 * generator.uniform(0.3, 1.0, 2) + 0.5
        box = (tuple(centre), tuple(2 * axes), float(generator.uniform(0, 180)))
        cv2.ellipse(mask, box, 1.0, -1)
    else:
        steps = generator.normal(0, 0.35, 6).cumsum() + generator.uniform(0, 2 * np.pi)
        path = centre + np.cumsum(_directions(steps) * extent / 6, axis=0)
        width = int(generator.integers(1, max(2, side // 64) + 1))
        cv2.polylines(mask, [_pixels(path)], isClosed=False, color=1.0, thickness=width)
    softness = float(generator.uniform(0.3, max(0.6, extent / 12)))
    return np.asarray(cv2.GaussianBlur(mask, (0, 0), softness), np.float32)


def _filling(image: F32, kind: str, extent: float, generator: np.random.Generator) -> F32:
    """Return what shows inside a shape, float32 [S, S, 3] in [0, 1]."""
    if kind == "beside":
        angle = generator.uniform(0, 2 * np.pi, 1)
        shift = np.rint(_directions(angle)[0] * extent * generator.uniform(0.6, 1.5)).astype(int)
        return np.roll(image, (int(shift[0]), int(shift[1])), axis=(0, 1))
    if kind == "elsewhere":
        shift = generator.integers(0, image.shape[0], 2)
        return np.roll(image, (int(shift[0]), int(shift[1])), axis=(0, 1))
    if kind == "own colour":
        row, column = generator.integers(0, image.shape[0], 2)
        return np.broadcast_to(image[int(row), int(column)], image.shape)
    if kind == "tint":
        strength = np.float32(generator.uniform(0.15, 0.7))
        colour = np.asarray(generator.uniform(0, 1, 3), np.float32)
        return np.asarray(image + strength * (colour - image), np.float32)
    change = float(generator.choice((-1, 1)) * generator.uniform(0.05, 0.35))
    changed: F32 = image + np.float32(change)
    return np.asarray(changed.clip(0, 1), np.float32)


def _directions(angles: NDArray[np.float64]) -> NDArray[np.float64]:
    """Unit vectors, [N] -> [N, 2]."""
    return np.stack((np.cos(angles), np.sin(angles)), axis=1)


def _pixels(points: NDArray[np.float64]) -> NDArray[np.int32]:
    return np.asarray(np.round(points), np.int32)
