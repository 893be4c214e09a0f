"""The register image as a table: every word and bit with its name, type, writer and meaning.

What people read (`inspectd plc map`), and the PLC source that they import, come from this table alone; a
test holds it against `inspectd.io.plc`, which packs and unpacks the same words.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from inspectd.io.plc_codes import Control, FaultCode, Reason, Status, Verdict

if TYPE_CHECKING:
    from collections.abc import Iterator

Kind = Literal["UINT", "UDINT", "REAL", "CHAR16"]
Writer = Literal["plc", "vision"]

WORDS_OF: dict[Kind, int] = {"UINT": 1, "UDINT": 2, "REAL": 2, "CHAR16": 8}
TYPE_NAMES: dict[Kind, str] = {
    "UINT": "UINT",
    "UDINT": "UDINT",
    "REAL": "REAL",
    "CHAR16": "ARRAY[0..15] OF CHAR",
}


@dataclass(frozen=True, slots=True)
class Bit:
    """One bit of a word; 0 is the least significant."""

    number: int
    name: str
    meaning: str


@dataclass(frozen=True, slots=True)
class Field:
    """One value of the image.

    `word` is its first word, 0..131. `attribute` names it in PlcImage or VisionImage; "" for what is no value
    of its own there. `values` are the numbers that it can hold with their meaning, where those are named.
    """

    word: int
    name: str
    kind: Kind
    meaning: str
    attribute: str = ""
    bits: tuple[Bit, ...] = ()
    values: tuple[tuple[int, str], ...] = ()

    @property
    def writer(self) -> Writer:
        """Who alone writes it."""
        return "plc" if self.word < _VISION_START else "vision"

    @property
    def words(self) -> int:
        """How many words it takes."""
        return WORDS_OF[self.kind]


_VISION_START = 32
_RING_START = 52
_SLOTS = 16
_SLOT_WORDS = 5

_CONTROL_MEANINGS = {
    Control.TRIGGER_ENABLE: "the PLC will send triggers; while it is 0 every part is UNKNOWN/41",
    Control.TRIGGER: "level handshake: take a picture of part TRIG_ID; held until TriggerAck",
    Control.RESULT_ACK: "level handshake: the result was taken; held until ResultsValid is 0",
    Control.CLEAR_FAULT: "a rising edge clears latched faults",
    Control.CLEAR_OVERRUN: "a rising edge clears Overrun",
    Control.BUFFER_RESULTS: "results wait for ACK_SEQ one by one",
    Control.SET_OFFLINE: "the agent goes offline and accepts nothing",
}
_STATUS_MEANINGS = {
    Status.ONLINE: "the agent inspects",
    Status.TRIGGER_READY: "the next trigger can be taken",
    Status.TRIGGER_ACK: "level handshake: Trigger was seen",
    Status.EXPOSURE_DONE: "level handshake: the picture is taken, the part may move on",
    Status.BUSY: "at least one part is being judged",
    Status.RESULTS_VALID: "words 38 to 44 hold a result",
    Status.COMPLETED: "toggles with each result",
    Status.MISSED_ACQ: "a trigger was missed in this epoch",
    Status.OVERRUN: "a buffered result was lost; cleared by ClearOverrun",
    Status.FAULT: "word 35 says which fault; nothing is accepted",
    Status.PLC_HEARTBEAT_LOST: "the PLC's HEARTBEAT has not changed for 500 ms",
    Status.STOP_LINE_REQUEST: "the agent asks to stop the line",
    Status.DEGRADED: "the agent inspects, but something needs attention",
    Status.SHADOW: "the agent judges and records, but accepts nothing",
}


def _camel(name: str) -> str:
    """PLC_HEARTBEAT_LOST to PlcHeartbeatLost: the contract's way of naming bits."""
    return "".join(part.capitalize() for part in name.split("_"))


def _bits(meanings: dict[Control, str] | dict[Status, str]) -> tuple[Bit, ...]:
    return tuple(
        Bit(int(flag).bit_length() - 1, _camel(str(flag.name)), meaning) for flag, meaning in meanings.items()
    )


_VERDICTS = tuple((int(verdict), verdict.name.lower()) for verdict in Verdict)
_REASONS = tuple((int(reason), reason.meaning) for reason in Reason)
_FAULTS = tuple((int(fault), fault.meaning) for fault in FaultCode)

