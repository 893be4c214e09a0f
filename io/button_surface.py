"""The simulated product: a round button with four holes on a conveyor belt, as a surface that light falls on.

A button is a height field with a rim and bevelled holes, a coverage (1 on the button, 0 on the belt and in
the holes) and an albedo with texture. Everything that all parts share is computed once per frame size and
kept (`fields`); a part only moves and turns it. Lengths are in pixels of the frame, angles in radians.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, TypeAlias, cast

import cv2
import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from collections.abc import Sequence

F32: TypeAlias = NDArray[np.float32]

DIAMETER = 0.76  # of the frame's shorter side
HOLE_COUNT = 4
HOLE_RADIUS = 0.115  # of the button's radius, as is all below
HOLE_DISTANCE = 0.38  # of a hole's centre from the button's
HOLE_BEVEL = 1.30  # outer radius of the bevel, in hole radii
RIM_INNER = 0.72
RIM_TOP = 0.83
RIM_OUTER = 0.90

MOTTLE = 0.017  # standard deviation of the albedo's mottled part
LATHE = 0.010  # and of the fine rings that turning leaves
SENSOR_NOISE = 1.0  # standard deviation, grey levels
TEXTURE_SPREAD = math.hypot(MOTTLE, LATHE)

_PRODUCT_SEED = 20_250_607  # the product's own texture: the same for every line and part


@dataclass(frozen=True, slots=True)
class Pose:
    """Where a button lies: centre x, y and radius in px, angle of its holes in rad."""

    x: float
    y: float
    radius: float
    angle: float

    @property
    def unit(self) -> float:
        """One px of a frame 512 px high, in px of this one: what soft edges and line widths are given in."""
        return self.radius / 195

    def hole(self, index: int) -> tuple[float, float]:
        """Centre x, y in px of hole 0 to 3."""
        turn = self.angle + (index + 0.5) * 2 * math.pi / HOLE_COUNT
        distance = HOLE_DISTANCE * self.radius
        return self.x + distance * math.cos(turn), self.y + distance * math.sin(turn)


@dataclass(slots=True)
class Surface:
    """A rectangle of button: height in px, coverage 0 to 1, albedo about 1, each float32 [h, w].

    `tint` is what each colour is multiplied with, float32 [3, h, w]; None: nothing.
    """

    height: F32
    cover: F32
    albedo: F32
    tint: F32 | None = None


@dataclass(frozen=True, slots=True)
class Fields:
    """What all parts of one frame size share; float32 throughout."""

    radius: float  # nominal, px
    body: F32  # [C, C] height in px of an upright button, centred
    cover: F32  # [C, C] its coverage
    lathe: F32  # [C, C] turning rings, standard deviation LATHE
    mottle: F32  # [M, N] larger than the frame, standard deviation MOTTLE
    belt: F32  # [M, N] brightness of the belt, about 1
    noise: F32  # [M, N] the sensor's noise, standard deviation SENSOR_NOISE
    across: F32  # [1, w] -1 to 1
    down: F32  # [h, 1] -1 to 1
    vignette: F32  # [h, w] about 1


def smoothstep(low: float, high: float, value: F32) -> F32:
    """0 below `low`, 1 above `high`, smooth between."""
    t = np.clip((value - low) / (high - low), 0.0, 1.0)
    return (t * t * (3.0 - 2.0 * t)).astype(np.float32)


def body_height(distance: F32, radius: float) -> F32:
    """Height in px of a button without holes, `distance` px from its centre: dish, rim, rounded edge."""
    ratio = (distance / radius).astype(np.float32)
    rim = smoothstep(RIM_INNER, RIM_TOP, ratio) * 0.045
    edge = np.square(np.clip((ratio - RIM_OUTER) / (1.0 - RIM_OUTER), 0.0, 1.2)) * 0.05
    bowl = np.square(ratio) * 0.02
    return ((rim + bowl - edge) * radius).astype(np.float32)


def distances(x: float, y: float, height: int, width: int) -> F32:
    """Distance in px of each pixel from x, y; float32 [height, width]."""
    across = np.arange(width, dtype=np.float32) - np.float32(x)
    down = np.arange(height, dtype=np.float32)[:, None] - np.float32(y)
    return np.sqrt(across * across + down * down)


def _noise(
    generator: np.random.Generator, shape: tuple[int, int], octaves: Sequence[tuple[float, float]]
) -> F32:
    """Noise of mean 0 and standard deviation 1, summed of (blur in px, weight)."""
    total = np.zeros(shape, np.float32)
    for blur, weight in octaves:
        layer = generator.standard_normal(shape, dtype=np.float32)
        layer = cast("F32", cv2.GaussianBlur(layer, (0, 0), blur)) if blur > 0 else layer
        total += np.float32(weight) * (layer - layer.mean()) / layer.std()
    return (total / total.std()).astype(np.float32)


def _shape(radius: float) -> tuple[F32, F32]:
    """Height in px and coverage of an upright button."""
    side = 2 * math.ceil(radius * 1.08) + 1
    centre = side // 2
    upright = Pose(centre, centre, radius, 0.0)
    soft = 1.8 * upright.unit
    distance = distances(centre, centre, side, side)
    height = body_height(distance, radius)
    cover = 1.0 - smoothstep(radius - soft, radius + soft, distance)
    hole_radius = HOLE_RADIUS * radius
    for index in range(HOLE_COUNT):
        from_hole = distances(*upright.hole(index), side, side)
        height -= (1.0 - smoothstep(hole_radius, hole_radius * HOLE_BEVEL, from_hole)) * hole_radius * 0.30
        cover *= smoothstep(hole_radius - soft, hole_radius + soft, from_hole)
    return height.astype(np.float32), cover.astype(np.float32)


def _lathe(generator: np.random.Generator, radius: float) -> F32:
    """Rings as a lathe's tool leaves them, a little different from one bearing to the next."""
    side = 2 * math.ceil(radius * 1.08) + 1
    polar = _noise(generator, (512, math.ceil(radius * 1.2)), [(0.7, 1.0)])
    polar = cast("F32", cv2.GaussianBlur(np.vstack([polar] * 3), (1, 0), sigmaX=0.01, sigmaY=24.0))[512:1024]
    centre = side // 2
    distance = distances(centre, centre, side, side)
    down, across = np.mgrid[0:side, 0:side].astype(np.float32) - np.float32(centre)
    bearing = ((np.arctan2(down, across) / (2 * math.pi) + 0.5) * 511).astype(np.float32)
    rings = cast(
        "F32", cv2.remap(polar, distance, bearing, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    )
    return (rings / rings.std() * LATHE).astype(np.float32)


@lru_cache(maxsize=4)
def fields(height: int, width: int) -> Fields:
    """What all parts of a height x width frame share; the first call takes about 0.2 s at 512x512."""
    generator = np.random.Generator(np.random.PCG64(_PRODUCT_SEED))
    side = min(height, width)
    scale = side / 512
    radius = DIAMETER / 2 * side
    tile = (height * 3 // 2, width * 3 // 2)
    weave = np.sin(np.arange(tile[1], dtype=np.float32) * np.float32(2 * math.pi / (9 * scale)))
    weave = (
        weave * np.sin(np.arange(tile[0], dtype=np.float32) * np.float32(2 * math.pi / (9 * scale)))[:, None]
    )
    belt = 1.0 + 0.02 * _noise(generator, tile, [(0.9 * scale, 1.0), (14 * scale, 0.7)]) + 0.02 * weave
    across = np.linspace(-1, 1, width, dtype=np.float32)[None, :]
    down = np.linspace(-1, 1, height, dtype=np.float32)[:, None]
    body, cover = _shape(radius)
    return Fields(
        radius=radius,
        body=body,
        cover=cover,
        lathe=_lathe(generator, radius),
        mottle=MOTTLE * _noise(generator, tile, [(0.9 * scale, 1.0), (2.5 * scale, 0.8), (8 * scale, 0.8)]),
        belt=belt.astype(np.float32),
        noise=SENSOR_NOISE * _noise(generator, tile, [(0.0, 1.0)]),
        across=across,
        down=down,
        vignette=(1.02 - 0.05 * (across * across + down * down)).astype(np.float32),
    )


def crop(tile: F32, shape: tuple[int, int], at: tuple[float, float]) -> F32:
    """A view of `shape` into `tile`, at fractions 0 to 1 of the room there is."""
    top = int(at[0] * (tile.shape[0] - shape[0]))
    left = int(at[1] * (tile.shape[1] - shape[1]))
    return tile[top : top + shape[0], left : left + shape[1]]


def place(
    field: F32, pose: Pose, nominal_radius: float, turn: float, corner: tuple[int, int], out: F32
) -> None:
    """Turn `field` (centred, of the nominal radius) by `turn` and lay it at `pose` into the window `out`.

    `corner` is the window's top left pixel x, y in the frame. Outside the field it is 0.
    """
    scale = pose.radius / nominal_radius
    cosine, sine = scale * math.cos(turn), scale * math.sin(turn)
    centre = field.shape[0] // 2
    matrix = np.array(
        [
            [cosine, -sine, pose.x - corner[0] - (cosine - sine) * centre],
            [sine, cosine, pose.y - corner[1] - (sine + cosine) * centre],
        ]
    )
    cv2.warpAffine(field, matrix, (out.shape[1], out.shape[0]), dst=out, flags=cv2.INTER_LINEAR)
