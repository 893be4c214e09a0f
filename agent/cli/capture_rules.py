"""Which captured frames are fit to calibrate with, measured as the line will measure them.

A bundle learns its fitness limits from the good images: a dark or blurred one among them lowers the limit
for every frame that the line will ever see.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from inspectd.inference.fitness import FitnessCheck, Measures, learn_limits, measure
from inspectd.inference.prepare import resize

Pixels = NDArray[np.uint8]

SIDE = 224
"""Frames are measured at the size of the model's images, px."""
ENOUGH = 5
"""Frames after which the next ones are held against those before."""
_MOST_REMEMBERED = 200

_BLACK = 5.0
_SATURATED = 0.9
_FLAT = 1.0


@dataclass(frozen=True, slots=True)
class Judgement:
    """What a frame measures, and why it is refused; empty: it is not."""

    measures: Measures
    unfit: tuple[str, ...]


class Rules:
    """Judges one frame after another; those that are kept move the limits."""

    def __init__(self) -> None:
        self._kept: list[Pixels] = []
        self._digests: dict[str, str] = {}
        self._size: tuple[int, int] | None = None
        self._previous = ""
        self._check: FitnessCheck | None = None

    def judge(self, pixels: Pixels) -> Judgement:
        """Measure a frame, uint8 RGB [H, W, 3], and say why it is unfit."""
        image = resize(pixels, SIDE)
        measures = measure(image)
        texts = list(_nonsense(measures))
        size = (pixels.shape[0], pixels.shape[1])
        if self._size not in {None, size}:
            texts.append(f"wrong size: {_px(size)}, those before have {_px(self._size or size)}")
        digest = content_of(pixels)
        if digest == self._previous:
            texts.append("frozen: exactly the same picture as the frame before")
        elif digest in self._digests:
            texts.append(f"taken already: exactly the same picture as {self._digests[digest]}")
        self._previous = digest
        if not texts and self._check is not None:
            texts += self._check.unfit(image)
        return Judgement(measures, tuple(texts))

    def keep(self, pixels: Pixels, name: str, *, defective: bool = False) -> None:
        """Take a frame among those that the next ones are held against, under its file's name.

        A defective part may look like nothing good, and the next one unlike it: nothing is learned from it.
        """
        self._digests[content_of(pixels)] = name
        self._size = (pixels.shape[0], pixels.shape[1])
        if defective:
            return
        self._kept.append(resize(pixels, SIDE))
        del self._kept[:-_MOST_REMEMBERED]
        if len(self._kept) >= ENOUGH:
            self._check = FitnessCheck(learn_limits(self._kept))


def content_of(pixels: Pixels) -> str:
    """Return a hash of a picture's content, uint8 [H, W, 3]."""
    return hashlib.sha256(repr(pixels.shape).encode() + pixels.tobytes()).hexdigest()


def _nonsense(measures: Measures) -> tuple[str, ...]:
    """Say what makes a frame useless whatever the others are like."""
    if measures.brightness < _BLACK:
        return (f"all black: brightness {measures.brightness:.1f}; look at lamp, lens cap and exposure",)
    if measures.saturated > _SATURATED:
        return (f"overexposed: {measures.saturated:.0%} saturated; shorten the exposure",)
    if measures.contrast < _FLAT and measures.sharpness < _FLAT / 100:
        return (f"empty: one colour, contrast {measures.contrast:.1f}; look at the part and the focus",)
    return ()


def _px(size: tuple[int, int]) -> str:
    return f"{size[1]}x{size[0]} px"
