"""A level handshake fed by hand: a PLC that keeps to it, step by step, unless a test says otherwise."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from handshake_bench import READY, Bench

from inspectd.io.plc import Control, Status, Verdict, VisionImage, next_id
from inspectd.io.plc_events import Event, Settled, Trigger

ENABLED = Control.TRIGGER_ENABLE
HANDSHAKE = Status.TRIGGER_READY | Status.TRIGGER_ACK | Status.EXPOSURE_DONE | Status.RESULTS_VALID


class LevelBench(Bench):
    """A bench with `handshake: level`; `written` holds every image that the PLC was given."""

    def __init__(self, *, control: Control = ENABLED, **options: Any) -> None:
        self.written: list[VisionImage] = []
        super().__init__(handshake="level", control=control, **options)
        self.poll()
        if control == ENABLED:
            self.acknowledge()  # of UNKNOWN/40, which the id that stood there was given

    def write(self) -> list[int]:
        part_ids = super().write()
        self.written.append(self.vision)
        return part_ids

    @property
    def bits(self) -> Status:
        """The bits of the handshake in STATUS."""
        return self.vision.status & HANDSHAKE

    def set(self, bits: Control, after_s: float = 0.004, **changes: Any) -> list[Event]:
        """Poll with these bits of CONTROL added."""
        return self.poll(after_s, control=self.plc.control | bits, **changes)

    def drop(self, bits: Control, after_s: float = 0.004, **changes: Any) -> list[Event]:
        """Poll with these bits of CONTROL taken away."""
        return self.poll(after_s, control=self.plc.control & ~bits, **changes)

    def raise_trigger(self, **changes: Any) -> Trigger | Settled:
        """Issue the next id with its Trigger; gives what became of the part."""
        (event,) = self.set(Control.TRIGGER, trig_id=next_id(self.plc.trig_id), **changes)
        assert isinstance(event, (Trigger, Settled))
        return event

    def poll_unacknowledged(self, after_s: float = 0.004, **changes: Any) -> list[Event]:
        """Poll, and write what is never acknowledged."""
        self.now += after_s
        self.plc = replace(self.plc, heartbeat=next_id(self.plc.heartbeat), **changes)
        events = self.handshake.feed(self.take_poll(), self.state, self.now)
        self.block = self.handshake.words(self.state, self.now)
        return events

    def raise_trigger_unacknowledged(self) -> Trigger | Settled:
        """Issue the next id with its Trigger; the write that follows is never acknowledged."""
        control = self.plc.control | Control.TRIGGER
        (event,) = self.poll_unacknowledged(control=control, trig_id=next_id(self.plc.trig_id))
        assert isinstance(event, (Trigger, Settled))
        return event

    def triggered(self) -> Trigger:
        """Bring a part through Trigger, TriggerAck and back."""
        part = self.raise_trigger()
        assert isinstance(part, Trigger), part
        self.poll()
        assert self.bits == Status.TRIGGER_ACK
        self.drop(Control.TRIGGER)
        return part

    def expose(self, part: Trigger | Settled) -> None:
        """The agent tells that the part's frame was exposed."""
        self.state = replace(self.state, exposed_part_id=part.part_id)

    def judged(self, part: Trigger, verdict: Verdict = Verdict.ACCEPT) -> None:
        """The part's verdict comes and is written."""
        self.publish(part, verdict)
        self.write()

    def acknowledge(self) -> None:
        """The PLC takes the result: ResultAck up, and down again."""
        self.set(Control.RESULT_ACK, ack_seq=self.vision.result_seq)
        self.drop(Control.RESULT_ACK)


__all__ = ["ENABLED", "READY", "LevelBench"]
