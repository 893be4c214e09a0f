"""The program that the PLC twin scans: triggers, heartbeat, shift register and reject gate.

It knows nothing of protocols: each scan is given the belt's travel, what the sensors saw and words 32 to 131,
and leaves words 0 to 31 and the decision for each part at the gate. A restart of the PLC is a new object.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from inspectd.io.gate import EMPTY_SLOT, ENCODER_RANGE, Case, Cell, Place, SlotCopy, candidates, objection
from inspectd.io.plc import (
    RING_SLOTS,
    SLOT_WORDS,
    VISION_WORDS,
    Control,
    PlcImage,
    RingEntry,
    VisionImage,
    next_id,
    step_back,
)
from inspectd.io.plc_level import HANDSHAKES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from inspectd.io.conveyor import Crossing
    from inspectd.io.plc_simulator_settings import Panel, PlcSimulatorSettings

HEARTBEAT_S = 0.1
CLEAR_FAULT_S = 0.3
# Free-running: verdicts kept; the parts between camera and gate must be fewer.
_COPIES_KEPT = 256

PLC_OFF = "plc_off"
NO_ENTRY = "no_entry"


@dataclass(frozen=True, slots=True)
class GateDecision:
    """What happened to a part at the gate and why: `why` is "" for an accepted part."""

    crossing: Crossing
    cell: Cell | None
    copy: RingEntry
    why: str


@dataclass(slots=True)
class _Ring:
    """The slots as of the last scan, with the parts or copies that each belongs to."""

    words: Sequence[int] = ()
    cells: list[Cell | None] = field(default_factory=lambda: [None] * RING_SLOTS)
    copies: list[SlotCopy | None] = field(default_factory=lambda: [None] * RING_SLOTS)

    def slot(self, index: int) -> RingEntry:
        start = index * SLOT_WORDS
        return RingEntry.unpack(self.words[start : start + SLOT_WORDS])


class PlcProgram:
    """The PLC from one start to the next. `travel` arguments are the conveyor's, counts."""

    def __init__(self, settings: PlcSimulatorSettings, panel: Panel, epoch: int, travel: int) -> None:
        self._settings = settings
        self._panel = panel
        self.epoch = epoch
        self._free_running = settings.mode == "free_running"
        self._start_travel = travel
        self.trig_id = 0 if settings.first_trig_id == 1 else step_back(settings.first_trig_id, 1)
        self._trigger = PlcImage(recipe=self._recipe_at(travel))
        self._waiting: deque[Crossing] = deque()
        self.register: deque[Cell] = deque()
        """Parts between photo-eye and gate, oldest first (PLC-triggered mode)."""
        self._copies: deque[SlotCopy] = deque(maxlen=_COPIES_KEPT)
        self._recipes: deque[tuple[int, int]] = deque(maxlen=_COPIES_KEPT)
        self._ring = _Ring()
        self._vision = VisionImage()
        self._vision_beat: int | None = None
        self._vision_beat_at = -math.inf
        self._heartbeat = 0
        self._beat_due = -math.inf
        self._confirmed = 0
        self._handshake = HANDSHAKES[settings.handshake](panel, self._issued)

    def heartbeat_age(self, now: float) -> float:
        """Time since vision HEARTBEAT last changed, s; infinite before its first change."""
        return now - self._vision_beat_at

    def scan(
        self, now: float, travel: int, eye: Sequence[Crossing], gate: Sequence[Crossing], words: Sequence[int]
    ) -> tuple[list[Cell], list[GateDecision]]:
        """Run one scan; `words` are 32 to 131. Gives the part triggered, if any, and what the gate did."""
        moved = travel - self._start_travel
        self._read_vision(now, words[:VISION_WORDS])
        self._handshake.scan(now, words[:VISION_WORDS])
        self._copy_ring(now, moved, words[VISION_WORDS:])
        recipe = self._recipe_at(travel)
        if not self._recipes or self._recipes[-1][1] != recipe:
            self._recipes.append((moved, recipe))
        decisions = [self._decide(now, moved, crossing) for crossing in gate]
        issued = [] if self._free_running else self._issue(now, eye)
        if now >= self._beat_due:
            self._heartbeat = next_id(self._heartbeat)
            # Beats missed while the simulating process was held up are not made up for.
            missed = now - self._beat_due > HEARTBEAT_S
            self._beat_due = (now if missed else self._beat_due) + HEARTBEAT_S
        return issued, decisions

    def image(self, now: float, travel: int) -> list[int]:
        """Words 0 to 31 as this scan leaves them."""
        panel = self._panel
        clearing = Control.CLEAR_FAULT if now < panel.clear_fault_until else Control(0)
        return PlcImage(
            heartbeat=self._heartbeat,
            control=panel.control | self._handshake.control | clearing,
            trig_id=self.trig_id,
            recipe=self._recipe_at(travel) if self._free_running else self._trigger.recipe,
            encoder=self._trigger.encoder,
            ack_seq=self._handshake.ack_seq,
            version=panel.version,
            plc_epoch=self.epoch,
            reject_confirm_id=self._confirmed,
            encoder_now=self.encoder(travel),
            serial=self._trigger.serial,
            lot=panel.lot,
        ).pack()

    def encoder(self, travel: int) -> int:
        """Encoder count, 0..2**32-1, when the conveyor's travel is `travel`."""
        return self._count(travel - self._start_travel)

    def _recipe_at(self, travel: int) -> int:
        """RECIPE of the part nearest to the photo-eye when the conveyor's travel is `travel`."""
        schedule = self._settings.recipes
        if not schedule:
            return self._panel.recipe
        part = max(1, round(travel / self._settings.pitch))
        return schedule[(part - 1) % len(schedule)]

    def _count(self, moved: int) -> int:
        return (self._settings.encoder_start + moved) % ENCODER_RANGE

    def _read_vision(self, now: float, words: Sequence[int]) -> None:
        self._vision = VisionImage.unpack(words)
        if self._vision_beat is not None and self._vision.heartbeat != self._vision_beat:
            self._vision_beat_at = now
        self._vision_beat = self._vision.heartbeat

    def _issued(self, trig_id: int) -> Cell | None:
        """Give the part that an id was issued to, if the agent speaks of this epoch."""
        cell = self._ring.cells[trig_id % RING_SLOTS]
        mine = cell is not None and cell.trig_id == trig_id and self._vision.plc_epoch == self.epoch
        return cell if mine else None

    # --- the shift register ----------------------------------------------------------------------------

    def _copy_ring(self, now: float, moved: int, words: Sequence[int]) -> None:
        """Copy each slot to the part that it belongs to: the last one issued with that slot."""
        if words == self._ring.words:
            return
        self._ring.words = words
        for index in range(RING_SLOTS):
            entry = self._ring.slot(index)
            if self._free_running:
                self._copy_by_position(moved, index, entry)
            elif (cell := self._ring.cells[index]) is not None and entry != cell.copy:
                cell.copy = entry
                _note(cell, now)

    def _copy_by_position(self, moved: int, index: int, entry: RingEntry) -> None:
        held = self._ring.copies[index]
        if held is not None and held.copy.id == entry.id:
            held.copy = entry
            return
        if entry.id == 0:
            self._ring.copies[index] = None
            return
        slot = SlotCopy(entry, 0)
        # The interpolated position of an exposure may lie ahead of the encoder, by no more than the window.
        window = self._settings.gate_window
        slot.exposed_at = moved - ((self._count(moved) - slot.encoder + window) % ENCODER_RANGE - window)
        self._ring.copies[index] = slot
        self._copies.append(slot)

    def _issue(self, now: float, eye: Sequence[Crossing]) -> list[Cell]:
        """Trigger the next part: one id a scan at the most, since a change of TRIG_ID is the trigger."""
        self._waiting.extend(eye)
        if not self._handshake.may_trigger():
            self._waiting.clear()  # without an id these parts are rejected: later would be too late
        if not self._waiting:
            return []
        crossing = self._waiting.popleft()
        for _ in range(1 + self._panel.skip_ids):
            self.trig_id = next_id(self.trig_id)
        self._panel.skip_ids = 0
        slot = self._ring.slot(self.trig_id % RING_SLOTS)
        cell = Cell(
            position=crossing.travel - self._start_travel,
            epoch=self.epoch,
            recipe=self._recipe_at(crossing.travel),
            trig_id=self.trig_id,
            barred=slot.id == self.trig_id,
            copy=slot,
            part=crossing.part,
            issued_at=now,
        )
        self._ring.cells[self.trig_id % RING_SLOTS] = cell
        self.register.append(cell)
        self._handshake.trigger(cell)
        self._trigger = PlcImage(
            recipe=cell.recipe,
            encoder=self._count(cell.position),
            serial=f"SN{self.epoch:05d}{self.trig_id:05d}",
        )
        return [cell]

    # --- the gate --------------------------------------------------------------------------------------

    def _decide(self, now: float, moved: int, crossing: Crossing) -> GateDecision:
        at_eye = crossing.travel - self._start_travel - self._settings.gate_distance
        found: list[SlotCopy] = []
        if self._free_running:
            cell, found = self._find_by_place(moved, at_eye)
        else:
            cell = self._take_from_register(at_eye)
        if cell is None:
            return GateDecision(crossing, None, EMPTY_SLOT, NO_ENTRY)
        case = Case(
            cell=cell,
            copy=cell.copy,
            vision=self._vision,
            heartbeat_age_s=self.heartbeat_age(now),
            epoch=self.epoch,
            station=self._settings.station,
            moved=moved,
            gate_distance=self._settings.gate_distance,
            free_running=self._free_running,
            candidates=len(found),
        )
        why = objection(case)
        for slot in found:
            slot.consumed = True
        if why and cell.trig_id and self._panel.confirm_rejects:
            self._confirmed = cell.trig_id
        return GateDecision(crossing, cell, cell.copy, why)

    def _take_from_register(self, at_eye: int) -> Cell | None:
        """Take the part out of the register that was at the photo-eye when the belt stood at `at_eye`."""
        window = self._settings.gate_window
        while self.register and self.register[0].position < at_eye - window:
            self.register.popleft()  # it never came to the gate: taken off the belt by hand
        if self.register and self.register[0].position <= at_eye + window:
            return self.register.popleft()
        return None

    def _find_by_place(self, moved: int, at_eye: int) -> tuple[Cell | None, list[SlotCopy]]:
        """Make the cell of the part that passed the camera at `at_eye`, with the newest verdict near it."""
        settings = self._settings
        place = Place(
            encoder=self._count(at_eye),
            travel=moved,
            window=settings.gate_window,
            age_limit=settings.slot_age_limit,
        )
        found = candidates(self._copies, place)
        if not found:
            return None, []
        recipes = [recipe for since, recipe in self._recipes if since <= at_eye] or [self._recipes[0][1]]
        return Cell(position=at_eye, epoch=self.epoch, recipe=recipes[-1], copy=found[-1].copy), found


def _note(cell: Cell, now: float) -> None:
    """Keep for the record what was seen under the part's id."""
    copy = cell.copy
    if copy.id != cell.trig_id or not copy.holds(cell.epoch, cell.recipe):
        return
    if cell.seen_at is None:
        cell.seen_at = now
    if (copy.verdict, copy.reason) not in cell.verdicts[-1:]:
        cell.verdicts = (*cell.verdicts, (copy.verdict, copy.reason))
