"""`inspectd plc simulate`: the PLC twin alone, on the protocol and in the role that a station needs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from command import Inspectd
from rich.console import Console
from station_files import write_station

from inspectd.agent.cli.plc_simulate import SimulateOptions, twin_settings
from inspectd.agent.cli.plc_simulate_view import Gate, line, picture
from inspectd.io.plc import Reason, Verdict
from inspectd.io.plc_record import PartRecord
from inspectd.io.plc_simulator_settings import PlcSimulatorSettings

WISHES: dict[str, Any] = {
    "kind": None,
    "port": None,
    "parts": 0,
    "seconds": None,
    "rate": None,
    "defects": None,
    "seed": None,
    "wait_online": False,
    "as_json": False,
}


def settings(config: Path | None = None, **wishes: Any) -> PlcSimulatorSettings:
    return PlcSimulatorSettings(**twin_settings(config, SimulateOptions(**(WISHES | wishes))))


def record(number: int, **fields: Any) -> PartRecord:
    own: dict[str, Any] = {"kind": None, "size": 0.0, "decision": "rejected", "why": "heartbeat"}
    return PartRecord(part=number, trig_id=number, eye_at=0.0, gate_at=0.0, **(own | fields))


ACCEPTED = {"decision": "accepted", "why": "", "verdict": Verdict.ACCEPT}


@pytest.mark.parametrize("kind", ["modbus_tcp", pytest.param("s7", marks=pytest.mark.system)])
def test_parts_pass_a_gate_without_an_agent(inspectd: Inspectd, kind: str) -> None:
    """All are rejected, one object tells it, and the address stands on standard error."""
    done = inspectd("plc", "simulate", "--parts", 2, "--rate", 20, "--kind", kind, "--json")
    assert done.status == 0
    assert "127.0.0.1:" in done.err
    report = done.report
    assert (report["accepted"], report["rejected"] >= 2) == (0, True)
    assert report["without_verdict"] == report["parts"]


def test_each_part_is_a_line_where_there_is_no_terminal(inspectd: Inspectd) -> None:
    done = inspectd("plc", "simulate", "--parts", 1, "--rate", 20, "--defects", 0)
    assert done.out.startswith("part 1 id 1 good: no verdict, rejected: ")
    assert "parts 1, accepted 0, rejected 1" in done.out


def test_a_time_ends_it_too(inspectd: Inspectd) -> None:
    assert inspectd("plc", "simulate", "--seconds", 0.2, "--json").report["seconds"] < 60


def test_without_a_wish_the_kernel_chooses_the_port() -> None:
    assert settings().port == 0
    assert settings(port=15020).port == 15020
    assert settings(kind="s7").protocol == "s7"


def test_a_station_is_fitted(tmp_path: Path) -> None:
    """Protocol, place, mode, recipe and the time from photo-eye to gate are the configuration's."""
    place = ("kind: modbus_tcp", "kind: s7\n  data_block: 7\n  base_byte: 10\n  port: 1102\n  station: 4")
    twin = settings(write_station(tmp_path, place))
    assert (twin.protocol, twin.data_block, twin.base_byte, twin.port) == ("s7", 7, 10, 1102)
    assert (twin.station, twin.recipe, twin.mode) == (4, 1, "plc_triggered")
    assert 1 / twin.rate > 0.2  # min_part_interval_ms
    assert twin.gate_distance / twin.speed == pytest.approx(1.0, rel=0.01)  # eye_to_gate_ms
    slow = settings(write_station(tmp_path, place), rate=1.0)
    assert slow.rate == 1.0
    assert slow.gate_distance / slow.speed == pytest.approx(1.0, rel=0.01)


def test_a_station_that_serves_is_called(tmp_path: Path) -> None:
    """The twin is the client then; a kind that was wished for wins over the file's."""
    serves = ("kind: modbus_tcp", "kind: modbus_server\n  port: 1502\n  listen: 127.0.0.1")
    config = write_station(tmp_path, ("  host: 127.0.0.1\n", ""), serves)
    assert settings(config).agent_port == 1502
    assert settings(config, port=1600).agent_port == 1600
    assert settings(config, kind="modbus_tcp").agent_port is None


