"""Which frame shows which part: by the moment of exposure, never by order.

A frame belongs to a part only if it is the one exposure in the part's window. The window opens with the
start of the last good poll that did not yet show the trigger and ends a configured time later; it runs on
the monotonic clock. A window is closed for good once the slowest frame could have arrived.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

from inspectd.agent.ledger import OpenPart
from inspectd.io.camera import Frame


@dataclass(slots=True)
class Candidate:
    """A part in its window, with the frames exposed in it so far."""

    part: OpenPart
    closes_at: float
    frames: list[Frame] = field(default_factory=list[Frame])

    def release(self) -> None:
        """Give back what the frames hold."""
        for frame in self.frames:
            frame.release()


class Pairing:
    """Pairs the frames of one camera with parts. For one thread; times in seconds, monotonic.

    A frame that fits no window yet is kept: with a camera triggered by hardware it may arrive before the
    PLC's trigger id does. The oldest of more than `spare_frames` such frames is released and counted.
    """

    def __init__(self, transfer_s: float, spare_frames: int) -> None:
        self._transfer_s = transfer_s
        self._spare_limit = spare_frames
        self._open: list[Candidate] = []
        self._spare: deque[Frame] = deque()
        self.unclaimed = 0

    def open(self, part: OpenPart) -> None:
        """Begin to collect the frames of a part; frames that came before it are taken into account."""
        candidate = Candidate(part, part.window_end + self._transfer_s)
        self._open.append(candidate)
        waiting, self._spare = self._spare, deque()
        for frame in waiting:
            self.offer(frame)

    def offer(self, frame: Frame) -> None:
        """Take in a frame; it goes to the part in whose window it was exposed, or is kept for a later one.

        A frame that lies in two windows counts twice in each, so that neither part may be judged by it.
        """
        owners = [c for c in self._open if c.part.window_start <= frame.exposed_at <= c.part.window_end]
        if not owners:
            self._spare.append(frame)
            while len(self._spare) > self._spare_limit:
                self._spare.popleft().release()
                self.unclaimed += 1
            return
        for owner in owners:
            # All but the first frame of a part only count: their pixels are never looked at.
            owner.frames.extend([frame] * (1 if len(owners) == 1 else 2))
        if len(owners) > 1 or len(owners[0].frames) > 1:
            frame.release()

    def open_candidates(self) -> list[Candidate]:
        """All parts whose window is not closed, oldest first."""
        return list(self._open)

    def take_closed(self, now: float) -> list[Candidate]:
        """Take out the parts whose window is closed; what they have collected is all there will be."""
        closed = [candidate for candidate in self._open if now >= candidate.closes_at]
        self._open = [candidate for candidate in self._open if now < candidate.closes_at]
        return closed

    def next_close(self) -> float | None:
        """When the next window closes, or None."""
        return min((candidate.closes_at for candidate in self._open), default=None)

    def release_older(self, exposed_before: float) -> None:
        """Release kept frames exposed before the given moment: no window may claim them any more."""
        keep: deque[Frame] = deque()
        for frame in self._spare:
            if frame.exposed_at < exposed_before:
                frame.release()
                self.unclaimed += 1
            else:
                keep.append(frame)
        self._spare = keep

    def close(self) -> None:
        """Release everything."""
        for candidate in self._open:
            candidate.release()
        self._open.clear()
        self.release_older(float("inf"))