PLC_FIELDS: tuple[Field, ...] = (
    Field(0, "HEARTBEAT", "UINT", "+1 every 100 ms, never 0", "heartbeat"),
    Field(1, "CONTROL", "UINT", "control bits", "control", bits=_bits(_CONTROL_MEANINGS)),
    Field(2, "TRIG_ID", "UINT", "id of the part, 1..65535, skips 0; a change is the trigger", "trig_id"),
    Field(3, "RECIPE", "UINT", "product class of this part", "recipe"),
    Field(4, "ENCODER", "UDINT", "position of this part at the photo-eye, counts", "encoder"),
    Field(6, "ACK_SEQ", "UINT", "last RESULT_SEQ taken", "ack_seq"),
    Field(7, "VERSION", "UINT", "1; anything else is a fault", "version"),
    Field(8, "PLC_EPOCH", "UINT", "new and not 0 at every start of the PLC; 0: it is starting", "plc_epoch"),
    Field(
        9,
        "REJECT_CONFIRM_ID",
        "UINT",
        "last id that the reject sensor confirmed, 0 if there is none",
        "reject_confirm_id",
    ),
    Field(10, "ENCODER_NOW", "UDINT", "running position of the belt, counts", "encoder_now"),
    Field(12, "SERIAL", "CHAR16", "serial number of this part, ASCII, padded with 0", "serial"),
    Field(20, "LOT", "CHAR16", "lot of this part, ASCII, padded with 0", "lot"),
    Field(28, "RESERVED_28", "UINT", "0"),
    Field(29, "RESERVED_29", "UINT", "0"),
    Field(30, "RESERVED_30", "UINT", "0"),
    Field(31, "TRIG_ID_2", "UINT", "TRIG_ID again, written before it; they differ in a torn read", "trig_id"),
)

VISION_FIELDS: tuple[Field, ...] = (
    Field(32, "HEARTBEAT", "UINT", "+1 at least every 100 ms, never 0, while the agent works", "heartbeat"),
    Field(33, "STATUS", "UINT", "status bits", "status", bits=_bits(_STATUS_MEANINGS)),
    Field(34, "BOOT_ID", "UINT", "new and not 0 at each start of the agent", "boot_id"),
    Field(35, "FAULT", "UINT", "fault code, 0 none", "fault", values=_FAULTS),
    Field(36, "ACQ_ID", "UINT", "last trigger id seen", "acq_id"),
    Field(37, "RESULT_SEQ", "UINT", "+1 with each verdict, skips 0", "result_seq"),
    Field(38, "RESULT_TRIG_ID", "UINT", "trigger id of the last verdict", "result_trig_id"),
    Field(39, "VERDICT", "UINT", "last verdict", "verdict", values=_VERDICTS),
    Field(40, "REASON", "UINT", "reason of the last verdict", "reason", values=_REASONS),
    Field(41, "SCORE", "UINT", "score over the threshold x 1000: 1000 is at the threshold", "score_relative"),
    Field(42, "SCORE_REAL", "REAL", "raw score", "score"),
    Field(44, "LATENCY_MS", "UINT", "from the trigger seen to the verdict published, ms", "latency_ms"),
    Field(45, "MISSED", "UINT", "parts missed, wraps", "missed"),
    Field(46, "LATE", "UINT", "verdicts that came late, wraps", "late"),
    Field(47, "RESULT_SEQ_2", "UINT", "RESULT_SEQ again; they differ in a torn read", "result_seq"),
    Field(48, "VERSION", "UINT", "1", "version"),
    Field(49, "PLC_EPOCH", "UINT", "the epoch that these verdicts belong to", "plc_epoch"),
    Field(50, "RECIPE_IN_FORCE", "UINT", "product class that the agent inspects now", "recipe_in_force"),
    Field(51, "STATION", "UINT", "number of the station, from the configuration", "station"),
)

SLOT_FIELDS: tuple[Field, ...] = (
    Field(0, "ID", "UINT", "TRIG_ID of the part; free-running: RESULT_SEQ; 0: the slot is empty", "id"),
    Field(1, "OUTCOME", "UINT", "verdict x 256 + reason"),
    Field(2, "A", "UINT", "SCORE; free-running: encoder at exposure, high word", "a"),
    Field(3, "B", "UINT", "0; free-running: encoder at exposure, low word", "b"),
    Field(4, "CHECK", "UINT", "CRC-16/MODBUS over ID, OUTCOME, A, B, PLC_EPOCH, RECIPE of the part", "check"),
)
"""The five words of a slot, counted from its first one; the slot of a part is its ID mod 16."""


def fields() -> Iterator[Field]:
    """Every field of words 0 to 131 in order; those of ring slot n are named RING[n].ID and so on."""
    yield from PLC_FIELDS
    yield from VISION_FIELDS
    for slot in range(_SLOTS):
        start = _RING_START + slot * _SLOT_WORDS
        for field in SLOT_FIELDS:
            name = f"RING[{slot}].{field.name}"
            yield Field(start + field.word, name, field.kind, field.meaning, field.attribute)
