"""The link to the PLC: a fixed cycle on a thread of its own.

Every regular cycle reads words 0-51, feeds the handshake and writes words 32-131 as one request; a published
verdict wakes the loop, which then only writes. A write that is lost is mended by the next one.
"""

from __future__ import annotations

import threading
import time
from dataclasses import replace
from typing import TYPE_CHECKING

from inspectd.io.errors import PlcError
from inspectd.io.plc_host_guard import HostGuard
from inspectd.io.plc_session import PlcSession

if TYPE_CHECKING:
    from collections.abc import Sequence

    from inspectd.io.encoder import EncoderPoll
    from inspectd.io.plc_codes import FaultCode
    from inspectd.io.plc_events import NoPosition, PlcHost, Position, Result
    from inspectd.io.plc_settings import LinkSettings
    from inspectd.io.plc_statistics import LinkStatistics
    from inspectd.io.plc_transport import PlcTransport

# Connect, read and write of the cycle at hand, with the default time-outs, and the last write.
_STOP_S = 1.0


class PlcLink:
    """The loop. `host` is called on the loop's thread; the public methods may be called on any thread.

    `recipes`: the recipes that the agent has a model for; parts of any other are UNKNOWN/41.

    `host.on_cycle` is called every cycle, also while the link is down. A connect, read or write that hangs
    delays it by the transport's time-out at most, and with it the expiry of deadlines: nothing could have
    been written in that time anyway.

    An exception of the host, or of the link's own code, is logged and counted and leads to the safe state for
    good: not Online, no heartbeat, FaultCode.INTERNAL_ERROR, until the agent is started anew.
    """

    def __init__(
        self, settings: LinkSettings, transport: PlcTransport, host: PlcHost, recipes: frozenset[int]
    ) -> None:
        self._cycle_s = settings.cycle_ms / 1000.0
        self._host = HostGuard(host)
        self._session = PlcSession(settings, transport, self._host, recipes)
        self._wake = threading.Event()
        self._session.call_at_news(self._wake.set)
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="plc-link", daemon=True)

    def start(self) -> None:
        """Start the loop; it connects, and connects again, by itself. Call it once."""
        self._thread.start()

    def wait_begun(self, timeout_s: float) -> bool:
        """Wait until the first write is due; False if the PLC was not reached within `timeout_s`.

        PlcError: another agent's heartbeat changes in this station's words. The link then stays silent, and
        the agent must end.
        """
        until = time.monotonic() + timeout_s
        while not (self._session.begun or self._session.refusal) and time.monotonic() < until:
            time.sleep(self._cycle_s)
        if self._session.refusal:
            raise PlcError(self._session.refusal)
        return self._session.begun

    def publish(self, result: Result) -> None:
        """Publish a verdict at once; never blocks. What became of it comes as Placed or Discarded."""
        self._session.queue(result)
        self._wake.set()

    def stop(self) -> None:
        """Write STATUS without Online once, if the link is up, and end the loop; takes at most 1 s."""
        self._stopping.set()
        self._wake.set()
        if self._thread.is_alive() and threading.current_thread() is not self._thread:
            self._thread.join(_STOP_S)

    @property
    def ended(self) -> bool:
        """Whether nothing will be written any more: the loop has ended, or never began."""
        return not self._thread.is_alive()

    @property
    def connected(self) -> bool:
        """Whether the PLC answers and the handshake has begun."""
        return self._session.up

    @property
    def refusal(self) -> str:
        """Why this agent will not write to the PLC: another one does; empty if none does."""
        return self._session.refusal

    @property
    def written(self) -> Sequence[int]:
        """Words 32 to 131 as they were last written and acknowledged; none before the first write."""
        return self._session.written

    @property
    def fault(self) -> FaultCode:
        """Fault of the link alone: latched ones, PLC_LOST, INTERNAL_ERROR; NONE if all is well."""
        return self._session.fault()

    def position_at(self, stamp: float) -> Position | NoPosition:
        """Free-running mode: position of the belt at `stamp` (s, monotonic), or why there is none."""
        return self._session.position_at(stamp)

    def poll_before(self, stamp: float) -> EncoderPoll | None:
        """Free-running mode: the last good poll that had ended by `stamp` (s, monotonic), or None."""
        return self._session.poll_before(stamp)

    def plc_now(self) -> tuple[int, int]:
        """PLC_EPOCH and RECIPE of the last good poll, 0 and 0 before the first."""
        return self._session.plc_now()

    @property
    def statistics(self) -> LinkStatistics:
        """Counters as they stand now."""
        return replace(self._session.statistics, host_errors=self._host.errors)

    def _run(self) -> None:
        due = time.monotonic()
        while not self._stopping.is_set():
            woken = self._wake.wait(max(0.0, due - time.monotonic()))
            self._wake.clear()
            now = time.monotonic()
            if self._stopping.is_set():
                break
            try:
                if now >= due:
                    due = self._next_due(due, now)
                    self._session.cycle()
                elif woken:
                    self._session.wake_up()
            except Exception as error:  # noqa: BLE001  the loop's boundary: logged and counted
                self._host.fail("cycle", error)
                self._session.drop(repr(error))
        try:
            self._session.farewell()
        except Exception as error:  # noqa: BLE001  likewise
            self._host.fail("farewell", error)

    def _next_due(self, due: float, now: float) -> float:
        """Next cycle on the fixed schedule; cycles that a hang has eaten are left out and counted."""
        missed = int((now - due) / self._cycle_s)
        self._session.statistics.late_cycles += missed
        return due + (missed + 1) * self._cycle_s
