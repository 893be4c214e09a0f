"""The generated block in its run: set-up, output, sensors, heartbeat, control bits."""

from __future__ import annotations

import pytest

from inspectd.io.plc import Status, VisionImage
from tests.iec.gate_line import SET_UP, Line


def test_a_judged_part_goes_through() -> None:
    """Once the belt has moved from photo-eye to gate."""
    line = Line()
    line.move(3000)
    line.part()
    line.move(3000)
    assert line.at_gate() == 0
    assert (line["ACCEPTED"], line["REJECTED"]) == (1, 0)


@pytest.mark.parametrize("name", ["GATE_DISTANCE", "GATE_WINDOW", "PITCH"])
def test_what_is_not_set_up_rejects_everything(name: str) -> None:
    """WHY 15, and no id is issued; 0 is what an input is that nobody connected."""
    line = Line()
    line.inputs[name] = 0
    line.step(EYE=True)
    assert line.image.trig_id == 0
    assert line.at_gate() == 15


@pytest.mark.parametrize(
    "changed",
    [{"GATE_WINDOW": 501}, {"PITCH": 499}, {"PITCH": 1_000_000_001}, {"GATE_DISTANCE": 2_000_000_000}],
)
def test_what_cannot_be_right_rejects_everything(changed: dict[str, int]) -> None:
    """A window over half the pitch takes one part for its neighbour."""
    line = Line()
    line.inputs |= changed
    line.step()
    assert line.at_gate() == 15


def test_the_output_closes_behind_the_part() -> None:
    """It stays on for half a pitch of the belt, however long that takes, and never longer."""
    line = Line()
    line.move(3000)
    line.part()
    line.move(3000)
    assert line.at_gate() == 0
    for _ in range(200):
        line.step()
    assert line["ACCEPT"]
    line.move(400)
    assert line["ACCEPT"]
    line.move(100)
    assert not line["ACCEPT"]


def test_a_part_that_follows_too_closely_does_not_slip_through() -> None:
    """Where two parts touch at the gate its sensor sees one: the output closes halfway to the second."""
    line = Line()
    line.move(3000)
    line.part()
    line.move(400)
    line.part(verdict=2)
    line.move(2600)
    assert line.at_gate() == 0
    line.move(100)
    assert line["ACCEPT"]
    line.move(100)
    assert not line["ACCEPT"]


def test_another_distance_while_parts_are_on_the_belt_is_a_restart() -> None:
    """A pitch less, and a rejected part would pass with the verdict of the next one."""
    line = Line()
    line.move(3000)
    line.part(verdict=2)
    line.move(1000)
    line.part()
    line.move(2000)
    line.inputs["GATE_DISTANCE"] = 2000
    line.step()
    assert line["EPOCH"] == 0
    assert line.at_gate() != 0
    assert not line["ACCEPT"]


def test_the_next_part_closes_the_output_at_once() -> None:
    """A part without an entry right behind an accepted one finds the gate shut."""
    line = Line()
    line.move(3000)
    line.part()
    line.move(3000)
    assert line.at_gate() == 0
    line.step(100)
    assert line.at_gate() == 14


def test_a_silent_agent_is_out_after_500_ms() -> None:
    """LINK_ALIVE falls, and a good verdict in the register does not help."""
    line = Line()
    line.move(3000)
    line.part()
    line.beating = False
    line.move(3000)
    for _ in range(18):
        line.step()
        assert line["LINK_ALIVE"]
    for _ in range(3):
        line.step()
    assert not line["LINK_ALIVE"]
    assert line.at_gate() == 3


def test_the_reject_sensor_confirms_the_last_rejected_id() -> None:
    """REJECT_CONFIRM_ID is 0 until the sensor saw one."""
    line = Line()
    line.move(3000)
    line.part()
    rejected = line.part(verdict=2)
    line.move(2900)
    line.step(REJECT_SEEN=True)
    assert line.image.reject_confirm_id == 0
    line.step(REJECT_SEEN=False)
    line.move(100)
    assert line.at_gate() == 0
    line.step()
    assert line.at_gate() == 13
    line.step(REJECT_SEEN=True)
    assert line.image.reject_confirm_id == rejected == 2


def test_an_accepted_part_is_not_confirmed_nor_one_twice() -> None:
    """The sensor's edge counts, and it means the last part that was rejected."""
    line = Line()
    line.move(3000)
    for verdict in (2, 1, 2):
        line.part(verdict)
        line.move(1000)
    assert line.at_gate() == 13
    line.move(1000)
    assert line.at_gate() == 0
    line.step(REJECT_SEEN=True)
    assert line.image.reject_confirm_id == 1
    line.inputs["REJECT_SEEN"] = True
    line.move(1000)
    assert line.at_gate() == 13
    line.step()
    assert line.image.reject_confirm_id == 1


def test_a_part_without_an_id_confirms_none() -> None:
    """A reject that failed stays unconfirmed, though something else is thrown out behind it."""
    line = Line()
    line.move(3000)
    line.part(verdict=2)
    line.move(3000)
    assert line.at_gate() == 13
    line.move(400)
    assert line.at_gate() == 14
    line.step(REJECT_SEEN=True)
    assert line.image.reject_confirm_id == 0


def test_a_sensor_that_stays_on_is_one_part() -> None:
    """One id, one decision."""
    line = Line()
    line.move(3000)
    for _ in range(5):
        line.step(EYE=True)
    assert line.image.trig_id == 1
    decided = [line.step(GATE=True) and line["DECIDED"] for _ in range(5)]
    assert decided == [True, False, False, False, False]


def test_more_parts_than_the_register_holds_are_rejected() -> None:
    """70 parts on the belt: the first six are forgotten, the others come through."""
    line = Line(GATE_DISTANCE=80_000)
    line.move(80_000)
    for _ in range(70):
        line.part()
        line.move(1000)
    line.move(9000)

    def next_one() -> int:
        line.move(1000)
        return line.at_gate()

    assert [next_one() for _ in range(70)] == [14] * 6 + [0] * 64


def test_the_image_lives() -> None:
    """HEARTBEAT steps every 100 ms and skips 0; VERSION, ENCODER_NOW and the control bits follow."""
    line = Line()
    line.gate.block["heartbeat"] = 65_530
    beats = [line.step(7).heartbeat for _ in range(100)]
    assert beats[-1] == 65_530 + 10 - 65_535
    assert 0 not in beats
    assert (line.image.version, line.image.encoder_now) == (1, line.encoder)
    assert int(line.image.control) == 1
    assert int(line.step(CLEAR_FAULT=True, SET_OFFLINE=True, ENABLE=False).control) == 8 + 64


def test_stop_line_request_comes_out() -> None:
    """From a living agent alone."""
    line = Line()
    words = VisionImage(heartbeat=9, status=Status.STOP_LINE_REQUEST, station=1).pack() + [0] * 80
    given = {**SET_UP, "ENCODER": line.encoder, "EYE_ENCODER": 0, "GATE_ENCODER": 0}
    line.gate.call(line.now, words, **given)
    assert line["STOP_LINE"]
    line.gate.call(line.now + 0.6, words, **given)
    assert not line["STOP_LINE"]
