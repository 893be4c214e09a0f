"""Simulated parts: procedural four-hole buttons, good and defective, with the truth about each.

Everything follows from (seed, part): any process on a machine renders the same pixels. A part's look, its
truth and its defect come from random streams of their own, so part n rendered with defect rate 0 is the good
twin of part n rendered with rate 1: the same pixels but for the defect.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

from inspectd.io.button_canvas import Site
from inspectd.io.button_defects import DEFECTS, draw_size
from inspectd.io.button_scene import Scene, draw_look
from inspectd.io.marker import draw_marker

U8: TypeAlias = NDArray[np.uint8]
Mask: TypeAlias = NDArray[np.bool_]

DEFECT_KINDS = ("scratch", "chip", "blocked_hole", "missing_hole", "stain", "discoloration", "crack")
VISIBLE = 4.0  # grey levels: a pixel that a defect changes by less, in every colour, is not in its mask

_LOOK, _TRUTH, _DEFECT = 0, 1, 2  # random streams of a part
_EDGE = 2  # px: at the border of a canvas the slope is not that of the whole button


@dataclass(frozen=True, slots=True)
class PartTruth:
    """What a part is: the `kind` of its defect (None: good) and its `size`, extent / diameter (good: 0)."""

    part: int
    kind: str | None
    size: float


def _generator(seed: int, part: int, stream: int) -> np.random.Generator:
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence(seed, spawn_key=(part, stream))))


def part_truth(seed: int, part: int, defect_rate: float) -> PartTruth:
    """What part `part` (0 or more) of the line `seed` is, a pure function of its arguments.

    A part that is defective at one `defect_rate` (0 to 1) has the same defect at every higher rate.
    """
    generator = _generator(seed, part, _TRUTH)
    chance = generator.uniform()
    kind = DEFECT_KINDS[int(generator.integers(len(DEFECT_KINDS)))]
    size = draw_size(kind, generator)
    return PartTruth(part, kind, size) if chance < defect_rate else PartTruth(part, None, 0.0)


def render_part(
    seed: int, part: int, defect_rate: float, size: int = 512, *, marker: bool = False
) -> tuple[U8, Mask, PartTruth]:
    """Picture of a part, RGB uint8 [size, size, 3], mask of its defect, bool [size, size], and its truth."""
    pixels = np.empty((size, size, 3), np.uint8)
    mask, truth = render_into(pixels, seed, part, defect_rate, marker=marker)
    return pixels, mask, truth


def render_into(
    out: U8, seed: int, part: int, defect_rate: float, *, marker: bool = False
) -> tuple[Mask, PartTruth]:
    """Render a part straight into `out`, RGB uint8 [H, W, 3], contiguous, 128 px or more each way.

    Returns the defect's mask, bool [H, W], and the truth. With `marker` the frame says what it shows
    (`inspectd.io.marker`). Raises ValueError for an `out` of another kind.
    """
    height, width = _checked(out)
    truth = part_truth(seed, part, defect_rate)
    scene = Scene(draw_look(_generator(seed, part, _LOOK), height, width), height, width)
    mask = np.zeros((height, width), np.bool_)
    if truth.kind is not None:
        _add_defect(scene, mask, truth.kind, truth.size, _generator(seed, part, _DEFECT))
    scene.expose(out)
    if marker:
        draw_marker(out, part, defective=truth.kind is not None)
    return mask, truth


def empty_frame(seed: int, number: int, size: int = 512) -> U8:
    """The belt without a part, RGB uint8 [size, size, 3]; `number` (0 or more) tells frames apart."""
    pixels = np.empty((size, size, 3), np.uint8)
    scene = Scene(draw_look(_generator(seed, number, _LOOK), size, size), size, size, empty=True)
    scene.expose(pixels)
    return pixels


def _checked(out: U8) -> tuple[int, int]:
    least = 128
    if out.dtype != np.uint8 or out.ndim != 3 or out.shape[2] != 3 or min(out.shape[:2]) < least:  # noqa: PLR2004  [H, W, 3]
        raise ValueError(
            f"buttons: out is {out.dtype} {out.shape}, needed is uint8 [H, W, 3] of {least} px or more"
        )
    if not out.flags.c_contiguous:
        raise ValueError("buttons: out is not contiguous; give a whole frame, not a part of one")
    return out.shape[0], out.shape[1]


def _add_defect(scene: Scene, mask: Mask, kind: str, size: float, generator: np.random.Generator) -> None:
    """Draw a defect into the scene and mark in `mask` what it visibly changed."""
    canvas = DEFECTS[kind](Site(scene.surface, scene.corner, scene.look.pose), size, generator)
    x, y = canvas.corner
    height, width = canvas.surface.height.shape
    here = (slice(y + _EDGE, y + height - _EDGE), slice(x + _EDGE, x + width - _EDGE))
    good = scene.planes[(slice(None), *here)]
    lit = scene.lit(canvas.surface, canvas.corner, np.empty((3, height, width), np.float32))
    lit = lit[:, _EDGE:-_EDGE, _EDGE:-_EDGE]
    visible = np.abs(lit - good).max(axis=0) > VISIBLE
    good[:] = lit
    mask[here] = cv2.morphologyEx(visible.astype(np.uint8), cv2.MORPH_CLOSE, np.ones((3, 3), np.uint8)) > 0
