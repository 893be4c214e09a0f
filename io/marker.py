"""A marker that a simulated camera prints along the top edge of its frames: which part, and the truth on it.

Two rows of 32 black or white blocks, row by row and highest bit first: 7 fixed bits, 40 bits of part number,
1 bit truth (1: defective) and a CRC-16 (CCITT, start 0xFFFF) over those 41 bits. The CRC's Hamming distance
is 4 at this length, so up to three wrong blocks are always found out.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

ROWS = 2
COLUMNS = 32
HEIGHT = 24 / 512  # of the frame's width: both rows together
PART_BITS = 40

_SYNC = 0b1011001
_SYNC_BITS = 7
_CRC_BITS = 16
_DATA_BITS = PART_BITS + 1
_LEAST_CONTRAST = 80  # grey levels between black and white
_UNSURE = 0.3  # a block further than this share of the contrast from black and from white is damaged


@dataclass(frozen=True, slots=True)
class Marker:
    """What a frame says about itself: the part it shows, and whether that part is defective."""

    part: int
    defective: bool


def _crc16(data: int, bits: int) -> int:
    crc = 0xFFFF
    for place in reversed(range(bits)):
        high = (crc >> 15) ^ (data >> place & 1)
        crc = (crc << 1 & 0xFFFF) ^ (0x1021 if high else 0)
    return crc


def _edges(shape: tuple[int, ...]) -> tuple[list[int], list[int]]:
    """Pixel rows and columns at which blocks begin and end."""
    width = shape[1]
    rows = [round(width * HEIGHT * row / ROWS) for row in range(ROWS + 1)]
    columns = [round(width * column / COLUMNS) for column in range(COLUMNS + 1)]
    return rows, columns


def draw_marker(pixels: NDArray[np.uint8], part: int, *, defective: bool) -> None:
    """Print the marker into `pixels`, uint8 [H, W, 3], in place.

    Raises ValueError for a part number outside 0 to 2^40 - 1, or a frame narrower than 128 px.
    """
    if not 0 <= part < 1 << PART_BITS:
        raise ValueError(f"marker: part number {part} is outside 0 to 2^{PART_BITS} - 1")
    if pixels.shape[1] < 4 * COLUMNS:
        raise ValueError(f"marker: a frame {pixels.shape[1]} px wide is too narrow, 128 px is the least")
    data = part << 1 | int(defective)
    word = (_SYNC << _DATA_BITS | data) << _CRC_BITS | _crc16(data, _DATA_BITS)
    bits = [word >> place & 1 for place in reversed(range(ROWS * COLUMNS))]
    rows, columns = _edges(pixels.shape)
    values = np.array(bits, np.uint8).reshape(ROWS, COLUMNS) * np.uint8(255)
    for row in range(ROWS):
        line = np.repeat(values[row], np.diff(columns))
        pixels[rows[row] : rows[row + 1]] = line[None, :, None]


def read_marker(pixels: NDArray[np.uint8]) -> Marker | None:
    """The marker on `pixels`, uint8 [H, W, 3]; None where there is none, or where it is damaged.

    The frame may have been resized by area to any width from 128 px.
    """
    if pixels.ndim != 3 or pixels.shape[1] < 4 * COLUMNS or pixels.shape[0] < pixels.shape[1] * HEIGHT:  # noqa: PLR2004  [H, W, 3]
        return None
    levels = _levels(pixels)
    black, white = float(levels.min()), float(levels.max())
    contrast = white - black
    if contrast < _LEAST_CONTRAST:
        return None
    share = (levels - black) / contrast
    if np.any((share > _UNSURE) & (share < 1 - _UNSURE)):
        return None
    word = int("".join("1" if bit else "0" for bit in (share > 0.5).ravel()), 2)  # noqa: PLR2004  half way
    data = word >> _CRC_BITS & (1 << _DATA_BITS) - 1
    if word >> _DATA_BITS + _CRC_BITS != _SYNC or word & 0xFFFF != _crc16(data, _DATA_BITS):
        return None
    return Marker(part=data >> 1, defective=bool(data & 1))


def _levels(pixels: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Mean grey level of each block's inner half, [ROWS, COLUMNS]."""
    width = pixels.shape[1]
    levels = np.empty((ROWS, COLUMNS))
    for row in range(ROWS):
        top, bottom = _inner(row, width * HEIGHT / ROWS)
        for column in range(COLUMNS):
            left, right = _inner(column, width / COLUMNS)
            levels[row, column] = pixels[top:bottom, left:right].mean()
    return levels


def _inner(index: int, step: float) -> tuple[int, int]:
    """First and past-the-last pixel of the inner half of block `index`; at least one pixel."""
    first = int(np.ceil((index + 0.25) * step))
    last = int(np.floor((index + 0.75) * step))
    if last <= first:
        first = int((index + 0.5) * step)
        last = first + 1
    return first, last
