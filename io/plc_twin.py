"""The PLC twin without protocols: belt, PLC program, power cycles and the record of each part.

Whoever drives it calls `step` every scan and `advance` at the moment a part breaks the photo-eye. The twin
knows the truth about each part and so serves as the oracle; the PLC program does not see it.
"""

from __future__ import annotations

import math
import random
from typing import TYPE_CHECKING, Protocol

from inspectd.io.conveyor import Conveyor
from inspectd.io.gate import EMPTY_SLOT, Cell
from inspectd.io.plc import PLC_WORDS, Control, Status, VisionImage
from inspectd.io.plc_memory import PlcMemory
from inspectd.io.plc_program import CLEAR_FAULT_S, PLC_OFF, GateDecision, PlcProgram
from inspectd.io.plc_record import PartRecord
from inspectd.io.plc_simulator_settings import Panel

if TYPE_CHECKING:
    from collections.abc import Callable

    from inspectd.io.plc_simulator_settings import PlcSimulatorSettings

_LAST_EPOCH = 65535


class Truth(Protocol):
    """What a part really is, as `inspectd.io.buttons.PartTruth` says it."""

    @property
    def kind(self) -> str | None:
        """Kind of its defect; None: good."""
        ...

    @property
    def size(self) -> float:
        """Longest extent of the defect over the button's diameter."""
        ...


class PlcTwin:
    """A belt and the PLC beside it; `on_eye` is called with each part as it breaks the photo-eye."""

    def __init__(
        self,
        settings: PlcSimulatorSettings,
        truth: Callable[[int], Truth],
        on_eye: Callable[[int], None] = lambda _: None,
        *,
        epochs: random.Random | None = None,
    ) -> None:
        self.settings = settings
        self.memory = PlcMemory(settings.seed)
        control = Control.TRIGGER_ENABLE | (Control.BUFFER_RESULTS if settings.buffer_results else Control(0))
        self.panel = Panel(recipe=settings.recipe, lot=settings.lot, control=control)
        self.conveyor = Conveyor(settings)
        self.records: list[PartRecord] = []
        self._truth = truth
        self._on_eye = on_eye
        # Each start takes an epoch that no earlier one is likely to have had, whoever simulated it.
        self._epochs = epochs or random.SystemRandom()
        self._last_epoch = 0
        self.program: PlcProgram | None = None
        """The PLC program while it is scanned; None while the PLC is off or starting."""
        self._start_at: float | None = None
        self._cells: dict[int, Cell] = {}
        self._eye_at: dict[int, float] = {}
        self._belt_released = False

    @property
    def powered(self) -> bool:
        """False between `power_off` and `power_on`; while the PLC starts it is powered."""
        return self.program is not None or self._start_at is not None

    @property
    def running(self) -> bool:
        """True while the PLC program is scanned."""
        return self.program is not None

    @property
    def epoch(self) -> int:
        """The PLC's present epoch; 0 while it is off or starting."""
        return self.program.epoch if self.program is not None else 0

    @property
    def trig_id(self) -> int:
        """Last id issued; 0 while the PLC is off or starting."""
        return self.program.trig_id if self.program is not None else 0

    @property
    def finished(self) -> bool:
        """True once the last part has passed the gate."""
        return self.conveyor.finished

    def power_on(self, now: float) -> None:
        """Begin to start the PLC: for `starting_s` it shows an empty image, PLC_EPOCH 0 included."""
        self._start_at = now + self.settings.starting_s

    def power_off(self, *, retentive: bool | None = None, belt_runs: bool = True) -> None:
        """Stop the PLC at once, and with it the belt unless `belt_runs`; the gate's output is off.

        Words 32 to 131 are kept if the PLC's memory is `retentive` (default: as the settings say).
        """
        self.program = None
        self._start_at = None
        if self.conveyor.running and not belt_runs:
            self.conveyor.running = False
            self._belt_released = False
        if self.settings.retentive if retentive is None else retentive:
            self.memory.clear_image()
        else:
            self.memory.clear()

    def run_belt(self, *, running: bool) -> None:
        """Start or stop the belt by hand."""
        self._belt_released = True
        self.conveyor.running = running

    def clear_fault(self, now: float) -> None:
        """Press ClearFault for a moment."""
        self.panel.clear_fault_until = now + CLEAR_FAULT_S

    def advance(self, now: float) -> None:
        """Move the belt up to `now`; `on_eye` hears of each part that breaks the photo-eye."""
        for crossing in self.conveyor.advance(now):
            self._eye_at[crossing.part] = now
            self._on_eye(crossing.part)

    def step(self, now: float) -> list[PartRecord]:
        """Run one scan at `now` (s, monotonic); gives the records of the parts that passed the gate in it."""
        self.advance(now)
        if self._start_at is not None and now >= self._start_at:
            self._start()
        eye, gate = self.conveyor.take_eye(), self.conveyor.take_gate()
        if self.program is None:
            done = [
                self._record(GateDecision(crossing, None, EMPTY_SLOT, PLC_OFF), None) for crossing in gate
            ]
        else:
            travel = self.conveyor.travel
            issued, decisions = self.program.scan(now, travel, eye, gate, self.memory.vision())
            self._cells.update({cell.part: cell for cell in issued})
            self.memory.show(self.program.image(now, travel))
            done = [self._record(decision, self.program) for decision in decisions]
            self._release_belt()
        self.records.extend(done)
        return done

    def heartbeat_age(self, now: float) -> float:
        """Time since the PLC saw the agent's HEARTBEAT change, s; infinite if never."""
        return math.inf if self.program is None else self.program.heartbeat_age(now)

    def vision(self) -> VisionImage:
        """Words 32 to 51 as the agent wrote them."""
        return VisionImage.unpack(self.memory.vision())

    def _start(self) -> None:
        self._start_at = None
        epoch = self._last_epoch
        while epoch == self._last_epoch:
            epoch = self._epochs.randint(1, _LAST_EPOCH)
        self._last_epoch = epoch
        self.program = PlcProgram(self.settings, self.panel, epoch, self.conveyor.travel)
        self.memory.show([0] * PLC_WORDS)

    def _release_belt(self) -> None:
        if self._belt_released:
            return
        if not self.settings.start_when_online or self.vision().status & Status.ONLINE:
            self.run_belt(running=True)

    def _record(self, decision: GateDecision, program: PlcProgram | None) -> PartRecord:
        part = decision.crossing.part
        issued = self._cells.pop(part, None)
        cell = decision.cell or issued or Cell(position=0, epoch=0, recipe=0)
        copy = cell.copy
        valid = copy.holds(cell.epoch, cell.recipe) and cell.trig_id in (0, copy.id) and not cell.barred
        valid = valid and decision.cell is not None and decision.why != "single"
        truth = self._truth(part)
        eye_travel = decision.crossing.travel - self.settings.gate_distance
        return PartRecord(
            part=part,
            kind=truth.kind,
            size=truth.size,
            trig_id=cell.trig_id,
            epoch=cell.epoch,
            recipe=cell.recipe,
            encoder=0 if program is None else program.encoder(eye_travel),
            decision="rejected" if decision.why else "accepted",
            why=decision.why,
            verdict=copy.verdict if valid else 0,
            reason=copy.reason if valid else 0,
            score_relative=copy.a if valid and cell.trig_id else None,
            result_id=copy.id if valid else 0,
            verdicts=cell.verdicts,
            taken=cell.taken,
            eye_at=self._eye_at.pop(part),
            issued_at=cell.issued_at if cell.trig_id else None,
            verdict_at=cell.seen_at,
            gate_at=decision.crossing.at,
        )
