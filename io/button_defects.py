"""The seven defects of a button: each changes the surface, and the light makes the picture of it.

Sizes are the longest extent as a share of the button's diameter. Contrasts are the mean change inside a
defect, in standard deviations of the texture (`TEXTURE_SPREAD`). A hole that is missing or blocked, and a
piece of the rim that is gone, have the contrast that body and belt have.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from inspectd.io.button_canvas import Canvas, Site, blob, extent, spot, stroke, wave
from inspectd.io.button_surface import HOLE_BEVEL, HOLE_COUNT, HOLE_RADIUS, TEXTURE_SPREAD, body_height

if TYPE_CHECKING:
    from collections.abc import Callable

    from inspectd.io.button_surface import F32

SIZES: dict[str, tuple[float, float]] = {
    "scratch": (0.04, 0.40),
    "chip": (0.05, 0.28),
    "blocked_hole": (0.05, HOLE_RADIUS),
    "missing_hole": (HOLE_RADIUS * HOLE_BEVEL, HOLE_RADIUS * HOLE_BEVEL),
    "stain": (0.04, 0.35),
    "discoloration": (0.05, 0.40),
    "crack": (0.04, 0.40),
}
"""Least and greatest size of each kind."""
LEAST_CONTRAST = 3.0
USUAL_CONTRAST = (7.0, 18.0)
FAINT = 0.10
"""Share of the defects whose contrast lies between the least and the usual ones."""

_LIGHT_SCRATCHES = 0.6  # share
_RIM_CRACKS = 0.5  # share; the others start at a hole
_HUES = ((1.0, 0.55, 0.1), (0.1, 0.55, 1.0), (-0.4, -0.7, -1.0), (0.6, 1.0, 0.5))
# What soft edges take from the mean change inside a defect, made good in its middle.
_SCRATCH_GAIN, _CRACK_GAIN, _STAIN_GAIN, _HUE_GAIN = 1.25, 1.35, 1.05, 1.3


def draw_size(kind: str, generator: np.random.Generator) -> float:
    """Draw the size of a defect, log-uniform between the kind's least and greatest."""
    least, greatest = SIZES[kind]
    return math.exp(generator.uniform(math.log(least), math.log(greatest)))


def draw_contrast(generator: np.random.Generator) -> float:
    """Draw a contrast, log-uniform: usual for most defects, down to the least for the share that is faint."""
    low, high = USUAL_CONTRAST
    if generator.uniform() < FAINT:
        low, high = LEAST_CONTRAST, low
    return math.exp(generator.uniform(math.log(low), math.log(high)))


def scratch(site: Site, size: float, generator: np.random.Generator) -> Canvas:
    """Draw a slightly bent groove, lighter or darker than the body."""
    pose, unit = site.pose, site.pose.unit
    t = np.linspace(-0.5, 0.5, 24)
    path = np.stack([t, generator.uniform(-0.25, 0.25) * (0.25 - t * t)], axis=1)
    path *= (site.length(size) - 1.5 * unit) / extent(path)
    turn = generator.uniform(0, 2 * math.pi)
    rotation = np.array([[math.cos(turn), math.sin(turn)], [-math.sin(turn), math.cos(turn)]])
    line = stroke(path @ rotation + np.asarray(spot(generator, pose, size)), _line_width(site, generator))
    canvas = Canvas(site, line, 0.6 * unit)
    groove = canvas.fill(line, 0.6 * unit)
    sign = _SCRATCH_GAIN if generator.uniform() < _LIGHT_SCRATCHES else -_SCRATCH_GAIN
    canvas.surface.albedo += groove * np.float32(sign * draw_contrast(generator) * TEXTURE_SPREAD)
    canvas.surface.height -= groove * np.float32(0.5 * unit)
    return canvas