def test_a_served_role_needs_to_know_where(inspectd: Inspectd) -> None:
    assert inspectd("plc", "simulate", "--kind", "modbus_server").refuses(2, "give its --port")
    assert settings(kind="modbus_server", port=1502).agent_port == 1502


def test_what_the_twin_cannot_be_is_one_message(inspectd: Inspectd, tmp_path: Path) -> None:
    config = write_station(tmp_path, ("kind: modbus_tcp", "kind: modbus_tcp\n  device_id: 255"))
    assert inspectd("plc", "simulate", config).refuses(2, "device_id", "change it in the configuration")


# --- what is shown ---------------------------------------------------------------------------------------


def test_a_gate_counts_what_is_right_and_what_is_wrong() -> None:
    gate = Gate()
    for each in (
        record(1),
        record(2, **ACCEPTED),
        record(3, kind="scratch", **ACCEPTED),
        record(4, kind="crack", verdict=Verdict.REJECT, why="verdict"),
    ):
        gate.add(each)
    assert gate.counts == {
        "parts": 4,
        "accepted": 2,
        "rejected": 2,
        "without_verdict": 1,
        "defective_accepted": 1,
        "good_rejected": 1,
    }
    assert [each.part for each in gate.last()] == [4, 3, 2, 1]


def test_a_line_says_what_became_of_a_part() -> None:
    rejected = record(4, kind="crack", verdict=Verdict.REJECT, reason=Reason.OVER_THRESHOLD, why="verdict")
    assert line(rejected) == "part 4 id 4 crack: REJECT (score at or over the threshold), rejected: verdict"
    assert line(record(2, **ACCEPTED)) == "part 2 id 2 good: ACCEPT (no objection), accepted"
    assert line(record(1)) == "part 1 id 1 good: no verdict, rejected: heartbeat"


def drawn(**view: Any) -> list[str]:
    state: dict[str, Any] = {"epoch": 7, "trig_id": 20, "agent_alive": True, "online": True}
    state |= {"fault": 0, "parts": []}
    gate = Gate()
    gate.add(record(3, kind="scratch", **ACCEPTED))
    console = Console(width=116, force_terminal=False)
    with console.capture() as capture:
        console.print(picture(state | view, gate, where="here", distance=5000, width=116))
    return capture.get().splitlines()


def on_belt(number: int, past_eye: int, verdict: int = 0) -> dict[str, int]:
    return {"part": number, "past_eye": past_eye, "trig_id": number, "verdict": verdict, "reason": 0}


def test_parts_stand_on_the_belt_where_they_are() -> None:
    """From the photo-eye on the left to the gate on the right, each with its id below."""
    parts = [on_belt(18, 5000, Verdict.ACCEPT), on_belt(19, 2500), on_belt(20, 0)]
    lines = drawn(parts=parts)
    belt = next(number for number, text in enumerate(lines) if text.startswith("eye"))
    places = [place for place, mark in enumerate(lines[belt]) if mark == "●"]
    assert places == [5, 55, 105]
    assert [lines[belt + 1][place : place + 2] for place in places] == ["20", "19", "18"]
    assert lines[belt].endswith("▏ gate")


def test_parts_that_are_close_do_not_hide_each_other() -> None:
    """Of ids that would run together one is left out; the parts are all there."""
    lines = drawn(parts=[on_belt(4000 + n, 40 * n) for n in range(30)])
    belt = next(text for text in lines if text.startswith("eye"))
    assert belt.count("●") > 20


@pytest.mark.parametrize(
    ("view", "told"),
    [
        ({"agent_alive": False}, "no heartbeat, every part is rejected"),
        ({"online": False}, "not Online"),
        ({"fault": 1}, "fault CAMERA_LOST"),
        ({"fault": 999}, "fault 999"),
        ({}, "accepted, though defective"),
    ],
)
def test_the_state_of_the_agent_and_the_gate_is_shown(view: dict[str, Any], told: str) -> None:
    assert told in "\n".join(drawn(**view))
