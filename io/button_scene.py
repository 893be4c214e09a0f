"""Light on a button: one part's look, and the picture of it before the sensor's noise, in planes of float32."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

import cv2
import numpy as np

from inspectd.io.button_surface import DIAMETER, F32, Fields, Pose, Surface, crop, fields, place

if TYPE_CHECKING:
    from typing import TypeAlias

    Window: TypeAlias = tuple[slice, slice]

BUTTON_COLOUR = (172.0, 139.0, 100.0)  # RGB, 0 to 255, at albedo 1 in plain light
BELT_COLOUR = (84.0, 90.0, 92.0)
LIGHT = (-0.62, -0.78)  # towards the lamp, x and y: from the upper left
SHADING = 0.42  # how much a slope towards the lamp brightens
GLOSS = 95.0  # brightness of the highlight
GLOSS_FROM = 0.35  # slope towards the lamp at which the highlight starts
SENSOR_NOISE = 1.3  # standard deviation, grey levels
SHADOW_STEP = 4  # px: the shadow is soft, so it is computed on a coarser grid
SHADOW = 0.55  # share of light that the button takes from the belt


@dataclass(frozen=True, slots=True)
class Look:
    """All that differs between two good parts."""

    pose: Pose
    lathe_turn: float  # rad
    colour: tuple[float, float, float]
    brightness: float
    gradient: tuple[float, float]  # share of light gained from the centre to the right and lower edge
    crops: tuple[tuple[float, float], ...]  # where mottle, belt and noise are taken from, as fractions


def draw_look(generator: np.random.Generator, height: int, width: int) -> Look:
    """A good part's look, drawn from `generator`, in a height x width frame."""
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


class Scene:
    """One part under the lamp. `planes` is the picture so far, float32 [3, h, w], 0 to 255 and a little beyond."""

    def __init__(self, look: Look, height: int, width: int, *, empty: bool = False) -> None:
        self.look = look
        self.shape = (height, width)
        self.fields: Fields = fields(height, width)
        self.window, self.surface = self._button()
        if empty:
            self.surface.cover[:] = 0
        self.light = self._light()
        self.planes = self._belt()
        self.belt = self.planes[(slice(None), *self.window)].copy()
        if not empty:
            whole = (slice(0, self.surface.height.shape[0]), slice(0, self.surface.height.shape[1]))
            self.planes[(slice(None), *self.window)] = self.lit(self.surface, whole)

    def noise(self) -> F32:
        """The sensor's noise of this frame, [h, w], grey levels."""
        return crop(self.fields.noise, self.shape, self.look.crops[2]) * np.float32(SENSOR_NOISE)

    def _button(self) -> tuple[Window, Surface]:
        pose, shared = self.look.pose, self.fields
        side = 2 * math.ceil(pose.radius * 1.03) + 2
        left, top = round(pose.x - side / 2), round(pose.y - side / 2)
        corner = (left, top)
        height = place(shared.body, pose, shared.radius, pose.angle, corner, side)
        cover = place(shared.cover, pose, shared.radius, pose.angle, corner, side)
        albedo = place(shared.lathe, pose, shared.radius, self.look.lathe_turn, corner, side)
        albedo += crop(shared.mottle, (side, side), self.look.crops[0])
        albedo += np.float32(1)
        window = (slice(top, top + side), slice(left, left + side))
        return window, Surface(height, cover, albedo)

    def _light(self) -> F32:
        """Brightness of the lamp on each pixel of the frame, about 1."""
        look, shared = self.look, self.fields
        plane = shared.across * np.float32(look.gradient[0]) + (
            shared.down * np.float32(look.gradient[1]) + np.float32(look.brightness)
        )
        plane *= shared.vignette
        return plane

    def _belt(self) -> F32:
        """The belt with the button's soft shadow on it, [3, h, w]."""
        height, width = self.shape
        texture = crop(self.fields.belt, self.shape, self.look.crops[1])
        reach = self.fields.radius * 0.05
        matrix = np.array(
            [
                [1 / SHADOW_STEP, 0, (self.window[1].start - LIGHT[0] * reach) / SHADOW_STEP],
                [0, 1 / SHADOW_STEP, (self.window[0].start - LIGHT[1] * reach) / SHADOW_STEP],
            ]
        )
        coarse = (math.ceil(width / SHADOW_STEP), math.ceil(height / SHADOW_STEP))
        shadow = cv2.warpAffine(cv2.blur(self.surface.cover, (5, 5)), matrix, coarse, flags=cv2.INTER_LINEAR)
        shadow = cv2.GaussianBlur(shadow, (0, 0), self.fields.radius * 0.04 / SHADOW_STEP)
        lit = cast("F32", cv2.resize(shadow, (width, height), interpolation=cv2.INTER_LINEAR))
        lit *= np.float32(-SHADOW)
        lit += np.float32(1)
        lit *= texture
        lit *= self.light
        planes = np.empty((3, height, width), np.float32)
        for plane, colour in zip(planes, BELT_COLOUR, strict=True):
            np.multiply(lit, np.float32(colour), out=plane)
        return planes

    def lit(self, surface: Surface, inside: Window) -> F32:
        """Light `surface`, which fills the part `inside` of the button's window; [3, h, w] with the belt around it."""
        light = self.light[self.window][inside]
        belt = self.belt[(slice(None), *inside)]
        slope = cast("F32", cv2.Sobel(surface.height, cv2.CV_32F, 1, 0, scale=-LIGHT[0] / 8))
        slope += cv2.Sobel(surface.height, cv2.CV_32F, 0, 1, scale=-LIGHT[1] / 8)
        # Slopes fade out like the sine of their angle: a steep edge is no brighter than the lamp.
        slope /= np.abs(slope) + np.float32(1)
        gloss = np.maximum(slope - np.float32(GLOSS_FROM), np.float32(0))
        gloss *= gloss
        gloss *= np.float32(GLOSS)
        slope *= np.float32(SHADING)
        slope += np.float32(1)
        slope *= surface.albedo
        slope *= light
        planes = np.empty((3, *slope.shape), np.float32)
        for index, colour in enumerate(self.look.colour):
            plane = np.multiply(slope, np.float32(colour), out=planes[index])
            if surface.tint is not None:
                plane *= surface.tint[index]
            plane += gloss
            plane -= belt[index]
            plane *= surface.cover
            plane += belt[index]
        return planes
