"""Defects of a button: each draws itself into the surface, light and camera do the rest.

Sizes are the longest extent as a fraction of the button's diameter, contrasts are changes of albedo in
standard deviations of the texture (`TEXTURE_SPREAD`).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

import cv2
import numpy as np

from inspectd.io.button_surface import (
    F32,
    HOLE_BEVEL,
    HOLE_COUNT,
    HOLE_RADIUS,
    TEXTURE_SPREAD,
    Pose,
    Surface,
    body_height,
    distances,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Points = NDArray[np.float64]

# Kind: least and greatest size. A hole that is missing or blocked is as large as holes are.
SIZES: dict[str, tuple[float, float]] = {
    "scratch": (0.04, 0.40),
    "chip": (0.04, 0.28),
    "blocked_hole": (0.04, HOLE_RADIUS),
    "missing_hole": (HOLE_RADIUS * HOLE_BEVEL, HOLE_RADIUS * HOLE_BEVEL),
    "stain": (0.04, 0.35),
    "discoloration": (0.05, 0.40),
    "crack": (0.04, 0.40),
}
LEAST_CONTRAST = 3.0
FAINT = 0.15  # share of defects between the least contrast and the usual one
USUAL_CONTRAST = (5.0, 14.0)

_FIXED_POINT = 4  # binary places of the coordinates that polygons are drawn with


@dataclass(frozen=True, slots=True)
class Patch:
    """A defect on its surface: the surface of a rectangle and its top left pixel x, y in the frame."""

    surface: Surface
    corner: tuple[int, int]


def draw_size(kind: str, generator: np.random.Generator) -> float:
    """Size of a defect of `kind`, log-uniform between its least and greatest."""
    least, greatest = SIZES[kind]
    return float(math.exp(generator.uniform(math.log(least), math.log(greatest))))


def draw_contrast(generator: np.random.Generator) -> float:
    """Contrast in texture spreads; some defects are as faint as `LEAST_CONTRAST`."""
    low, high = USUAL_CONTRAST
    if generator.uniform() < FAINT:
        low, high = LEAST_CONTRAST, low
    return float(math.exp(generator.uniform(math.log(low), math.log(high))))


class Canvas:
    """The part of a button's surface that a defect reaches, copied for it to change."""

    def __init__(
        self, good: Surface, corner: tuple[int, int], box: tuple[float, float, float, float]
    ) -> None:
        margin = 6  # px: soft edges, and the two that the slope needs
        height, width = good.height.shape
        left = max(0, math.floor(box[0]) - margin - corner[0])
        top = max(0, math.floor(box[1]) - margin - corner[1])
        right = min(width, math.ceil(box[2]) + margin + 1 - corner[0])
        bottom = min(height, math.ceil(box[3]) + margin + 1 - corner[1])
        here = (slice(top, bottom), slice(left, right))
        self.corner = (corner[0] + left, corner[1] + top)
        self.surface = Surface(good.height[here].copy(), good.cover[here].copy(), good.albedo[here].copy())

    def distances(self, x: float, y: float) -> F32:
        """Distance in px of each pixel from x, y of the frame."""
        return distances(x - self.corner[0], y - self.corner[1], *self.surface.height.shape)

    def fill(self, outline: Points, blur: float = 0.0) -> F32:
        """Coverage 0 to 1 of a polygon given in pixels of the frame, [n, 2] x, y; `blur` in px."""
        mask = np.zeros(self.surface.height.shape, np.uint8)
        points = np.round((outline - self.corner) * (1 << _FIXED_POINT)).astype(np.int32)
        cv2.fillPoly(mask, [points], (255,), lineType=cv2.LINE_AA, shift=_FIXED_POINT)
        cover = mask.astype(np.float32) / np.float32(255)
        return cast("F32", cv2.GaussianBlur(cover, (0, 0), blur)) if blur > 0 else cover

    def patch(self) -> Patch:
        return Patch(self.surface, self.corner)


def _box(*outlines: Points) -> tuple[float, float, float, float]:
    points = np.vstack(outlines)
    (left, top), (right, bottom) = points.min(axis=0), points.max(axis=0)
    return float(left), float(top), float(right), float(bottom)


def _extent(points: Points) -> float:
    """Longest distance between two of the points."""
    return float(np.sqrt(np.square(points[:, None] - points[None]).sum(axis=-1).max()))


def _spot(generator: np.random.Generator, pose: Pose, size: float) -> tuple[float, float]:
    """A centre on the button's body for a defect of `size`, clear of the holes where it is small."""
    reach = min(size, 0.15) * pose.radius
    limit = max(0.0, 0.94 - size) * pose.radius
    holes = [pose.hole(index) for index in range(HOLE_COUNT)]
    clear = HOLE_RADIUS * pose.radius + reach
    x, y = pose.x, pose.y
    for _ in range(40):
        distance, turn = limit * math.sqrt(generator.uniform()), generator.uniform(0, 2 * math.pi)
        x, y = pose.x + distance * math.cos(turn), pose.y + distance * math.sin(turn)
        if all(math.hypot(x - hole[0], y - hole[1]) > clear for hole in holes):
            break
    return x, y


