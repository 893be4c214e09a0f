"""The register image shared with the PLC (contract version 1): one typed structure that packs and unpacks.

Word `n` is Modbus holding register `base + n` and S7 byte `2n`. Words are unsigned 16 bit, big-endian;
double words and REAL have their high word first. The PLC writes words 0 to 31 and nothing else; the agent
writes words 32 to 131 (status block and verdict ring) and nothing else.
"""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING

from inspectd.io.plc_codes import CONTRACT_VERSION, Control, FaultCode, Reason, Status, Verdict
from inspectd.io.plc_ring import (
    ID_COUNT,
    LAST_ID,
    RING_SLOTS,
    RING_WORDS,
    SLOT_WORDS,
    Ring,
    RingEntry,
    crc16_modbus,
    id_distance,
    next_id,
    slot_check,
    step_back,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = [
    "CONTRACT_VERSION",
    "ID_COUNT",
    "LAST_ID",
    "PLC_WORDS",
    "READ_COUNT",
    "READ_START",
    "RING_SLOTS",
    "RING_START",
    "RING_WORDS",
    "SLOT_WORDS",
    "VISION_START",
    "VISION_WORDS",
    "WORDS",
    "WRITE_COUNT",
    "WRITE_START",
    "Control",
    "FaultCode",
    "PlcImage",
    "Reason",
    "Ring",
    "RingEntry",
    "Status",
    "Verdict",
    "VisionImage",
    "crc16_modbus",
    "id_distance",
    "next_id",
    "plc_words_torn",
    "slot_check",
    "step_back",
    "vision_words_torn",
]

PLC_WORDS = 32
VISION_START = 32
VISION_WORDS = 20
RING_START = 52
WORDS = RING_START + RING_WORDS

# The agent's two requests: one read of 104 bytes, one write of 200 bytes.
READ_START = 0
READ_COUNT = PLC_WORDS + VISION_WORDS
WRITE_START = VISION_START
WRITE_COUNT = VISION_WORDS + RING_WORDS
NO_CONTROL = Control(0)
NO_STATUS = Status(0)
_TEXT_BYTES = 16
_FLOAT32_MAX = struct.unpack(">f", b"\x7f\x7f\xff\xff")[0]


# --- multi-word values -------------------------------------------------------------------------------


def _pair(value: int) -> tuple[int, int]:
    return value >> 16 & 0xFFFF, value & 0xFFFF


def _real_words(value: float) -> tuple[int, int]:
    # A score beyond float32 is saturated: an image that cannot be packed would silence the link.
    limited = value if math.isnan(value) else max(-_FLOAT32_MAX, min(_FLOAT32_MAX, value))
    high, low = struct.unpack(">HH", struct.pack(">f", limited))
    return high, low


def _real(high: int, low: int) -> float:
    return float(struct.unpack(">f", struct.pack(">HH", high, low))[0])


def _text_words(text: str) -> tuple[int, ...]:
    data = text.encode("ascii")
    if len(data) > _TEXT_BYTES:
        raise ValueError(f"{text!r} has {len(data)} characters: SERIAL and LOT carry at most {_TEXT_BYTES}")
    return struct.unpack(">8H", data.ljust(_TEXT_BYTES, b"\0"))


def _text(words: Sequence[int]) -> str:
    return struct.pack(">8H", *words).split(b"\0", 1)[0].decode("ascii", errors="replace")


# --- words 0 to 31 -------------------------------------------------------------------------------------


def plc_words_torn(words: Sequence[int]) -> bool:
    """Whether a read of words 0.. caught the PLC in the middle of its writing (words 2 and 31 differ)."""
    return words[2] != words[31]


@dataclass(frozen=True, slots=True, kw_only=True)
class PlcImage:
    """Words 0 to 31, written by the PLC alone.

    TRIG_ID is packed twice (words 2 and 31); test a read with `plc_words_torn` before unpacking it.
    `encoder` is the position of this part at the photo-eye, `encoder_now` the running one: 0..2**32-1 counts.
    """

    heartbeat: int = 0
    control: Control = NO_CONTROL
    trig_id: int = 0
    recipe: int = 0
    encoder: int = 0
    ack_seq: int = 0
    version: int = CONTRACT_VERSION
    plc_epoch: int = 0
    reject_confirm_id: int = 0
    encoder_now: int = 0
    serial: str = ""
    lot: str = ""

    def pack(self) -> list[int]:
        """Give the 32 words. ValueError: SERIAL or LOT not ASCII, or longer than 16 characters."""
        return [
            self.heartbeat,
            int(self.control),
            self.trig_id,
            self.recipe,
            *_pair(self.encoder),
            self.ack_seq,
            self.version,
            self.plc_epoch,
            self.reject_confirm_id,
            *_pair(self.encoder_now),
            *_text_words(self.serial),
            *_text_words(self.lot),
            0,
            0,
            0,
            self.trig_id,
        ]

    @classmethod
    def unpack(cls, words: Sequence[int]) -> PlcImage:
        """Read the first 32 of `words`; characters that are not ASCII become U+FFFD."""
        return cls(
            heartbeat=words[0],
            control=Control(words[1]),
            trig_id=words[2],
            recipe=words[3],
            encoder=words[4] << 16 | words[5],
            ack_seq=words[6],
            version=words[7],
            plc_epoch=words[8],
            reject_confirm_id=words[9],
            encoder_now=words[10] << 16 | words[11],
            serial=_text(words[12:20]),
            lot=_text(words[20:28]),
        )


# --- words 32 to 51 ------------------------------------------------------------------------------------


def vision_words_torn(words: Sequence[int]) -> bool:
    """Whether a read of words 32.. caught the agent's write half done (words 37 and 47 differ)."""
    return words[5] != words[15]


@dataclass(frozen=True, slots=True, kw_only=True)
class VisionImage:
    """Words 32 to 51, written by the agent alone; RESULT_SEQ is packed twice (words 37 and 47).

    `verdict`, `reason` and `fault` are plain numbers, since a read may find any number there.
    `score_relative` is the score relative to the threshold x 1000 (1000: at the threshold).
    """

    heartbeat: int = 0
    status: Status = NO_STATUS
    boot_id: int = 0
    fault: int = 0
    acq_id: int = 0
    result_seq: int = 0
    result_trig_id: int = 0
    verdict: int = 0
    reason: int = 0
    score_relative: int = 0
    score: float = 0.0
    latency_ms: int = 0
    missed: int = 0
    late: int = 0
    version: int = CONTRACT_VERSION
    plc_epoch: int = 0
    recipe_in_force: int = 0
    station: int = 0

    def pack(self) -> list[int]:
        """Give the 20 words; `score` is saturated to what a REAL holds."""
        return [
            self.heartbeat,
            int(self.status),
            self.boot_id,
            self.fault,
            self.acq_id,
            self.result_seq,
            self.result_trig_id,
            self.verdict,
            self.reason,
            self.score_relative,
            *_real_words(self.score),
            self.latency_ms,
            self.missed,
            self.late,
            self.result_seq,
            self.version,
            self.plc_epoch,
            self.recipe_in_force,
            self.station,
        ]

    @classmethod
    def unpack(cls, words: Sequence[int]) -> VisionImage:
        """Read the first 20 of `words` (word 32 first)."""
        return cls(
            heartbeat=words[0],
            status=Status(words[1]),
            boot_id=words[2],
            fault=words[3],
            acq_id=words[4],
            result_seq=words[5],
            result_trig_id=words[6],
            verdict=words[7],
            reason=words[8],
            score_relative=words[9],
            score=_real(words[10], words[11]),
            latency_ms=words[12],
            missed=words[13],
            late=words[14],
            version=words[16],
            plc_epoch=words[17],
            recipe_in_force=words[18],
            station=words[19],
        )
