"""Where a session's polls come from: the agent's own reads, or the PLC's writes to the agent."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, runtime_checkable

from inspectd.io.handshake import Poll
from inspectd.io.plc import READ_COUNT, READ_START

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from inspectd.io.plc_transport import PlcTransport


@runtime_checkable
class Polls(Protocol):
    """What the PLC showed, with the bounds of when it showed it. For the link's thread."""

    own_memory: bool
    """Whether the words lie in the agent's own memory, where no other agent can write."""

    def take(self) -> Sequence[Poll]:
        """Give what was shown since the last call, oldest first; PlcError if the PLC cannot be asked."""
        ...

    def silence(self, now: float) -> str:
        """Say that nothing came for too long (`now`: s, monotonic); "" as long as the PLC is heard."""
        ...

    def call_at_news(self, news: Callable[[], None]) -> None:
        """Call `news`, on whatever thread, when the PLC shows what cannot wait for the next cycle."""
        ...


class TimedReads:
    """One read of words 0 to 51 a call: it shows what was true at some moment from its start to its end."""

    own_memory = False

    def __init__(self, transport: PlcTransport, clock: Callable[[], float]) -> None:
        self._transport = transport
        self._clock = clock

    def take(self) -> Sequence[Poll]:
        """Read once."""
        started = self._clock()
        words = self._transport.read(READ_START, READ_COUNT)
        return (Poll(words, started, self._clock()),)

    def silence(self, now: float) -> str:
        """A read that gets no answer is an error of its own."""
        del now
        return ""

    def call_at_news(self, news: Callable[[], None]) -> None:
        """A read tells nothing until it is made."""


def polls_of(transport: PlcTransport, clock: Callable[[], float]) -> Polls:
    """Give a transport's own polls if it has any, else timed reads."""
    return transport if isinstance(transport, Polls) else TimedReads(transport, clock)
