"""One generated gate block and an agent that accepts every id at once."""

from __future__ import annotations

from typing import Any

from inspectd.io.plc import PlcImage, RingEntry, Status, VisionImage
from tests.iec.st_plc import GateBlock, gate_source

SET_UP = {"GATE_DISTANCE": 3000, "GATE_WINDOW": 250, "PITCH": 1000, "RECIPE": 1}


class Line:
    """One block and an agent that accepts every id at once; 10 ms a scan."""

    def __init__(self, mode: str = "plc_triggered", **inputs: Any) -> None:
        self.gate = GateBlock(gate_source("st", mode), "st")
        self.now = 0.0
        self.encoder = 100
        self.inputs = {**SET_UP, **inputs}
        self.beat = 0
        self.beating = True
        self.image = PlcImage()
        self.vision = VisionImage(station=1)
        self.ring = [0] * 80
        self.step()
        while self["EPOCH"] == 0 and self.now < 1:
            self.step()

    def __getitem__(self, name: str) -> Any:
        return self.gate.block[name]

    def step(self, moved: int = 0, **inputs: Any) -> PlcImage:
        """Run a scan after the belt has moved on."""
        self.now += 0.01
        self.encoder = (self.encoder + moved) % 2**32
        self.beat += self.beating
        vision = VisionImage(
            heartbeat=self.beat,
            status=Status.ONLINE,
            boot_id=99,
            plc_epoch=self.image.plc_epoch,
            station=1,
        )
        given = {"ENCODER": self.encoder, "EYE_ENCODER": self.encoder, "GATE_ENCODER": self.encoder}
        words = vision.pack() + self.ring
        self.image = PlcImage.unpack(
            self.gate.call(self.now, words, **{"EYE": False, "GATE": False, **self.inputs, **given, **inputs})
        )
        return self.image

    def move(self, counts: int) -> None:
        """Move the belt without a sensor seeing anything."""
        for _ in range(counts // 100):
            self.step(100)

    def part(self, verdict: int = 1) -> int:
        """Let a part break the photo-eye, and judge it; gives its id."""
        image = self.step(EYE=True)
        entry = RingEntry.make(image.trig_id, verdict, 0, 500, 0, epoch=image.plc_epoch, recipe=1)
        start = entry.id % 16 * 5
        self.ring[start : start + 5] = entry.pack()
        self.step()
        return image.trig_id

    def at_gate(self) -> int:
        """Let a part come to the gate; gives WHY."""
        self.step(GATE=True)
        assert self["DECIDED"]
        why = self["WHY"]
        assert self["ACCEPT"] == (why == 0)
        return why
