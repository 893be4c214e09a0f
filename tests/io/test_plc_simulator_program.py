"""The PLC program of the twin, on a simulated clock: ids, image, shift register, restarts and records."""

from __future__ import annotations

import json
import random
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest

from inspectd.io.plc import Control, PlcImage, Ring, RingEntry, Status, VisionImage, plc_words_torn
from inspectd.io.plc_memory import PlcMemory
from inspectd.io.plc_record import PartRecord, PlcSummary
from inspectd.io.plc_simulator_settings import PanelChange, PlcSimulatorSettings
from inspectd.io.plc_twin import PlcTwin

if TYPE_CHECKING:
    from collections.abc import Callable

SCAN_S = 0.01


@dataclass(frozen=True)
class Truth:
    kind: str | None = None
    size: float = 0.0


class Line:
    """A twin and an agent that answers each trigger with `verdict(image)`, or not at all if that is None."""

    def __init__(self, verdict: Callable[[PlcImage], int | None] = lambda _: 1, **settings: Any) -> None:
        line = {"rate": 20, "pitch": 1000, "gate_distance": 3000, "starting_s": 0.05, **settings}
        self.announced: list[int] = []
        self.twin = PlcTwin(
            PlcSimulatorSettings.model_validate(line),
            lambda part: Truth("chip", 0.2) if part % 3 == 0 else Truth(),
            self.announced.append,
            epochs=random.Random(7),
        )
        self.now = 100.0
        self.images: list[PlcImage] = []
        self.ring = Ring()
        self.alive = True
        self._verdict = verdict
        self._beat = 0
        self.twin.power_on(self.now)

    def scan(self) -> PlcImage:
        self.twin.advance(self.now + SCAN_S / 2)  # a part may break the photo-eye between two scans
        self.now += SCAN_S
        self.twin.step(self.now)
        words = self.twin.memory.read()
        assert not plc_words_torn(words)
        image = PlcImage.unpack(words)
        new = image.plc_epoch != 0 and (not self.images or image.trig_id != self.images[-1].trig_id)
        if new and image.trig_id and (verdict := self._verdict(image)) is not None:
            entry = RingEntry.make(
                image.trig_id, verdict, 0, 321, 0, epoch=image.plc_epoch, recipe=image.recipe
            )
            self.ring.put(entry)
        self.images.append(image)
        if self.alive:
            self._beat += 1
            vision = VisionImage(
                heartbeat=self._beat, status=Status.ONLINE, plc_epoch=image.plc_epoch, station=1
            )
            self.twin.memory.write(32, vision.pack() + self.ring.pack())
        return image

    def run(self, until: Callable[[], bool]) -> None:
        limit = self.now + 60
        while not until():
            assert self.now < limit, "this does not end"
            self.scan()

    def run_for(self, seconds: float) -> None:
        end = self.now + seconds
        self.run(lambda: self.now >= end)

    def run_out(self) -> list[PartRecord]:
        self.run(lambda: self.twin.finished)
        return self.twin.records


def ids_issued(line: Line) -> list[int]:
    return [after.trig_id for before, after in pairwise(line.images) if after.trig_id != before.trig_id]


def test_every_part_gets_the_next_id_across_the_wrap() -> None:
    """Ids run 65534, 65535, 1, 2: 0 is skipped; each part is announced on the wire once."""
    line = Line(parts=6, first_trig_id=65534)
    records = line.run_out()
    assert [record.trig_id for record in records] == [65534, 65535, 1, 2, 3, 4]
    assert line.announced == [1, 2, 3, 4, 5, 6]
    assert all(record.accepted for record in records)


def test_a_trigger_changes_one_id_a_scan_and_carries_its_part() -> None:
    """With the id come recipe, encoder at the photo-eye, serial and lot of that part."""
    line = Line(parts=4, rate=20, lot="L7", recipe=4, encoder_start=2**32 - 1500, spacing_jitter=0.3)
    records = line.run_out()
    shown = {image.trig_id: image for image in line.images}
    for record in records:
        image = shown[record.trig_id]
        assert (image.recipe, image.encoder, image.lot) == (4, record.encoder, "L7")
        assert image.serial == f"SN{record.epoch:05d}{record.trig_id:05d}"
        assert record.issued_at is not None
        assert 0 <= record.issued_at - record.eye_at < SCAN_S
    assert {round(r.issued_at - r.eye_at, 6) for r in records if r.issued_at} == {0.0, SCAN_S / 2}
    assert any(record.encoder < 1500 for record in records), "the encoder was to wrap"
    assert any(record.encoder > 2**31 for record in records)


