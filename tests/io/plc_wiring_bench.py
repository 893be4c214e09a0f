"""A PLC in memory whose time passes with each request: its wiring can be wrong in every way there is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from inspectd.io.errors import PlcError
from inspectd.io.plc import (
    READ_COUNT,
    VISION_START,
    VISION_WORDS,
    WORDS,
    Control,
    PlcImage,
    Ring,
    Status,
    Verdict,
    VisionImage,
)
from inspectd.io.plc_finding import Sample
from inspectd.io.plc_settings import ModbusTcpSettings
from inspectd.io.plc_trial import Trial
from inspectd.io.plc_trouble import told_of_modbus

BASE = 100
REQUEST_S = 0.0005
BEAT_S = 0.1
SPEED = 2000.0
PART_AT_S = 3.0
"""Well after the diagnosis, which takes under 2 s."""

Spoil = Callable[[list[int], float], list[int]]


@dataclass
class BenchPlc:
    """Words 0 to 131 from register `lies_at` on; `spoil` changes what it shows at a time."""

    lies_at: int = BASE
    spoil: Spoil = lambda words, _: words
    beat_s: float = BEAT_S
    part_at_s: tuple[float, ...] = (PART_AT_S,)
    first_id: int = 41
    control: Control = Control.TRIGGER_ENABLE
    base: int = BASE
    registers: range = range(1000)
    writable: range = range(1000)
    request_s: float = REQUEST_S
    acknowledges: bool = True
    now: float = 0.0
    vision: list[int] = field(default_factory=lambda: [0] * (WORDS - VISION_START))
    written: list[tuple[int, list[int]]] = field(default_factory=list[tuple[int, list[int]]])
    connected: bool = False

    def clock(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += max(seconds, 0.0001)

    def plc(self) -> PlcImage:
        passed = sum(at <= self.now for at in self.part_at_s)
        at_eye = max((at for at in self.part_at_s if at <= self.now), default=0.0)
        return PlcImage(
            heartbeat=1 + int(self.now / self.beat_s),
            control=self.control,
            trig_id=self.first_id + passed,
            recipe=1,
            encoder=70_000 + int(at_eye * SPEED),
            ack_seq=self.vision[5] if self.acknowledges else 0,
            plc_epoch=777,
            encoder_now=70_000 + int(self.now * SPEED),
            serial="SN0001",
            lot="LOT-7",
        )

    def connect(self) -> None:
        self.connected = True

    def read(self, start: int, count: int) -> list[int]:
        self._pass_time()
        asked = range(self.base + start, self.base + start + count)
        self._refuse_unless(asked.start in self.registers and asked[-1] in self.registers)
        image = self.spoil(self.plc().pack() + list(self.vision), self.now)
        there = {self.lies_at + n: word for n, word in enumerate(image)}
        return [there.get(register, 0) for register in asked]

    def write(self, start: int, words: Sequence[int]) -> None:
        self._pass_time()
        asked = range(start, start + len(words))
        self._refuse_unless(asked.start in self.writable and asked[-1] in self.writable)
        assert start >= VISION_START, "a trial writes into the PLC's own words"
        self.written.append((start, list(words)))
        self.vision[start - VISION_START : start - VISION_START + len(words)] = words
        self._see_safe()

    def _see_safe(self) -> None:
        """Whatever is written here, a gate must reject by it."""
        vision = VisionImage.unpack(self.vision)
        assert Status.ONLINE not in vision.status
        assert vision.verdict != Verdict.ACCEPT
        assert all(entry.verdict != Verdict.ACCEPT for entry in Ring(self.vision[VISION_WORDS:]))

    def close(self) -> None:
        self.connected = False

    def _pass_time(self) -> None:
        assert self.connected, "used without a connection"
        self.now += self.request_s

    def _refuse_unless(self, there: bool) -> None:  # noqa: FBT001
        if not there:
            self.connected = False
            told = told_of_modbus(2)
            raise PlcError(f"bench: {told}", told)

    @property
    def status(self) -> Status:
        return Status(self.vision[1])


def settings(**changes: object) -> ModbusTcpSettings:
    return ModbusTcpSettings.model_validate({"host": "127.0.0.1", "base_address": BASE, **changes})


def overlay(**words: int) -> Callable[[list[int], float], list[int]]:
    places = {int(name[1:]): value for name, value in words.items()}
    return lambda image, _: [places.get(n, word) for n, word in enumerate(image)]


def trial_on(plc: BenchPlc, **changes: object) -> Trial:
    plc.connect()
    words = plc.read(0, READ_COUNT)
    last = Sample(words, plc.now - plc.request_s, plc.now)
    return Trial(settings(**changes), plc, last, plc.clock, plc.sleep)
