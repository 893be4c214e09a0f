"""The generated gate in the place of the PLC twin's program: same inputs, same scans, same records."""

from __future__ import annotations

from collections import deque
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from inspectd.io.gate import ENCODER_RANGE, Cell
from inspectd.io.plc import PLC_WORDS, RingEntry, step_back
from inspectd.io.plc_map import PLC_FIELDS, SLOT_FIELDS, VISION_FIELDS
from inspectd.io.plc_program import NO_ENTRY, GateDecision
from inspectd.io.plc_settings import ModbusTcpSettings
from inspectd.io.plc_source_scl import scl_source
from inspectd.io.plc_source_text import structured_text
from tests.iec.program import Instance, Machine

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from inspectd.io.conveyor import Crossing
    from inspectd.io.plc_map import Field
    from inspectd.io.plc_simulator_settings import Panel, PlcSimulatorSettings

DIALECTS = ("st", "scl")
NAMES = {"st": "INSPECTD_GATE", "scl": "InspectdGate"}
WHY = {
    0: "",
    1: "restart",
    2: "barred",
    3: "heartbeat",
    4: "online",
    5: "fault",
    6: "shadow",
    7: "version",
    8: "station",
    9: "epoch",
    10: "id",
    11: "single",
    12: "check",
    13: "verdict",
    14: NO_ENTRY,
    15: "not_set_up",
}


def gate_source(dialect: str, mode: str, station: int = 1, handshake: str = "id_change") -> str:
    """The source as `inspectd plc map` writes it."""
    settings = ModbusTcpSettings.model_validate(
        {"host": "127.0.0.1", "mode": mode, "station": station, "handshake": handshake}
    )
    return structured_text(settings) if dialect == "st" else scl_source(settings)


@lru_cache(maxsize=64)
def machine_of(source: str, dialect: str) -> Machine:
    """Read a source once; instances on one machine share nothing but its clock."""
    return Machine(source, scl=dialect == "scl")


def to_structure(words: Sequence[int], table: Sequence[Field], start: int) -> dict[str, Any]:
    """Words as SCL's structure of them, as far as the gate reads or writes it."""
    values: dict[str, Any] = {}
    for field in table:
        at = field.word - start
        number = words[at] << 16 | words[at + 1] if field.kind == "UDINT" else words[at]
        values[field.name.lower()] = number
    return values


def vision_structure(words: Sequence[int]) -> dict[str, Any]:
    """Words 32 to 131 as "InspectdVision"."""
    slots = [to_structure(words[20 + 5 * slot : 25 + 5 * slot], SLOT_FIELDS, 0) for slot in range(16)]
    return {**to_structure(words, VISION_FIELDS, 32), "ring": slots}


def plc_words(structure: dict[str, Any]) -> list[int]:
    """Words 0 to 31 of "InspectdPlc"; SERIAL and LOT stay 0."""
    words = [0] * PLC_WORDS
    for field in PLC_FIELDS:
        value = structure[field.name.lower()]
        if field.kind == "UDINT":
            words[field.word : field.word + 2] = [value >> 16, value & 0xFFFF]
        elif field.kind == "UINT":
            words[field.word] = value
    return words


class GateBlock:
    """One instance of the generated function block, called with plain words in either dialect."""

    def __init__(self, source: str, dialect: str) -> None:
        self.machine = machine_of(source, dialect)
        self.block = Instance(self.machine, NAMES[dialect])
        self._scl = dialect == "scl"
        self.plc: Any = to_structure([0] * PLC_WORDS, PLC_FIELDS, 0) if self._scl else [0] * PLC_WORDS

    def call(self, now: float, words: Sequence[int], **inputs: Any) -> list[int]:
        """Run one scan at `now` (s); `words` are 32 to 131. Gives words 0 to 31."""
        self.machine.now = round(now * 1000)
        vision = vision_structure(words) if self._scl else list(words)
        self.block.call(vision=vision, plc=self.plc, **inputs)
        return plc_words(self.plc) if self._scl else list(self.plc)

    def start(self, now: float, boot_id: int, **inputs: Any) -> None:
        """Play an agent that sees the start, so that the block takes its epoch; then forget its beat."""
        words = [0] * 100
        words[2] = boot_id
        for beat in (7, 8, 9):
            words[0] = beat
            self.call(now, words, **inputs, RESTART=beat == 7)
        assert self.block["EPOCH"] != 0
        self.block["beat_known"] = self.block["beat_ever"] = False


