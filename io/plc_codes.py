"""The numbers that agent and PLC exchange: verdicts, reasons, fault codes, control and status bits.

Every value here is part of the PLC contract, version 1: a PLC program compares with these numbers, so none
of them is ever given a second meaning.
"""

from __future__ import annotations

from enum import IntEnum, IntFlag
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing_extensions import Self

CONTRACT_VERSION = 1


class Verdict(IntEnum):
    """What the agent says about a part; everything but ACCEPT is rejected at the gate."""

    NONE = 0
    ACCEPT = 1
    REJECT = 2
    UNKNOWN = 3


class Reason(IntEnum):
    """Why a verdict is what it is; `meaning` is one line for people."""

    _value_: int
    meaning: str

    def __new__(cls, value: int, meaning: str) -> Self:
        """Make a member that is the plain number and carries its text."""
        member = int.__new__(cls, value)
        member._value_ = value
        member.meaning = meaning
        return member

    NONE = 0, "no objection"
    OVER_THRESHOLD = 1, "score at or over the threshold"
    RECHECK = 2, "score in the recheck band"
    UNDER_LOW_LIMIT = 3, "score under the low limit: implausibly good"
    TRIGGER_LATE = 20, "trigger seen too late"
    VERDICT_LATE = 21, "verdict late"
    POSITION_UNTRUSTED = 22, "position not trustworthy"
    INFERENCE_FAILED = 30, "inference failed or not finite"
    CAMERA_LOST = 31, "camera lost"
    FRAME_MISMATCH = 32, "frame and trigger do not match"
    FRAME_UNFIT = 33, "frame not fit to judge"
    SELF_TEST_FAILED = 34, "self-test failed"
    RESTARTED = 40, "agent or PLC restarted meanwhile"
    OFFLINE = 41, "offline, no or unknown recipe, recipe change"
    QUEUE_OVERRUN = 42, "queue overrun"
    SHADOW = 43, "shadow mode"
    VIEW_MISSING = 44, "a view is missing"


class FaultCode(IntEnum):
    """Word 35. `latches`: stands until a rising edge of ClearFault; the others clear themselves."""

    _value_: int
    latches: bool
    meaning: str
    remedy: str

    def __new__(cls, value: int, latches: bool, meaning: str, remedy: str) -> Self:  # noqa: FBT001  a table's column
        """Make a member that is the plain number and carries its texts."""
        member = int.__new__(cls, value)
        member._value_ = value
        member.latches = latches
        member.meaning = meaning
        member.remedy = remedy
        return member

    NONE = 0, False, "no fault", "none needed"
    CAMERA_LOST = (
        1,
        False,
        "a configured camera gives no frames",
        "check its cable, power and address; the fault goes when frames come again",
    )
    PLC_LOST = (
        2,
        False,
        "the PLC's heartbeat has not changed for 500 ms, or the link is down",
        "check the network and that the PLC is in RUN; the fault goes when its heartbeat changes",
    )
    FRAME_MISMATCH = (
        10,
        True,
        "frame and trigger did not match several times in a row",
        "check photo-eye, trigger cable and the configured trigger-to-exposure time, then ClearFault",
    )
    SELF_TEST_FAILED = (
        11,
        True,
        "the runtime does not reproduce the bundle's golden scores",
        "install a bundle that passes, or mend the runtime; once its test passes, then ClearFault",
    )
    TWO_WRITERS = (
        12,
        True,
        "another agent writes this station's words; this one stopped writing",
        "stop the other agent or give each its own base address, then ClearFault",
    )
    IDS_STEPPED_BACK = (
        13,
        True,
        "TRIG_ID went back, or jumped by more than 32767, within one PLC_EPOCH",
        "let the PLC take a new PLC_EPOCH whenever it restarts its ids, then ClearFault",
    )
    BAD_VERSION = (
        14,
        True,
        "word 7 (VERSION) is not 1",
        "load the PLC program generated for contract version 1, or correct the base address, then ClearFault",
    )
    STOP_LINE = (
        15,
        True,
        "the agent asks to stop the line: too many parts in a row not accepted or not confirmed",
        "look at the last parts, camera, light and reject gate, then ClearFault",
    )
    INFERENCE_FAILING = (
        16,
        True,
        "the model failed more often in a row than its budget allows",
        "read the log for the runtime's error, restart the agent if it stays, then ClearFault",
    )
    RECORDER_FAILING = (
        17,
        True,
        "verdicts cannot be recorded",
        "free disk space and check the record folder's rights, then ClearFault",
    )
    SUPERVISION_EXCEEDED = (
        18,
        True,
        "a supervised part of the agent failed beyond its restart budget",
        "read the log for what failed, mend it, then ClearFault",
    )
    INTERNAL_ERROR = (
        19,
        True,
        "the agent met an error in its own code and stays in its safe state",
        "restart the agent and report the log's traceback; ClearFault alone does not end it",
    )


class Control(IntFlag):
    """Word 1, from the PLC (CONTROL)."""

    TRIGGER_ENABLE = 1 << 0
    TRIGGER = 1 << 1
    RESULT_ACK = 1 << 2
    CLEAR_FAULT = 1 << 3
    CLEAR_OVERRUN = 1 << 4
    BUFFER_RESULTS = 1 << 5
    SET_OFFLINE = 1 << 6


class Status(IntFlag):
    """Word 33, to the PLC (STATUS)."""

    ONLINE = 1 << 0
    TRIGGER_READY = 1 << 1
    TRIGGER_ACK = 1 << 2
    EXPOSURE_DONE = 1 << 3
    BUSY = 1 << 4
    RESULTS_VALID = 1 << 5
    COMPLETED = 1 << 6
    MISSED_ACQ = 1 << 7
    OVERRUN = 1 << 8
    FAULT = 1 << 9
    PLC_HEARTBEAT_LOST = 1 << 10
    STOP_LINE_REQUEST = 1 << 11
    DEGRADED = 1 << 12
    SHADOW = 1 << 13
