"""Who may connect to the agent's Modbus TCP server, how many at once, and which of them writes."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

import structlog

from inspectd.io.handshake_faults import PLC_SILENCE_S

if TYPE_CHECKING:
    from inspectd.io.modbus_connection import Connection

log = structlog.get_logger(__name__)

MOST_CONNECTIONS = 8
# One that has been silent for this long gives its place to a newcomer when all are taken, ...
_SPARE_AFTER_S = 2.0
# ... and for this long, is closed: a PLC that lost its power leaves connections that nobody will ever close.
_IDLE_S = 30.0
_SWEEP_S = 1.0
_TOLD_EVERY_S = 10.0


class FrontDoor:
    """Keeps the server's connections within limits. For the server's event loop.

    `allowed`: addresses that may connect, empty for any; this PC's own (`own`) may at least read. One address
    writes at a time: another one may when the first has not written for 500 ms.
    """

    def __init__(self, allowed: frozenset[str], own: frozenset[str]) -> None:
        self._allowed = allowed
        self._own = own
        self._inside: set[Connection] = set()
        self._writer = ""
        self._wrote_at = float("-inf")
        self._told_at: dict[str, float] = {}
        self._sweeping: asyncio.TimerHandle | None = None

    @property
    def clients(self) -> int:
        """Connections that stand."""
        return len(self._inside)

    def admit(self, connection: Connection) -> str:
        """Let a client in, or say why not."""
        if self._allowed and connection.peer not in self._allowed | self._own:
            return "its address is not among plc.allowed_clients"
        if len(self._inside) >= MOST_CONNECTIONS:
            silent = min(self._inside, key=lambda one: one.heard_at)
            if time.monotonic() - silent.heard_at < _SPARE_AFTER_S:
                return f"{MOST_CONNECTIONS} connections are open already"
            self._inside.discard(silent)
            silent.drop("a new connection needs its place")
        self._inside.add(connection)
        if self._sweeping is None:
            self._sweep()
        return ""

    def left(self, connection: Connection, why: str) -> None:
        """Take note that a client is gone, and say so where it was sent away."""
        self._inside.discard(connection)
        if why:
            self._tell("plc_client_sent_away", connection.peer, why)

    def may_write(self, connection: Connection, now: float) -> bool:
        """Whether this client may write now."""
        if self._allowed and connection.peer not in self._allowed:
            return False
        if connection.peer != self._writer and now - self._wrote_at <= PLC_SILENCE_S:
            self._tell("plc_second_client_writes", connection.peer, f"{self._writer} is writing; refused")
            return False
        self._writer = connection.peer
        self._wrote_at = now
        return True

    def close(self) -> None:
        """Send everybody away."""
        if self._sweeping is not None:
            self._sweeping.cancel()
        for connection in list(self._inside):
            connection.drop("the agent is ending")
        self._inside.clear()

    def _sweep(self) -> None:
        now = time.monotonic()
        for connection in list(self._inside):
            if now - connection.heard_at > _IDLE_S:
                connection.drop(f"it has been silent for {_IDLE_S:g} s")
        self._sweeping = asyncio.get_running_loop().call_later(_SWEEP_S, self._sweep)

    def _tell(self, event: str, peer: str, why: str) -> None:
        """Log it, for each event once in a while: a client that knocks all day must not fill the log."""
        now = time.monotonic()
        if now - self._told_at.get(event, float("-inf")) >= _TOLD_EVERY_S:
            self._told_at[event] = now
            log.warning(event, client=peer, why=why)
