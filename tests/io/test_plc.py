"""The register image against the contract's table of words."""

from __future__ import annotations

import math
import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inspectd.io.plc import (
    READ_COUNT,
    RING_SLOTS,
    WORDS,
    WRITE_COUNT,
    WRITE_START,
    Control,
    FaultCode,
    PlcImage,
    Reason,
    Ring,
    RingEntry,
    Status,
    Verdict,
    VisionImage,
    crc16_modbus,
    id_distance,
    next_id,
    plc_words_torn,
    step_back,
    vision_words_torn,
)

word = st.integers(0, 0xFFFF)
double = st.integers(0, 0xFFFFFFFF)
text = st.text(st.characters(min_codepoint=1, max_codepoint=126), max_size=16)
plc_images = st.builds(
    PlcImage,
    heartbeat=word,
    control=st.builds(Control, st.integers(0, 127)),
    trig_id=word,
    recipe=word,
    encoder=double,
    ack_seq=word,
    version=word,
    plc_epoch=word,
    reject_confirm_id=word,
    encoder_now=double,
    serial=text,
    lot=text,
)


def test_requests_have_the_sizes_of_the_contract() -> None:
    """100 registers are written (FC 16 carries 123), 104 bytes are read, and the image ends at word 131."""
    assert (WRITE_START, WRITE_COUNT, READ_COUNT * 2, WORDS) == (32, 100, 104, 132)


def test_plc_words_stand_where_the_contract_says() -> None:
    """Each field of words 0-31 has its own place; double words have their high word first."""
    image = PlcImage(
        heartbeat=1,
        control=Control.TRIGGER_ENABLE | Control.SET_OFFLINE,
        trig_id=3,
        recipe=4,
        encoder=0x00050006,
        ack_seq=7,
        version=8,
        plc_epoch=9,
        reject_confirm_id=10,
        encoder_now=0x000B000C,
        serial="AB",
        lot="xyz",
    )
    words = image.pack()
    assert words[:12] == [1, 0b1000001, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]
    assert words[12:20] == [0x4142, 0, 0, 0, 0, 0, 0, 0]
    assert words[20:28] == [0x7879, 0x7A00, 0, 0, 0, 0, 0, 0]
    assert words[28:] == [0, 0, 0, 3]


def test_vision_words_stand_where_the_contract_says() -> None:
    """Each field of words 32-51 has its own place, and RESULT_SEQ stands there twice."""
    image = VisionImage(
        heartbeat=32,
        status=Status.ONLINE | Status.SHADOW,
        boot_id=34,
        fault=35,
        acq_id=36,
        result_seq=37,
        result_trig_id=38,
        verdict=39,
        reason=40,
        score_relative=41,
        score=1.5,
        latency_ms=44,
        missed=45,
        late=46,
        version=48,
        plc_epoch=49,
        recipe_in_force=50,
        station=51,
    )
    high, low = struct.unpack(">HH", struct.pack(">f", 1.5))
    shadow_online = 1 << 13 | 1
    assert image.pack() == [32, shadow_online, *range(34, 42), high, low, 44, 45, 46, 37, 48, 49, 50, 51]


@settings(deadline=None, max_examples=50)
@given(plc_images)
def test_plc_image_survives_pack_and_unpack(image: PlcImage) -> None:
    assert PlcImage.unpack(image.pack()) == image
    assert all(0 <= value <= 0xFFFF for value in image.pack())
    assert not plc_words_torn(image.pack())


@settings(deadline=None, max_examples=50)
@given(st.floats(), word)
def test_any_score_can_be_packed(score: float, sequence: int) -> None:
    """A score beyond float32 is saturated, since an image that cannot be packed would silence the link."""
    found = VisionImage.unpack(VisionImage(score=score, result_seq=sequence).pack())
    assert found.result_seq == sequence
    if math.isnan(score):
        assert math.isnan(found.score)
    else:
        assert math.isfinite(found.score)
        assert found.score == pytest.approx(score, rel=1e-6) or abs(score) > 3e38 or abs(score) < 1e-37


@pytest.mark.parametrize("index", [2, 31])
def test_words_2_and_31_that_differ_are_a_torn_read(index: int) -> None:
    words = PlcImage(trig_id=5).pack()
    words[index] = 6
    assert plc_words_torn(words)


def test_words_37_and_47_that_differ_are_a_torn_write() -> None:
    words = VisionImage(result_seq=5).pack()
    assert not vision_words_torn(words)
    words[15] = 6
    assert vision_words_torn(words)


def test_text_longer_than_16_characters_is_refused() -> None:
    with pytest.raises(ValueError, match="at most 16"):
        PlcImage(serial="12345678901234567").pack()


def test_text_that_is_not_ascii_in_a_read_does_not_stop_the_link() -> None:
    words = PlcImage(serial="A").pack()
    words[12] = 0xFF41
    assert PlcImage.unpack(words).serial == "\ufffdA"


def plain_crc16(data: bytes) -> int:
    """CRC-16/MODBUS bit by bit, as its definition says."""
    crc = 0xFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            carry = crc & 1
            crc >>= 1
            if carry:
                crc ^= 0xA001
    return crc