class StProgram:
    """Stands in for `inspectd.io.plc_program.PlcProgram`, with the generated block inside.

    `boot_id` is that of a played agent that sees the start; the epoch comes of it. 0: a real one will.
    `block`: one that was there before the restart, as where the PLC keeps its memory; None: a new one.
    """

    def __init__(
        self, settings: PlcSimulatorSettings, panel: Panel, boot_id: int, travel: int, block: GateBlock
    ) -> None:
        self._settings = settings
        self._panel = panel
        self._start_travel = travel
        self._free_running = settings.mode == "free_running"
        self._cells: dict[int, Cell] = {}
        self.register: deque[Cell] = deque()
        self._gate = block
        self._words: list[int] = [0] * PLC_WORDS
        if boot_id:
            block.start(0.0, boot_id, **self._inputs(travel, [], []))
        if boot_id and not self._free_running:
            first = settings.first_trig_id
            block.block["TRIG_ID"] = 0 if first == 1 else step_back(first, 1)
            for key in ("trig_id", "trig_id_2") if isinstance(block.plc, dict) else (2, 31):
                block.plc[key] = self.trig_id

    @property
    def epoch(self) -> int:
        return int(self._gate.block["EPOCH"])

    @property
    def trig_id(self) -> int:
        return 0 if self._free_running else int(self._gate.block["TRIG_ID"])

    def heartbeat_age(self, _now: float) -> float:
        return 0.0

    def encoder(self, travel: int) -> int:
        return (self._settings.encoder_start + travel - self._start_travel) % ENCODER_RANGE

    def _recipe_at(self, travel: int) -> int:
        schedule = self._settings.recipes
        if not schedule:
            return self._panel.recipe
        return schedule[(max(1, round(travel / self._settings.pitch)) - 1) % len(schedule)]

    def image(self, _now: float, _travel: int) -> list[int]:
        return list(self._words)

    def _inputs(self, travel: int, eye: Sequence[Crossing], gate: Sequence[Crossing]) -> dict[str, Any]:
        settings = self._settings
        inputs = {
            "ENCODER": self.encoder(travel),
            "GATE": bool(gate),
            "GATE_ENCODER": self.encoder(gate[0].travel) if gate else 0,
            "RECIPE": self._recipe_at(eye[0].travel if eye else travel),
            "GATE_DISTANCE": settings.gate_distance,
            "GATE_WINDOW": settings.gate_window,
            "PITCH": max(settings.pitch, 2 * settings.gate_window),
        }
        if self._free_running:
            return {**inputs, "AGE_LIMIT": settings.age_limit or 0}
        return {**inputs, "EYE": bool(eye), "EYE_ENCODER": self.encoder(eye[0].travel) if eye else 0}

    def scan(
        self, now: float, travel: int, eye: Sequence[Crossing], gate: Sequence[Crossing], words: Sequence[int]
    ) -> tuple[list[Cell], list[GateDecision]]:
        assert len(eye) <= 1
        assert len(gate) <= 1
        before = self.trig_id
        self._words = self._gate.call(now, words, **self._inputs(travel, eye, gate))
        issued: list[Cell] = []
        if self.trig_id != before:
            cell = Cell(
                position=eye[0].travel - self._start_travel,
                epoch=self.epoch,
                recipe=self._recipe_at(eye[0].travel),
                trig_id=self.trig_id,
                part=eye[0].part,
                issued_at=now,
            )
            self._cells[cell.trig_id] = cell
            issued.append(cell)
        assert self._gate.block["DECIDED"] == bool(gate)
        return issued, [self._decision(gate[0])] if gate else []

    def _decision(self, crossing: Crossing) -> GateDecision:
        block = self._gate.block
        why = WHY[block["WHY"]]
        assert block["ACCEPT"] == (why == "")
        place = block["due"]
        outcome = block["copy_outcome"][place]
        number, a, b, check = (block[f"copy_{name}"][place] for name in ("id", "a", "b", "check"))
        copy = RingEntry(number, outcome >> 8, outcome & 0xFF, a, b, check)
        cell = None
        if why not in (NO_ENTRY, "not_set_up"):
            if self._free_running:
                cell = Cell(position=0, epoch=self.epoch, recipe=block["recipe_then"])
            else:
                cell = self._cells[block["cell_id"][place]]
            cell.copy = copy
        return GateDecision(crossing, cell, copy, why)


def program_factory(dialect: str, change: Callable[[str], str] | None = None, *, keep: bool = False) -> Any:
    """Make programs as the twin does at each start; `change` mutates the source, `keep` keeps the memory."""
    kept: list[GateBlock] = []

    def make(settings: PlcSimulatorSettings, panel: Panel, epoch: int, travel: int) -> StProgram:
        source = gate_source(dialect, settings.mode, settings.station)
        if change is not None:
            source = change(source)
        if not (keep and kept):
            kept.append(GateBlock(source, dialect))
        return StProgram(settings, panel, epoch, travel, kept[-1])

    return make
