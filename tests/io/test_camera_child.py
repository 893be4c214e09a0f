"""The loop of a camera's process: what it tells the agent, and what it must not let the agent believe."""

from __future__ import annotations

import os
import socket
import threading
import time
from contextlib import contextmanager
from itertools import pairwise
from typing import TYPE_CHECKING

from inspectd.io.camera import Grab, Skipped, SourceEndError
from inspectd.io.camera_child import CameraChild
from inspectd.io.camera_messages import (
    BEAT_S,
    LARGEST_MESSAGE,
    Beat,
    FrameTaken,
    Opened,
    asked_look,
    decode_message,
)
from inspectd.io.frame_ring import RingShape, RingWriter, create_memory

if TYPE_CHECKING:
    from collections.abc import Generator

    from inspectd.io.camera_messages import ChildMessage
    from inspectd.io.frame_ring import Slot

PATIENCE_S = 20.0
SLOTS = 2


class HandSource:
    """A device that a test exposes by hand."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._waiting: list[Grab | Skipped] = []
        self.grabs = 0
        self.ends = False
        self.patience_s = 0.0
        """Longer than the caller's, where the device can only wait in longer steps."""

    def open(self) -> list[str]:
        return []

    def expose(self, *, skipped: bool = False) -> float:
        """Expose now; gives the moment."""
        at = time.monotonic()
        with self._changed:
            self._waiting.append(Skipped(at) if skipped else Grab(at, exposure_stamped=True))
            self._changed.notify()
        return at

    def grab(self, timeout_s: float, slot: Slot) -> Grab | Skipped | None:
        del slot
        self.grabs += 1
        if self.ends:
            raise SourceEndError
        with self._changed:
            self._changed.wait_for(lambda: self._waiting, max(timeout_s, self.patience_s))
            return self._waiting.pop(0) if self._waiting else None

    def trigger(self) -> None:
        self.expose()

    def close(self) -> None:
        """Nothing is held open."""


class Parent:
    """The agent's end of the link."""

    def __init__(self, link: socket.socket, source: HandSource) -> None:
        self.link = link
        self.source = source
        link.settimeout(PATIENCE_S)

    def next(self) -> ChildMessage:
        return decode_message(self.link.recv(LARGEST_MESSAGE))

    def next_frame(self) -> FrameTaken:
        while True:
            message = self.next()
            if isinstance(message, FrameTaken):
                return message

    def next_beat(self) -> Beat:
        while True:
            message = self.next()
            if isinstance(message, Beat):
                return message

    def look(self, at: float) -> Beat:
        """Ask for a look, and give the answer."""
        self.link.send(asked_look(at))
        while True:
            beat = self.next_beat()
            if beat.looked_at >= at:
                return beat


@contextmanager
def child() -> Generator[Parent]:
    """Run the loop on a thread of this process."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    theirs.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 8192)  # full after a few messages
    shape = RingShape(SLOTS, 4, 4)
    memory = create_memory(shape)
    ring = RingWriter(memory, shape, "camera")
    os.close(memory)
    source = HandSource()
    loop = CameraChild(source, ring, theirs)
    thread = threading.Thread(target=loop.run)
    thread.start()
    try:
        parent = Parent(ours, source)
        assert isinstance(parent.next(), Opened)
        yield parent
    finally:
        loop.stop()
        ours.close()
        thread.join(PATIENCE_S)
        theirs.close()
    assert not thread.is_alive()


def test_frame_without_a_slot_is_told_with_its_stamp() -> None:
    """Its part must know that it was exposed; it has no image, and counts as lost."""
    with child() as parent:
        stamps = [parent.source.expose() for _ in range(SLOTS + 2)]
        frames = [parent.next_frame() for _ in stamps]
    assert [frame.exposed_at for frame in frames] == stamps
    assert [frame.number for frame in frames] == [0, 1, 2, 3]
    assert [frame.slot is None for frame in frames] == [False, False, True, True]
    assert [frame.problem.startswith("no free slot: ") for frame in frames] == [False, False, True, True]
    assert [frame.lost for frame in frames] == [0, 0, 1, 2]


def test_look_is_answered_when_its_moment_has_come() -> None:
    """Within a few milliseconds; the device was asked after that moment, not before."""
    with child() as parent:
        delays: list[float] = []
        for _ in range(20):
            at = time.monotonic() + 0.012
            assert parent.look(at).looked_at >= at
            delays.append(time.monotonic() - at)
    assert sorted(delays)[10] < 0.003


def test_several_looks_are_each_answered() -> None:
    """Parts overlap: the answer to one is no answer to the next."""
    with child() as parent:
        now = time.monotonic()
        moments = [now + 0.02, now + 0.04, now + 0.06]
        for at in moments:
            parent.link.send(asked_look(at))
        answers = [parent.next_beat().looked_at for _ in moments]
    assert all(0 <= answer - at < 0.015 for answer, at in zip(answers, moments, strict=True))


def test_nobody_asks_nothing_is_said() -> None:
    """But for the signs of life: the agent is not woken for each look at the device."""
    with child() as parent:
        parent.next_beat()
        began = time.monotonic()
        beats = [parent.next_beat() for _ in range(4)]
        assert time.monotonic() - began >= 3 * BEAT_S
    assert all(later.looked_at > sooner.looked_at for sooner, later in pairwise(beats))


def test_loop_sleeps_between_looks() -> None:
    """A device without frames is asked every few milliseconds, and not as fast as it answers."""
    with child() as parent:
        parent.next_beat()
        grabs = parent.source.grabs
        time.sleep(0.5)
        assert parent.source.grabs - grabs < 150


def test_skipped_frame_tells_only_of_what_was_exposed_before_it() -> None:
    """Others may wait behind it in the driver, so that the moment at which it was asked for says nothing."""
    with child() as parent:
        parent.source.patience_s = 1.0
        parent.next_beat()
        time.sleep(0.02)
        parent.link.send(asked_look(time.monotonic()))
        time.sleep(0.02)
        exposed_at = parent.source.expose(skipped=True)
        assert parent.next_beat().looked_at == exposed_at


def test_replay_at_its_end_still_says_that_nothing_comes() -> None:
    """The last part's verdict waits for it."""
    with child() as parent:
        parent.source.ends = True
        answer = parent.look(time.monotonic() + 0.02)
    assert answer.finished


def test_nothing_is_said_past_a_frame_that_the_agent_does_not_know_of() -> None:
    """The link was full: until a later frame shows the gap, no part may be taken for seen through."""
    with child() as parent:
        stamps = [parent.source.expose() for _ in range(100)]
        time.sleep(4 * BEAT_S)  # nobody reads
        heard = [parent.next()]
        while sum(isinstance(message, Beat) for message in heard) < 5:
            heard.append(parent.next())
        told = [message for message in heard if isinstance(message, FrameTaken)]
        assert 0 < len(told) < len(stamps), "the link was never full"
        assert all(message.looked_at < stamps[0] for message in heard if isinstance(message, Beat))
        parent.source.expose()
        after = parent.next_frame()
        assert after.number == len(stamps)
        assert parent.look(after.exposed_at).looked_at >= after.exposed_at
