"""The generated function block besides its clauses: start, epoch, heartbeat, output, confirmation."""

from __future__ import annotations

from typing import Any

import pytest

from inspectd.io.handshake import Handshake, Poll
from inspectd.io.plc import PlcImage, RingEntry, Status, VisionImage
from inspectd.io.plc_events import AgentState, RecordedIds
from inspectd.io.plc_settings import ModbusTcpSettings
from tests.iec.st_plc import GateBlock, gate_source

SET_UP = {"GATE_DISTANCE": 3000, "GATE_WINDOW": 250, "PITCH": 1000, "RECIPE": 1}


class Line:
    """One block and an agent that accepts every id at once; 10 ms a scan."""

    def __init__(self, mode: str = "plc_triggered", **inputs: Any) -> None:
        self.gate = GateBlock(gate_source("st", mode), "st")
        self.now = 0.0
        self.encoder = 100
        self.inputs = {**SET_UP, **inputs}
        self.beat = 0
        self.beating = True
        self.image = PlcImage()
        self.vision = VisionImage(station=1)
        self.ring = [0] * 80
        self.step()
        while self["EPOCH"] == 0 and self.now < 1:
            self.step()

    def __getitem__(self, name: str) -> Any:
        return self.gate.block[name]

    def step(self, moved: int = 0, **inputs: Any) -> PlcImage:
        """Run a scan after the belt has moved on."""
        self.now += 0.01
        self.encoder = (self.encoder + moved) % 2**32
        self.beat += self.beating
        vision = VisionImage(
            heartbeat=self.beat,
            status=Status.ONLINE,
            boot_id=99,
            plc_epoch=self.image.plc_epoch,
            station=1,
        )
        given = {"ENCODER": self.encoder, "EYE_ENCODER": self.encoder, "GATE_ENCODER": self.encoder}
        words = vision.pack() + self.ring
        self.image = PlcImage.unpack(
            self.gate.call(self.now, words, **{"EYE": False, "GATE": False, **self.inputs, **given, **inputs})
        )
        return self.image

    def move(self, counts: int) -> None:
        """Move the belt without a sensor seeing anything."""
        for _ in range(counts // 100):
            self.step(100)

    def part(self, verdict: int = 1) -> int:
        """Let a part break the photo-eye, and judge it; gives its id."""
        image = self.step(EYE=True)
        entry = RingEntry.make(image.trig_id, verdict, 0, 500, 0, epoch=image.plc_epoch, recipe=1)
        start = entry.id % 16 * 5
        self.ring[start : start + 5] = entry.pack()
        self.step()
        return image.trig_id

    def at_gate(self) -> int:
        """Let a part come to the gate; gives WHY."""
        self.step(GATE=True)
        assert self["DECIDED"]
        why = self["WHY"]
        assert self["ACCEPT"] == (why == 0)
        return why


def test_a_judged_part_goes_through() -> None:
    """Once the belt has moved from photo-eye to gate."""
    line = Line()
    line.move(3000)
    line.part()
    line.move(3000)
    assert line.at_gate() == 0
    assert (line["ACCEPTED"], line["REJECTED"]) == (1, 0)


def test_until_the_belt_has_moved_nothing_goes_through() -> None:
    """A part that was triggered right after the start comes within the window too early: WHY 1."""
    line = Line()
    line.part()
    line.move(2900)
    assert line.at_gate() == 1


def test_the_block_waits_for_an_agent_that_saw_the_start() -> None:
    """PLC_EPOCH stays 0, no id is issued and all is rejected until a beating agent echoes 0."""
    gate = GateBlock(gate_source("st", "plc_triggered"), "st")
    given = {**SET_UP, "ENCODER": 0, "EYE_ENCODER": 0, "GATE_ENCODER": 0}
    for scan in range(60):
        stale = VisionImage(heartbeat=scan, boot_id=5, plc_epoch=777, status=Status.ONLINE, station=1)
        words = stale.pack() + [0] * 80
        sensors = {"EYE": scan % 10 == 5, "GATE": scan % 10 == 8}
        image = PlcImage.unpack(gate.call(scan / 100, words, **given, **sensors))
        assert (image.plc_epoch, image.trig_id) == (0, 0)
        assert not gate.block["ACCEPT"]
        assert gate.block["WHY"] == (14 if scan >= 8 else 0)
    words = VisionImage(heartbeat=999, boot_id=5, plc_epoch=0, station=1).pack() + [0] * 80
    image = PlcImage.unpack(gate.call(0.6, words, **given, EYE=False, GATE=False))
    assert image.plc_epoch == 5 + 999 + 1


def test_every_start_takes_a_new_epoch() -> None:
    """Never 0 and never the last one, whatever the agent shows."""
    line = Line()
    line.beating = True
    for _ in range(20):
        before = line["EPOCH"]
        line.gate.block["last_epoch"] = before
        line.step(RESTART=True)
        assert line.image.plc_epoch == 0
        assert line.image.trig_id == 0
        # An agent whose numbers would give the last epoch again.
        line.beat = (before - 1 - 99 - before - 1) % 65535
        line.step(RESTART=False)
        line.step()
        assert line.image.plc_epoch not in (0, before)


def test_the_agent_s_own_handshake_gets_going_with_it() -> None:
    """Block and agent, started together, find an epoch; a part is accepted by the agent's own words."""
    settings = ModbusTcpSettings.model_validate({"host": "127.0.0.1", "max_trigger_age_ms": 60.0})
    agent = Handshake(settings, frozenset({1}), boot_id=7)
    gate = GateBlock(gate_source("st", "plc_triggered"), "st")
    words = [0] * 100
    state = AgentState(online=True, beating=True, trigger_ready=True, recipe_in_force=1)
    plc: list[int] = []
    for scan in range(60):
        now = scan / 100
        given = {"ENCODER": 0, "EYE_ENCODER": 0, "GATE_ENCODER": 0, "EYE": scan == 50, "GATE": False}
        plc = gate.call(now, words, **SET_UP, **given)
        poll = Poll((*plc, *words[:20]), now, now + 0.001)
        if scan == 0:
            agent.begin(poll, words, RecordedIds(), now)
        else:
            agent.feed(poll, state, now + 0.001)
        words = agent.words(state, now + 0.002)
        agent.acknowledge()
    image, vision = PlcImage.unpack(plc), VisionImage.unpack(words)
    assert image.plc_epoch == vision.plc_epoch != 0
    assert (image.trig_id, vision.acq_id) == (1, 1)
    assert vision.fault == 0
    assert Status.ONLINE in vision.status


def test_a_jump_of_the_encoder_is_a_restart() -> None:
    """More than half a pitch in one scan, either way: the register is forgotten, a new epoch is taken."""
    for jump in (600, -600, 2**31, -5000):
        line = Line()
        line.move(3000)
        line.part()
        line.move(2000)
        epoch = line["EPOCH"]
        line.step(jump)
        assert line.image.plc_epoch == 0
        line.move(1000)
        assert line["EPOCH"] not in (0, epoch)
        assert line.at_gate() == 14


def test_creeping_back_and_forth_is_no_way_to_the_gate() -> None:
    """What the belt moves backwards it has to move again before anything is accepted."""
    line = Line()
    for _ in range(40):
        line.step(100)
        line.step(-100)
    line.part()
    line.move(2900)
    assert line.at_gate() == 1


@pytest.mark.parametrize("name", ["GATE_DISTANCE", "GATE_WINDOW", "PITCH"])
def test_what_is_not_set_up_rejects_everything(name: str) -> None:
    """WHY 15, and no id is issued; 0 is what an input is that nobody connected."""
    line = Line(**{name: 0})
    line.step(EYE=True)
    assert line.image.trig_id == 0
    assert line.at_gate() == 15


@pytest.mark.parametrize("changed", [{"GATE_WINDOW": 501}, {"PITCH": 499}, {"GATE_DISTANCE": 2_000_000_000}])
def test_what_cannot_be_right_rejects_everything(changed: dict[str, int]) -> None:
    """A window over half the pitch takes one part for its neighbour."""
    line = Line(**changed)
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
