"""Light on a button: how one part looks, and its picture before the sensor, in float32 planes."""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from inspectd.io.arena import ArenaPool
from inspectd.io.button_surface import DIAMETER, F32, Fields, Pose, Surface, crop, fields, place

BUTTON_COLOUR = (172.0, 139.0, 100.0)  # RGB, 0 to 255, at albedo 1 in plain light
BELT_COLOUR = (98.0, 105.0, 107.0)
LIGHT = (-0.62, -0.78)  # towards the lamp, x and y: from the upper left
SHADING = 0.42  # how much a slope towards the lamp brightens
GLOSS = 95.0  # brightness of the highlight
GLOSS_FROM = 0.35  # slope towards the lamp at which the highlight starts
SHADOW = 0.45  # share of light that the button takes from the belt
SHADOW_STEP = 4  # px: the shadow is soft, so it is computed on a coarser grid


@dataclass(frozen=True, slots=True)
class Look:
    """All that differs between two good parts."""

    pose: Pose
    lathe_turn: float  # rad
    colour: tuple[float, float, float]
    brightness: float
    gradient: tuple[float, float]  # share of light gained from the centre to the right and to the lower edge
    crops: tuple[tuple[float, float], ...]  # where mottle, belt and noise are taken from, as fractions


def draw_look(generator: np.random.Generator, height: int, width: int) -> Look:
    """Draw how a good part looks in a height x width frame."""
    side = min(height, width)
    jitter = 0.035 * side
    pose = Pose(
        x=(width - 1) / 2 + generator.uniform(-jitter, jitter),
        y=(height - 1) / 2 + side * 0.01 + generator.uniform(-jitter, jitter),
        radius=DIAMETER / 2 * side * generator.uniform(0.985, 1.015),
        angle=generator.uniform(0, 2 * math.pi),
    )
    red, green, blue = (base * generator.uniform(0.975, 1.025) for base in BUTTON_COLOUR)
    return Look(
        pose=pose,
        lathe_turn=generator.uniform(0, 2 * math.pi),
        colour=(red, green, blue),
        brightness=generator.uniform(0.95, 1.05),
        gradient=(generator.uniform(-0.10, 0.02), generator.uniform(-0.12, 0.0)),
        crops=tuple((generator.uniform(0, 1), generator.uniform(0, 1)) for _ in range(3)),
    )


_arenas = ArenaPool()