def crack(site: Site, size: float, generator: np.random.Generator) -> Canvas:
    """Draw a jagged dark line that starts at the rim or at a hole."""
    pose, unit = site.pose, site.pose.unit
    if generator.uniform() < _RIM_CRACKS:
        turn = generator.uniform(0, 2 * math.pi)
        heading = turn + math.pi + generator.uniform(-0.5, 0.5)
        x, y, reach = pose.x, pose.y, 0.985 * pose.radius
    else:
        x, y = pose.hole(int(generator.integers(HOLE_COUNT)))
        turn = math.atan2(y - pose.y, x - pose.x) + generator.uniform(-0.5, 0.5)
        heading, reach = turn, HOLE_RADIUS * pose.radius
    start = np.array([x + reach * math.cos(turn), y + reach * math.sin(turn)])
    steps = max(4, round(size / 0.02))
    headings = heading + np.repeat(generator.uniform(-0.7, 0.7, (steps + 1) // 2), 2)[:steps]
    path = np.zeros((steps + 1, 2))
    path[1:] = np.cumsum(np.stack([np.cos(headings), np.sin(headings)], axis=1), axis=0)
    line = stroke(path * (site.length(size) / extent(path)) + start, _line_width(site, generator))
    canvas = Canvas(site, line, 0.5 * unit)
    gap = canvas.fill(line, 0.5 * unit)
    canvas.surface.albedo -= gap * np.float32(_CRACK_GAIN * draw_contrast(generator) * TEXTURE_SPREAD)
    canvas.surface.height -= gap * np.float32(0.8 * unit)
    return canvas


def chip(site: Site, size: float, generator: np.random.Generator) -> Canvas:
    """Break a piece out of the rim; along the break the face of fracture is lighter."""
    pose, unit = site.pose, site.pose.unit
    soft = max(0.8 * unit, min(0.010, 0.12 * size) * 2 * pose.radius)
    length = site.length(size) - 2.4 * soft
    t = np.linspace(-1, 1, 25)
    bearing = generator.uniform(0, 2 * math.pi) + t * math.asin(length / 2 / pose.radius)
    ragged = wave(generator, t * math.pi, range(2, 7), 0.5)
    depth = length * generator.uniform(0.25, 0.45) * np.sqrt(np.maximum(0, 1 - t * t)) * ragged
    outward = np.stack([np.cos(bearing), np.sin(bearing)], axis=1)
    centre = np.array([pose.x, pose.y])
    inner = centre + outward * (pose.radius - depth)[:, None]
    piece = np.vstack([inner, (centre + outward * pose.radius * 1.03)[::-1]])
    canvas = Canvas(site, piece, soft)
    face = canvas.fill(piece, soft)
    canvas.surface.cover *= 1 - canvas.fill(piece, 0.6 * unit)
    canvas.surface.height -= face * np.float32(0.03 * pose.radius)
    canvas.surface.albedo += face * np.float32(draw_contrast(generator) * TEXTURE_SPREAD)
    return canvas


def blocked_hole(site: Site, size: float, generator: np.random.Generator) -> Canvas:
    """Put swarf or glue into a hole, against its wall where it does not fill the hole."""
    pose, unit = site.pose, site.pose.unit
    x, y = pose.hole(int(generator.integers(HOLE_COUNT)))
    radius, length = HOLE_RADIUS * pose.radius, site.length(size)
    turn, off = generator.uniform(0, 2 * math.pi), max(0.0, radius - length / 2)
    centre = (x + off * math.cos(turn), y + off * math.sin(turn))
    outline = blob(generator, centre, length - 2.0 * unit, 0.3)
    canvas = Canvas(site, outline, 0.8 * unit)
    surface = canvas.surface
    plug = (
        canvas.fill(outline, 0.8 * unit)
        * (canvas.distances(x, y) < radius + 1.5 * unit)
        * (1 - surface.cover)
    )
    surface.cover += plug
    surface.height += plug * np.float32(0.015 * pose.radius)
    surface.albedo += plug * np.float32(generator.uniform(-0.35, 0.0))
    return canvas


def missing_hole(site: Site, size: float, generator: np.random.Generator) -> Canvas:
    """Leave a hole undrilled: the dish goes on."""
    pose = site.pose
    x, y = pose.hole(int(generator.integers(HOLE_COUNT)))
    reach = size * pose.radius + 2 * pose.unit
    canvas = Canvas(site, np.array([[x - reach, y - reach], [x + reach, y + reach]]), 0.0)
    surface = canvas.surface
    inside = (canvas.distances(x, y) < reach).astype(np.float32)
    surface.height += inside * (body_height(canvas.distances(pose.x, pose.y), pose.radius) - surface.height)
    surface.cover += inside * (1 - surface.cover)
    return canvas


def stain(site: Site, size: float, generator: np.random.Generator) -> Canvas:
    """Let a dark drop dry: an irregular outline, darker along its edge."""
    length = site.length(size)
    soft = max(0.8 * site.pose.unit, 0.03 * length)
    outline = blob(generator, spot(generator, site.pose, size), length - 2 * soft, 0.5)
    canvas = Canvas(site, outline, 3 * soft)
    drop = canvas.fill(outline, soft)
    ring = np.minimum(drop * (1.25 - 0.35 * canvas.fill(outline, 3 * soft)), 1)
    return _tinted(canvas, ring, (0.85, 0.95, 1.0), _STAIN_GAIN * draw_contrast(generator))


def discoloration(site: Site, size: float, generator: np.random.Generator) -> Canvas:
    """Change the hue of an area with soft edges: burnt, bleached or unevenly dyed."""
    length = site.length(size)
    soft = max(1.0 * site.pose.unit, 0.06 * length)
    outline = blob(generator, spot(generator, site.pose, size), length - 2.2 * soft, 0.35)
    canvas = Canvas(site, outline, soft)
    hue = _HUES[int(generator.integers(len(_HUES)))]
    return _tinted(canvas, canvas.fill(outline, soft), hue, _HUE_GAIN * draw_contrast(generator))


def _line_width(site: Site, generator: np.random.Generator) -> float:
    """Draw the width of a scratch or crack, px."""
    return site.length(generator.uniform(0.008, 0.014))


def _tinted(canvas: Canvas, share: F32, absorbed: tuple[float, float, float], contrast: float) -> Canvas:
    """Take `contrast` texture spreads of light from the colour most absorbed, where `share` is 1."""
    strength = np.float32(contrast * TEXTURE_SPREAD)
    canvas.surface.tint = 1 - share * (strength * np.array(absorbed, np.float32)[:, None, None])
    return canvas


DEFECTS: dict[str, Callable[[Site, float, np.random.Generator], Canvas]] = {
    "scratch": scratch,
    "chip": chip,
    "blocked_hole": blocked_hole,
    "missing_hole": missing_hole,
    "stain": stain,
    "discoloration": discoloration,
    "crack": crack,
}
"""What draws each kind: given a good button, the size and the part's random stream, the changed rectangle."""
