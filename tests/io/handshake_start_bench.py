"""A handshake that begins on what an earlier agent left in the PLC, for the tests of its start."""

from __future__ import annotations

from typing import TYPE_CHECKING

from inspectd.io.handshake import Handshake, Poll
from inspectd.io.plc import Control, PlcImage, Ring, RingEntry, Status, Verdict, VisionImage
from inspectd.io.plc_events import AgentState, DetailsLost, RecordedIds, Settled
from inspectd.io.plc_settings import PlcSettings

if TYPE_CHECKING:
    from inspectd.io.plc_events import Event

READY = AgentState(beating=True, online=True)
EPOCH = 7


def left_behind(
    numbers: list[int], *, epoch: int = EPOCH, station: int = 1, result_seq: int = 30, boot_id: int = 5
) -> list[int]:
    """Words 32-131 as an earlier agent left them, with an ACCEPT for each id."""
    vision = VisionImage(
        heartbeat=8,
        status=Status.ONLINE | Status.COMPLETED,
        boot_id=boot_id,
        result_seq=result_seq,
        plc_epoch=epoch,
        station=station,
    )
    ring = Ring()
    for number in numbers:
        ring.put(RingEntry.make(number, Verdict.ACCEPT, 0, 500, 0, epoch=epoch, recipe=1))
    return vision.pack() + ring.pack()


class Started:
    """A handshake after `begin`, with what it then writes."""

    def __init__(
        self,
        present: int,
        block: list[int],
        recorded: RecordedIds | None = None,
        *,
        free_running: bool = False,
        boot_id: int = 4242,
        epoch: int = EPOCH,
    ) -> None:
        mode = "free_running" if free_running else "plc_triggered"
        plc_settings = PlcSettings(host="127.0.0.1", mode=mode)
        self.handshake = Handshake(plc_settings, frozenset({1}), boot_id)
        self.plc = PlcImage(control=Control.TRIGGER_ENABLE, trig_id=present, recipe=1, plc_epoch=epoch)
        poll = Poll(self.plc.pack() + block[:20], 10.0, 10.001)
        self.events: list[Event] = self.handshake.begin(poll, block, recorded or RecordedIds(), 10.002)
        self.state = READY
        self.words = self.handshake.words(READY, 10.002)
        self.vision = VisionImage.unpack(self.words)
        self.ring = Ring(self.words[20:])

    @property
    def settled(self) -> list[Settled]:
        return [event for event in self.events if isinstance(event, Settled)]

    @property
    def lost(self) -> list[int]:
        return [event.number for event in self.events if isinstance(event, DetailsLost)]

    def verdict_of(self, number: int) -> int | None:
        entry = self.ring.find(number)
        return entry.verdict if entry and entry.holds(EPOCH, 1) else None
