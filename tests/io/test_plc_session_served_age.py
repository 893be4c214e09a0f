"""Where the agent is the server: how old a trigger may be of which another connection tells as well."""

from __future__ import annotations

import pytest
from plc_served_bench import AGE_S, ServedStation

from inspectd.io.modbus_answers import Answers
from inspectd.io.plc import Control, FaultCode, Reason, Status, Verdict
from inspectd.io.plc_events import Trigger
from inspectd.io.server_image import UNPROVEN, WriteRound

LOW, HIGH = Control.TRIGGER_ENABLE, Control.TRIGGER_ENABLE | Control.TRIGGER
TRIGGER_BIT = 1
LATE = (int(Verdict.UNKNOWN), Reason.TRIGGER_LATE)


def announced() -> ServedStation:
    """A station where part 41 was announced, half a second ago, and the PLC goes on writing."""
    station = ServedStation("level")
    station.cycle(control=LOW | Control.RESULT_ACK)
    station.cycle(control=LOW)
    station.run(0.05)
    assert Status.TRIGGER_READY in station.vision.status
    station.cycle(trig_id=41)
    station.run(0.5)
    assert station.agent.of(Trigger) == []
    return station


def test_a_trigger_that_was_under_way_for_long_is_late() -> None:
    """The PLC has given the part up and writes by another connection that Trigger is low.

    The camera would now show the part's neighbour; the write itself says how old it may be.
    """
    station = announced()
    station.old_write_arrives(station.now - AGE_S - 0.1, control=HIGH)
    station.session.cycle()
    assert station.agent.of(Trigger) == []
    assert station.verdict_of(41) == LATE


def test_a_trigger_by_another_connection_in_good_time_is_taken() -> None:
    """Its window begins when it may have been raised at the earliest."""
    station = announced()
    composed_after = station.now - AGE_S / 2
    station.old_write_arrives(composed_after, control=HIGH)
    station.session.cycle()
    (trigger,) = station.agent.of(Trigger)
    assert trigger.window_start == composed_after


def test_an_old_trigger_is_no_younger_when_its_id_comes_after_it() -> None:
    """It may stand before the id: the age is that of the write that raised it."""
    station = ServedStation("level")
    station.run(0.1)
    station.old_write_arrives(station.now - AGE_S - 0.1, control=HIGH)
    station.session.cycle()
    station.cycle(trig_id=41, control=HIGH)
    station.run(0.2)
    assert station.agent.of(Trigger) == []
    assert station.verdict_of(41) == (int(Verdict.UNKNOWN), Reason.QUEUE_OVERRUN)


@pytest.mark.parametrize("old_s", [AGE_S + 0.1, -UNPROVEN], ids=["old", "first on its connection"])
def test_a_trigger_coil_that_was_under_way_for_long_is_late(old_s: float) -> None:
    """A coil holds at once, but it is no younger than the answer before it on its connection."""
    station = announced()
    station.wire.image.write_control(TRIGGER_BIT, [True], composed_after=station.now - old_s)
    station.session.cycle()
    assert station.agent.of(Trigger) == []
    assert station.verdict_of(41) == LATE


@pytest.mark.parametrize(
    "request_", [bytes([5, 0, 1, 0xFF, 0]), bytes([15, 0, 1, 0, 1, 1, 1])], ids=["one", "several"]
)
def test_coils_are_as_old_as_their_own_connection_says(request_: bytes) -> None:
    station = announced()
    answers, old = Answers(station.wire.image, 0), station.now - AGE_S - 0.1
    answers.answer(request_, WriteRound(), composed_after=old, at=station.now)
    station.session.cycle()
    assert station.agent.of(Trigger) == []
    assert station.verdict_of(41) == LATE


def test_a_trigger_coil_in_good_time_is_taken() -> None:
    station = announced()
    station.wire.image.write_control(TRIGGER_BIT, [True], composed_after=station.now)
    station.session.cycle()
    (trigger,) = station.agent.of(Trigger)
    assert trigger.trig_id == 41


def test_an_old_coil_makes_no_later_id_older() -> None:
    """What it said of CONTROL is as old as it is; the ids are those of the writes."""
    station = ServedStation()
    station.run(0.1)
    station.wire.image.write_control(3, [True], composed_after=UNPROVEN)
    station.session.cycle()
    station.cycle(trig_id=41)
    (trigger,) = station.agent.of(Trigger)
    assert station.now - trigger.window_start < AGE_S


def test_an_id_that_comes_back_after_an_old_write_is_no_new_trigger() -> None:
    """The ids stepped back and on again: what showed this id before tells nothing of its age."""
    station = ServedStation()
    station.run(0.1)
    station.cycle(trig_id=41)
    station.run(0.2)
    station.old_write_arrives(station.now - 0.3, trig_id=40)
    station.cycle()
    assert [trigger.trig_id for trigger in station.agent.of(Trigger)] == [41]
    assert station.verdict_of(41) == LATE
    assert station.vision.fault == FaultCode.IDS_STEPPED_BACK
