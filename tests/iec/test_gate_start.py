"""The generated block at a start: the agent must have seen it, and the belt must have moved on."""

from __future__ import annotations

from inspectd.io.handshake import Handshake, Poll
from inspectd.io.plc import PlcImage, Status, VisionImage
from inspectd.io.plc_events import AgentState, RecordedIds
from inspectd.io.plc_settings import ModbusTcpSettings
from tests.iec.gate_line import SET_UP, Line
from tests.iec.st_plc import GateBlock, gate_source


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
    for scan in range(-60, 0):  # nobody there yet: an empty memory
        gate.call(scan / 100 + 0.6, [0] * 100, **given, EYE=False, GATE=False)
        assert gate.block["EPOCH"] == 0
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
    epoch = line["EPOCH"]
    for _ in range(40):
        line.step(100)
        line.step(-100)
    assert line["EPOCH"] == epoch
    line.part()
    line.move(2900)
    assert line.at_gate() == 1


def test_a_restart_forgets_everything() -> None:
    """The output falls, the register is empty, ids begin anew, and a part standing at a sensor is none."""
    line = Line()
    line.move(3000)
    line.part()
    line.part()
    line.move(3000)
    assert line.at_gate() == 0
    line.step()
    line.beating = False
    line.image = PlcImage()  # the agent echoes 0, as after a start of its own
    line.beat += 1
    line.step(RESTART=True, EYE=True, GATE=True)
    line.inputs["RESTART"] = False
    assert (line["ACCEPT"], line["DECIDED"], line["LINK_ALIVE"]) == (False, False, False)
    assert (line.image.plc_epoch, line.image.trig_id) == (0, 0)
    for _ in range(10):
        line.step(EYE=True, GATE=True)
        assert (line.image.plc_epoch, line.image.trig_id, line["DECIDED"]) == (0, 0, False)
    line.beating = True
    line.step(EYE=True)
    assert line.image.plc_epoch != 0
    assert line.image.trig_id == 0
    assert line.at_gate() == 14
    line.step()
    line.step(EYE=True)
    assert line.image.trig_id == 1


def test_the_way_to_the_gate_counts_from_the_new_epoch() -> None:
    """What the belt moves while nobody watches does not count."""
    line = Line()
    line.beating = False
    line.step(RESTART=True)
    line.inputs["RESTART"] = False
    line.move(5000)
    line.beating = True
    line.step()
    line.part()
    line.move(2900)
    assert line.at_gate() == 1
