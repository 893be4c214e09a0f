"""The handshake against a simple model of the PLC's side: whatever happens, a part gets one verdict.

The model knows every part that the PLC issued by its place in one long list, never by its alias. It plays a
gate that looks into the ring as the contract says, and knows which verdicts were really given.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from hypothesis import given, settings
from hypothesis import strategies as st

from inspectd.io.handshake import Handshake, Poll
from inspectd.io.plc import (
    Control,
    FaultCode,
    PlcImage,
    Reason,
    Ring,
    Verdict,
    VisionImage,
    id_distance,
    next_id,
)
from inspectd.io.plc_events import (
    AgentState,
    DropInFlight,
    EpochChanged,
    Placed,
    RecordedIds,
    Result,
    Settled,
    Trigger,
)
from inspectd.io.plc_settings import PlcSettings

if TYPE_CHECKING:
    from inspectd.io.plc_events import Event

READY = AgentState(beating=True, online=True)
LIMIT_S = 0.060
FARTHEST_GAP = 32767
KNOWN = frozenset({1, 2})
RECIPES = st.sampled_from([1, 2, 1, 2, 3])
VERDICTS = st.sampled_from(list(Verdict)[1:])


@dataclass
class Issued:
    """A part as the PLC knows it; `seen_from`: start of the last good poll before the id was shown."""

    trig_id: int
    epoch: int
    recipe: int
    verdict: Verdict | None = None
    reason: Reason = Reason.NONE


class Model:
    """PLC, agent and clock around one handshake."""

    def __init__(self, first_id: int) -> None:
        settings_ = PlcSettings(host="127.0.0.1", max_trigger_age_ms=LIMIT_S * 1000)
        self.handshake = Handshake(settings_, KNOWN, 99)
        self.plc = PlcImage(
            control=Control.TRIGGER_ENABLE, trig_id=first_id, recipe=1, plc_epoch=1, heartbeat=1
        )
        self.now = 100.0
        self.good_poll = self.now
        self.seen_trig_id = first_id
        self.parts: dict[int, Issued] = {}
        self.waiting: list[Trigger] = []
        self.fault = False
        self.last_part_id = 0
        self.result_seq = 0
        self.results: dict[int, Issued] = {}
        self.buffering = False
        self.turn = 0
        self.named = False
        self.block: list[int] = []
        poll = Poll(self.plc.pack() + [0] * 20, self.now, self.now)
        self.take(self.handshake.begin(poll, [0] * 100, RecordedIds(), self.now), Reason.RESTARTED)
        self.write()

    # --- what can happen -------------------------------------------------------------------------------

    def poll(self, wait_s: float = 0.005) -> None:
        """One regular cycle; what it must bring follows from ids and times alone."""
        self.now += wait_s
        self.plc = replace(self.plc, heartbeat=next_id(self.plc.heartbeat))
        words = self.plc.pack() + self.block[:20]
        events = self.handshake.feed(Poll(words, self.now, self.now), READY, self.now)
        ahead = (self.plc.trig_id - self.seen_trig_id) % 65535
        late = self.now - self.good_poll > LIMIT_S
        changed = [event for event in events if isinstance(event, EpochChanged)]
        if changed:
            assert changed[0].new == self.plc.plc_epoch
            self.waiting.clear()
            self.take(events, Reason.RESTARTED)
            assert self.counted(events) == 1
        elif ahead > FARTHEST_GAP:
            assert any(isinstance(event, DropInFlight) for event in events)
            self.waiting.clear()
            self.fault = True
            self.take(events, Reason.TRIGGER_LATE)
            assert self.counted(events) == 1
        elif ahead == 1 and not late and self.plc.recipe not in KNOWN:
            self.take(events, Reason.OFFLINE)
            assert self.counted(events) == 1
        elif ahead == 1 and not late:
            (event,) = events
            assert isinstance(event, Trigger)
            assert event.window_start == self.good_poll
            self.take(events, Reason.NONE)
        else:
            self.take(events, Reason.TRIGGER_LATE)
            assert self.counted(events) == ahead
        self.seen_trig_id = self.plc.trig_id
        self.good_poll = self.now
        self.named = self.named or self.plc.ack_seq == self.turn
        self.write()

    def clear_fault(self) -> None:
        """ClearFault is pressed between two parts."""
        self.plc = replace(self.plc, control=Control.TRIGGER_ENABLE | Control.CLEAR_FAULT)
        self.fault = False
        self.poll()
        self.plc = replace(self.plc, control=Control.TRIGGER_ENABLE)
        self.poll()

    def good_part(self, recipe: int, verdict: Verdict) -> None:
        """All goes as it should: the part is seen at once and judged before the next one comes."""
        self.issue(1, recipe)
        self.poll()
        self.judge(-1, verdict)

    def overtaken(self, first_id: int) -> None:
        """The PLC restarts while a part is judged; its verdict comes afterwards."""
        self.issue(1, 1)
        self.poll()
        self.restart(first_id)
        self.judge(-2, Verdict.ACCEPT)

    def torn(self) -> None:
        """A read that caught the PLC in the middle of its writing."""
        self.now += 0.005
        words = self.plc.pack() + self.block[:20]
        words[31] = next_id(words[2])
        assert self.handshake.feed(Poll(words, self.now, self.now), READY, self.now) == []

    def restart(self, first_id: int) -> None:
        self.plc = replace(self.plc, plc_epoch=next_id(self.plc.plc_epoch), trig_id=first_id)
        self.poll()

    def issue(self, ids: int, recipe: int) -> None:
        """Let `ids` parts pass the photo-eye before the next poll."""
        self.plc = replace(self.plc, trig_id=(self.plc.trig_id - 1 + ids) % 65535 + 1, recipe=recipe)

    def buffer(self, *, on: bool) -> None:
        bit = Control.BUFFER_RESULTS
        self.plc = replace(self.plc, control=self.plc.control | bit if on else self.plc.control & ~bit)
        self.buffering = on
        self.poll()

    def acknowledge(self, ahead: int) -> None:
        """The PLC names the result that stands there, or one that does not yet."""
        shown = VisionImage.unpack(self.block).result_seq
        self.plc = replace(self.plc, ack_seq=(shown - 1 + ahead) % 65535 + 1)
        self.poll()

    def judge(self, index: int, verdict: Verdict) -> None:
        """The agent's verdict on one of the parts it ever saw, in any order, late or twice."""
        if not self.parts:
            return
        part_id = list(self.parts)[index % len(self.parts)]
        part = self.parts[part_id]
        result = Result(
            part_id,
            part.trig_id,
            part.epoch,
            part.recipe,
            verdict,
            Reason.NONE,
            0.5,
            0.5,
            self.now,
            self.now,
        )
        placed = isinstance(self.handshake.publish(result, self.now), Placed)
        assert placed == (part_id in self.in_force() and part.verdict is None)
        if placed:
            part.verdict = verdict
            self.result_seq = next_id(self.result_seq)
            self.results[self.result_seq] = part
        self.write()

    # --- what must hold --------------------------------------------------------------------------------

    def in_force(self) -> set[int]:
        """Parts of this epoch, seen since the last clearing, whose slot no newer part has taken."""
        newest: dict[int, int] = {}
        for part_id, part in self.parts.items():
            if part_id >= self.first_in_force:
                newest[part.trig_id % 16] = part_id
        return set(newest.values())

    def take(self, events: list[Event], reason: Reason) -> None:
        parts = [event for event in events if isinstance(event, (Trigger, Settled))]
        if any(isinstance(event, (EpochChanged, DropInFlight)) for event in events) or not self.parts:
            self.turn = 0
            self.first_in_force = parts[0].part_id
        for event in parts:
            assert event.part_id == self.last_part_id + 1, "part ids are given one by one"
            self.last_part_id = event.part_id
            issued = Issued(event.trig_id, event.epoch, event.recipe)
            if isinstance(event, Settled):
                assert event.reason is reason
                if event.published:
                    issued.verdict, issued.reason = Verdict.UNKNOWN, event.reason
                    self.result_seq = next_id(self.result_seq)
                    self.results[self.result_seq] = issued
            self.parts[event.part_id] = issued

    @staticmethod
    def counted(events: list[Event]) -> int:
        return sum(isinstance(event, Settled) for event in events)

    def write(self) -> None:
        """Write, and look at the ring as the PLC does."""
        self.block = self.handshake.words(READY, self.now)
        self.handshake.acknowledge()
        vision = VisionImage.unpack(self.block)
        self.check_turn(vision)
        assert vision.plc_epoch == self.plc.plc_epoch or not self.parts
        assert (vision.fault == FaultCode.IDS_STEPPED_BACK) == self.fault
        expected: dict[int, Issued] = {}
        for part_id in sorted(self.in_force()):
            part = self.parts[part_id]
            if part.verdict is not None:
                expected[part.trig_id % 16] = part
        for slot, entry in enumerate(Ring(self.block[20:])):
            part = expected.get(slot)
            if part is None:
                assert entry.id == 0 or entry.verdict != Verdict.ACCEPT or self.superseded(entry.id, slot)
            else:
                assert (entry.id, entry.verdict, entry.reason) == (part.trig_id, part.verdict, part.reason)
                assert entry.holds(part.epoch, part.recipe)

    def check_turn(self, vision: VisionImage) -> None:
        """Without BufferResults the newest result stands there; with it each in its turn."""
        if not self.buffering:
            assert vision.result_seq == self.result_seq
        elif vision.verdict and self.turn and vision.result_seq != self.turn:
            assert self.named, "before its turn"
            assert id_distance(self.turn, vision.result_seq) < 1000, "out of order"
        if vision.result_seq != self.turn:
            self.named = False
        self.turn = vision.result_seq if vision.verdict else 0
        if vision.verdict:
            part = self.results[vision.result_seq]
            assert (vision.result_trig_id, vision.verdict) == (part.trig_id, part.verdict)

    def superseded(self, number: int, slot: int) -> bool:
        """An older verdict may stand until the slot's new owner has its own, but never under its id."""
        owners = [part for part_id, part in self.parts.items() if part_id in self.in_force()]
        return all(part.trig_id != number for part in owners if part.trig_id % 16 == slot)