@settings(deadline=None, max_examples=50)
@given(st.binary(max_size=40))
def test_crc_is_crc16_modbus(data: bytes) -> None:
    assert crc16_modbus(data) == plain_crc16(data)


def test_crc_has_the_published_check_value() -> None:
    assert crc16_modbus(b"123456789") == 0x4B37


@settings(deadline=None, max_examples=50)
@given(word.filter(bool), st.integers(1, 3), st.integers(0, 44), word, word, word, word)
def test_check_covers_all_six_words(
    number: int, verdict: int, reason: int, a: int, b: int, epoch: int, recipe: int
) -> None:
    """CHECK is the CRC over the bytes of ID, VERDICT x 256 + REASON, A, B, PLC_EPOCH and RECIPE."""
    entry = RingEntry.make(number, verdict, reason, a, b, epoch=epoch, recipe=recipe)
    data = b"".join(
        value.to_bytes(2, "big") for value in (number, verdict * 256 + reason, a, b, epoch, recipe)
    )
    assert entry.pack() == (number, verdict * 256 + reason, a, b, plain_crc16(data))
    assert entry.holds(epoch, recipe)
    assert not entry.holds(epoch ^ 1, recipe)
    assert not entry.holds(epoch, recipe ^ 1)
    for index in range(4):
        words = list(entry.pack())
        words[index] ^= 1
        assert not RingEntry.unpack(words).holds(epoch, recipe)


def test_an_empty_slot_never_holds() -> None:
    """ID 0 marks an empty slot, even if its check sum happens to be right."""
    assert not RingEntry.make(0, 1, 0, 0, 0, epoch=1, recipe=1).holds(1, 1)


@settings(deadline=None, max_examples=50)
@given(st.lists(word.filter(bool), max_size=60))
def test_ring_keeps_the_last_entry_of_each_slot(numbers: list[int]) -> None:
    """A plain dictionary by id mod 16 predicts the ring and its 80 words."""
    ring = Ring()
    expected: dict[int, RingEntry] = {}
    for number in numbers:
        entry = RingEntry.make(number, Verdict.REJECT, Reason.OVER_THRESHOLD, 5, 6, epoch=7, recipe=8)
        ring.put(entry)
        expected[number % 16] = entry
    words = ring.pack()
    for index in range(RING_SLOTS):
        assert ring.slot(index) == expected.get(index, RingEntry())
        assert tuple(words[5 * index : 5 * index + 5]) == expected.get(index, RingEntry()).pack()
    for number in numbers:
        found = ring.find(number)
        assert (found is not None) == (expected[number % 16].id == number)
    assert list(Ring(words)) == list(ring)


def test_a_ring_of_another_length_is_refused() -> None:
    with pytest.raises(ValueError, match="80 words"):
        Ring([0] * 79)


@settings(deadline=None, max_examples=100)
@given(st.integers(1, 65535), st.integers(0, 65534))
def test_ids_wrap_from_65535_to_1(number: int, steps: int) -> None:
    """Distance, forward steps and steps back agree; 0 is never an id."""
    back = step_back(number, steps)
    assert 1 <= back <= 65535
    assert id_distance(back, number) == steps
    assert id_distance(number, next_id(number)) == 1
    assert step_back(next_id(number), 1) == number


def test_the_id_after_65535_is_1() -> None:
    assert (next_id(65535), next_id(0), step_back(1, 1), id_distance(65535, 1)) == (1, 1, 65535, 1)


def test_every_reason_of_the_contract_is_known() -> None:
    """The reasons are the contract's, number for number."""
    contract = {0, 1, 2, 3, 20, 21, 22, 30, 31, 32, 33, 34, 40, 41, 42, 43, 44}
    assert {int(reason) for reason in Reason} == contract
    assert all(reason.meaning for reason in Reason)


def test_only_losses_clear_themselves() -> None:
    """Camera and PLC loss clear themselves, every other fault latches; each has a meaning and a remedy."""
    assert {fault for fault in FaultCode if not fault.latches} == {
        FaultCode.NONE,
        FaultCode.CAMERA_LOST,
        FaultCode.PLC_LOST,
    }
    assert all(fault.meaning and fault.remedy for fault in FaultCode)
    assert FaultCode(12) is FaultCode.TWO_WRITERS


def test_status_and_control_bits_are_the_contracts() -> None:
    status = (
        "ONLINE TRIGGER_READY TRIGGER_ACK EXPOSURE_DONE BUSY RESULTS_VALID COMPLETED MISSED_ACQ OVERRUN "
        "FAULT PLC_HEARTBEAT_LOST STOP_LINE_REQUEST DEGRADED SHADOW"
    )
    control = "TRIGGER_ENABLE TRIGGER RESULT_ACK CLEAR_FAULT CLEAR_OVERRUN BUFFER_RESULTS SET_OFFLINE"
    assert [int(Status[name]) for name in status.split()] == [1 << bit for bit in range(14)]
    assert [int(Control[name]) for name in control.split()] == [1 << bit for bit in range(7)]
