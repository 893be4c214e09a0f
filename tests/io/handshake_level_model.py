"""A PLC, the parts on its belt and the link to an agent around one level handshake, for the property tests.

The PLC takes each VERDICT for the part whose Trigger was acknowledged last, as its handshake tells it, and
never looks at the ring or, without BufferResults, at RESULT_TRIG_ID. The model knows every part as a thing of
its own, whatever id it goes by, and what verdict was really published for it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from inspectd.io.handshake import Handshake, Poll
from inspectd.io.plc import (
    Control,
    PlcImage,
    Reason,
    Ring,
    Status,
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

READY = AgentState(beating=True, online=True, trigger_ready=True)
LIMIT_S = 0.060
NO_BITS = Control(0)


@dataclass(eq=False)
class Part:
    """A part on the belt; `verdict`: what was put on the board for it."""

    trig_id: int
    epoch: int
    recipe: int = 0
    verdict: Verdict | None = None


@dataclass
class Known:
    """A part as the agent knows it."""

    event: Trigger | Settled
    part: Part


class LevelModel:
    """Everything around the handshake; each method is something that can happen."""

    def __init__(self, first_id: int, *, buffering: bool) -> None:
        bits = Control.BUFFER_RESULTS if buffering else Control(0)
        self.plc = PlcImage(
            heartbeat=1, control=Control.TRIGGER_ENABLE | bits, trig_id=first_id, recipe=1, plc_epoch=1
        )
        self.shown_before = self.plc
        self.now = 100.0
        self.memory = [0] * 100
        self.issued: dict[tuple[int, int], Part] = {}
        """The part that an id was issued to last."""
        self.part = self.issue(first_id, 1)
        self.waiting: Part | None = None
        """The part that the PLC raised Trigger for and has no result of yet."""
        self.answered = False
        self.known: dict[int, Known] = {}
        self.owners: dict[int, Part] = {}
        self.last_part_id = 0
        self.recorded: dict[int, int] = {}
        self.accepted = 0
        self.last_acknowledged = VisionImage()
        self.shown = VisionImage()
        self.in_turn: int | None = None
        """RESULT_SEQ shown last; None after what interrupts the turns."""
        self.named = False
        """Whether ACK_SEQ has named it."""
        self.boot_id = 100
        self.start_agent()

    # --- the agent and its link ------------------------------------------------------------------------

    def start_agent(self) -> None:
        """A new agent takes over: what the last one had in flight is lost."""
        self.known = {part_id: one for part_id, one in self.known.items() if one.part.verdict}
        self.boot_id += 1
        settings = PlcSettings(host="127.0.0.1", handshake="level", max_trigger_age_ms=LIMIT_S * 1000)
        self.handshake = Handshake(settings, frozenset({1, 2}), self.boot_id)
        recorded = RecordedIds(self.last_part_id, dict(self.recorded))
        poll = Poll(self.plc.pack() + self.memory[:20], self.now, self.now)
        self.learn(self.handshake.begin(poll, self.memory, recorded, self.now))
        self.shown = VisionImage()
        self.in_turn = None
        self.write()

    def cycle(self, wait_s: float = 0.005, *, lost: bool = False, arrives: bool = True) -> None:
        """Poll and write; a write that is `lost` is not acknowledged, whether it `arrives` or not."""
        self.poll(self.plc, wait_s)
        self.write(lost=lost, arrives=arrives)

    def poll(self, image: PlcImage, wait_s: float = 0.005) -> None:
        self.now += wait_s
        self.plc = replace(self.plc, heartbeat=next_id(self.plc.heartbeat))
        words = replace(image, heartbeat=self.plc.heartbeat).pack() + self.memory[:20]
        self.learn(self.handshake.feed(Poll(words, self.now, self.now), READY, self.now))
        self.shown_before = self.plc
        self.named = self.named or self.plc.ack_seq == self.in_turn
        if Control.BUFFER_RESULTS not in image.control:
            self.in_turn = None

    def half_poll(self) -> None:
        """A read with CONTROL of this moment and all else as it was at the last one, or the other way."""
        self.poll(replace(self.shown_before, control=self.plc.control))
        self.write()

    def learn(self, events: list[Event]) -> None:
        for event in events:
            if isinstance(event, (EpochChanged, DropInFlight)):
                self.in_turn = None
            if isinstance(event, (Trigger, Settled)):
                self.last_part_id = max(self.last_part_id, event.part_id)
                key = event.epoch, event.trig_id
                part = self.issued.setdefault(key, Part(event.trig_id, event.epoch))
                part.recipe = event.recipe
                self.known[event.part_id] = Known(event, part)
                self.owners[event.trig_id] = part
                if isinstance(event, Settled):
                    part.verdict = part.verdict or Verdict.UNKNOWN
                    self.record(event)

    def judge(self, index: int, verdict: Verdict) -> None:
        """The agent's verdict on one of the parts it knows, in any order, late or twice."""
        if not self.known:
            return
        known = self.known[list(self.known)[index % len(self.known)]]
        event, part = known.event, known.part
        result = Result(
            event.part_id,
            event.trig_id,
            event.epoch,
            event.recipe,
            verdict,
            Reason.NONE,
            0.5,
            0.5,
            self.now,
            self.now,
        )
        if isinstance(self.handshake.publish(result, self.now), Placed):
            assert part.verdict is None, "a second verdict"
            assert event.epoch in (self.plc.plc_epoch, self.shown_before.plc_epoch)
            part.verdict = verdict
            self.record(event)
        self.write()

    def record(self, event: Trigger | Settled) -> None:
        if event.epoch == self.plc.plc_epoch:
            self.recorded[event.trig_id] = event.part_id
            self.recorded = dict(sorted(self.recorded.items(), key=lambda item: item[1])[-32:])

    def write(self, *, lost: bool = False, arrives: bool = True) -> None:
        if not self.handshake.may_write:
            return
        block = self.handshake.words(READY, self.now)
        self.check(block)
        if not lost or arrives:
            self.memory = block
        if not lost:
            self.handshake.acknowledge()
            self.last_acknowledged = VisionImage.unpack(block)

    # --- what must hold of every image -----------------------------------------------------------------

    def check(self, block: list[int]) -> None:
        image = VisionImage.unpack(block)
        rises = Status.TRIGGER_ACK in image.status and Status.TRIGGER_ACK not in self.shown.status
        if rises:
            before = self.last_acknowledged
            assert before.verdict == Verdict.NONE, "TriggerAck over the last part's result"
            assert Status.RESULTS_VALID not in before.status
        assert (image.verdict != Verdict.NONE) == (Status.RESULTS_VALID in image.status)
        if image.verdict != Verdict.NONE:
            assert self.owners[image.result_trig_id].verdict == image.verdict, "a verdict never given"
            assert self.owners[image.result_trig_id].epoch == image.plc_epoch
            if Control.BUFFER_RESULTS not in self.shown_before.control:
                assert image.result_trig_id == image.acq_id, "an older part's result"
                self.in_turn = None
            else:
                self.check_turn(image.result_seq)
        for entry in Ring(block[20:]):
            if entry.verdict == Verdict.ACCEPT:
                owner = self.owners[entry.id]
                assert owner.verdict == Verdict.ACCEPT
                assert entry.holds(owner.epoch, owner.recipe)
        self.shown = image

    def check_turn(self, result_seq: int) -> None:
        """With BufferResults: one after the other, each once ACK_SEQ has named the one before."""
        if self.in_turn is not None and result_seq != self.in_turn:
            assert self.named, "before its turn"
            assert id_distance(self.in_turn, result_seq) < 1000, "out of order"
        if result_seq != self.in_turn:
            self.named = False
        self.in_turn = result_seq

    # --- the PLC ---------------------------------------------------------------------------------------

    @property
    def vision(self) -> VisionImage:
        return VisionImage.unpack(self.memory)

    def set(self, bits: Control = NO_BITS, drop: Control = NO_BITS, **changes: int) -> None:
        self.plc = replace(self.plc, control=(self.plc.control | bits) & ~drop, **changes)

    def new_part(self, ids: int) -> None:
        """The next part comes to the photo-eye, `ids` ids on: 0 is a PLC that forgot to count."""
        number = (self.plc.trig_id - 1 + ids) % 65535 + 1
        if Control.TRIGGER in self.plc.control and not self.answered:
            return  # whose Trigger it is must not change before TriggerAck
        self.part = self.issue(number, self.plc.plc_epoch)
        self.set(trig_id=number)

    def issue(self, number: int, epoch: int) -> Part:
        part = self.issued[epoch, number] = Part(number, epoch)
        return part

    def raise_trigger(self) -> None:
        """Raise Trigger for the present part, but never under a TriggerAck that stands."""
        vision = self.vision
        if Status.TRIGGER_ACK in vision.status or vision.plc_epoch != self.plc.plc_epoch:
            return
        if Control.TRIGGER not in self.plc.control:
            self.waiting, self.answered = self.part, False
        self.set(Control.TRIGGER)

    def scan(self, *, acks: bool = True, heeds: bool = True) -> None:
        """The PLC takes the next step of the handshake, as it sees it in its memory."""
        vision, control = self.vision, self.plc.control
        if vision.plc_epoch != self.plc.plc_epoch:
            return
        if Status.TRIGGER_ACK in vision.status and Control.TRIGGER in control:
            self.answered = True
            self.set(drop=Control.TRIGGER)
        self.take(vision, acks=acks)
        if Status.RESULTS_VALID not in vision.status:
            self.set(drop=Control.RESULT_ACK)
        if not heeds or (Status.TRIGGER_READY in vision.status and Control.TRIGGER not in control):
            self.new_part(1)
            self.raise_trigger()

    def take(self, vision: VisionImage, *, acks: bool) -> None:
        if Status.RESULTS_VALID not in vision.status or Control.RESULT_ACK in self.plc.control:
            return
        buffering = Control.BUFFER_RESULTS in self.plc.control
        part = self.owners.get(vision.result_trig_id) if buffering else self.waiting
        if part is not None and (buffering or self.answered):
            if vision.verdict == Verdict.ACCEPT:
                assert part.verdict == Verdict.ACCEPT, "an escape"
                assert part.epoch == self.plc.plc_epoch
                self.accepted += 1
            self.waiting = None
        if acks:
            self.set(Control.RESULT_ACK, ack_seq=vision.result_seq)

    def restart(self, first_id: int) -> None:
        """The PLC restarts, with its memory of the agent's words kept."""
        buffering = self.plc.control & Control.BUFFER_RESULTS
        self.part = self.issue(first_id, next_id(self.plc.plc_epoch))
        self.waiting, self.answered = None, False
        self.recorded = {}
        self.plc = replace(
            self.plc,
            plc_epoch=self.part.epoch,
            trig_id=first_id,
            ack_seq=0,
            control=Control.TRIGGER_ENABLE | buffering,
        )