def _blob(generator: np.random.Generator, centre: tuple[float, float], extent: float, rough: float) -> Points:
    """An irregular closed outline around `centre` whose longest extent is `extent` px."""
    turn = np.linspace(0, 2 * math.pi, 64, endpoint=False)
    radius = np.ones_like(turn)
    for order in range(2, 7):
        phase = generator.uniform(0, 2 * math.pi)
        radius += rough / order * generator.uniform(0.3, 1.0) * np.cos(order * turn + phase)
    points = np.stack([radius * np.cos(turn), radius * np.sin(turn)], axis=1)
    points *= extent / _extent(points)
    return points - (points.max(axis=0) + points.min(axis=0)) / 2 + np.asarray(centre)


def _stroke(path: Points, width: float) -> Points:
    """Outline of a line along `path`, `width` px in the middle and tapering to both ends."""
    along = np.gradient(path, axis=0)
    along /= np.maximum(np.hypot(along[:, 0], along[:, 1]), 1e-9)[:, None]
    across = np.stack([-along[:, 1], along[:, 0]], axis=1)
    taper = np.sqrt(np.sin(np.linspace(0.06, math.pi - 0.06, len(path))))[:, None] * width / 2
    return np.vstack([path + across * taper, (path - across * taper)[::-1]])


def _line_width(generator: np.random.Generator, pose: Pose, least: float, greatest: float) -> float:
    """Width in px, from shares of the diameter."""
    return 2 * pose.radius * generator.uniform(least, greatest)


def scratch(
    good: Surface, corner: tuple[int, int], pose: Pose, size: float, generator: np.random.Generator
) -> Patch:
    """A slightly bent groove, lighter or darker than the body."""
    length = size * 2 * pose.radius
    t = np.linspace(-0.5, 0.5, 24)
    bend = generator.uniform(-0.25, 0.25)
    path = np.stack([t, bend * (0.25 - t * t)], axis=1)
    path *= length / _extent(path)
    turn = generator.uniform(0, 2 * math.pi)
    rotation = np.array([[math.cos(turn), math.sin(turn)], [-math.sin(turn), math.cos(turn)]])
    path = path @ rotation + np.asarray(_spot(generator, pose, size))
    outline = _stroke(path, _line_width(generator, pose, 0.008, 0.015))
    canvas = Canvas(good, corner, _box(outline))
    groove = canvas.fill(outline, 0.6)
    sign = 1.0 if generator.uniform() < 0.6 else -1.0
    canvas.surface.albedo += groove * np.float32(sign * draw_contrast(generator) * TEXTURE_SPREAD)
    canvas.surface.height -= groove * np.float32(0.0025 * pose.radius)
    return canvas.patch()


