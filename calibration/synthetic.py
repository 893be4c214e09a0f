"""Synthetic defects for training: what is pasted in, the network learns to take out again.

Noise (Eq. 4) hides small defects from the network; larger ones it would copy through its skip connections.
There are three sorts. A mark is a soft-edged shape filled with another place of the image, one of its
colours, a colour laid over it, or the image itself lighter or darker. A gap takes a whole feature away, a
hole or a print, and a bite a piece of an edge: both are filled with the calmest of some places right beside
them, and teach the network to miss what should be there.
"""

from __future__ import annotations

import math
from typing import TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

F32: TypeAlias = NDArray[np.float32]
F64: TypeAlias = NDArray[np.float64]

_SORTS = ("mark", "mark", "gap", "gap", "bite")
_EXTENT = {"mark": (0.02, 0.3), "gap": (0.1, 0.3), "bite": (0.05, 0.25)}
"""Smallest and largest extent of each sort, as a share of the image's side."""
_SHAPES = ("polygon", "ellipse", "stroke")
_FILLINGS = ("elsewhere", "own colour", "tint", "brightness")
_PLACES_TRIED = 6
_MOST = 3
"""Defects in one image."""


def add_defects(image: F32, generator: np.random.Generator) -> F32:
    """Return a copy of an image, float32 [S, S, 3] in [0, 1], with one to three defects pasted in."""
    image = np.array(image, np.float32)
    side = image.shape[0]
    features = _features(image)
    for _ in range(int(generator.integers(1, _MOST + 1))):
        sort = str(generator.choice(_SORTS))
        smallest, largest = _EXTENT[sort]
        extent = side * math.exp(generator.uniform(math.log(smallest), math.log(largest)))
        if sort == "mark":
            mask = _shape(side, generator.uniform(0.05, 0.95, 2) * side, extent, generator)
            filling = _filling(image, generator)
        else:
            centre = _on_a_feature(features if sort == "gap" else _edges(image), generator)
            shape = _blob if sort == "gap" else _shape
            mask = shape(side, centre, extent, generator)
            filling = _beside(image, features, mask, extent, generator)
        image += mask[:, :, np.newaxis] * (filling - image)
    return image


def _features(image: F32) -> F32:
    """How much each place differs from its surroundings, squared, float32 [S, S]: holes, prints, rims."""
    grey = np.asarray(image.mean(axis=2), np.float32)
    wide = cv2.GaussianBlur(grey, (0, 0), 0.06 * image.shape[0])
    return np.asarray((cv2.GaussianBlur(grey, (0, 0), 2.0) - wide) ** 2, np.float32)


def _edges(image: F32) -> F32:
    """How steep the image is at each place, float32 [S, S]."""
    grey = cv2.GaussianBlur(np.asarray(image.mean(axis=2), np.float32), (0, 0), 2.0)
    across, down = cv2.Sobel(grey, cv2.CV_32F, 1, 0), cv2.Sobel(grey, cv2.CV_32F, 0, 1)
    return np.asarray(np.hypot(across, down), np.float32)


def _on_a_feature(strength: F32, generator: np.random.Generator) -> F64:
    """Draw a place, x and y in px, as likely as `strength` is there; anywhere in an image that is flat."""
    below = np.cumsum(strength.astype(np.float64) + 1e-9)
    place = int(np.searchsorted(below, generator.uniform(0, float(below[-1]))))
    row, column = divmod(min(place, strength.size - 1), strength.shape[1])
    return np.array((column, row), np.float64)


def _beside(image: F32, features: F32, mask: F32, extent: float, generator: np.random.Generator) -> F32:
    """Return the image moved so that a calm place beside the mask lies under it, float32 [S, S, 3]."""
    angles = generator.uniform(0, 2 * np.pi, _PLACES_TRIED)
    lengths = generator.uniform(0.9, 1.5, _PLACES_TRIED).reshape(-1, 1) * extent
    shifts = np.rint(_directions(angles) * lengths).astype(int)
    moves = [(int(across), int(down)) for across, down in shifts]
    calmest = min(moves, key=lambda move: float((np.roll(features, move, axis=(0, 1)) * mask).sum()))
    return np.roll(image, calmest, axis=(0, 1))


def _blob(side: int, centre: F64, extent: float, generator: np.random.Generator) -> F32:
    """Draw a soft-edged, nearly round shape that covers what it lies on, float32 [side, side] in [0, 1]."""
    mask = np.zeros((side, side), np.float32)
    axes = extent * generator.uniform(0.85, 1.0, 2)
    cv2.ellipse(mask, (tuple(centre), tuple(axes), float(generator.uniform(0, 180))), 1.0, -1)
    return np.asarray(cv2.GaussianBlur(mask, (0, 0), float(generator.uniform(0.5, 2.5))), np.float32)


def _shape(side: int, centre: F64, extent: float, generator: np.random.Generator) -> F32:
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


def _filling(image: F32, generator: np.random.Generator) -> F32:
    """Return what shows inside a mark, float32 [S, S, 3] in [0, 1]."""
    kind = str(generator.choice(_FILLINGS))
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
