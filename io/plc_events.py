"""What passes between the agent and the PLC link: events up, states and results down, and the host's side.

Part ids are 64-bit numbers that never repeat; `trig_id` is the PLC's alias for one (1..65535; 0 in
free-running mode). Every time is in seconds on the monotonic clock.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, Protocol, TypeAlias

from inspectd.io.plc_codes import FaultCode, Reason, Verdict

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


# --- from the link to the agent ------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Trigger:
    """A new part stands before the camera and waits for its one verdict.

    `window_start` is the start of the last good poll that did not show this id yet: the part broke the
    photo-eye after it (less the PLC's scan), so the window for its exposure begins there. `seen_at` is when
    the link saw the id.
    """

    part_id: int
    trig_id: int
    epoch: int
    recipe: int
    encoder: int
    serial: str
    lot: str
    window_start: float
    seen_at: float


@dataclass(frozen=True, slots=True)
class Settled:
    """The link itself gave this id UNKNOWN (reason 20, 40, 41 or 42): the agent only records it.

    `published`: the verdict stands in the ring; False for ids whose slot belongs to a newer id already.
    `serial` and `lot` are known of the newest id alone; "" for those that were passed over.
    """

    part_id: int
    trig_id: int
    epoch: int
    recipe: int
    reason: Reason
    published: bool
    seen_at: float
    verdict: Verdict = Verdict.UNKNOWN
    serial: str = ""
    lot: str = ""


@dataclass(frozen=True, slots=True)
class DetailsLost:
    """A verdict that stood in the PLC's ring at the start, of which the records hold nothing.

    `number` is the ring's id: TRIG_ID, or RESULT_SEQ in free-running mode. `verdict` and `reason` are the
    numbers as read.
    """

    number: int
    epoch: int
    verdict: int
    reason: int


@dataclass(frozen=True, slots=True)
class EpochChanged:
    """The PLC restarted (`new` 0: it is starting now).

    Everything in flight is UNKNOWN/40, and every frame exposed before `good_poll_start`, the start of the
    first good poll that showed the new epoch, is dropped whenever it arrives.
    """

    old: int
    new: int
    good_poll_start: float


@dataclass(frozen=True, slots=True)
class DropInFlight:
    """Every part still waiting is UNKNOWN with this reason, in the records; the ring was cleared already."""

    reason: Reason


@dataclass(frozen=True, slots=True)
class Placed:
    """A published verdict stands in the image, got this RESULT_SEQ, and was given to a write.

    `verdict` and `reason` are what it stands there as: UNKNOWN/21 where the deadline had passed by then.
    `at`: when it was put there. Not `acknowledged`: that write failed, and nobody knows whether the PLC has
    the verdict; the next write brings it, unless the PLC restarts first.
    """

    part_id: int
    result_seq: int
    verdict: Verdict
    reason: Reason
    at: float
    acknowledged: bool = True


@dataclass(frozen=True, slots=True)
class Discarded:
    """A published verdict changed nothing: other epoch, alias no longer in force, or a second verdict.

    The part is UNKNOWN with `reason`, in the records alone: the PLC will hear of no verdict.
    """

    part_id: int
    reason: Reason
    why: str


@dataclass(frozen=True, slots=True)
class RejectConfirmed:
    """REJECT_CONFIRM_ID changed: the reject sensor saw this part leave the line.

    The word shows the last confirmation alone: between `polled_before`, the start of the last good poll that
    showed another id, and `seen_at` there may have been others, which nobody will ever see.
    """

    trig_id: int
    epoch: int
    polled_before: float
    seen_at: float


@dataclass(frozen=True, slots=True)
class FaultCleared:
    """ClearFault rose: latched faults of the link are gone; the agent clears its own."""


@dataclass(frozen=True, slots=True)
class LinkUp:
    """The first good poll after the link was down."""


@dataclass(frozen=True, slots=True)
class LinkDown:
    """The link failed and is being built up again; `why` says what and where."""

    why: str


@dataclass(frozen=True, slots=True)
class StartRefused:
    """Another agent is beating in this station's words: this one will not write, and must be ended."""

    why: str


Event: TypeAlias = (
    Trigger
    | Settled
    | DetailsLost
    | EpochChanged
    | DropInFlight
    | Placed
    | Discarded
    | RejectConfirmed
    | FaultCleared
    | LinkUp
    | LinkDown
    | StartRefused
)


# --- from the agent to the link ------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class AgentState:
    """What the agent says about itself, each cycle.

    `beating`: the inspection loop is idle or within its step's limit; the heartbeat counts only then.
    `fault`: the agent's own fault, NONE if there is none. `recipe_in_force`: the RECIPE word as last polled
    if there is a class for it, else 0. `missed` and `late` count up for ever; the image carries them modulo
    65536. `exposed_part_id`: the newest part whose frame is known to be exposed, 0 before the first.
    """

    beating: bool = False
    online: bool = False
    fault: FaultCode = FaultCode.NONE
    degraded: bool = False
    shadow: bool = False
    stop_line: bool = False
    recipe_in_force: int = 0
    missed: int = 0
    late: int = 0
    trigger_ready: bool = False
    busy: bool = False
    exposed_part_id: int = 0


@dataclass(frozen=True, slots=True)
class Result:
    """The verdict on one part, to be published.

    `score_relative` is score / threshold (1.0: at the threshold), `score` the raw score; either may be NaN.
    `seen_at`: when the trigger was seen (free-running: when the frame was exposed). `deadline`: an ACCEPT or
    REJECT not given to a write until then is UNKNOWN/21; one whose write failed stays what it is. `encoder`:
    position at exposure, 0..2**32-1 counts, free-running mode only; None there means that no position can be
    trusted, and no slot is filled.
    """

    part_id: int
    trig_id: int
    epoch: int
    recipe: int
    verdict: Verdict
    reason: Reason
    score_relative: float
    score: float
    seen_at: float
    deadline: float
    encoder: int | None = None


@dataclass(frozen=True, slots=True)
class RecordedIds:
    """What the records hold, asked once at the start for the PLC's present epoch.

    `last_part_id`: highest part id of any epoch, 0 if there is none; new ids count on from it.
    `recent`: ring id (TRIG_ID; RESULT_SEQ in free-running mode) -> part id of this epoch's recorded parts, at
    least of its last 32, in the order of their part ids.
    """

    last_part_id: int = 0
    recent: Mapping[int, int] = field(default_factory=dict[int, int])


class PlcHost(Protocol):
    """The agent as the link sees it. All of it is called on the link's thread and must not block.

    An exception from here puts the link into its safe state for good: not Online, no heartbeat, a fault.
    """

    def on_events(self, events: Sequence[Event]) -> None:
        """Take what happened, in order."""
        ...

    def on_cycle(self, now: float) -> AgentState:
        """Expire deadlines and report the agent's state; called every cycle, while the link is down too."""
        ...

    def on_written(self, part_ids: Sequence[int], at: float) -> None:
        """Take the parts whose verdict was in a write acknowledged at `at` for the first time."""
        ...

    def recorded(self, epoch: int) -> RecordedIds:
        """Give what the records hold of this epoch."""
        ...


# --- positions in free-running mode --------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Position:
    """Where the belt was at a moment: 0..2**32-1 counts, with the epoch and recipe in force then."""

    encoder: int
    epoch: int
    recipe: int


class NoPosition(Enum):
    """Why there is no position for a stamp."""

    PENDING = "no good poll after the stamp yet: ask again"
    UNTRUSTED = "the polls around the stamp are missing, too far apart, or do not fit together"
