"""Images that stand out of a class, and images that are too much alike, measured against the class itself.

Good parts in a fixture all look alike, parts thrown on a belt do not: no fixed limit suits both. So each
image is held against how the others of its class differ.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from inspectd.inference.prepare import resize

F32 = NDArray[np.float32]
Images = NDArray[np.uint8]

SIDE = 32
"""Side of the small images that are compared, px: coarse enough that no defect makes a part a stranger."""
FEWEST = 10

_GREY_LEVELS = 16
_CELLS = 4
_DIRECTIONS = 6

_FOLDS = 10
_ITERATIONS = 4
_MOST_TO_FIT = 500
# How far an image stands out, summed over three views, each cut at 8. MVTec's screws with a magnetic tile
# among them: the stranger 19 and more; tiles, which differ much, with a screw: 12 and more. Of its own, each
# set has none or one over the limit. Among 20 tiles one stranger in ten stays under it, among 10 two in five.
_CUT = 8.0
_LIMIT = 7.5
# Views of one class that differ by less than this share count as equal: a class may be too even to tell.
_EVEN = 0.05

# A pair is nearly the same at a third of the usual distance to the nearest neighbour. Screws, tiles and
# buttons keep over half of it; a picture saved anew or taken twice of one part has a tenth.
_NEAR = 1 / 3
_ROWS = 512


@dataclass(frozen=True, slots=True)
class Stranger:
    """An image unlike the others. `times`: how much worse than usual it can be made up from them."""

    index: int
    score: float
    times: float


def strangers(images: Images) -> list[Stranger]:
    """Find images of another product, those furthest off first. `images` is uint8 RGB [N, SIDE, SIDE, 3].

    Each image is made up from the principal components of the others, in three views: what it looks like,
    its colours, its edges. What remains is compared with what remains of the others, by median and median
    deviation of its logarithm, which a few strangers do not move. Nothing is found among under `FEWEST`.
    """
    if len(images) < FEWEST:
        return []
    total = np.zeros(len(images), np.float64)
    times = np.ones(len(images), np.float64)
    for view, components, finest in _views(images):
        remains = np.log(_remains(view, components) + finest)
        median = float(np.median(remains))
        spread = max(_EVEN, 1.4826 * float(np.median(np.abs(remains - median))))
        total += np.clip((remains - median) / spread, 0, _CUT)
        times = np.maximum(times, np.exp(remains - median))
    order = np.argsort(-total)
    return [Stranger(int(i), float(total[i]), float(times[i])) for i in order if total[i] > _LIMIT]


def near_duplicates(images: Images, of_class: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """Find pairs (earlier, later) of nearly the same picture, by index, at least one of each `of_class`.

    `images` is uint8 RGB [N, SIDE, SIDE, 3], no two of them with the same content. What is usual is learned
    from those `of_class`, bool [N]; nothing is found with under `FEWEST` of them.
    """
    members = np.flatnonzero(of_class)
    if len(members) < FEWEST:
        return []
    flat = _greys(images).reshape(len(images), -1).astype(np.float32)
    nearest = np.full(len(images), np.inf, np.float32)
    for start, distances in _distances(flat[members]):
        rows = members[start : start + len(distances)]
        nearest[rows] = distances.min(axis=1)
    limit = _NEAR * float(np.median(nearest[members]))
    pairs: list[tuple[int, int]] = []
    for start, distances in _distances(flat):
        for row, other in np.argwhere(distances < limit):
            later, earlier = start + int(row), int(other)
            if earlier < later and (of_class[earlier] or of_class[later]):
                pairs.append((earlier, later))
    return pairs


def _distances(rows: F32) -> Iterator[tuple[int, F32]]:
    """Give the distances of all rows, float32 [N, D], to each other, [R, N] at a time."""
    squares = (rows**2).sum(axis=1)
    for start in range(0, len(rows), _ROWS):
        block = rows[start : start + _ROWS]
        products = np.asarray(block @ rows.T, np.float32)
        distances = np.sqrt(np.maximum(squares[start : start + _ROWS, None] + squares - 2 * products, 0))
        distances[np.arange(len(block)), start + np.arange(len(block))] = np.inf
        yield start, distances


def _views(images: Images) -> tuple[tuple[F32, int, float], ...]:
    """Return each view with how many components it has, and the finest difference that means anything."""
    return (_looks(images), 16, 0.03), (_colours(images), 6, 0.003), (_edges(images), 16, 0.2)


def _remains(view: F32, components: int) -> NDArray[np.float64]:
    """Return what the components of other folds' rows leave over of each row, float32 [N, D]."""
    count = len(view)
    order = np.random.default_rng(0).permutation(count)
    remains = np.empty(count, np.float64)
    for fold in range(_FOLDS):
        held_out = order[fold::_FOLDS]
        fitted = np.setdiff1d(order, held_out, assume_unique=True)[:_MOST_TO_FIT]
        mean = view[fitted].mean(axis=0)
        axes = _components(view[fitted] - mean, min(components, count // 3))
        rest = view[held_out] - mean
        rest = np.asarray(rest - rest @ axes @ axes.T, np.float32)
        remains[held_out] = np.linalg.norm(rest, axis=1)
    return remains


def _components(rows: F32, count: int) -> F32:
    """Return the first principal components of centred rows, float32 [N, D], as [D, count].

    By subspace iteration, which takes a hundredth of the time of a whole decomposition.
    """
    axes = np.random.default_rng(0).normal(size=(rows.shape[1], min(count + 8, rows.shape[1])))
    axes = axes.astype(np.float32)
    for _ in range(_ITERATIONS):
        axes, _ = np.linalg.qr(np.asarray(rows.T @ (rows @ axes), np.float32))
    _, _, turn = np.linalg.svd(rows @ axes, full_matrices=False)
    return np.asarray(axes @ turn[:count].T, np.float32)


def _looks(images: Images) -> F32:
    """Return what each image looks like from afar, float32 [N, 768]."""
    small = np.stack([resize(image, SIDE // 2) for image in images])
    return np.asarray(small.reshape(len(images), -1) / 255, np.float32)


def _colours(images: Images) -> F32:
    """Return the cumulative histogram of each channel, float32 [N, 48]: little moved by the light."""
    levels = (images // (256 // _GREY_LEVELS)).reshape(len(images), -1, 3)
    counts = np.stack([(levels == level).mean(axis=1) for level in range(_GREY_LEVELS)], axis=1)
    return np.cumsum(counts, axis=1).reshape(len(images), -1).astype(np.float32)


def _edges(images: Images) -> F32:
    """Return how much edge of each direction there is in each of 4 x 4 cells, float32 [N, 96], root taken."""
    return np.stack([_edges_of(grey) for grey in _greys(images)])


def _greys(images: Images) -> Images:
    greys = [np.asarray(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), np.uint8) for image in images]
    return np.stack(greys)


def _edges_of(grey: Images) -> F32:
    across = np.asarray(cv2.Sobel(grey, cv2.CV_32F, 1, 0, ksize=3), np.float32)
    down = np.asarray(cv2.Sobel(grey, cv2.CV_32F, 0, 1, ksize=3), np.float32)
    strength = np.hypot(across, down)
    turn = np.arctan2(down, across) % np.pi / np.pi
    direction = np.minimum((turn * _DIRECTIONS).astype(int), _DIRECTIONS - 1)
    cell = np.arange(SIDE) * _CELLS // SIDE
    bins = (cell[:, None] * _CELLS + cell[None]) * _DIRECTIONS + direction
    sums = np.bincount(bins.ravel(), strength.ravel(), minlength=_CELLS * _CELLS * _DIRECTIONS)
    return np.sqrt(sums * _CELLS * _CELLS / SIDE**2).astype(np.float32)