def test_the_image_lives() -> None:
    """HEARTBEAT steps every 100 ms and is never 0, ENCODER_NOW follows the belt, VERSION is 1."""
    line = Line(parts=0, rate=10)
    line.run(lambda: line.twin.running)
    line.run_for(2.0)
    running = [image for image in line.images if image.plc_epoch]
    beats = [image.heartbeat for image in running]
    assert 20 <= beats[-1] <= 21
    assert 0 not in beats
    moves = [after.encoder_now - before.encoder_now for before, after in pairwise(running[2:])]
    assert set(moves) <= {99, 100, 101}
    assert {image.version for image in running} == {1}


def test_starting_shows_epoch_0_first() -> None:
    """While the PLC starts its image is empty; then comes a new epoch that is not 0."""
    line = Line(parts=3)
    line.run_out()
    first = line.twin.epoch
    assert line.images[0] == PlcImage(version=0)
    line.twin.power_off()
    line.images.clear()
    line.run_for(0.2)
    assert {image.plc_epoch for image in line.images} == {0}
    line.twin.power_on(line.now)
    line.run(lambda: line.twin.running)
    assert line.twin.epoch not in (0, first)


def test_parts_around_a_power_cycle_are_rejected_and_recorded() -> None:
    """Parts at the gate while the PLC is off, and those that passed the eye before it ran, are rejected."""
    line = Line(parts=14, first_trig_id=5)
    line.run(lambda: line.twin.conveyor.gate_part == 2)
    line.twin.power_off()
    line.ring.clear()
    line.run_for(0.08)
    line.twin.power_on(line.now)
    records = line.run_out()
    why = [record.why for record in records]
    assert len(records) == 14
    assert why[:2] == ["", ""]
    assert "plc_off" in why
    assert "no_entry" in why
    assert why[-4:] == ["", "", "", ""]
    lost = [record for record in records if record.why in ("plc_off", "no_entry")]
    assert all(record.missing and not record.accepted for record in lost)
    assert records[-1].epoch != records[0].epoch


def test_the_belt_can_stop_with_the_plc_and_comes_back_with_it() -> None:
    """With `belt_runs` false nothing moves while the power is off."""
    line = Line(parts=5)
    line.run(lambda: line.twin.conveyor.eye_part == 2)
    line.twin.power_off(belt_runs=False)
    before = line.twin.conveyor.travel
    line.run_for(0.5)
    assert line.twin.conveyor.travel == before
    line.twin.power_on(line.now)
    assert len(line.run_out()) == 5


@pytest.mark.parametrize("retentive", [True, False])
def test_memory_over_a_power_cycle(retentive: bool) -> None:  # noqa: FBT001  both ways of one option
    """Retentive memory keeps the agent's words; either way words 0 to 31 are empty while it is off."""
    line = Line(parts=0, retentive=retentive)
    line.run(lambda: line.twin.conveyor.eye_part == 2)
    line.alive = False
    line.twin.power_off()
    words = line.twin.memory.read()
    assert any(words[32:]) == retentive
    assert not any(words[:32])


def test_more_parts_than_slots_between_eye_and_gate() -> None:
    """The shift register keeps a verdict after its slot was taken by the part 16 ids later."""
    line = Line(parts=60, gate_distance=25_300)
    records = line.run_out()
    assert [record.part for record in records] == list(range(1, 61))
    assert all(record.accepted for record in records)
    assert {len(record.verdicts) for record in records} == {1}


def test_a_part_without_a_verdict_is_rejected_and_missing() -> None:
    """No verdict at the gate: rejected by the id clause, counted as missing."""
    line = Line(lambda image: None if image.trig_id == 2 else 1, parts=3)
    records = line.run_out()
    assert [(r.decision, r.why, r.missing) for r in records] == [
        ("accepted", "", False),
        ("rejected", "id", True),
        ("accepted", "", False),
    ]
    assert PlcSummary.of(records) == PlcSummary(parts=3, accepted=2, rejected=1, missing=1, why={"id": 1})


