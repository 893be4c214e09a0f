"""The rule by which the PLC opens its reject gate for a part (PLC contract, version 1), as pure functions.

A part is accepted when every clause of `CLAUSES` holds; anything else is rejected. In free-running mode the
verdict of a part is found by position first: `SLOT_CLAUSES` say which copied slots can belong to it.
A test takes one clause out of a tuple to show that the clause is needed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from inspectd.io.plc import CONTRACT_VERSION, RingEntry, Status, Verdict, VisionImage

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

HEARTBEAT_LIMIT_S = 0.5
EMPTY_SLOT = RingEntry()
ENCODER_RANGE = 1 << 32


@dataclass(slots=True)
class Cell:
    """One part in the PLC's shift register.

    `position` is the belt's travel when the part broke the photo-eye, in counts since the PLC's start (it
    does not wrap). In free-running mode a cell is made at the gate and has `trig_id` 0. `part`, `issued_at`,
    `seen_at`, `verdicts` and `taken` are for the record alone; no clause looks at them.
    """

    position: int
    epoch: int
    recipe: int
    trig_id: int = 0
    barred: bool = False
    """The slot held this very id when the id was issued: the part is rejected for good."""
    copy: RingEntry = EMPTY_SLOT
    """The slot of this part as last copied from the ring."""
    part: int = 0
    issued_at: float = 0.0
    seen_at: float | None = None
    """Time of the first scan that saw a verdict of this id with the right CHECK, s, monotonic."""
    verdicts: tuple[tuple[int, int], ...] = ()
    """Every (verdict, reason) seen under this id with the right CHECK, in order, without repetition."""
    taken: int = 0
    """Verdict taken from word 39 as this part's, 0 if none was."""


@dataclass(slots=True)
class SlotCopy:
    """A verdict that the PLC copied from the ring in free-running mode.

    `exposed_at` is the belt's travel at exposure in counts since the PLC's start, reckoned backwards from the
    scan that copied it first: a place that the belt had not reached by then counts as a whole turn of the
    encoder (2**32 counts) ago.
    """

    copy: RingEntry
    exposed_at: int
    consumed: bool = False

    @property
    def encoder(self) -> int:
        """Encoder at exposure, 0..2**32-1 counts."""
        return self.copy.a << 16 | self.copy.b


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """All that the gate looks at for one part that stands before it."""

    cell: Cell
    copy: RingEntry
    vision: VisionImage
    """Words 32 to 51 as of this scan."""
    heartbeat_age_s: float
    """Time since vision HEARTBEAT last changed, s; infinite before its first change."""
    epoch: int
    station: int
    moved: int
    """Travel of the belt since the PLC's start, counts."""
    gate_distance: int
    free_running: bool
    candidates: int = 0
    """Free-running: how many copied slots can belong to this part."""


class Clause(NamedTuple):
    """A condition of the gate; `name` is what the record says when it is not met."""

    name: str
    holds: Callable[[Case], bool]


def _belt_moved_since_restart(case: Case) -> bool:
    """Parts that passed the photo-eye before the PLC started are not accepted."""
    return case.moved >= case.gate_distance


def _slot_was_free_at_issue(case: Case) -> bool:
    return not case.cell.barred


def _heartbeat_alive(case: Case) -> bool:
    return case.heartbeat_age_s <= HEARTBEAT_LIMIT_S


def _online(case: Case) -> bool:
    return bool(case.vision.status & Status.ONLINE)


def _no_fault(case: Case) -> bool:
    return not case.vision.status & Status.FAULT


def _no_shadow(case: Case) -> bool:
    return not case.vision.status & Status.SHADOW


def _version_right(case: Case) -> bool:
    return case.vision.version == CONTRACT_VERSION


def _station_right(case: Case) -> bool:
    return case.vision.station == case.station


def _epoch_echoed(case: Case) -> bool:
    return case.vision.plc_epoch == case.epoch


def _id_is_the_parts(case: Case) -> bool:
    return case.free_running or case.copy.id == case.cell.trig_id


def _one_candidate(case: Case) -> bool:
    return not case.free_running or case.candidates == 1


def _check_right(case: Case) -> bool:
    return case.copy.holds(case.cell.epoch, case.cell.recipe)


def _verdict_accept(case: Case) -> bool:
    return case.copy.verdict == Verdict.ACCEPT


CLAUSES: tuple[Clause, ...] = (
    Clause("restart", _belt_moved_since_restart),
    Clause("barred", _slot_was_free_at_issue),
    Clause("heartbeat", _heartbeat_alive),
    Clause("online", _online),
    Clause("fault", _no_fault),
    Clause("shadow", _no_shadow),
    Clause("version", _version_right),
    Clause("station", _station_right),
    Clause("epoch", _epoch_echoed),
    Clause("id", _id_is_the_parts),
    Clause("single", _one_candidate),
    Clause("check", _check_right),
    Clause("verdict", _verdict_accept),
)


def objection(case: Case) -> str:
    """Name the first clause that does not hold; "" if the part is accepted."""
    for clause in CLAUSES:
        if not clause.holds(case):
            return clause.name
    return ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a part of the free-running mode passed the camera, and what of the ring may lie near it.

    `encoder` is the part's position, 0..2**32-1; `travel` the belt's present travel since the PLC's start;
    `window` and `age_limit` are counts.
    """

    encoder: int
    travel: int
    window: int
    age_limit: int


class SlotClause(NamedTuple):
    """A condition on a copied slot to belong to the part at a place (free-running mode)."""

    name: str
    holds: Callable[[SlotCopy, Place], bool]


def _not_consumed(slot: SlotCopy, _: Place) -> bool:
    return not slot.consumed


def _within_window(slot: SlotCopy, place: Place) -> bool:
    off = (slot.encoder - place.encoder) % ENCODER_RANGE
    return min(off, ENCODER_RANGE - off) <= place.window


def _young(slot: SlotCopy, place: Place) -> bool:
    return place.travel - slot.exposed_at <= place.age_limit


SLOT_CLAUSES: tuple[SlotClause, ...] = (
    SlotClause("consumed", _not_consumed),
    SlotClause("window", _within_window),
    SlotClause("age", _young),
)


def candidates(slots: Iterable[SlotCopy], place: Place) -> list[SlotCopy]:
    """Give the copied slots that can belong to the part at `place`, oldest first."""
    return [slot for slot in slots if all(clause.holds(slot, place) for clause in SLOT_CLAUSES)]