def crack(
    good: Surface, corner: tuple[int, int], pose: Pose, size: float, generator: np.random.Generator
) -> Patch:
    """A jagged dark line that starts at the rim or at a hole."""
    length = size * 2 * pose.radius
    if generator.uniform() < 0.5:
        hole = pose.hole(int(generator.integers(HOLE_COUNT)))
        heading = math.atan2(hole[1] - pose.y, hole[0] - pose.x) + generator.uniform(-0.5, 0.5)
        start = np.asarray(hole) + HOLE_RADIUS * pose.radius * np.array(
            [math.cos(heading), math.sin(heading)]
        )
    else:
        turn = generator.uniform(0, 2 * math.pi)
        start = np.array([pose.x, pose.y]) + 0.985 * pose.radius * np.array([math.cos(turn), math.sin(turn)])
        heading = turn + math.pi + generator.uniform(-0.5, 0.5)
    steps = max(4, round(length / (0.02 * 2 * pose.radius)))
    headings = heading + np.repeat(generator.uniform(-0.7, 0.7, (steps + 1) // 2), 2)[:steps]
    path = np.vstack([np.zeros(2), np.cumsum(np.stack([np.cos(headings), np.sin(headings)], axis=1), axis=0)])
    path = path * (length / _extent(path)) + start
    outline = _stroke(path, _line_width(generator, pose, 0.008, 0.013))
    canvas = Canvas(good, corner, _box(outline))
    gap = canvas.fill(outline, 0.5)
    canvas.surface.albedo -= gap * np.float32(draw_contrast(generator) * 1.3 * TEXTURE_SPREAD)
    canvas.surface.height -= gap * np.float32(0.004 * pose.radius)
    return canvas.patch()


def chip(
    good: Surface, corner: tuple[int, int], pose: Pose, size: float, generator: np.random.Generator
) -> Patch:
    """A piece broken out of the rim, with a lighter face of fracture along it."""
    length = size * 2 * pose.radius
    depth = length * generator.uniform(0.25, 0.45)
    turn = generator.uniform(0, 2 * math.pi)
    t = np.linspace(-1, 1, 25)
    rough = 1 + 0.25 * generator.uniform(-1, 1, t.size)
    reach = np.sqrt(np.maximum(0, 1 - t * t)) * rough * depth
    bearing = turn + t * math.asin(min(1.0, length / 2 / pose.radius))
    outward = np.stack([np.cos(bearing), np.sin(bearing)], axis=1)
    centre = np.array([pose.x, pose.y])
    inner = centre + outward * (pose.radius - reach)[:, None]
    outer = centre + outward * (pose.radius * 1.05)
    outline = np.vstack([inner, outer[::-1]])
    canvas = Canvas(good, corner, _box(outline))
    gone = canvas.fill(outline, 0.6)
    face = canvas.fill(outline, max(1.0, 0.010 * 2 * pose.radius))
    canvas.surface.cover *= 1 - gone
    canvas.surface.height -= face * np.float32(0.03 * pose.radius)
    canvas.surface.albedo += face * np.float32(draw_contrast(generator) * TEXTURE_SPREAD)
    return canvas.patch()


def blocked_hole(
    good: Surface, corner: tuple[int, int], pose: Pose, size: float, generator: np.random.Generator
) -> Patch:
    """Swarf or glue that fills a hole, or a part of it."""
    hole = pose.hole(int(generator.integers(HOLE_COUNT)))
    radius = HOLE_RADIUS * pose.radius
    extent = size * 2 * pose.radius
    turn, off = generator.uniform(0, 2 * math.pi), max(0.0, radius - extent / 2)
    centre = (hole[0] + off * math.cos(turn), hole[1] + off * math.sin(turn))
    outline = _blob(generator, centre, extent, 0.15)
    canvas = Canvas(good, corner, _box(outline))
    plug = canvas.fill(outline, 0.7) * (canvas.distances(*hole) < radius + 1.5)
    plug = plug.astype(np.float32) * (1 - canvas.surface.cover)
    canvas.surface.cover += plug
    canvas.surface.height += plug * np.float32(0.02 * pose.radius)
    canvas.surface.albedo += plug * np.float32(generator.uniform(-0.25, 0.05))
    return canvas.patch()


def missing_hole(
    good: Surface, corner: tuple[int, int], pose: Pose, size: float, generator: np.random.Generator
) -> Patch:
    """A hole that was never drilled: the dish goes on."""
    x, y = pose.hole(int(generator.integers(HOLE_COUNT)))
    reach = size * pose.radius + 2
    canvas = Canvas(good, corner, (x - reach, y - reach, x + reach, y + reach))
    inside = (canvas.distances(x, y) < reach).astype(np.float32)
    whole = body_height(canvas.distances(pose.x, pose.y), pose.radius)
    canvas.surface.height += inside * (whole - canvas.surface.height)
    canvas.surface.cover += inside * (1 - canvas.surface.cover)
    return canvas.patch()


def _tinted(canvas: Canvas, share: F32, absorbed: tuple[float, float, float], contrast: float) -> Patch:
    """Take light from the colours: `contrast` texture spreads in the one most absorbed."""
    strength = np.float32(contrast * TEXTURE_SPREAD)
    canvas.surface.tint = np.stack([1 - share * strength * np.float32(part) for part in absorbed])
    return canvas.patch()


def stain(
    good: Surface, corner: tuple[int, int], pose: Pose, size: float, generator: np.random.Generator
) -> Patch:
    """A dark drop that dried: an irregular outline, darker along its edge."""
    extent = size * 2 * pose.radius
    outline = _blob(generator, _spot(generator, pose, size), extent, 0.5)
    canvas = Canvas(good, corner, _box(outline))
    share = canvas.fill(outline, max(0.8, 0.03 * extent))
    inner = canvas.fill(outline, max(1.0, 0.10 * extent))
    ring = np.clip(share * (1.25 - 0.35 * inner), 0, 1)
    return _tinted(canvas, ring.astype(np.float32), (0.85, 0.95, 1.0), draw_contrast(generator))


def discoloration(
    good: Surface, corner: tuple[int, int], pose: Pose, size: float, generator: np.random.Generator
) -> Patch:
    """An area of another hue, with soft edges: burnt, bleached or from a wrong batch of resin."""
    hues = ((1.0, 0.55, 0.1), (0.1, 0.55, 1.0), (-0.4, -0.7, -1.0), (0.6, 1.0, 0.5))
    extent = size * 2 * pose.radius
    outline = _blob(generator, _spot(generator, pose, size), extent, 0.35)
    canvas = Canvas(good, corner, _box(outline))
    share = canvas.fill(outline, max(1.0, 0.07 * extent))
    return _tinted(canvas, share, hues[int(generator.integers(len(hues)))], 1.2 * draw_contrast(generator))


DEFECTS: dict[str, Callable[[Surface, tuple[int, int], Pose, float, np.random.Generator], Patch]] = {
    "scratch": scratch,
    "chip": chip,
    "blocked_hole": blocked_hole,
    "missing_hole": missing_hole,
    "stain": stain,
    "discoloration": discoloration,
    "crack": crack,
}
