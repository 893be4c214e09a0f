"""Two agents on one station's words, in any order of events: at most one goes on, and nothing is forged."""

from __future__ import annotations

from hypothesis import example, given, settings
from hypothesis import strategies as st
from plc_session_bench import FakePlc, Station

from inspectd.io.plc import Control, FaultCode, PlcImage, Ring, Verdict, next_id
from inspectd.io.plc_events import Placed, RecordedIds, Trigger

CYCLE_S = 0.005
LISTENED = 130
"""Cycles until an agent that hears no other has begun to write."""


class TwoAgents:
    """A PLC and two agents that know nothing of each other; a part is told by epoch, id and recipe.

    `settled`: the first one has been at work for a while when the second one begins.
    """

    def __init__(self, first_id: int, *, settled: bool) -> None:
        self.plc = FakePlc()
        self.plc.show(trig_id=first_id)
        self.agents = [self.begin()]
        self.accepted: set[tuple[int, int, int]] = set()
        if settled:
            self.cycle(0, LISTENED)
        self.agents.append(self.begin())

    def begin(self) -> Station:
        station = Station(self.plc, begin=False, recipes=frozenset({1, 2}))
        # What its own records hold does not matter here: it counts parts on from where it likes.
        station.agent.records = RecordedIds(1000)
        return station

    @property
    def image(self) -> PlcImage:
        return PlcImage.unpack(self.plc.words)

    def cycle(self, number: int, cycles: int) -> None:
        """One of the agents has the machine to itself, the other one is held up; 2: they take turns."""
        for _ in range(cycles):
            self.plc.now += CYCLE_S
            self.plc.show()
            for station in self.agents if number == 2 else [self.agents[number]]:
                station.session.cycle()
                self.check()

    def judge(self, number: int, back: int, verdict: Verdict) -> None:
        """An agent gives its verdict on one of the last parts that it was triggered for.

        Where there is none, the other one does.
        """
        station = self.agents[number]
        triggers = station.agent.of(Trigger)
        if not triggers:
            station = self.agents[1 - number]
            triggers = station.agent.of(Trigger)
        if not triggers:
            return
        part = triggers[-1 - back % len(triggers)]
        if verdict is Verdict.ACCEPT:
            self.accepted.add((part.epoch, part.trig_id, part.recipe))
        station.publish(part, verdict)
        station.session.wake_up()
        self.check()

    def fail_link(self, number: int, fault: str) -> None:
        wire = self.agents[number].wire
        wire.fault = fault
        self.cycle(number, 3)
        wire.fault = ""

    def begin_in_one_instant(self, number: int) -> None:
        """The other one begins, or goes on, between this one's read and its write."""
        first, second = self.agents[number], self.agents[1 - number]
        for _ in range(LISTENED):
            self.plc.now += CYCLE_S
            first.wire.before_write = second.session.cycle
            first.session.cycle()
            if first.wire.before_write is not None:
                second.session.cycle()
            first.wire.before_write = None
        self.check()

    def good_part(self, number: int, recipe: int) -> None:
        """A part of this recipe comes and is accepted by one of them, as it should be on a line."""
        self.plc.show(trig_id=next_id(self.image.trig_id), recipe=recipe)
        self.cycle(2, 1)
        self.judge(number, 0, Verdict.ACCEPT)
        self.cycle(2, 1)

    def press_clear_fault(self) -> None:
        self.plc.show(control=Control.TRIGGER_ENABLE | Control.CLEAR_FAULT)
        self.cycle(2, 2)
        self.plc.show(control=Control.TRIGGER_ENABLE)
        self.cycle(2, 2)

    def check(self) -> None:
        """Every ACCEPT in the ring was said by an agent, of that very part."""
        for entry in Ring(self.plc.words[52:]):
            if entry.verdict == Verdict.ACCEPT:
                own = [key for key in self.accepted if key[1] == entry.id and entry.holds(key[0], key[2])]
                assert own, f"nobody accepted {entry}"

    def writers(self) -> list[Station]:
        """Run both in turns for a while; gives those that still write in the end."""
        self.cycle(2, 260)
        for station in self.agents:
            station.wire.done()
        self.cycle(2, 20)
        wrote = [any(call.startswith("write") for call in one.wire.done()) for one in self.agents]
        return [station for station, did in zip(self.agents, wrote, strict=True) if did]


