"""A TCP proxy that breaks a link on purpose, to put between the agent and a PLC in tests.

It listens on 127.0.0.1 on a port that the kernel chooses and carries bytes to the target. Its mode can be
changed at any time and holds for the connections that stand and for those to come.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
import threading
from enum import Enum
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from typing_extensions import Self

_HOST = "127.0.0.1"
_CALL_TIMEOUT_S = 5.0
# Timers of an event loop keep their order only if their times differ.
_APART_S = 1e-6
# SO_LINGER on, 0 s: a close discards what is unsent and sends RST.
_LINGER_RESET = struct.pack("ii", 1, 0)

_T = TypeVar("_T")


class ProxyMode(str, Enum):
    """What the proxy does to the bytes that it carries."""

    PASS = "pass"  # noqa: S105  a mode's name
    DELAY = "delay"
    """Each chunk is held back, in either direction; what was sent still arrives after its sender closed."""
    HANG = "hang"
    """Connections are accepted, what they send is swallowed, nothing is answered."""
    RESET = "reset"
    """Standing connections are reset (RST) on both sides, new ones as soon as they are accepted."""
    TRUNCATE = "truncate"
    """Only the first half of each answer arrives; the connection stays open."""
    DUPLICATE = "duplicate"
    """Each answer arrives twice."""
    REFUSE = "refuse"
    """The port is closed: a connection attempt is refused; standing connections are reset."""


class FaultProxy:
    """A proxy in front of `target`, on a thread of its own: a context manager, or `start` and `stop`.

    `port` is valid once it was started. Errors of the event loop behind it come out of the calls.
    """

    def __init__(self, target: tuple[str, int]) -> None:
        self.port = 0
        self._relay = _Relay(target)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._reservation: socket.socket | None = None

    @property
    def mode(self) -> ProxyMode:
        """The fault in force."""
        return self._relay.mode

    @property
    def accepted(self) -> int:
        """Connections accepted so far."""
        return self._relay.accepted

    def start(self) -> Self:
        """Bind to 127.0.0.1 and begin to carry bytes; OSError when no port can be bound."""
        # Bound, though never listening, for the proxy's life: no other process gets the port in `refuse`.
        self._reservation = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        self._reservation.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._reservation.bind((_HOST, 0))
        self.port = int(self._reservation.getsockname()[1])
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="fault-proxy", daemon=True)
        self._thread.start()
        self._call(self._relay.listen(self.port))
        return self

    def stop(self) -> None:
        """Reset every connection and end the thread; calling it again does nothing."""
        if self._loop is None or self._thread is None or self._reservation is None:
            return
        self._call(self._relay.close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(_CALL_TIMEOUT_S)
        self._loop.close()
        self._reservation.close()
        self._loop = self._thread = self._reservation = None

    def set_mode(self, mode: ProxyMode | str, *, delay_ms: float = 0.0) -> None:
        """Change the fault; it holds when this returns.

        `delay_ms` is what `delay` holds each chunk back for, per direction. ValueError: no such mode.
        """
        self._call(self._relay.set_mode(ProxyMode(mode), delay_ms / 1000))

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _call(self, work: Coroutine[None, None, _T]) -> _T:
        if self._loop is None:
            work.close()
            raise RuntimeError("the fault proxy is not running; call start() first")
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(_CALL_TIMEOUT_S)


class _Relay:
    """The proxy on its event loop: the mode, the listener and the carried connections."""

    def __init__(self, target: tuple[str, int]) -> None:
        self.target = target
        self.mode = ProxyMode.PASS
        self.accepted = 0
        self.carried: set[_Carried] = set()
        self._delay_s = 0.0
        self._port = 0
        self._server: asyncio.Server | None = None

    async def listen(self, port: int) -> None:
        self._port = port
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(
            lambda: _Carried(self).client, _HOST, port, reuse_address=True
        )

    async def unlisten(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None
            await asyncio.sleep(0)  # the loop closes the listening socket in its next turn

    async def close(self) -> None:
        await self.unlisten()
        await self._reset_all()

    async def set_mode(self, mode: ProxyMode, delay_s: float) -> None:
        previous, self.mode, self._delay_s = self.mode, mode, delay_s
        if mode is ProxyMode.REFUSE:
            await self.unlisten()
        elif self._server is None:
            await self.listen(self._port)
        if mode in (ProxyMode.RESET, ProxyMode.REFUSE):
            await self._reset_all()
        elif previous is ProxyMode.HANG:
            # What was accepted while hanging never reached the target: it cannot be carried on.
            for carried in [carried for carried in self.carried if not carried.has_target]:
                carried.reset()

    def shape(self, data: bytes, *, answer: bool) -> bytes:
        """Give what of `data` is to arrive under the present mode."""
        if self.mode is ProxyMode.HANG:
            return b""
        if answer and self.mode is ProxyMode.TRUNCATE:
            return data[: len(data) // 2]
        if answer and self.mode is ProxyMode.DUPLICATE:
            return data + data
        return data

    @property
    def delay_s(self) -> float:
        """How long a chunk is held back under the present mode, s."""
        return self._delay_s if self.mode is ProxyMode.DELAY else 0.0

    async def _reset_all(self) -> None:
        for carried in list(self.carried):
            carried.reset()
        await asyncio.sleep(0)  # the loop closes the sockets in its next turn


class _Side(asyncio.Protocol):
    """One end of a carried connection."""

    def __init__(self, carried: _Carried, *, is_client: bool) -> None:
        self.transport: asyncio.Transport | None = None
        self._carried = carried
        self._is_client = is_client

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)  # noqa: S101  what a TCP connection has
        self.transport = transport
        if self._is_client:
            self._carried.accept()

    def data_received(self, data: bytes) -> None:
        self._carried.carry(data, from_client=self._is_client)

    def connection_lost(self, exc: Exception | None) -> None:
        self._carried.lose(from_client=self._is_client, reset=exc is not None)


class _Carried:
    """A client's connection and its counterpart at the target."""

    def __init__(self, relay: _Relay) -> None:
        self.client = _Side(self, is_client=True)
        self._relay = relay
        self._target = _Side(self, is_client=False)
        self._early: list[bytes] = []
        self._due = {True: 0.0, False: 0.0}  # per direction: when what is under way has arrived
        self._connecting: asyncio.Task[None] | None = None

    @property
    def has_target(self) -> bool:
        """True once a connection to the target was begun."""
        return self._connecting is not None

    def accept(self) -> None:
        self._relay.accepted += 1
        self._relay.carried.add(self)
        if self._relay.mode in (ProxyMode.RESET, ProxyMode.REFUSE):
            self.reset()
        elif self._relay.mode is not ProxyMode.HANG:
            self._connecting = asyncio.get_running_loop().create_task(self._connect())

    async def _connect(self) -> None:
        connecting = asyncio.get_running_loop().create_connection(lambda: self._target, *self._relay.target)
        try:
            await asyncio.wait_for(connecting, _CALL_TIMEOUT_S)
        except (OSError, asyncio.TimeoutError):
            self.reset()  # the nearest to what the target itself would have done to the client
            return
        early, self._early = self._early, []
        for data in early:
            self._write(self._target, data)

    def carry(self, data: bytes, *, from_client: bool) -> None:
        shaped = self._relay.shape(data, answer=not from_client)
        if not shaped:
            return
        to = self._target if from_client else self.client
        self._later(lambda: self._write(to, shaped), from_client=from_client)

    def _later(self, act: Callable[[], None], *, from_client: bool) -> None:
        """Run `act` now or after the delay, and never before what is under way in its direction."""
        loop = asyncio.get_running_loop()
        now = loop.time()
        due = max(now + self._relay.delay_s, self._due[from_client] + _APART_S)
        if due <= now:
            act()
        else:
            self._due[from_client] = due
            loop.call_at(due, act)

    def _write(self, to: _Side, data: bytes) -> None:
        if to.transport is None:
            self._early.append(data)
        elif not to.transport.is_closing():
            to.transport.write(data)

    def lose(self, *, from_client: bool, reset: bool) -> None:
        """Pass on that one side went: a reset at once, a close after what is still under way."""
        if reset:
            self.reset()
        else:
            other = self._target if from_client else self.client
            self._later(lambda: self._close(other), from_client=from_client)

    def _close(self, side: _Side) -> None:
        self._relay.carried.discard(self)
        if side.transport is not None:
            side.transport.close()
        elif self._connecting is not None:
            self._connecting.cancel()

    def reset(self) -> None:
        """Send RST to both ends."""
        self._relay.carried.discard(self)
        if self._connecting is not None:
            self._connecting.cancel()
        for side in (self.client, self._target):
            if side.transport is None or side.transport.is_closing():
                continue
            with contextlib.suppress(OSError):  # the peer may have closed it in this very moment
                end = side.transport.get_extra_info("socket")
                end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_RESET)
            side.transport.abort()
