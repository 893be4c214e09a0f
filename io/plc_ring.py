"""The verdict ring, words 52 to 131: ids that wrap, slots with a check sum, and the ring of 16 slots."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

RING_SLOTS = 16
SLOT_WORDS = 5
RING_WORDS = RING_SLOTS * SLOT_WORDS

LAST_ID = 65535
ID_COUNT = 65535  # ids run 1..65535: 0 is skipped


def next_id(number: int) -> int:
    """Id (or sequence number, or heartbeat) after `number`: 65535 is followed by 1, since 0 is skipped."""
    return 1 if number >= LAST_ID else number + 1


def step_back(number: int, steps: int) -> int:
    """Id that stood `steps` ids before `number` (1..65535), across the wrap."""
    return (number - 1 - steps) % ID_COUNT + 1


def id_distance(old: int, new: int) -> int:
    """How many ids `new` is after `old`: 0..65534; 32768 and more means that the ids stepped back."""
    return (new - old) % ID_COUNT


def _crc_table() -> tuple[int, ...]:
    table: list[int] = []
    for byte in range(256):
        crc = byte
        for _ in range(8):
            crc = (crc >> 1) ^ 0xA001 if crc & 1 else crc >> 1
        table.append(crc)
    return tuple(table)


_CRC_TABLE = _crc_table()


def crc16_modbus(data: bytes) -> int:
    """CRC-16/MODBUS: polynomial 0x8005 reflected, start 0xFFFF; of b"123456789" it is 0x4B37."""
    crc = 0xFFFF
    for byte in data:
        crc = (crc >> 8) ^ _CRC_TABLE[(crc ^ byte) & 0xFF]
    return crc


@dataclass(frozen=True, slots=True)
class RingEntry:
    """One slot of the verdict ring: five words. An empty slot has id 0.

    PLC-triggered: `a` = SCORE, `b` = 0. Free-running: `a`, `b` = ENCODER at exposure, high and low word.
    """

    id: int = 0
    verdict: int = 0
    reason: int = 0
    a: int = 0
    b: int = 0
    check: int = 0

    @classmethod
    def make(
        cls, number: int, verdict: int, reason: int, a: int, b: int, *, epoch: int, recipe: int
    ) -> RingEntry:
        """Entry with its CHECK, which binds it to the part's PLC_EPOCH and RECIPE."""
        return cls(number, verdict, reason, a, b, slot_check(number, verdict, reason, a, b, epoch, recipe))

    def holds(self, epoch: int, recipe: int) -> bool:
        """Whether CHECK is right for a part of this epoch and recipe; an empty slot never is."""
        expected = slot_check(self.id, self.verdict, self.reason, self.a, self.b, epoch, recipe)
        return self.id != 0 and self.check == expected

    def pack(self) -> tuple[int, int, int, int, int]:
        """Give the five words."""
        return self.id, self.verdict << 8 | self.reason, self.a, self.b, self.check

    @classmethod
    def unpack(cls, words: Sequence[int]) -> RingEntry:
        """Read five words."""
        number, outcome, a, b, check = words
        return cls(number, outcome >> 8, outcome & 0xFF, a, b, check)


def slot_check(number: int, verdict: int, reason: int, a: int, b: int, epoch: int, recipe: int) -> int:
    """CHECK of a slot: CRC-16/MODBUS over the big-endian bytes of (ID, word 1, A, B, PLC_EPOCH, RECIPE)."""
    return crc16_modbus(struct.pack(">6H", number, verdict << 8 | reason, a, b, epoch, recipe))


class Ring:
    """Words 52 to 131: 16 slots of five words; slot = id mod 16. Not thread-safe."""

    def __init__(self, words: Iterable[int] | None = None) -> None:
        self._words = [0] * RING_WORDS if words is None else list(words)
        if len(self._words) != RING_WORDS:
            raise ValueError(f"a ring has {RING_WORDS} words, not {len(self._words)}")

    def put(self, entry: RingEntry) -> None:
        """Write `entry` into the slot of its id, over whatever stood there."""
        start = entry.id % RING_SLOTS * SLOT_WORDS
        self._words[start : start + SLOT_WORDS] = entry.pack()

    def slot(self, index: int) -> RingEntry:
        """Entry in slot `index` (0..15)."""
        start = index * SLOT_WORDS
        return RingEntry.unpack(self._words[start : start + SLOT_WORDS])

    def find(self, number: int) -> RingEntry | None:
        """Entry of id `number` (1..65535), or None where its slot is empty or another's."""
        entry = self.slot(number % RING_SLOTS)
        return entry if entry.id == number and number != 0 else None

    def empty(self, index: int) -> None:
        """Set slot `index` to all zeros."""
        start = index * SLOT_WORDS
        self._words[start : start + SLOT_WORDS] = [0] * SLOT_WORDS

    def clear(self) -> None:
        """Set every slot to all zeros."""
        self._words = [0] * RING_WORDS

    def __iter__(self) -> Iterator[RingEntry]:
        return (self.slot(index) for index in range(RING_SLOTS))

    def pack(self) -> list[int]:
        """Give the 80 words."""
        return list(self._words)
