"""A line that misbehaves at random, played to the Python gate and to the generated one scan by scan."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from inspectd.io.conveyor import Crossing
from inspectd.io.plc import RingEntry, Status, VisionImage, next_id
from inspectd.io.plc_program import PlcProgram
from inspectd.io.plc_simulator_settings import Panel, PlcSimulatorSettings
from tests.iec.st_plc import GateBlock, StProgram, gate_source

if TYPE_CHECKING:
    import random
    from collections.abc import Callable

# 500 ms is no multiple of these: with a timer "within" and "after" 500 ms differ by the scan that hits it.
SCAN_MS, PAUSE_MS = 7, 203
STEPS = (0, 40, 100, 180, 240)
COMPARED = (1, 2, 3, 4, 5, 6, 7, 8, 10, 11, 31)


def line_settings(mode: str, handshake: str, encoder_start: int, first_trig_id: int) -> PlcSimulatorSettings:
    """A line of some thirty parts between photo-eye and gate at most."""
    return PlcSimulatorSettings.model_validate(
        {
            "mode": mode,
            "handshake": handshake,
            "gate_distance": 4000,
            "gate_window": 250,
            "pitch": 1000,
            "encoder_start": encoder_start,
            "first_trig_id": first_trig_id,
        }
    )


@dataclass
class Agent:
    """Says what it likes: right verdicts mostly, now and then anything else."""

    rng: random.Random
    epoch: int
    ring: list[int] = field(default_factory=lambda: [0] * 80)
    beat: int = 1
    hanging: int = 0
    odd: int = 0
    wrong: dict[str, int] = field(default_factory=dict[str, int])
    sequence: int = 65_520
    free_running: bool = False

    def __post_init__(self) -> None:
        self.answering = self.rng.choice([0.01, 0.3])

    def block(self) -> list[int]:
        """Words 32 to 131 of this scan."""
        rng = self.rng
        self.hanging = self.hanging - 1 if self.hanging else rng.choice([0] * 150 + [90])
        if not self.hanging and rng.random() < 0.4:
            self.beat = next_id(self.beat)
        if self.odd:
            self.odd -= 1
        else:
            self.wrong = {}
            if rng.random() < 0.02:
                self.odd = rng.randint(1, 30)
                choices = ("no_status", "fault", "shadow", "version", "station", "epoch")
                self.wrong = {rng.choice(choices): 1}
        status = Status(0) if "no_status" in self.wrong else Status.ONLINE
        status |= Status.FAULT if "fault" in self.wrong else Status(0)
        likely = {Status.TRIGGER_READY: 0.9, Status.TRIGGER_ACK: self.answering, Status.RESULTS_VALID: 0.7}
        for bit, share in likely.items():
            status |= bit if rng.random() < share else Status(0)
        if not self.free_running and rng.random() < 0.1:
            self.sequence = next_id(self.sequence)
        status |= Status.SHADOW if "shadow" in self.wrong else Status(0)
        vision = VisionImage(
            heartbeat=self.beat,
            status=status,
            boot_id=4711,
            result_seq=self.sequence,
            version=1 + self.wrong.get("version", 0),
            plc_epoch=(self.epoch + self.wrong.get("epoch", 0)) & 0xFFFF,
            station=1 + self.wrong.get("station", 0),
        )
        words = vision.pack()
        words[15] ^= rng.random() < 0.05  # torn
        return words + self.ring

    def judge(self, trig_id: int, recipe: int) -> None:
        """Put something under an id, or near it."""
        rng = self.rng
        number = rng.choice([trig_id] * 12 + [next_id(trig_id), trig_id + 16, max(1, trig_id - 16)])
        self._put(min(number, 65535), rng.randint(0, 2000), 0, recipe)

    def judge_place(self, encoder: int, recipe: int) -> None:
        """Free-running: put a verdict for a place, or near it, or two."""
        rng = self.rng
        for _ in range(rng.choice([1] * 8 + [0, 2])):
            self.sequence = next_id(self.sequence)
            place = encoder + rng.choice([0, 0, 0, 100, -100, 250, -250, 251, -251, 500, 1000, -5000])
            place %= 1 << 32
            self._put(self.sequence, place >> 16, place & 0xFFFF, recipe)

    def _put(self, number: int, a: int, b: int, recipe: int) -> None:
        rng = self.rng
        verdict = rng.choice([1] * 8 + [2, 3, 0])
        entry = RingEntry.make(
            number,
            verdict,
            0 if verdict == 1 else 21,
            a,
            b,
            epoch=(self.epoch + rng.choice([0] * 15 + [1])) & 0xFFFF,
            recipe=recipe + rng.choice([0] * 15 + [1]),
        )
        words = list(entry.pack())
        if rng.random() < 0.04:
            words[rng.randrange(5)] ^= 1 << rng.randrange(16)
        start = number % 16 * 5
        self.ring[start : start + 5] = words
        if rng.random() < 0.03:
            start = rng.randrange(16) * 5
            self.ring[start : start + 5] = [0] * 5


class Pair:
    """Both programs on one line. `play` fails with AssertionError where they differ."""

    def __init__(
        self, rng: random.Random, mode: str, dialect: str, change: Callable[[str], str] | None = None
    ) -> None:
        self.rng = rng
        handshake = "level" if mode == "level" else "id_change"
        self.mode = "plc_triggered" if mode == "level" else mode
        start = rng.choice([0, 2**32 - 9000, 2**31 - 9000, rng.randrange(2**32)])
        first = rng.choice([1, 65_525]) if self.mode == "plc_triggered" else 1
        settings = line_settings(self.mode, handshake, start, first)
        self.panel = Panel(recipe=1, lot="", confirm_rejects=False)
        source = gate_source(dialect, self.mode, handshake=handshake)
        block = GateBlock(change(source) if change else source, dialect)
        self.mine = StProgram(settings, self.panel, 4711, 0, block)
        self.python = PlcProgram(settings, self.panel, self.mine.epoch, 0)
        self.agent = Agent(rng, self.mine.epoch, free_running=self.mode == "free_running")
        self.why: set[str] = set()
        self._now_ms = 0
        self._travel = 0
        self._next_part = rng.choice([50, 300])
        self._part = 0
        self._coming: list[int] = []
        self._eye_before = self._gate_before = False

    def play(self, scans: int) -> None:
        for _ in range(scans):
            self._scan()

    def _scan(self) -> None:
        rng = self.rng
        self._now_ms += rng.choice([SCAN_MS] * 25 + [PAUSE_MS])
        self._travel += rng.choice(STEPS)
        if rng.random() < 0.02:
            self.panel.recipe = rng.randint(1, 3)
        eye, gate = self._eye(), self._gate()
        words = self.agent.block()
        now = self._now_ms / 1000
        issued, decided = self.mine.scan(now, self._travel, eye, gate, words)
        issued_too, decided_too = self.python.scan(now, self._travel, eye, gate, words)
        assert [cell.trig_id for cell in issued] == [cell.trig_id for cell in issued_too]
        assert [one.why for one in decided] == [one.why for one in decided_too]
        self.why |= {one.why for one in decided}
        image, image_too = (one.image(now, self._travel) for one in (self.mine, self.python))
        assert [image[number] for number in COMPARED] == [image_too[number] for number in COMPARED]
        if self.mode == "plc_triggered" and rng.random() < 0.3 and self.mine.trig_id:
            self.agent.judge(self.mine.trig_id, self.python.image(now, self._travel)[3])

    def _eye(self) -> list[Crossing]:
        if self._eye_before or self._travel < self._next_part:
            self._eye_before = False
            return []
        self._eye_before = True
        self._part += 1
        place = self._next_part
        if self.rng.random() < 0.93:
            self._coming.append(place + 4000 + self.rng.choice([0] * 6 + [200, -200, 250, -250, 251, -251]))
        if self.rng.random() < 0.03:
            self._coming.append(place + 4000 + 500)
        if self.mode == "free_running":
            self.agent.judge_place(self.mine.encoder(place), self.panel.recipe)
        self._next_part = self._travel + self.rng.choice([300, 600, 1000, 1000, 1500])
        return [Crossing(self._part, place, self._now_ms / 1000)]

    def _gate(self) -> list[Crossing]:
        if self._gate_before or not self._coming or self._travel < self._coming[0]:
            self._gate_before = False
            return []
        self._gate_before = True
        return [Crossing(0, self._coming.pop(0), self._now_ms / 1000)]
