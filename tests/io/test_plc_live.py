"""The live image: values by name, changes, torn reads, heartbeats, and whether a slot's CHECK fits."""

from __future__ import annotations

from dataclasses import replace

import pytest

from inspectd.io.plc import (
    PLC_WORDS,
    Control,
    FaultCode,
    PlcImage,
    Reason,
    Ring,
    RingEntry,
    Status,
    Verdict,
    VisionImage,
)
from inspectd.io.plc_live import LiveImage, meaning_of, read_image, value_of
from inspectd.io.plc_map import PLC_FIELDS, VISION_FIELDS, Field

PLC = PlcImage(
    heartbeat=5,
    control=Control.TRIGGER_ENABLE,
    trig_id=17,
    recipe=3,
    encoder=0x0001_0002,
    plc_epoch=900,
    serial="SN-17",
)
VISION = VisionImage(heartbeat=7, status=Status.ONLINE, result_seq=4, plc_epoch=900, score=0.25, station=2)


def words(plc: PlcImage = PLC, vision: VisionImage = VISION, ring: Ring | None = None) -> list[int]:
    return plc.pack() + vision.pack() + (ring or Ring()).pack()


def image(first: list[int] | None = None) -> LiveImage:
    return LiveImage(first or words(), 0.0, {3, 8})


def field(name: str, fields: tuple[Field, ...] = PLC_FIELDS) -> Field:
    return next(each for each in fields if each.name == name)


@pytest.mark.parametrize(
    ("name", "value"), [("TRIG_ID", 17), ("ENCODER", 0x0001_0002), ("SERIAL", "SN-17"), ("LOT", "")]
)
def test_values_are_read_by_their_type(name: str, value: object) -> None:
    assert value_of(field(name), words()) == value


def test_a_real_is_read_with_its_high_word_first() -> None:
    assert value_of(field("SCORE_REAL", VISION_FIELDS), words()) == 0.25


def test_bits_and_codes_have_their_names() -> None:
    """A bit or number that the contract does not know is said to be none."""
    assert meaning_of(field("CONTROL"), 0b1000001) == "TriggerEnable SetOffline"
    assert meaning_of(field("CONTROL"), 0x8001) == "TriggerEnable 0x8000 without a name"
    assert meaning_of(field("REASON", VISION_FIELDS), 31) == Reason.CAMERA_LOST.meaning
    assert meaning_of(field("REASON", VISION_FIELDS), 77) == "unknown number"


@pytest.mark.parametrize("code", FaultCode)
def test_each_fault_is_told_with_its_remedy(code: FaultCode) -> None:
    told = meaning_of(field("FAULT", VISION_FIELDS), int(code))
    assert code.meaning in told
    assert code is FaultCode.NONE or code.remedy in told
    assert meaning_of(field("FAULT", VISION_FIELDS), 999) == "unknown number"


def test_what_changes_is_told_by_name() -> None:
    live = image()
    after = replace(PLC, trig_id=18, control=Control.TRIGGER_ENABLE | Control.CLEAR_FAULT)
    vision = replace(VISION, status=Status.FAULT, fault=1)
    lines = live.update(words(after, vision), 0.1)
    assert "CONTROL: +ClearFault" in lines
    assert "TRIG_ID: 17 -> 18" in lines
    assert "STATUS: -Online +Fault" in lines
    (fault,) = [line for line in lines if line.startswith("FAULT: 0 -> 1")]
    assert FaultCode.CAMERA_LOST.remedy in fault
    assert live.update(words(after, vision), 0.2) == []


def test_what_always_moves_is_no_change() -> None:
    """Heartbeats and the running encoder would drown everything else."""
    live = image()
    moved = words(replace(PLC, heartbeat=6, encoder_now=99), replace(VISION, heartbeat=8))
    assert live.update(moved, 0.1) == ["PLC heartbeat moves", "vision heartbeat moves"]
    assert live.update(words(replace(PLC, heartbeat=7), replace(VISION, heartbeat=9)), 0.2) == []


def test_a_heartbeat_that_stops_is_told_once() -> None:
    live = image()
    live.update(words(replace(PLC, heartbeat=6)), 0.1)
    assert live.plc_pulse.moving(0.1)
    assert not live.vision_pulse.moving(0.1), "never seen to change"
    assert live.update(words(replace(PLC, heartbeat=6)), 0.55) == []
    assert live.update(words(replace(PLC, heartbeat=6)), 0.65) == ["PLC heartbeat stopped at 6"]
    assert live.update(words(replace(PLC, heartbeat=6)), 0.75) == []
    assert live.update(words(replace(PLC, heartbeat=7)), 0.85) == ["PLC heartbeat moves"]


def test_a_torn_half_is_told_and_not_used() -> None:
    """The values of the last whole read stand on; the other half is used."""
    live = image()
    torn = words(replace(PLC, trig_id=18, recipe=9), replace(VISION, station=5))
    torn[31] = 17
    lines = live.update(torn, 0.1)
    assert "torn read: words 2 and 31 differ" in lines
    assert live.plc_torn
    assert not live.vision_torn
    assert live.words[:PLC_WORDS] == PLC.pack()
    assert "STATION: 2 -> 5" in lines
    torn = words(PLC, replace(VISION, result_seq=5, station=6))
    torn[47] = 4
    lines = live.update(torn, 0.2)
    assert "torn read: words 37 and 47 differ" in lines
    assert not any(line.startswith("STATION") for line in lines)


def ring(epoch: int, recipe: int) -> Ring:
    slots = Ring()
    slots.put(RingEntry.make(17, Verdict.UNKNOWN, Reason.CAMERA_LOST, 5, 0, epoch=epoch, recipe=recipe))
    return slots


@pytest.mark.parametrize("recipe", [3, 8])
def test_a_check_that_fits_is_told_with_its_recipe(recipe: int) -> None:
    """The recipe of a part is not in its slot: those that are known are tried."""
    live = image()
    (line,) = live.update(words(ring=ring(900, recipe)), 0.1)
    assert line == f"ring 1: id 17 UNKNOWN, 31 camera lost, CHECK fits recipe {recipe}"


@pytest.mark.parametrize(("epoch", "recipe"), [(901, 3), (900, 4)])
def test_a_check_of_another_epoch_or_recipe_does_not_fit(epoch: int, recipe: int) -> None:
    slot = image(words(ring=ring(epoch, recipe))).slots()[1]
    assert slot.fits_recipe is None
    assert str(slot).endswith("CHECK does not fit")


def test_an_empty_slot_and_a_verdict_without_a_name() -> None:
    slots = Ring()
    slots.put(RingEntry(17, 9, 77, 0, 0, 0))
    live = image(words(ring=slots))
    assert str(live.slots()[0]) == "empty"
    assert str(live.slots()[1]) == "id 17 verdict 9, 77 unknown number, CHECK does not fit"


def test_the_image_is_read_in_the_two_pieces_that_are_written() -> None:
    """So that each half is what its writer wrote at once."""
    asked: list[tuple[int, int]] = []

    class Transport:
        def read(self, start: int, count: int) -> list[int]:
            asked.append((start, count))
            return [0] * count

    assert len(read_image(Transport())) == 132  # pyright: ignore[reportArgumentType]  it only reads
    assert asked == [(0, 32), (32, 100)]
