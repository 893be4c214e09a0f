"""The boundary between the PLC link and the agent's callbacks: an error there must not pass unseen."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, TypeVar

import structlog

from inspectd.io.plc_codes import FaultCode
from inspectd.io.plc_events import AgentState, RecordedIds

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from inspectd.io.plc_events import Event, PlcHost

log = structlog.get_logger(__name__)

_Answer = TypeVar("_Answer")


class HostGuard:
    """A PlcHost that never raises: the first error leads to the safe state for good.

    The event is lost with the error, and maybe a part with it, so that nothing after it can be trusted: from
    then on the agent's state is not Online and not beating, with FaultCode.INTERNAL_ERROR. The callbacks are
    still made, so that deadlines expire and records are written as far as they can be.
    """

    def __init__(self, host: PlcHost) -> None:
        self._host = host
        self.errors = 0

    @property
    def failed(self) -> bool:
        """Whether the safe state was entered."""
        return self.errors > 0

    def fail(self, where: str, error: Exception) -> None:
        """Enter the safe state; logged with its traceback the first time, counted every time."""
        self.errors += 1
        if self.errors == 1:
            log.critical("plc_link_safe_state", where=where, error=repr(error), exc_info=error)

    def on_events(self, events: Sequence[Event]) -> None:
        """Hand events over one by one, so that an error at one loses no other."""
        for event in events:
            self._guarded("on_events", partial(self._host.on_events, (event,)), None)

    def on_cycle(self, now: float) -> AgentState:
        """Ask for the agent's state; the safe one after any error."""
        state = self._guarded("on_cycle", lambda: self._host.on_cycle(now), AgentState())
        if not self.failed:
            return state
        return replace(
            state, beating=False, online=False, trigger_ready=False, fault=FaultCode.INTERNAL_ERROR
        )

    def on_written(self, part_ids: Sequence[int], at: float) -> None:
        """Hand over which parts' verdicts are at the PLC, if there are any."""
        if part_ids:
            self._guarded("on_written", lambda: self._host.on_written(part_ids, at), None)

    def recorded(self, epoch: int) -> RecordedIds:
        """Ask what the records hold of `epoch`."""
        return self._guarded("recorded", lambda: self._host.recorded(epoch), RecordedIds())

    def _guarded(self, where: str, call: Callable[[], _Answer], otherwise: _Answer) -> _Answer:
        try:
            return call()
        except Exception as error:  # noqa: BLE001  the link's boundary to the agent: logged and counted
            self.fail(where, error)
            return otherwise
