"""What the handshake watches beside the ids: heartbeats, other writers, and faults that latch."""

from __future__ import annotations

from inspectd.io.plc import Control, FaultCode, next_id

LISTEN_S = 0.6  # contract: nobody else may have beaten within 600 ms before the first write
PLC_SILENCE_S = 0.5  # contract: PlcHeartbeatLost after 500 ms
_OWN_BEAT_S = 0.05  # contract: at least every 100 ms; half of it leaves a cycle of 50 ms its place


class FaultLatch:
    """Faults that stand until ClearFault rises; the one that came first is shown. Any thread may read it."""

    def __init__(self) -> None:
        self._latched: tuple[FaultCode, ...] = ()  # replaced, never changed: other threads read it
        self._clear_was_set = False

    def start(self, control: Control) -> None:
        """Take the present ClearFault bit as it is: a bit that stands at the start is no rising edge."""
        self._clear_was_set = Control.CLEAR_FAULT in control

    def clear_on_edge(self, control: Control) -> bool:
        """Drop all faults on a rising edge of ClearFault and say whether there was one."""
        is_set = Control.CLEAR_FAULT in control
        risen = is_set and not self._clear_was_set
        self._clear_was_set = is_set
        if risen:
            self._latched = ()
        return risen

    def latch(self, fault: FaultCode) -> None:
        """Latch `fault`; again is the same as once."""
        if fault not in self._latched:
            self._latched = (*self._latched, fault)

    def __contains__(self, fault: FaultCode) -> bool:
        return fault in self._latched

    @property
    def first(self) -> FaultCode:
        """The fault that latched first, NONE if there is none."""
        latched = self._latched
        return latched[0] if latched else FaultCode.NONE


class PlcPulse:
    """Watches the PLC's HEARTBEAT: lost when it has not changed for 500 ms, whatever the reason."""

    def __init__(self) -> None:
        self._value: int | None = None
        self._changed_at = float("-inf")

    def see(self, value: int, at: float) -> None:
        """Take the value of a good poll that ended `at` (s, monotonic)."""
        if value != self._value:
            self._value = value
            self._changed_at = at

    def lost(self, now: float) -> bool:
        """Whether the last change is more than 500 ms ago."""
        return now - self._changed_at > PLC_SILENCE_S


class OwnPulse:
    """The agent's HEARTBEAT: counts while the inspection loop beats, skips 0, stands still otherwise."""

    def __init__(self) -> None:
        self._value = 1
        self._counted_at = float("-inf")

    def start_after(self, value: int) -> None:
        """Count on from what stands in the PLC, so that the first write shows a change."""
        self._value = next_id(value)

    def value(self, now: float, *, beating: bool) -> int:
        """Heartbeat to write at `now` (s, monotonic)."""
        if beating and now - self._counted_at >= _OWN_BEAT_S:
            self._value = next_id(self._value)
            self._counted_at = now
        return self._value


class WriterWatch:
    """Watches BOOT_ID and STATION in the PLC: once one of our writes was acknowledged, they must be ours.

    A PLC may acknowledge a write before its reads show it, or show it in two halves. So what stood there
    before our first write is not held against anyone until our own words were read back once, or for 600 ms:
    of two agents that take turns each would read the other's words alone for ever.
    """

    def __init__(self, boot_id: int, station: int) -> None:
        self._own = (boot_id, station)
        self._before = self._own
        self._before_until = float("-inf")
        self._acknowledged = False
        self._read_back = False
        self._heard: int | None = None
        self._heard_at = float("-inf")

    def listen(self, heartbeat: int, at: float) -> None:
        """Take the vision HEARTBEAT of a good poll at `at` (s, monotonic), while we write nothing."""
        if self._heard is not None and heartbeat != self._heard:
            self._heard_at = at
        self._heard = heartbeat

    def heard(self, now: float) -> bool:
        """Whether somebody else was beating within the last 600 ms."""
        return now - self._heard_at < LISTEN_S

    def start_over(self) -> None:
        """Expect anything until our next write: the PLC restarted, or ClearFault lets writing begin anew."""
        self._acknowledged = False
        self._read_back = False
        self._heard = None

    def acknowledge(self) -> None:
        """A write of ours was acknowledged."""
        self._acknowledged = True

    def another(self, boot_id: int, station: int, at: float) -> bool:
        """Take what a good poll at `at` (s, monotonic) shows; True if somebody else wrote it."""
        found = (boot_id, station)
        if not self._acknowledged:
            self._before, self._before_until = found, at + LISTEN_S
            return False
        self._read_back = self._read_back or found == self._own or at >= self._before_until
        return any(
            word != own and (self._read_back or word != before)
            for word, own, before in zip(found, self._own, self._before, strict=True)
        )