class Scene:
    """One part under the lamp, in a height x width frame. A thread's next scene makes this one void.

    `planes` is the picture, RGB float32 [3, height, width], 0 to 255 and a little beyond. `surface` is the
    button alone, a rectangle whose top left pixel lies at `corner` x, y of the frame. An `empty` scene has
    the belt alone.
    """

    def __init__(self, look: Look, height: int, width: int, *, empty: bool = False) -> None:
        self.look = look
        self.shape = (height, width)
        self.fields: Fields = fields(height, width)
        side = 2 * math.ceil(look.pose.radius * 1.03) + 2
        left, top = round(look.pose.x - side / 2), round(look.pose.y - side / 2)
        self.corner = (left, top)
        # Five planes of the frame (picture, light, belt) and nine of the button's window, which is smaller.
        self._arena = _arenas.empty(16 * height * width * np.dtype(np.float32).itemsize)
        self.surface = self._button(side)
        if empty:
            self.surface.cover[:] = 0
        self._light = self._lamp()
        self._belt = self._shadowed_belt()
        self.planes = self._arena.take((3, height, width), np.float32)
        for plane, colour in zip(self.planes, BELT_COLOUR, strict=True):
            np.multiply(self._belt, np.float32(colour), out=plane)
        if not empty:
            self.lit(self.surface, self.corner, self.planes[:, top : top + side, left : left + side])

    def expose(self, out: NDArray[np.uint8]) -> None:
        """Add the sensor's noise and round to 8 bits, into `out`, RGB uint8 [height, width, 3]."""
        noise = crop(self.fields.noise, self.shape, self.look.crops[2])
        levels = [self._arena.take(self.shape, np.uint8) for _ in range(3)]
        for plane, level in zip(self.planes, levels, strict=True):
            cv2.add(plane, noise, dst=level, dtype=cv2.CV_8U)
        cv2.merge(levels, dst=out)

    def lit(self, surface: Surface, corner: tuple[int, int], out: F32) -> F32:
        """Light `surface`, whose top left pixel lies at `corner` x, y, and the belt around and below it.

        Writes and returns `out`, float32 [3, h, w]. At the border of `surface` the slope is not yet that of a
        larger one: one pixel all round is only right where that is flat.
        """
        height, width = surface.height.shape
        left, top = corner
        mark = self._arena.mark()
        slope, body, gloss, belt, share = (self._arena.take((height, width), np.float32) for _ in range(5))
        cv2.Sobel(surface.height, cv2.CV_32F, 1, 0, dst=slope, scale=-LIGHT[0] / 8)
        cv2.Sobel(surface.height, cv2.CV_32F, 0, 1, dst=body, scale=-LIGHT[1] / 8)
        slope += body
        # Slopes fade out like the sine of their angle: a steep edge is no brighter than the lamp.
        np.abs(slope, out=body)
        body += np.float32(1)
        slope /= body
        np.subtract(slope, np.float32(GLOSS_FROM), out=gloss)
        np.maximum(gloss, np.float32(0), out=gloss)
        gloss *= gloss
        gloss *= np.float32(GLOSS)
        gloss *= surface.cover
        np.multiply(slope, np.float32(SHADING), out=body)
        body += np.float32(1)
        body *= surface.albedo
        body *= self._light[top : top + height, left : left + width]
        body *= surface.cover
        np.subtract(np.float32(1), surface.cover, out=belt)
        belt *= self._belt[top : top + height, left : left + width]
        for index in range(3):
            np.multiply(body, np.float32(self.look.colour[index]), out=share)
            if surface.tint is not None:
                share *= surface.tint[index]
            share += gloss
            np.multiply(belt, np.float32(BELT_COLOUR[index]), out=out[index])
            out[index] += share
        self._arena.release(mark)
        return out

    def _button(self, side: int) -> Surface:
        pose, shared = self.look.pose, self.fields
        height, cover, albedo = (self._arena.take((side, side), np.float32) for _ in range(3))
        place(shared.body, pose, shared.radius, pose.angle, self.corner, height)
        place(shared.cover, pose, shared.radius, pose.angle, self.corner, cover)
        place(shared.lathe, pose, shared.radius, self.look.lathe_turn, self.corner, albedo)
        albedo += crop(shared.mottle, (side, side), self.look.crops[0])
        albedo += np.float32(1)
        return Surface(height, cover, albedo)

    def _lamp(self) -> F32:
        """Brightness of the lamp on each pixel of the frame, about 1."""
        gradient, shared = self.look.gradient, self.fields
        down = shared.down * np.float32(gradient[1]) + np.float32(self.look.brightness)
        light = self._arena.take(self.shape, np.float32)
        np.add(shared.across * np.float32(gradient[0]), down, out=light)
        light *= shared.vignette
        return light

    def _shadowed_belt(self) -> F32:
        """Brightness of the belt with the button's soft shadow on it."""
        height, width = self.shape
        away = self.fields.radius * 0.05
        left, top = self.corner[0] - LIGHT[0] * away, self.corner[1] - LIGHT[1] * away
        matrix = np.array([[1, 0, left], [0, 1, top]]) / SHADOW_STEP
        coarse = (math.ceil(width / SHADOW_STEP), math.ceil(height / SHADOW_STEP))
        # Averaged before it is thinned out, so that no hole falls between two coarse pixels.
        belt = self._arena.take(self.shape, np.float32)
        mark = self._arena.mark()
        blurred = self._arena.take(self.surface.cover.shape, np.float32)
        cv2.blur(self.surface.cover, (5, 5), dst=blurred)
        shadow = cv2.warpAffine(blurred, matrix, coarse, flags=cv2.INTER_LINEAR)
        shadow = cv2.GaussianBlur(shadow, (0, 0), self.fields.radius * 0.04 / SHADOW_STEP)
        cv2.resize(shadow, (width, height), dst=belt, interpolation=cv2.INTER_LINEAR)
        self._arena.release(mark)
        belt *= np.float32(-SHADOW)
        belt += np.float32(1)
        belt *= crop(self.fields.belt, self.shape, self.look.crops[1])
        belt *= self._light
        return belt