steps = st.one_of(
    st.tuples(st.just("good"), RECIPES, VERDICTS),
    st.tuples(st.just("part"), st.just(1), RECIPES),
    st.tuples(st.just("part"), st.integers(0, 40), RECIPES),
    st.tuples(st.just("jump"), st.integers(32760, 65534), st.just(0)),
    st.tuples(st.just("judge"), st.integers(0, 40), VERDICTS),
    st.tuples(st.just("judge"), st.integers(-6, -1), VERDICTS),
    st.tuples(st.just("torn"), st.just(0), st.just(0)),
    st.tuples(st.just("wait"), st.integers(1, 100), st.just(0)),
    st.tuples(st.just("restart"), st.integers(1, 65535), st.just(0)),
    st.tuples(st.just("overtaken"), st.integers(1, 65535), st.just(0)),
    st.tuples(st.just("clear"), st.just(0), st.just(0)),
)


def run(model: Model, kind: str, value: int, extra: int) -> None:
    """Let one thing happen."""
    match kind:
        case "good":
            model.good_part(value, Verdict(extra))
        case "part":
            model.issue(value, extra)
            model.poll()
        case "jump" if value > FARTHEST_GAP:
            model.issue(value, 1)
            model.poll()
        case "jump":
            model.issue(value, 1)
            model.restart(model.plc.trig_id)
        case "judge":
            model.judge(value, Verdict(extra))
        case "torn":
            model.torn()
        case "wait":
            model.poll(value / 1000)
        case "clear":
            model.clear_fault()
        case "overtaken":
            model.overtaken(value)
        case _:
            model.restart(value)


@settings(deadline=None, max_examples=120)
@given(st.sampled_from([1, 100, 65500, 65528, 65535]), st.lists(steps, min_size=5, max_size=40))
def test_a_part_gets_one_verdict_whatever_happens(first_id: int, script: list[tuple[str, int, int]]) -> None:
    """Triggers, gaps, steps back, wraps, torn reads, restarts and verdicts late, twice and out of order.

    With BufferResults or without, whether the PLC acknowledges them or not.
    """
    model = Model(first_id)
    for kind, value, extra in script:
        run(model, kind, value, extra)
