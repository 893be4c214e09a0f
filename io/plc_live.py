"""The register image as it lives: every value with its name, and what has changed.

Read alone makes it: nothing here writes. Times are s, monotonic.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING

from inspectd.io.handshake_faults import PLC_SILENCE_S
from inspectd.io.plc import (
    PLC_WORDS,
    RING_START,
    VISION_START,
    WORDS,
    FaultCode,
    Reason,
    Ring,
    RingEntry,
    Verdict,
    plc_words_torn,
    vision_words_torn,
)
from inspectd.io.plc_map import PLC_FIELDS, VISION_FIELDS, Field

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from inspectd.io.plc_transport import PlcTransport

Value = int | float | str
_ALWAYS_MOVING = {"HEARTBEAT", "ENCODER_NOW"}
_TWICE = {"TRIG_ID_2", "RESULT_SEQ_2"}


def read_image(transport: PlcTransport) -> list[int]:
    """Read words 0 to 131: what each side writes as one request; PlcError."""
    return transport.read(0, PLC_WORDS) + transport.read(VISION_START, WORDS - VISION_START)


def value_of(field: Field, words: Sequence[int]) -> Value:
    """Give a field's value out of words 0 to 131."""
    own = list(words[field.word : field.word + field.words])
    if field.kind == "UINT":
        return own[0]
    data = struct.pack(f">{len(own)}H", *own)
    if field.kind == "CHAR16":
        return data.split(b"\0", 1)[0].decode("ascii", errors="replace")
    return struct.unpack(">f" if field.kind == "REAL" else ">I", data)[0]


def meaning_of(field: Field, value: Value) -> str:
    """Say what a value means where its numbers are named: bits by name, codes by their text."""
    if field.bits:
        names = [bit.name for bit in field.bits if int(value) >> bit.number & 1]
        nameless = int(value) & ~sum(1 << bit.number for bit in field.bits)
        return " ".join([*names, *([f"0x{nameless:04X} without a name"] if nameless else [])])
    if field.name == "FAULT" and value:
        code = fault_of(int(value))
        return "unknown number" if code is None else f"{code.name}: {code.meaning}; {code.remedy}"
    return dict(field.values).get(int(value), "unknown number") if field.values else ""


def fault_of(number: int) -> FaultCode | None:
    """Give the fault code of word 35; None if there is none of this number."""
    return FaultCode(number) if number in {int(code) for code in FaultCode} else None


@dataclass(slots=True)
class Pulse:
    """A heartbeat as it is read: how long its number has stood, and whether it was ever seen to change."""

    value: int
    since: float
    moved: bool = False

    def see(self, value: int, at: float) -> None:
        """Take the number of a read that ended `at`."""
        if value != self.value:
            self.value, self.since, self.moved = value, at, True

    def moving(self, now: float) -> bool:
        """Whether it changed within the last 500 ms."""
        return self.moved and now - self.since <= PLC_SILENCE_S


@dataclass(frozen=True, slots=True)
class Slot:
    """One slot of the ring. `fits_recipe`: the recipe for which CHECK is right; None: no known one."""

    index: int
    entry: RingEntry
    fits_recipe: int | None

    @property
    def verdict(self) -> str:
        """The verdict's name, or its number where it has none."""
        number = self.entry.verdict
        return (
            Verdict(number).name if number in {int(verdict) for verdict in Verdict} else f"verdict {number}"
        )

    @property
    def reason(self) -> str:
        """What the reason means."""
        number = self.entry.reason
        known = {int(reason): reason.meaning for reason in Reason}
        return f"{number} {known.get(number, 'unknown number')}"

    def __str__(self) -> str:
        if self.entry.id == 0:
            return "empty"
        check = "does not fit" if self.fits_recipe is None else f"fits recipe {self.fits_recipe}"
        return f"id {self.entry.id} {self.verdict}, {self.reason}, CHECK {check}"


class LiveImage:
    """Words 0 to 131 over time. `recipes`: those that CHECK is tried with, beside those in the image."""

    def __init__(self, words: Sequence[int], at: float, recipes: Collection[int]) -> None:
        self.words = list(words)
        self.at = at
        self.plc_torn = plc_words_torn(words)
        self.vision_torn = vision_words_torn(words[VISION_START:])
        self.plc_pulse = Pulse(words[0], at)
        self.vision_pulse = Pulse(words[VISION_START], at)
        self._recipes = frozenset(recipes)

    def update(self, words: Sequence[int], at: float) -> list[str]:
        """Take the next read and say what changed, a line for each field; torn halves are passed over."""
        plc_moved, vision_moved = self.plc_pulse.moving(self.at), self.vision_pulse.moving(self.at)
        self.at = at
        self.plc_torn = plc_words_torn(words)
        self.vision_torn = vision_words_torn(words[VISION_START:])
        self.plc_pulse.see(words[0], at)
        self.vision_pulse.see(words[VISION_START], at)
        lines = list(_pulse_line("PLC", self.plc_pulse, at, before=plc_moved))
        lines += _pulse_line("vision", self.vision_pulse, at, before=vision_moved)
        before, self.words = self.words, list(words)
        if self.plc_torn:
            lines.append("torn read: words 2 and 31 differ")
            self.words[:PLC_WORDS] = before[:PLC_WORDS]
        if self.vision_torn:
            lines.append("torn read: words 37 and 47 differ")
            self.words[VISION_START:] = before[VISION_START:]
        for field in (*PLC_FIELDS, *VISION_FIELDS):
            lines += _change(field, before, self.words)
        slots_before = Ring(before[RING_START:])
        lines += [
            f"ring {slot.index}: {slot}"
            for slot in self.slots()
            if slot.entry != slots_before.slot(slot.index)
        ]
        return lines

    def slots(self) -> list[Slot]:
        """The ring's 16 slots."""
        epoch = self.words[8]
        recipes = [self.words[3], self.words[50], *sorted(self._recipes)]
        return [
            Slot(index, entry, next((recipe for recipe in recipes if entry.holds(epoch, recipe)), None))
            for index, entry in enumerate(Ring(self.words[RING_START:]))
        ]


def _change(field: Field, before: Sequence[int], after: Sequence[int]) -> Iterator[str]:
    if field.name in _ALWAYS_MOVING or field.name in _TWICE:
        return
    old, new = value_of(field, before), value_of(field, after)
    place = slice(field.word, field.word + field.words)
    if before[place] == after[place]:  # by their words: NaN is not equal to itself
        return
    if field.bits:
        changed = [
            f"{'+' if int(new) >> bit.number & 1 else '-'}{bit.name}"
            for bit in field.bits
            if (int(old) ^ int(new)) >> bit.number & 1
        ]
        yield f"{field.name}: {' '.join(changed) or f'{int(old):#06x} -> {int(new):#06x}'}"
        return
    meaning = meaning_of(field, new)
    yield f"{field.name}: {old} -> {new}" + (f" ({meaning})" if meaning else "")


def _pulse_line(whose: str, pulse: Pulse, now: float, *, before: bool) -> Iterator[str]:
    if pulse.moving(now) and not before:
        yield f"{whose} heartbeat moves"
    elif before and not pulse.moving(now):
        yield f"{whose} heartbeat stopped at {pulse.value}"
