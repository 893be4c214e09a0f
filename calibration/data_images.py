"""Opens every image of a data set once and keeps of each what a check needs: a few kilobytes."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from inspectd.calibration.findings import Finding, error
from inspectd.calibration.layout import GOOD, Labelled, Layout
from inspectd.calibration.mask_check import check_mask
from inspectd.calibration.outliers import SIDE
from inspectd.inference.fitness import measure
from inspectd.inference.prepare import resize

SplitName = Literal["train", "validation", "test"]

_TO_MEASURE = 64
_BLACK = 2.0
"""Mean grey value of a picture taken in the dark, sensor noise included."""
_WHITE = 0.98
"""Share of saturated pixels that leaves nothing to look at."""
_FLAT = 0.5
"""Deviation of the grey values of a picture of nothing."""

Advance = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Look:
    """A readable image: its place, its content's sha256, height and width (px) and a small copy.

    `small` is uint8 RGB [SIDE, SIDE, 3].
    """

    entry: Labelled
    split: SplitName
    sha256: str
    size: tuple[int, int]
    small: NDArray[np.uint8]


def look_at_all(layout: Layout, advance: Advance) -> tuple[list[Look], list[Finding]]:
    """Open every image and its mask. Returns the readable images, and what is wrong with each by itself.

    Calls `advance(done, total)` after each image.
    """
    entries = _entries(layout)
    looks: list[Look] = []
    found: list[Finding] = []
    for done, (split, entry) in enumerate(entries, 1):
        look = _look_at(entry, split)
        if isinstance(look, Finding):
            found.append(look)
        else:
            blank, seen = look
            found += [*blank, *check_mask(entry, seen.size)]
            looks.append(seen)
        advance(done, len(entries))
    return looks, found


def _entries(layout: Layout) -> list[tuple[SplitName, Labelled]]:
    good = tuple(Labelled(file, GOOD) for file in layout.good)
    parts: tuple[tuple[SplitName, tuple[Labelled, ...]], ...] = (
        ("train", good),
        ("validation", layout.validation),
        ("test", layout.test),
    )
    return [(split, entry) for split, entries in parts for entry in entries]


def _look_at(entry: Labelled, split: SplitName) -> tuple[list[Finding], Look] | Finding:
    file = entry.file
    try:
        data = file.read_bytes()
    except OSError as problem:
        remedy = "Correct the list or the file's rights."
        return error("unreadable", file, f"cannot be opened ({problem.strerror})", remedy)
    if is_cut_off(data):
        remedy = "Copy it again from where it came, or move it away."
        return error("cut_off", file, "is empty or cut off: its end is missing", remedy)
    pixels = _decode(data)
    if pixels is None:
        return error("unreadable", file, "cannot be read as an image", "Export it again, or move it away.")
    height, width = pixels.shape[:2]
    seen = Look(entry, split, hashlib.sha256(data).hexdigest(), (height, width), resize(pixels, SIDE))
    return _blank(file, pixels), seen


def _decode(data: bytes) -> NDArray[np.uint8] | None:
    """Decode as the line's own reader does (8 bits, RGB), from the bytes that are hashed anyway."""
    try:
        pixels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    except cv2.error:
        return None
    if pixels is None:  # pyright: ignore[reportUnnecessaryComparison]  the stubs do not say that it can be
        return None
    return np.asarray(cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB), np.uint8)


def is_cut_off(data: bytes) -> bool:
    """Whether a file ends before its format's own end mark: decoders fill the rest with grey and say nothing.

    PNG and JPEG only; other formats are told by their decoder or not at all.
    """
    if data.startswith(b"\x89PNG"):
        return b"IEND" not in data[-64:]
    if data.startswith(b"\xff\xd8"):
        # Cameras append previews and padding after the end mark, so that it may stand some way before.
        return b"\xff\xd9" not in data[len(data) // 2 :]
    return not data


def _blank(file: Path, pixels: NDArray[np.uint8]) -> list[Finding]:
    """Find a picture that shows nothing."""
    small = resize(pixels, _TO_MEASURE)
    measures = measure(small)
    remedy = "Move it away, and look at lamp, lens and exposure."
    if measures.brightness < _BLACK:
        return [error("blank", file, f"is all black (mean grey value {measures.brightness:.1f})", remedy)]
    if measures.saturated > _WHITE:
        return [error("blank", file, f"is overexposed: {measures.saturated:.0%} of it saturated", remedy)]
    if float(small.std(axis=(0, 1)).max()) < _FLAT:
        return [error("blank", file, "shows nothing but one colour", remedy)]
    return []
