"""`inspectd plc watch`: the live image as table, lines and JSON, and never a write."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from command import Inspectd
from rich.console import Console
from station_files import write_station

from inspectd.agent.cli.plc_watch_view import picture
from inspectd.io.errors import PlcError
from inspectd.io.modbus import ModbusTransport
from inspectd.io.plc import FaultCode, PlcImage, Reason, Ring, RingEntry, Status, Verdict, VisionImage
from inspectd.io.plc_live import LiveImage
from inspectd.io.plc_settings import ModbusServerSettings, S7Settings
from inspectd.io.plc_watching import transport_to_watch
from inspectd.io.s7 import S7Transport


class LivePlc:
    """A PLC and an agent of which only the PLC beats; `fails`: read requests that get no answer."""

    def __init__(self, fails: Callable[[int], bool] = lambda _: False) -> None:
        self._began = time.monotonic()
        self._fails = fails
        self.requests = 0
        self.connected = False

    def connect(self) -> None:
        self.connected = True

    def read(self, start: int, count: int) -> list[int]:
        assert self.connected
        self.requests += 1
        if self._fails(self.requests):
            self.connected = False
            raise PlcError("no answer; check the cable")
        return image_words(time.monotonic() - self._began)[start : start + count]

    def write(self, _start: int, _words: object) -> None:
        raise AssertionError("who watches does not write")

    def close(self) -> None:
        self.connected = False


def image_words(seconds: float = 0.0) -> list[int]:
    """A fault, a verdict that fits recipe 1 and one of another epoch; TRIG_ID goes on after 0.3 s."""
    plc = PlcImage(
        heartbeat=1 + int(seconds / 0.05), trig_id=18 if seconds > 0.3 else 17, recipe=1, plc_epoch=900
    )
    vision = VisionImage(
        heartbeat=5, status=Status.FAULT | Status.DEGRADED, fault=FaultCode.CAMERA_LOST, plc_epoch=900
    )
    ring = Ring()
    ring.put(RingEntry.make(17, Verdict.UNKNOWN, Reason.CAMERA_LOST, 0, 0, epoch=900, recipe=1))
    ring.put(RingEntry.make(16, Verdict.ACCEPT, Reason.NONE, 700, 0, epoch=899, recipe=1))
    return plc.pack() + vision.pack() + ring.pack()


@pytest.fixture
def live(monkeypatch: pytest.MonkeyPatch) -> LivePlc:
    return put_in(monkeypatch, LivePlc())


def put_in(monkeypatch: pytest.MonkeyPatch, plc: LivePlc) -> LivePlc:
    def transport(_settings: object) -> LivePlc:
        return plc

    monkeypatch.setattr("inspectd.agent.cli.plc_watch.transport_to_watch", transport)
    return plc


def test_once_shows_everything_by_name(inspectd: Inspectd, tmp_path: Path, live: LivePlc) -> None:
    """Words, bits, heartbeats, the fault with its remedy, and the ring; then the connection is closed."""
    done = inspectd("plc", "watch", write_station(tmp_path), "--once")
    assert done.status == 0
    text = " ".join(done.out.split())
    for told in ("TRIG_ID", "PLC_EPOCH 900", "PLC heartbeat moves", "vision heartbeat stands at 5"):
        assert told in text, told
    for told in ("■ Fault", "■ Degraded", "□ Online", "□ TriggerEnable", "CAMERA_LOST"):
        assert told in text, told
    for told in ("17 UNKNOWN 31 camera lost fits recipe 1", "16 ACCEPT 0 no objection does not fit"):
        assert told in text, told
    assert FaultCode.CAMERA_LOST.remedy in text
    assert not live.connected


def test_json_is_one_object(inspectd: Inspectd, tmp_path: Path, live: LivePlc) -> None:
    report = inspectd("plc", "watch", write_station(tmp_path), "--json").report
    assert live.requests > 4
    assert report["plc"]["PLC_EPOCH"] == 900
    assert report["status"]["Fault"] is True
    assert report["status"]["Online"] is False
    assert report["control"]["TriggerEnable"] is False
    assert report["heartbeats"]["plc"]["moving"] is True
    assert report["heartbeats"]["vision"]["moving"] is False
    assert report["heartbeats"]["vision"]["unchanged_ms"] > 500
    assert report["fault"]["name"] == "CAMERA_LOST"
    assert report["fault"]["remedy"] == FaultCode.CAMERA_LOST.remedy
    assert [(slot["id"], slot["check_fits"]) for slot in report["ring"]] == [(16, False), (17, True)]
    assert report["torn"] == {"plc": False, "vision": False}


def test_without_a_terminal_changes_are_lines(inspectd: Inspectd, tmp_path: Path, live: LivePlc) -> None:
    """After the first picture a line for each change, with its time."""
    done = inspectd("plc", "watch", write_station(tmp_path), "--seconds", 0.6)
    assert live.requests > 4
    assert done.status == 0
    (changed,) = [line for line in done.out.splitlines() if "TRIG_ID: " in line]
    assert changed.endswith(" TRIG_ID: 17 -> 18")
    assert changed[2] == changed[5] == ":"


def test_a_link_that_fails_is_told_and_comes_back(
    monkeypatch: pytest.MonkeyPatch, inspectd: Inspectd, tmp_path: Path
) -> None:
    """Once each, however long it is down."""
    monkeypatch.setattr("inspectd.agent.cli.plc_watch.RETRY_S", 0.02)
    put_in(monkeypatch, LivePlc(fails=lambda request: 4 < request < 9))
    done = inspectd("plc", "watch", write_station(tmp_path), "--seconds", 0.5)
    told = [line.split(" ", 1)[1] for line in done.out.splitlines() if " link: " in line]
    assert told == ["link: no answer; check the cable", "link: back"]


def test_a_link_that_is_down_at_the_end_is_no_report(
    monkeypatch: pytest.MonkeyPatch, inspectd: Inspectd, tmp_path: Path
) -> None:
    put_in(monkeypatch, LivePlc(fails=lambda request: request > 4))
    config = write_station(tmp_path)
    assert inspectd("plc", "watch", config, "--json").refuses(1, "no answer; check the cable")


def test_a_plc_that_cannot_be_reached_is_one_message(
    monkeypatch: pytest.MonkeyPatch, inspectd: Inspectd, tmp_path: Path
) -> None:
    put_in(monkeypatch, LivePlc(fails=lambda _: True))
    assert inspectd("plc", "watch", write_station(tmp_path)).refuses(1, "no answer; check the cable")


def drawn(words: list[int], link: str = "") -> str:
    console = Console(width=200, force_terminal=False)
    with console.capture() as capture:
        console.print(picture(LiveImage(words, 0.0, {1}), "the PLC at 10.0.0.5", link))
    return capture.get()


def test_a_torn_read_and_a_link_that_is_down_are_on_the_picture() -> None:
    torn = image_words()
    torn[31] = 16
    text = drawn(torn, link="it is off")
    assert "torn read: words 2 and 31 differ" in text
    assert "link: it is off" in text
    assert "torn read" not in drawn(image_words())


def test_numbers_without_a_name_are_on_the_picture() -> None:
    """A PLC's reads may show anything."""
    words = PlcImage().pack() + replace(VisionImage(), verdict=9, reason=77, fault=999).pack() + [0] * 80
    assert drawn(words).count("unknown number") == 3


def test_whichever_side_serves_is_asked() -> None:
    """Where the agent is the server its own port is asked as a PLC would, not opened a second time."""
    served = ModbusServerSettings(kind="modbus_server", listen="127.0.0.1", port=1502)
    assert isinstance(transport_to_watch(served), ModbusTransport)
    s7 = S7Settings(kind="s7", host="10.0.0.5", data_block=5)
    assert isinstance(transport_to_watch(s7), S7Transport)
