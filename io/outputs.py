"""Outputs beside the link to the PLC: an accept pulse on a wire, reports to other systems.

An output is told each part's one verdict and the station's state. It never makes the caller wait: what it
cannot take is dropped and counted. Nothing comes back from it: an output that fails, hangs or is slow stops
no part and changes no verdict.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping

    from inspectd.io.plc_codes import FaultCode, Reason, Verdict


@dataclass(frozen=True, slots=True)
class PartWindow:
    """Between which two moments (s, monotonic) the PLC gave the part its id."""

    issued_after: float
    issued_before: float


@dataclass(frozen=True, slots=True)
class PublishedVerdict:
    """The one verdict of a part.

    `record` is its line in the record of verdicts, ready for JSON. `accepted` is there only where the verdict
    is ACCEPT and the PLC has acknowledged the write that holds it: nothing else may be taken for a good part.
    """

    part: int
    verdict: Verdict
    reason: Reason
    record: Mapping[str, Any]
    accepted: PartWindow | None = None


class Phase(Enum):
    """Where the agent's process stands."""

    STARTING = "starting"
    RUNNING = "running"
    STOPPED = "stopped"


@dataclass(frozen=True, slots=True)
class ClassInForce:
    """A product class: the RECIPE by which the PLC names it, its name, and the ids of what judges it."""

    recipe: int
    name: str
    bundle: str
    decision: str


@dataclass(frozen=True, slots=True)
class StationState:
    """How the station is. `online` to `busy` are what the PLC was told last, all false while it is away.

    `recipe_in_force` is the recipe of the last part, 0 before the first.
    """

    phase: Phase
    free_running: bool
    plc_connected: bool
    online: bool
    trigger_ready: bool
    busy: bool
    degraded: bool
    shadow: bool
    stop_line: bool
    fault: FaultCode
    recipe_in_force: int
    classes: tuple[ClassInForce, ...] = ()


@dataclass(frozen=True, slots=True)
class OutputStatus:
    """How an output does: `detail` says what is wrong, `dropped` counts what it could not take or give.

    `concern` is not empty where the line itself suffers: the station then shows Degraded.
    """

    healthy: bool
    dropped: int = 0
    detail: str = ""
    concern: str = ""


class Output(Protocol):
    """One output. Any thread may call; no method but `stop` waits, and that for `STOP_S` at the most."""

    def start(self) -> None:
        """Begin; what cannot be reached now is tried again, for ever."""
        ...

    def verdict(self, verdict: PublishedVerdict) -> None:
        """Take the one verdict of a part."""
        ...

    def state(self, state: StationState) -> None:
        """Take the station's state: when it changes, and once a second."""
        ...

    def status(self) -> OutputStatus:
        """Tell how the output does."""
        ...

    def stop(self) -> None:
        """Say good-bye and end. Idempotent."""
        ...


STOP_S = 0.4
"""Longest time that an output may take to stop."""
