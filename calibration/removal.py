"""Takes a whole feature out of an image (a hole, a bump, a letter) and leaves no seam.

What is pasted into an image has an edge, and a network can learn to look for that edge alone. A hole that was
never made has none: only who knows what belongs there can miss it. So here a feature is found as a blob, a
place that differs from its surroundings at some scale, and filled from around it, with fine texture from
beside it.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from typing import Any, TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

F32: TypeAlias = NDArray[np.float32]

_SCALES = tuple(0.015 * 1.35**step for step in range(8))
"""Deviations of the Gaussians by whose differences blobs are found, as shares of the image's side."""
_FINE = 1.5
_FINEST_CONTRAST = 0.03
"""Texture that is brought from beside: finer than this (deviation, px), and at most this strong."""
_KERNEL = np.ones((3, 3), np.uint8)


@dataclass(frozen=True, slots=True)
class Blob:
    """A round feature: centre and radius in px, and how much it differs from its surroundings."""

    column: float
    row: float
    radius: float
    strength: float


def find_blobs(image: F32) -> list[Blob]:
    """Find the blobs of an image, float32 [S, S, 3]: maxima over place and scale of differences of Gaussians.

    (Lowe 2004, "Distinctive Image Features from Scale-Invariant Keypoints", section 3.)
    """
    side = image.shape[0]
    # At half size: the finest scale is some pixels wide, and each blur costs a quarter.
    grey = _f32(cv2.resize(_f32(image.mean(axis=2)), (side // 2, side // 2), interpolation=cv2.INTER_AREA))
    levels = [_blurred(grey, scale * side / 2) for scale in _SCALES]
    differences = [_f32(np.abs(fine - coarse)) for fine, coarse in itertools.pairwise(levels)]
    highest = [_f32(cv2.dilate(difference, _KERNEL)) for difference in differences]
    blobs: list[Blob] = []
    for level in range(1, len(differences) - 1):
        difference = differences[level]
        peaks = difference >= np.maximum.reduce(highest[level - 1 : level + 2])
        radius = math.sqrt(2) * _SCALES[level] * side
        rows, columns = np.nonzero(peaks & (difference > 0))
        for row, column in zip(rows.tolist(), columns.tolist(), strict=True):
            blobs.append(Blob(2.0 * column, 2.0 * row, radius, float(difference[row, column])))
    return blobs


def remove_feature(image: F32, generator: np.random.Generator) -> F32:
    """Return an image, float32 [S, S, 3] in [0, 1], without one of its blobs, the likelier the stronger.

    One without blobs comes back as it is.
    """
    blobs = find_blobs(image)
    if not blobs:
        return image
    weights = np.array([blob.strength**2 for blob in blobs])
    blob = blobs[int(generator.choice(len(blobs), p=weights / weights.sum()))]
    radius = blob.radius * float(generator.uniform(1.25, 1.9)) + 1
    mask = np.zeros(image.shape[:2], np.float32)
    width, height = (2 * radius * float(generator.uniform(0.9, 1.1)) for _ in range(2))
    cv2.ellipse(mask, ((blob.column, blob.row), (width, height), float(generator.uniform(0, 180))), 1.0, -1)
    filling = _surroundings(image, mask, radius) + _texture_beside(image, radius, generator)
    soft = _blurred(mask, max(0.7, radius / 10))[:, :, np.newaxis]
    return _f32((image + soft * (filling - image)).clip(0, 1))


def _surroundings(image: F32, mask: F32, radius: float) -> F32:
    """Carry what lies around a mask smoothly into it: a Gaussian mean of the pixels outside."""
    outside = _f32(1 - _f32(cv2.dilate(mask, _KERNEL)))
    deviation = max(2.0, radius / 2)
    weight = _blurred(outside, deviation)[:, :, np.newaxis]
    carried = _blurred(_f32(image * outside[:, :, np.newaxis]), deviation)
    least = 1e-4  # where nothing of the outside reaches: the image's mean
    return _f32((carried + least * image.mean(axis=(0, 1))) / (weight + least))


def _texture_beside(image: F32, radius: float, generator: np.random.Generator) -> F32:
    angle, distance = generator.uniform(0, 2 * np.pi), radius * generator.uniform(1.5, 3.0)
    shift = round(float(distance * np.sin(angle))), round(float(distance * np.cos(angle)))
    beside = np.roll(image, shift, axis=(0, 1))
    return _f32((beside - _blurred(_f32(beside), _FINE)).clip(-_FINEST_CONTRAST, _FINEST_CONTRAST))


def _blurred(image: F32, deviation: float) -> F32:
    return _f32(cv2.GaussianBlur(image, (0, 0), deviation))


def _f32(values: Any) -> F32:
    return np.asarray(values, np.float32)
