"""Which frame shows which part: by the moment of exposure, never by order.

A frame belongs to a part only if it is the one exposure in the part's window. The window opens with the
start of the last good poll that did not yet show the trigger and ends a configured time later; it runs on
the monotonic clock. A window is closed for good once the camera has been heard from past its end.

What cannot be told apart spoils the parts concerned: an exposure that lies in two windows, one whose frame
is gone, and a span in which exposures may have been lost.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

from inspectd.agent.ledger import OpenPart
from inspectd.io.camera import CameraStatus, Frame

# So many exposures, windows and spans are remembered: of far more parts than can be in flight at once.
REMEMBERED_EXPOSURES = 256
REMEMBERED_PARTS = 64
REMEMBERED_SPANS = 64


def _shows(part: OpenPart, exposed_at: float) -> bool:
    """Whether an exposure lies in the part's window."""
    return part.window_start <= exposed_at <= part.window_end


@dataclass(slots=True, eq=False)
class Candidate:
    """A part in its window, with the frames exposed in it so far.

    `contested` counts the exposures in the window that may be another part's, or whose frame is gone.
    `window_seen` is set when it is taken out: the camera had then told of all that it exposed in the window.
    """

    part: OpenPart
    closes_at: float
    frames: list[Frame] = field(default_factory=list[Frame])
    contested: int = 0
    window_seen: bool = False

    @property
    def exposures(self) -> int:
        """Exposures in the window; a contested one counts twice, so that the part is never judged by it."""
        return len(self.frames) + 2 * self.contested

    def release(self) -> None:
        """Give back what the frames hold."""
        for frame in self.frames:
            frame.release()


def open_throughout(camera: CameraStatus, part: OpenPart) -> bool:
    """Whether the camera is open and has been, without a break, since before the part's window."""
    return camera.alive and camera.since <= part.window_start


def seen_through(candidate: Candidate, camera: CameraStatus) -> bool:
    """Whether the camera has told of all that it exposed in the part's window.

    It has if it was open all the time and since then has given a frame from past the window, or has been
    asked for one when all from the window must have come, and had none.
    """
    heard = camera.last_exposed_at >= candidate.part.window_end or camera.looked_at >= candidate.closes_at
    return heard and open_throughout(camera, candidate.part)


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
        self._taken: deque[float] = deque(maxlen=REMEMBERED_EXPOSURES)
        self._concluded: deque[OpenPart] = deque(maxlen=REMEMBERED_PARTS)
        self._unseen: deque[tuple[float, float]] = deque()
        self.unclaimed = 0
        self.exposed_part_id = 0
        """Newest part with an exposure in its window that is its own; any thread may read it."""

    def open(self, part: OpenPart) -> Candidate:
        """Begin to collect the frames of a part; frames that came before it are taken into account."""
        candidate = Candidate(part, part.window_end + self._transfer_s)
        taken = [at for at in self._taken if _shows(part, at)]
        candidate.contested = len(taken)
        for other in self._open:
            other.contested += sum(_shows(other.part, at) for at in taken)
        self._open.append(candidate)
        for frame in [frame for frame in self._spare if _shows(part, frame.exposed_at)]:
            self._place(frame)
        self._spare = deque(frame for frame in self._spare if not _shows(part, frame.exposed_at))
        return candidate

    def offer(self, frame: Frame) -> None:
        """Take in a frame; it goes to the part in whose window it was exposed, or is kept for a later one."""
        self.note_unseen(frame.unseen)
        self._place(frame)

    def pass_over(self, frame: Frame) -> None:
        """Take in a frame that no part can have. It was exposed all the same: its part has one too many."""
        self.note_unseen(frame.unseen)
        self._give_up(frame)
        for candidate in self._open:
            candidate.contested += _shows(candidate.part, frame.exposed_at)

    def note_unseen(self, span: tuple[float, float] | None) -> None:
        """Remember a span in which exposures may have been lost; None is none."""
        if span is not None:
            self._unseen.append(span)
        if len(self._unseen) > REMEMBERED_SPANS:
            # The two oldest become one: nothing is forgotten, and what lies between is long past.
            first, second = self._unseen.popleft(), self._unseen.popleft()
            self._unseen.appendleft((min(first[0], second[0]), max(first[1], second[1])))

    def _place(self, frame: Frame) -> None:
        """Give a frame to the open part it shows. One that may show several is none of theirs."""
        owners = [candidate for candidate in self._open if _shows(candidate.part, frame.exposed_at)]
        if not owners:
            self._spare.append(frame)
            while len(self._spare) > self._spare_limit:
                self._give_up(self._spare.popleft())
                self.unclaimed += 1
        elif len(owners) > 1 or any(_shows(part, frame.exposed_at) for part in self._concluded):
            self._give_up(frame)
            for owner in owners:
                owner.contested += 1
        else:
            self._taken.append(frame.exposed_at)
            owners[0].frames.append(frame)
            self.exposed_part_id = max(self.exposed_part_id, owners[0].part.part_id)
            # All but the first frame of a part only count: their pixels are never looked at.
            for spare in owners[0].frames[1:]:
                spare.release()

    def _give_up(self, frame: Frame) -> None:
        """Release a frame that is to be no part's, and remember that there was such an exposure."""
        self._taken.append(frame.exposed_at)
        frame.release()

    def lost_in(self, part: OpenPart) -> bool:
        """Whether an exposure in the part's window may have been lost, and nobody knows."""
        return any(start < part.window_end and end > part.window_start for start, end in self._unseen)

    def open_candidates(self) -> list[Candidate]:
        """All parts whose window is not closed, oldest first."""
        return list(self._open)

    def due(self, now: float) -> list[Candidate]:
        """All parts whose window is closed by the clock; frames that still come are still theirs."""
        return [candidate for candidate in self._open if now >= candidate.closes_at]

    def take(self, candidate: Candidate) -> None:
        """Take out a part whose window is closed: what it has collected is all there will be."""
        self._open.remove(candidate)
        self._concluded.append(candidate.part)

    def next_close(self) -> float | None:
        """When the next window closes by the clock, or None."""
        return min((candidate.closes_at for candidate in self._open), default=None)

    def release_older(self, exposed_before: float) -> None:
        """Release kept frames exposed before the given moment: no window may claim them any more."""
        keep: deque[Frame] = deque()
        for frame in self._spare:
            if frame.exposed_at < exposed_before:
                self._give_up(frame)
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