def test_rejects_are_confirmed_unless_the_sensor_is_off() -> None:
    """REJECT_CONFIRM_ID follows rejected parts only."""
    line = Line(lambda image: 2 if image.trig_id in (2, 4) else 1, parts=5)
    line.run(lambda: line.twin.conveyor.gate_part == 3)
    assert line.images[-1].reject_confirm_id == 2
    line.twin.panel.change(PanelChange(confirm_rejects=False))
    line.run_out()
    assert line.scan().reject_confirm_id == 2


def test_an_id_whose_slot_already_holds_it_is_barred_for_good() -> None:
    """The agent's own right verdict, written later, does not save the part."""
    line = Line(parts=3)
    line.ring.put(RingEntry(2, 1, 0, 0, 0, 0))
    records = line.run_out()
    assert [record.why for record in records] == ["", "barred", ""]


def test_a_changed_verdict_is_on_the_record() -> None:
    """Two verdicts under one id are both recorded, so that a test can find an agent that does so."""
    line = Line(lambda _: 3, parts=1)
    line.run(lambda: line.twin.trig_id == 1)
    line.run_for(0.03)
    line.ring.put(RingEntry.make(1, 1, 0, 0, 0, epoch=line.twin.epoch, recipe=1))
    record = line.run_out()[0]
    assert record.verdicts == ((3, 0), (1, 0))


def test_panel_settings_reach_the_image() -> None:
    """Recipe (of the next part), lot, version, control bits, skipped ids; ClearFault is a pulse."""
    line = Line(parts=0)
    line.run(lambda: line.twin.trig_id == 3)
    panel = line.twin.panel
    panel.change(PanelChange(recipe=8, lot="NEXT", version=2, skip_ids=4))
    panel.control |= Control.SET_OFFLINE
    image = line.scan()
    assert (image.recipe, image.lot, image.version) == (1, "NEXT", 2)
    assert image.control == Control.TRIGGER_ENABLE | Control.SET_OFFLINE
    line.run(lambda: line.twin.trig_id != 3)
    assert (line.images[-1].trig_id, line.images[-1].recipe) == (8, 8)
    line.twin.clear_fault(line.now)
    assert line.scan().control & Control.CLEAR_FAULT
    line.run_for(0.5)
    assert not line.scan().control & Control.CLEAR_FAULT
    assert ids_issued(line)[-2:] == list(range(line.twin.trig_id - 1, line.twin.trig_id + 1))


def test_the_belt_waits_for_the_agent() -> None:
    """With `start_when_online` no part moves before the agent is Online."""
    line = Line(parts=1, start_when_online=True)
    line.alive = False
    line.run_for(1.0)
    assert line.twin.conveyor.travel == 0
    line.alive = True
    assert line.run_out()[0].accepted


def test_a_record_survives_json() -> None:
    """What is written as a line is read back as the same record."""
    for record in Line(parts=4).run_out():
        values = json.loads(record.to_json())
        assert PartRecord.from_dict(values) == record
        assert (record.kind, record.size) == (("chip", 0.2) if record.part % 3 == 0 else (None, 0.0))
        assert record.score_relative == 321
        assert record.verdict_at is not None
        assert record.eye_at < record.verdict_at < record.gate_at


def test_torn_words_show_in_the_doubled_id_and_heal() -> None:
    """With tearing on, some reads straddle a scan: words 2 and 31 differ; writes arrive a scan later."""
    memory = PlcMemory(seed=3)
    memory.tearing = True
    torn = 0
    for number in range(1, 200):
        memory.show(PlcImage(trig_id=number).pack())
        torn += plc_words_torn(memory.read())
        memory.write(32, [number] * 100)
    assert 100 < torn < 199
    memory.show([0] * 32)
    assert memory.vision() == [199] * 100


def test_a_client_writes_its_own_words_only() -> None:
    """Words 0 to 31 and what lies past 131 are not a client's to write."""
    memory = PlcMemory()
    for start, count in ((31, 1), (0, 132), (100, 33)):
        with pytest.raises(ValueError, match="32 to 131"):
            memory.write(start, [1] * count)
