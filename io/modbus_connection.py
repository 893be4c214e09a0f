"""One client's connection to the agent's Modbus TCP server: frames in, answers out, within limits.

pymodbus' own server answers one request a packet and loses those that came with it, and knows no limit to its
connections. So the connection is kept here; the format of the frames is pymodbus'.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Protocol

from pymodbus.constants import ExcCodes
from pymodbus.framer import FramerSocket
from pymodbus.pdu import DecodePDU

from inspectd.io.modbus_answers import WRITING, refusal
from inspectd.io.server_image import UNPROVEN, WriteRound

if TYPE_CHECKING:
    from inspectd.io.modbus_answers import Answers

_HEADER = 7
_LENGTHS = range(2, 255)  # what the header may say that follows it: unit identifier, function and data
# A client that asks more often is made to wait, so that it cannot take the processor from the inspection.
_WINDOW_S = 0.1
_REQUESTS_PER_WINDOW = 100
_UNREAD_ANSWERS = 8192  # bytes; a client that leaves more unread has hung
_ANY_UNIT = frozenset({0, 255})  # what the specification has for a server that is no gateway


class Reception(Protocol):
    """Who lets clients in."""

    def admit(self, connection: Connection) -> str:
        """Let a client in, or say why not."""
        ...

    def left(self, connection: Connection, why: str) -> None:
        """Take note that a client is gone; `why` is "" where it left by itself."""
        ...

    def may_write(self, connection: Connection, now: float) -> bool:
        """Whether this client may write now."""
        ...


class Connection(asyncio.Protocol):
    """One connection, on the server's event loop."""

    def __init__(self, reception: Reception, answers: Answers, device_id: int) -> None:
        self.peer = ""
        self.heard_at = time.monotonic()
        self._reception = reception
        self._answers = answers
        self._units = _ANY_UNIT | {device_id}
        self._framer = FramerSocket(DecodePDU(is_server=True))
        self._transport: asyncio.Transport | None = None
        self._received = b""
        self._round = WriteRound()
        self._answered_at = UNPROVEN
        self._composed_after = UNPROVEN
        self._window_ends = UNPROVEN
        self._in_window = 0
        self._waiting = False
        self._dropped_for = ""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A client has connected."""
        assert isinstance(transport, asyncio.Transport)  # noqa: S101  what a TCP connection has
        self._transport = transport
        self.peer = str(transport.get_extra_info("peername", ("unknown",))[0])
        transport.set_write_buffer_limits(high=_UNREAD_ANSWERS)
        if why := self._reception.admit(self):
            self.drop(why)

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is closed, by whichever side."""
        del exc
        self._transport = None
        self._reception.left(self, self._dropped_for)

    def pause_writing(self) -> None:
        """Too many answers lie unread."""
        self.drop("it does not read what it asked for")

    def drop(self, why: str) -> None:
        """Close the connection at once."""
        if self._transport is not None:
            self._dropped_for = self._dropped_for or why
            self._transport.abort()

    def data_received(self, data: bytes) -> None:
        """Take bytes: part of a request, one, or several."""
        self.heard_at = time.monotonic()
        if not self._received:
            # What came in one piece, or behind an unfinished request, was composed before any later answer.
            self._composed_after = self._answered_at
        self._received += data
        if not self._waiting:
            self._work()

    def _work(self) -> None:
        """Answer what has come, up to so many requests in so much time."""
        while self._transport is not None and not self._transport.is_closing():
            size = self._frame_size()
            if size is None:
                self.drop("it does not speak Modbus TCP")
            elif not size:
                return
            elif not self._may_ask():
                self._wait()
                return
            else:
                frame, self._received = self._received[:size], self._received[size:]
                self._answer(frame)

    def _frame_size(self) -> int | None:
        """Size of the first frame received; 0: there is no whole one yet; None: this is no frame."""
        if len(self._received) < _HEADER:
            return 0
        length = int.from_bytes(self._received[4:6], "big")
        if self._received[2:4] != b"\0\0" or length not in _LENGTHS:
            return None
        return _HEADER - 1 + length if len(self._received) >= _HEADER - 1 + length else 0

    def _answer(self, frame: bytes) -> None:
        _, unit, number, request = self._framer.decode(frame)
        if unit not in self._units:
            answer = refusal(request[0], ExcCodes.GATEWAY_NO_RESPONSE)
        elif request[0] in WRITING and not self._reception.may_write(self, self.heard_at):
            answer = refusal(request[0], ExcCodes.DEVICE_BUSY)
        else:
            answer = self._answers.answer(
                request, self._round, composed_after=self._composed_after, at=self.heard_at
            )
        assert self._transport is not None  # noqa: S101  see `_work`
        self._answered_at = time.monotonic()  # before the client can have it
        self._transport.write(self._framer.encode(answer, unit, number))

    # --- limits ----------------------------------------------------------------------------------------

    def _may_ask(self) -> bool:
        now = time.monotonic()
        if now >= self._window_ends:
            self._window_ends = now + _WINDOW_S
            self._in_window = 0
        self._in_window += 1
        return self._in_window <= _REQUESTS_PER_WINDOW

    def _wait(self) -> None:
        assert self._transport is not None  # noqa: S101  see `_work`
        self._waiting = True
        self._transport.pause_reading()
        loop = asyncio.get_running_loop()
        loop.call_later(max(0.0, self._window_ends - time.monotonic()), self._go_on)

    def _go_on(self) -> None:
        self._waiting = False
        if self._transport is not None and not self._transport.is_closing():
            self._transport.resume_reading()
            self._work()