steps = st.one_of(
    st.tuples(st.just("cycle"), st.integers(0, 2), st.sampled_from([1, 2, 5, 40, LISTENED])),
    st.tuples(st.just("cycle"), st.integers(0, 1), st.just(LISTENED)),
    st.tuples(st.just("instant"), st.integers(0, 1), st.just(0)),
    st.tuples(st.just("part"), st.sampled_from([1, 1, 1, 3]), st.sampled_from([1, 1, 1, 2])),
    st.tuples(st.just("good"), st.integers(0, 1), st.sampled_from([1, 2])),
    st.tuples(st.just("accept"), st.integers(0, 1), st.integers(0, 3)),
    st.tuples(st.just("reject"), st.integers(0, 1), st.integers(0, 3)),
    st.tuples(
        st.just("link"), st.integers(0, 1), st.sampled_from(["hang", "refuse", "lose acknowledgement"])
    ),
    st.tuples(st.just("replace"), st.integers(0, 1), st.just(0)),
    st.tuples(st.just("restart"), st.sampled_from([0, 1, 65535]), st.just(0)),
    st.tuples(st.just("clear"), st.just(0), st.just(0)),
)


def run(both: TwoAgents, kind: str, number: int, value: int | str) -> None:
    """Let one thing happen."""
    match kind:
        case "cycle":
            both.cycle(number, int(value))
        case "instant":
            both.begin_in_one_instant(number)
        case "part":
            for _ in range(number):
                both.plc.show(trig_id=next_id(both.image.trig_id), recipe=int(value))
            both.cycle(2, 1)
        case "good":
            both.good_part(number, int(value))
        case "accept" | "reject":
            both.judge(number, int(value), Verdict[kind.upper()])
        case "link":
            both.fail_link(number, str(value))
        case "replace":
            both.agents[number] = both.begin()
        case "restart":
            both.plc.show(plc_epoch=next_id(both.image.plc_epoch), trig_id=number)
            both.cycle(2, 1)
        case _:
            both.press_clear_fault()


# The first one wakes after the second one has begun, in the very poll that shows ClearFault, or a new epoch:
# then they take turns, and neither ever reads its own words.
@example(first_id=1, settled=True, script=[("cycle", 1, LISTENED), ("clear", 0, 0)])
@example(first_id=1, settled=True, script=[("cycle", 1, LISTENED), ("restart", 1, 0)])
@settings(deadline=None, max_examples=60)
@given(st.sampled_from([1, 65530, 65534]), st.sampled_from([True, True, False]), st.lists(steps, max_size=25))
def test_two_agents_never_both_go_on_writing(
    first_id: int,
    settled: bool,  # noqa: FBT001  hypothesis names its arguments by place
    script: list[tuple[str, int, int | str]],
) -> None:
    """Whatever they do and whenever they begin: no forged ACCEPT, one verdict each, at most one writer."""
    both = TwoAgents(first_id, settled=settled)
    for kind, number, value in script:
        run(both, kind, number, value)
    writers = both.writers()
    assert len(writers) <= 1, "two agents write"
    for station in both.agents:
        placed = [event.part_id for event in station.agent.of(Placed)]
        assert len(placed) == len(set(placed)), "a second verdict for a part"
        assert station.guard.errors == 0
        if station not in writers:
            assert station.session.fault() is FaultCode.TWO_WRITERS


def test_clear_fault_excuses_nobody_who_was_writing() -> None:
    """An agent that wakes to another one's words stops at once, though ClearFault is shown just then."""
    both = TwoAgents(1, settled=True)
    both.cycle(1, LISTENED)
    both.plc.show(control=Control.TRIGGER_ENABLE | Control.CLEAR_FAULT)
    both.agents[0].wire.done()
    both.cycle(2, 2)
    assert both.agents[0].session.fault() is FaultCode.TWO_WRITERS
    assert not [call for call in both.agents[0].wire.done() if call.startswith("write")]
