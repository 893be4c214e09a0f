"""What a running link says of a PLC that is wired wrongly: one log event, in plain words with a remedy."""

from __future__ import annotations

from typing import Any

import pytest
import structlog
from plc_session_bench import FakeAgent
from plc_wiring_bench import BASE, BenchPlc, overlay, settings

from inspectd.io.plc import FaultCode, PlcImage, Status, Verdict, VisionImage
from inspectd.io.plc_host_guard import HostGuard
from inspectd.io.plc_session import PlcSession


class Agents(BenchPlc):
    """The bench without its check of a trial's words: here an agent writes, and may be Online."""

    def _see_safe(self) -> None:
        """An agent says what it likes."""


def logged(plc: BenchPlc, until: float = 3.0) -> tuple[PlcSession, list[Any]]:
    """Run a session's cycles; gives it and what it logged, but for good news."""
    plc.now = 1.0  # a clock that has run for a while
    host = FakeAgent()
    session = PlcSession(settings(), plc, HostGuard(host), frozenset({1}), plc.clock)
    with structlog.testing.capture_logs() as entries:
        while plc.now < until:
            session.cycle()
            plc.sleep(0.005)
    return session, [entry for entry in entries if entry["log_level"] != "info"]


def swap_bytes(words: list[int], _now: float) -> list[int]:
    return [(word & 0xFF) << 8 | word >> 8 for word in words]


def another_writer(words: list[int], now: float) -> list[int]:
    return [*words[:34], 4711, *words[35:]] if now > 2.5 else words


def test_a_link_that_is_well_says_nothing() -> None:
    session, entries = logged(Agents())
    assert entries == []
    assert session.up


@pytest.mark.parametrize(
    ("plc", "fault", "seen", "remedy"),
    [
        (
            Agents(spoil=swap_bytes),
            FaultCode.BAD_VERSION,
            "low byte of each word are swapped",
            "swap the bytes",
        ),
        (Agents(spoil=overlay(w7=2)), FaultCode.BAD_VERSION, "VERSION (word 7) is 2", "PLC program"),
        (Agents(spoil=overlay(w0=5)), FaultCode.PLC_LOST, "HEARTBEAT (word 0) stands at 5", "in RUN"),
        (
            Agents(spoil=another_writer),
            FaultCode.TWO_WRITERS,
            "BOOT_ID (word 34) is 4711",
            "stop the other",
        ),
    ],
)
def test_what_the_words_show_is_told_once(plc: BenchPlc, fault: FaultCode, seen: str, remedy: str) -> None:
    """And the agent is not Online with it, or has stopped writing."""
    session, (entry,) = logged(plc)
    assert (entry["event"], entry["fault"]) == ("plc_fault", fault.name)
    assert seen in entry["seen"]
    assert remedy in entry["remedy"]
    assert session.fault() is fault
    vision = VisionImage.unpack(plc.vision)
    assert vision.verdict != Verdict.ACCEPT
    assert Status.FAULT in vision.status or fault is FaultCode.TWO_WRITERS


@pytest.mark.parametrize(
    ("plc", "seen", "remedy"),
    [
        (Agents(lies_at=BASE + 1), "begins 1 word later", f"set plc.base_address to {BASE + 1}, not {BASE}"),
        (Agents(spoil=overlay(w31=0)), "word 2 is 41, word 31 is 0", "write TRIG_ID to word 31 too"),
    ],
)
def test_polls_that_are_torn_all_of_them_are_told_once(plc: BenchPlc, seen: str, remedy: str) -> None:
    """The agent does not even begin with them, and would say nothing."""
    session, (entry,) = logged(plc)
    assert entry["event"] == "plc_polls_torn"
    assert seen in entry["seen"]
    assert remedy in entry["remedy"]
    assert not session.begun


def test_words_that_the_plc_does_not_have_are_told_once() -> None:
    """The link is down, and says why in the PLC's terms, not in a library's."""
    session, (entry,) = logged(Agents(registers=range(BASE + 40)))
    assert entry["event"] == "plc_link_down"
    assert "illegal data address" in entry["error"]
    assert "correct plc.base_address" in entry["error"]
    assert not session.up


def test_ids_that_jump_are_told() -> None:
    plc = Agents()
    plc.plc = lambda: PlcImage(  # pyright: ignore[reportAttributeAccessIssue]  another program
        heartbeat=1 + int(plc.now / 0.1),
        control=plc.control,
        trig_id=41 if plc.now < 2.5 else 45,
        recipe=1,
        plc_epoch=777,
    )
    _, (entry,) = logged(plc)
    assert (entry["event"], entry["old"], entry["new"]) == ("trig_id_jumped", 41, 45)
