"""What the running link logs of faults: once when they come, in words that a technician can act on."""

from __future__ import annotations

from typing import Any

import pytest
import structlog
from plc_wiring_bench import BASE, settings

from inspectd.io.plc import FaultCode, PlcImage, VisionImage
from inspectd.io.plc_fault_log import FaultLog


class Logged:
    """A fault log, and what it logged last."""

    def __init__(self) -> None:
        self._log = FaultLog(settings())

    def see(self, fault: FaultCode = FaultCode.NONE, at: float = 0.0, **plc: int) -> list[Any]:
        fields: dict[str, Any] = {"plc_epoch": 7, **plc}
        words = PlcImage(**fields).pack() + VisionImage(boot_id=9, station=2).pack()
        with structlog.testing.capture_logs() as entries:
            self._log.see(fault, words, at)
        return entries


def test_a_fault_is_told_once_when_it_comes_and_once_when_it_goes() -> None:
    logged = Logged()
    assert logged.see() == []
    (entry,) = logged.see(FaultCode.PLC_LOST, heartbeat=12)
    assert (entry["event"], entry["log_level"], entry["fault"]) == ("plc_fault", "error", "PLC_LOST")
    assert entry["meaning"] == FaultCode.PLC_LOST.meaning
    assert entry["remedy"] == FaultCode.PLC_LOST.remedy
    assert entry["seen"] == "HEARTBEAT (word 0) stands at 12"
    assert logged.see(FaultCode.PLC_LOST) == []
    (entry,) = logged.see()
    assert (entry["event"], entry["fault"]) == ("plc_fault_gone", "PLC_LOST")


def test_a_fault_after_a_fault_is_told_too() -> None:
    logged = Logged()
    logged.see(FaultCode.PLC_LOST)
    events = [entry["event"] for entry in logged.see(FaultCode.TWO_WRITERS)]
    assert events == ["plc_fault_gone", "plc_fault"]


@pytest.mark.parametrize(
    ("version", "seen"),
    [(256, "high and low byte of each word are swapped"), (3, "VERSION (word 7) is 3, not 1")],
)
def test_a_wrong_version_is_explained(version: int, seen: str) -> None:
    """As the diagnosis does it: swapped bytes are not another version."""
    (entry,) = Logged().see(FaultCode.BAD_VERSION, version=version)
    assert seen in entry["seen"]
    assert entry["remedy"].endswith("then ClearFault")


def test_an_offset_is_explained() -> None:
    """The words lie one register later than configured."""
    words = [0, *PlcImage(heartbeat=3, trig_id=5, plc_epoch=7).pack(), *VisionImage().pack()][:52]
    with structlog.testing.capture_logs() as entries:
        FaultLog(settings()).see(FaultCode.BAD_VERSION, words, 0.0)
    assert f"set plc.base_address to {BASE + 1}, not {BASE}" in entries[0]["remedy"]


def test_two_writers_and_ids_that_step_back_are_explained() -> None:
    (entry,) = Logged().see(FaultCode.TWO_WRITERS)
    assert entry["seen"] == "BOOT_ID (word 34) is 9, STATION (word 51) is 2"
    logged = Logged()
    logged.see(trig_id=500)
    (entry,) = logged.see(FaultCode.IDS_STEPPED_BACK, trig_id=3)
    assert entry["seen"] == "TRIG_ID is 3, and was 500"


def test_ids_that_jump_are_told_but_not_with_each_part() -> None:
    """No fault: their parts are UNKNOWN. A PLC that counts by two would fill the log."""
    logged = Logged()
    assert logged.see(trig_id=65535) == []
    assert logged.see(trig_id=1) == []
    (entry,) = logged.see(trig_id=3, at=1.0)
    assert (entry["event"], entry["old"], entry["new"]) == ("trig_id_jumped", 1, 3)
    assert entry["remedy"]
    assert logged.see(trig_id=5, at=2.0) == []
    (entry,) = logged.see(trig_id=7, at=12.0)
    assert entry["jumps"] == 3


def test_torn_polls_are_told_after_a_second_and_when_they_are_over() -> None:
    """A single one is nothing: the next is whole."""
    log = FaultLog(settings())
    words = PlcImage(trig_id=5, plc_epoch=7).pack() + VisionImage().pack()
    words[31] = 4
    with structlog.testing.capture_logs() as entries:
        log.see_torn(words, 0.0)
        log.see(FaultCode.NONE, words, 0.5)
        log.see_torn(words, 0.6)
        log.see_torn(words, 1.5)
        assert entries == []
        for at in (1.6, 1.7, 9.0):
            log.see_torn(words, at)
        log.see(FaultCode.NONE, words, 9.1)
        log.see(FaultCode.NONE, words, 9.2)
    assert [entry["event"] for entry in entries] == ["plc_polls_torn", "plc_polls_whole"]


def test_ids_of_another_epoch_do_not_jump() -> None:
    logged = Logged()
    logged.see(trig_id=40)
    assert logged.see(trig_id=400, plc_epoch=8) == []
    assert logged.see(trig_id=0, plc_epoch=0) == []
    assert logged.see(trig_id=9, plc_epoch=0) == []
