"""The link's thread: its cycle, its wake-ups, and that it ends."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

import pytest

from inspectd.io.errors import PlcError
from inspectd.io.plc import Control, FaultCode, PlcImage, Reason, Ring, Status, Verdict, VisionImage, next_id
from inspectd.io.plc_events import AgentState, NoPosition, RecordedIds, Result, Trigger
from inspectd.io.plc_link import PlcLink
from inspectd.io.plc_settings import PlcSettings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from inspectd.io.plc_events import Event


class Memory:
    """A PLC as a transport: 132 words, whose program beats and can be told to hang or to go wrong."""

    def __init__(self) -> None:
        self.trig_id = 9
        self.words = [0] * 132
        self.writes = 0
        self.hang_s = 0.0
        self.broken = False
        self.foreign_beat = False

    def connect(self) -> None:
        if self.hang_s:
            time.sleep(self.hang_s)
            raise PlcError("hang")

    def read(self, start: int, count: int) -> list[int]:
        if self.broken:
            raise ZeroDivisionError("an error in the link's own code")
        self.connect()
        image = PlcImage(
            heartbeat=next_id(self.words[0]),
            control=Control.TRIGGER_ENABLE,
            trig_id=self.trig_id,
            recipe=1,
            plc_epoch=7,
        )
        self.words[:32] = image.pack()
        if self.foreign_beat:
            self.words[32] = next_id(self.words[32])
        return self.words[start : start + count]

    def write(self, start: int, words: Sequence[int]) -> None:
        self.connect()
        self.words[start : start + len(words)] = words
        self.writes += 1

    def close(self) -> None:
        pass

    @property
    def vision(self) -> VisionImage:
        return VisionImage.unpack(self.words[32:])


class Host:
    """Agent that judges nothing by itself."""

    def __init__(self) -> None:
        self.triggers: list[Trigger] = []
        self.written: list[int] = []
        self.threads: set[str] = set()
        self.cycles = 0
        self.times: list[float] = []
        self.hold_s = 0.0
        self.held_until = 0.0

    def on_events(self, events: Sequence[Event]) -> None:
        self.triggers += [event for event in events if isinstance(event, Trigger)]
        self.threads.add(threading.current_thread().name)

    def on_cycle(self, now: float) -> AgentState:
        assert now > 0
        self.cycles += 1
        self.times.append(now)
        if self.hold_s:
            time.sleep(self.hold_s)
            self.hold_s = 0.0
            self.held_until = time.monotonic()
        return AgentState(beating=True, online=True)

    def on_written(self, part_ids: Sequence[int], at: float) -> None:
        assert at <= time.monotonic()
        self.written += part_ids

    def recorded(self, epoch: int) -> RecordedIds:
        return RecordedIds(epoch)


class Setup:
    def __init__(self, cycle_ms: float = 5) -> None:
        self.memory = Memory()
        self.host = Host()
        # A loaded machine may hold this process up for a while: age is not what is tried here.
        settings = PlcSettings(host="127.0.0.1", cycle_ms=cycle_ms, max_trigger_age_ms=10_000)
        self.link = PlcLink(settings, self.memory, self.host, frozenset({1}))

    def trigger(self) -> Trigger:
        self.memory.trig_id += 1
        await_(lambda: self.host.triggers)
        return self.host.triggers.pop()


def await_(condition: Callable[[], object], timeout_s: float = 10.0) -> None:
    until = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < until, "waited in vain"
        time.sleep(0.001)


@pytest.fixture
def setup() -> Iterator[Setup]:
    made = Setup()
    made.link.start()
    yield made
    made.link.stop()


def result_for(part: Trigger) -> Result:
    return Result(
        part.part_id,
        part.trig_id,
        part.epoch,
        part.recipe,
        Verdict.ACCEPT,
        Reason.NONE,
        0.5,
        0.1,
        part.seen_at,
        part.seen_at + 1.0,
    )


def test_from_trigger_to_written_verdict(setup: Setup) -> None:
    """The agent sees the trigger, publishes from its own thread, and learns when it is written."""
    assert setup.link.wait_begun(10.0)
    assert setup.link.connected
    part = setup.trigger()
    setup.link.publish(result_for(part))
    await_(lambda: part.part_id in setup.host.written)
    assert setup.host.written.count(part.part_id) == 1
    entry = Ring(setup.memory.words[52:]).find(part.trig_id)
    assert entry is not None
    assert entry.holds(7, 1)
    assert entry.verdict == Verdict.ACCEPT
    assert setup.host.threads == {"plc-link"}
    assert setup.link.plc_now() == (7, 1)
    assert setup.link.fault is FaultCode.NONE


def test_a_verdict_wakes_the_loop_at_once() -> None:
    """With the slowest cycle, most verdicts are written by a wake-up, not by the next cycle."""
    setup = Setup(cycle_ms=50)
    setup.link.start()
    assert setup.link.wait_begun(10.0)
    for _ in range(5):
        part = setup.trigger()
        setup.link.publish(result_for(part))
        await_(lambda part=part: part.part_id in setup.host.written)
    assert setup.link.statistics.wake_ups >= 3
    setup.link.stop()


def test_cycles_that_a_hang_has_eaten_are_counted_and_not_made_up_for(setup: Setup) -> None:
    """After a callback of 100 ms the schedule goes on: one cycle at once, the others 5 ms apart."""
    setup.link.wait_begun(10.0)
    late_before = setup.link.statistics.late_cycles
    setup.host.hold_s = 0.1
    await_(lambda: setup.host.held_until)
    held_until = setup.host.held_until
    # Each cycle asks for the agent's state at its start and before its write.
    await_(lambda: sum(at > held_until for at in setup.host.times) >= 20)
    tenth = [at for at in setup.host.times if at > held_until][19]
    assert tenth - held_until >= 8 * 0.005
    assert setup.link.statistics.late_cycles - late_before >= 19


def test_stop_takes_the_station_offline_and_ends_the_thread(setup: Setup) -> None:
    setup.link.wait_begun(10.0)
    await_(lambda: Status.ONLINE in setup.memory.vision.status)
    setup.link.stop()
    assert Status.ONLINE not in setup.memory.vision.status
    writes = setup.memory.writes
    time.sleep(0.03)
    assert setup.memory.writes == writes
    setup.link.stop()


def test_stop_does_not_wait_for_a_plc_that_hangs(setup: Setup) -> None:
    """Nothing waits longer than the time-out, and stop at most 0.5 s."""
    setup.link.wait_begun(10.0)
    setup.memory.hang_s = 4.0
    time.sleep(0.05)
    began = time.monotonic()
    setup.link.stop()
    assert time.monotonic() - began < 3.0


def test_a_stop_before_the_start_does_nothing() -> None:
    Setup().link.stop()


def test_a_plc_that_is_not_there_is_tried_again_and_again(setup: Setup) -> None:
    """Not a failure of the agent: wait_begun says no, and the link comes up when the PLC does."""
    setup.link.stop()
    absent = Setup()
    absent.memory.hang_s = 0.01
    absent.link.start()
    assert not absent.link.wait_begun(0.1)
    assert absent.link.fault is FaultCode.PLC_LOST
    assert absent.link.position_at(0.0) is NoPosition.UNTRUSTED
    cycles = absent.host.cycles
    await_(lambda: absent.host.cycles > cycles + 10)
    absent.memory.hang_s = 0.0
    assert absent.link.wait_begun(10.0)
    absent.link.stop()


def test_wait_begun_raises_where_another_agent_beats() -> None:
    setup = Setup()
    setup.memory.foreign_beat = True
    setup.link.start()
    with pytest.raises(PlcError, match="another agent"):
        setup.link.wait_begun(10.0)
    assert setup.link.refusal
    assert setup.memory.writes == 0
    setup.link.stop()


def test_an_error_of_the_link_itself_leads_to_the_safe_state(setup: Setup) -> None:
    """The loop goes on: not Online, heartbeat standing still, a fault, and it is counted."""
    setup.link.wait_begun(10.0)
    setup.memory.broken = True
    await_(lambda: setup.link.statistics.host_errors > 0)
    setup.memory.broken = False
    await_(lambda: FaultCode(setup.memory.vision.fault) is FaultCode.INTERNAL_ERROR)
    heartbeat = setup.memory.vision.heartbeat
    writes = setup.memory.writes
    await_(lambda: setup.memory.writes > writes + 30)
    assert setup.memory.vision.heartbeat == heartbeat
    assert Status.ONLINE not in setup.memory.vision.status
    assert setup.link.fault is FaultCode.INTERNAL_ERROR
