"""Where the image really lies: byte order and offset, told from VERSION and its neighbours."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from inspectd.io.plc import CONTRACT_VERSION
from inspectd.io.plc_finding import failed, passed
from inspectd.io.plc_settings import S7Settings

if TYPE_CHECKING:
    from collections.abc import Sequence

    from inspectd.io.plc_finding import Finding
    from inspectd.io.plc_settings import LinkSettings

VERSION_STEP = "VERSION"
LOOK_AROUND = 8
"""Words before and after the configured place among which the image is looked for."""
_SWAPPED_VERSION = CONTRACT_VERSION << 8
_SIGNS_NEEDED = 3


@dataclass(frozen=True, slots=True)
class Window:
    """Polls of the words around the configured place; the first one is word `-before`."""

    polls: Sequence[Sequence[int]]
    before: int

    def word(self, poll: Sequence[int], number: int) -> int:
        """Word `number` of the image as configured."""
        return poll[number + self.before]


@dataclass(frozen=True, slots=True)
class Place:
    """A place where the image may begin: `shift` words after the configured one."""

    shift: int
    swapped: bool


def find_image(window: Window) -> Place | None:
    """Give the place that looks most like words 0 to 31; None if there is none.

    VERSION must be there, and three signs more: equal ids in words 2 and 31, zeros in 28 to 30, a PLC_EPOCH
    other than 0; a heartbeat that moves counts as two.
    """
    shifts = sorted(range(-window.before, LOOK_AROUND + 1), key=abs)
    places = [Place(shift, swapped) for shift in shifts for swapped in (False, True)]
    signs = {place: _signs(window, place) for place in places}
    best = max(places, key=lambda place: signs[place])  # of equals the nearest, which comes first
    return best if signs[best] >= _SIGNS_NEEDED else None


def _signs(window: Window, place: Place) -> int:
    def word(number: int, poll: Sequence[int] = window.polls[-1]) -> int:
        return window.word(poll, number + place.shift)

    if word(7) != (_SWAPPED_VERSION if place.swapped else CONTRACT_VERSION):
        return 0
    beats = {word(0, poll) for poll in window.polls}
    same_id = word(2) == word(31) != 0
    reserved = word(28) == word(29) == word(30) == 0
    return sum((same_id, reserved, word(8) != 0, 2 * (len(beats) > 1)))


@dataclass(frozen=True, slots=True)
class Base:
    """The setting that says where word 0 lies: its key, its value, and how much of it one word is."""

    key: str
    value: int
    per_word: int


def base_of(settings: LinkSettings) -> Base:
    """Say where a link's settings have word 0."""
    if isinstance(settings, S7Settings):
        return Base("base_byte", settings.base_byte, per_word=2)
    return Base("base_address", getattr(settings, "base_address", 0), per_word=1)


def check_version(version: int, window: Window | None, base: Base) -> Finding:
    """Say whether word 7 is 1, and if it is not, what is wrong; that takes a `window` around the place."""
    if version == CONTRACT_VERSION:
        return passed(VERSION_STEP, "VERSION (word 7) is 1")
    found = find_image(window) if window is not None else None
    if found is None:
        found = Place(0, swapped=version == _SWAPPED_VERSION)
    problems: list[str] = []
    remedies: list[str] = []
    if found.shift:
        words = "1 word" if abs(found.shift) == 1 else f"{abs(found.shift)} words"
        side = "later" if found.shift > 0 else "earlier"
        problems.append(f"the image begins {words} {side} than configured")
        remedies.append(f"set plc.{base.key} to {base.value + found.shift * base.per_word}, not {base.value}")
    if found.swapped:
        problems.append(f"high and low byte of each word are swapped: VERSION is {_SWAPPED_VERSION}, not 1")
        remedies.append("let the PLC swap the bytes of every word that it shows and takes (high byte first)")
    if problems:
        return failed(VERSION_STEP, ", and ".join(problems), ", and ".join(remedies))
    return failed(
        VERSION_STEP,
        f"VERSION (word 7) is {version}, not 1",
        f"correct plc.{base.key}, or load and run the PLC program for version 1 (`inspectd plc map`)",
    )
