"""What defects are drawn with: a piece of a button's surface to change, and outlines to fill on it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias, cast

import cv2
import numpy as np
from numpy.typing import NDArray

from inspectd.io.button_surface import F32, HOLE_COUNT, HOLE_RADIUS, Pose, Surface, distances

if TYPE_CHECKING:
    from collections.abc import Sequence

Points: TypeAlias = NDArray[np.float64]
"""[n, 2]: x, y in px of the frame."""

_FIXED_POINT = 4  # binary places of the coordinates that polygons are drawn with


@dataclass(frozen=True, slots=True)
class Site:
    """A good button: its surface, that rectangle's top left pixel x, y in the frame, and how it lies."""

    surface: Surface
    corner: tuple[int, int]
    pose: Pose

    def length(self, size: float) -> float:
        """Convert a share of the button's diameter to px."""
        return size * 2 * self.pose.radius


class Canvas:
    """The rectangle of a button's surface that an outline reaches, copied for a defect to change.

    `corner` is its top left pixel x, y in the frame, `soft` the most that edges will be blurred, px.
    """

    def __init__(self, site: Site, outline: Points, soft: float) -> None:
        points: Points = outline - site.corner
        margin = math.ceil(3 * soft) + 4  # a Gaussian ends at three sigma; two more px for the slope there
        left = max(0, math.floor(float(points[:, 0].min())) - margin)
        top = max(0, math.floor(float(points[:, 1].min())) - margin)
        right = math.ceil(float(points[:, 0].max())) + margin + 1
        bottom = math.ceil(float(points[:, 1].max())) + margin + 1
        good = site.surface
        self.corner = (site.corner[0] + left, site.corner[1] + top)
        self.surface = Surface(
            height=np.copy(good.height[top:bottom, left:right]),
            cover=np.copy(good.cover[top:bottom, left:right]),
            albedo=np.copy(good.albedo[top:bottom, left:right]),
        )

    def distances(self, x: float, y: float) -> F32:
        """Measure the distance in px of each pixel from x, y of the frame."""
        height, width = self.surface.height.shape
        return distances(x - self.corner[0], y - self.corner[1], height, width)

    def fill(self, outline: Points, blur: float) -> F32:
        """Give the coverage 0 to 1 of a polygon whose edges are softened by `blur` px, float32 [h, w]."""
        mask = np.zeros(self.surface.height.shape, np.uint8)
        points = np.round((outline - self.corner) * (1 << _FIXED_POINT)).astype(np.int32)
        cv2.fillPoly(mask, [points], (255,), lineType=cv2.LINE_AA, shift=_FIXED_POINT)
        return cast("F32", cv2.GaussianBlur(mask.astype(np.float32) * np.float32(1 / 255), (0, 0), blur))


def extent(points: Points) -> float:
    """Measure the longest distance between two of the points, px."""
    return float(np.sqrt(np.square(points[:, None] - points[None]).sum(axis=-1).max()))


def spot(generator: np.random.Generator, pose: Pose, size: float) -> tuple[float, float]:
    """Choose a centre on the body for a defect of `size`, clear of the holes where it is small enough."""
    limit = (0.94 - size) * pose.radius
    clear = (HOLE_RADIUS + min(size, 0.15)) * pose.radius
    holes = [pose.hole(index) for index in range(HOLE_COUNT)]
    x, y = pose.x, pose.y
    for _ in range(40):
        distance, turn = limit * math.sqrt(generator.uniform()), generator.uniform(0, 2 * math.pi)
        x, y = pose.x + distance * math.cos(turn), pose.y + distance * math.sin(turn)
        if all(math.hypot(x - hole[0], y - hole[1]) > clear for hole in holes):
            break
    return x, y


def wave(generator: np.random.Generator, turn: Points, orders: Sequence[int], rough: float) -> Points:
    """Give an irregular factor about 1 at each bearing `turn`, [n] in rad, of the given orders of waves."""
    factor = np.ones_like(turn)
    for order in orders:
        phase = generator.uniform(0, 2 * math.pi)
        factor += rough / order * generator.uniform(0.3, 1.0) * np.cos(order * turn + phase)
    return factor


def blob(generator: np.random.Generator, centre: tuple[float, float], length: float, rough: float) -> Points:
    """Outline an irregular area around `centre` whose longest extent is `length` px."""
    turn = np.linspace(0, 2 * math.pi, 64, endpoint=False)
    radius = wave(generator, turn, range(2, 7), rough)
    points = np.stack([radius * np.cos(turn), radius * np.sin(turn)], axis=1)
    points *= length / extent(points)
    return points - (points.max(axis=0) + points.min(axis=0)) / 2 + np.asarray(centre)


def stroke(path: Points, width: float) -> Points:
    """Outline a line along `path` that is `width` px wide in the middle and tapers to both ends."""
    along = np.gradient(path, axis=0)
    along /= np.maximum(np.hypot(along[:, 0], along[:, 1]), 1e-9)[:, None]
    across = np.stack([-along[:, 1], along[:, 0]], axis=1)
    taper = np.sqrt(np.sin(np.linspace(0.06, math.pi - 0.06, len(path))))[:, None] * width / 2
    return np.vstack([path + across * taper, (path - across * taper)[::-1]])
