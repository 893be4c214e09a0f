"""The agent as a Modbus TCP server: the PLC calls, writes words 0 to 31 and reads words 32 to 131.

The server runs on a thread and an event loop of its own; the link's thread meets it in the image alone, and
neither can hold the other up.
"""

from __future__ import annotations

import asyncio
import errno
import threading
from concurrent.futures import TimeoutError as FutureTimeoutError
from typing import TYPE_CHECKING

import structlog

from inspectd.io.errors import PlcError, PlcRefusedError
from inspectd.io.modbus_answers import Answers
from inspectd.io.modbus_connection import Connection
from inspectd.io.modbus_reception import FrontDoor
from inspectd.io.server_image import ServerImage

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from inspectd.io.handshake import Poll
    from inspectd.io.plc_settings import ModbusServerSettings

log = structlog.get_logger(__name__)

_LOOPBACK = frozenset({"127.0.0.1", "::1"})
_BACKLOG = 128  # a crowd that knocks at once must not keep the PLC from being heard
_CALL_S = 2.0
# At the end, so long for the PLC to read that the agent is not Online any more.
_LAST_READ_S = 0.25
_UNPROVEN_IN_A_ROW = 10


class ModbusServer:
    """The served image as the link's transport. `take` and `silence` are its polls, see `Polls`.

    `connect` listens, `close` ends it; the image outlives both. Every call takes a bounded time and raises
    PlcError alone: PlcRefusedError where somebody else has the port, or this user may not have it.
    """

    own_memory = True

    def __init__(self, settings: ModbusServerSettings) -> None:
        self._settings = settings
        self._where = f"Modbus TCP server at {settings.listen}:{settings.port}"
        self._image = ServerImage()
        self._answers = Answers(self._image, settings.base_address)
        self._door = FrontDoor(frozenset(settings.allowed_clients), _LOOPBACK | {settings.listen})
        self._loop: asyncio.AbstractEventLoop | None = None
        self._server: asyncio.Server | None = None
        self._thread: threading.Thread | None = None
        self._told_of_unproven = False

    # --- the link's transport --------------------------------------------------------------------------

    def connect(self) -> None:
        """Listen, if not listening already."""
        if self._loop is not None:
            return
        loop = asyncio.new_event_loop()
        loop.set_exception_handler(_log_error)
        self._loop = loop
        self._thread = threading.Thread(target=self._serve, args=(loop,), name="modbus-server", daemon=True)
        self._thread.start()
        try:
            asyncio.run_coroutine_threadsafe(self._listen(), loop).result(_CALL_S)
        except FutureTimeoutError as error:
            self._end()
            raise PlcError(f"{self._where}: it did not begin to listen within {_CALL_S:g} s") from error
        except OSError as error:
            self._end()
            raise self._told(error) from error
        log.info("plc_server_listens", address=self._settings.listen, port=self._settings.port)

    def read(self, start: int, count: int) -> list[int]:
        """Read `count` words from word `start` of the image."""
        return self._image.read(start, count)

    def write(self, start: int, words: Sequence[int]) -> None:
        """Replace words from word `start` of the image as one piece."""
        if self._thread is None or not self._thread.is_alive():
            raise PlcError(f"{self._where}: it has ended")
        self._image.put(start, words)

    def close(self) -> None:
        """Let the PLC read once more what was written last, then send every client away."""
        if self._loop is not None and self._door.clients:
            self._image.await_read(_LAST_READ_S)
        self._end()

    def await_read(self, timeout_s: float) -> bool:
        """Wait until a client has read STATUS as it was written last; False if none did in time."""
        return self._image.await_read(timeout_s)

    # --- its polls -------------------------------------------------------------------------------------

    def take(self) -> Sequence[Poll]:
        """Give what the PLC wrote since the last call, oldest first."""
        if not self._told_of_unproven and self._image.unproven >= _UNPROVEN_IN_A_ROW:
            self._told_of_unproven = True
            log.warning(
                "plc_writes_not_used",
                why="each is the first request on its connection, so nobody knows how old it is",
                remedy="let the PLC keep its connection open, and read before it writes",
            )
        return self._image.take()

    def silence(self, now: float) -> str:
        """Say that the PLC has completed no write for 500 ms, and what it did instead."""
        if not (why := self._image.silence(now)):
            return ""
        unused = f", writes not used: {self._image.unproven}" if self._image.unproven else ""
        return f"{self._where}: {why}; clients connected: {self._door.clients}{unused}"

    def call_at_news(self, news: Callable[[], None]) -> None:
        """Call `news` on the server's thread when a write changes CONTROL, TRIG_ID or PLC_EPOCH."""
        self._image.call_at_news(news)

    # --- the server's thread ---------------------------------------------------------------------------

    async def _listen(self) -> None:
        settings = self._settings
        self._server = await asyncio.get_running_loop().create_server(
            lambda: Connection(self._door, self._answers, settings.device_id),
            settings.listen,
            settings.port,
            reuse_address=True,
            backlog=_BACKLOG,
        )

    def _end(self) -> None:
        loop, self._loop = self._loop, None
        if loop is None or self._thread is None:
            return
        loop.call_soon_threadsafe(loop.stop)
        self._thread.join(_CALL_S)
        self._thread = None

    def _serve(self, loop: asyncio.AbstractEventLoop) -> None:
        """Run the loop until it is stopped; then close the port and every connection."""
        asyncio.set_event_loop(loop)
        loop.run_forever()
        if self._server is not None:
            self._server.close()
            self._server = None
        self._door.close()
        loop.run_until_complete(asyncio.sleep(0))  # a connection tells of its end in the loop's next turn
        loop.close()

    def _told(self, error: OSError) -> PlcError:
        settings = self._settings
        if error.errno == errno.EADDRINUSE:
            return PlcRefusedError(
                f"{self._where}: the port is in use: another agent, or another Modbus server, listens there; "
                "stop it, or give this station a plc.port of its own"
            )
        if error.errno in {errno.EACCES, errno.EPERM}:
            return PlcRefusedError(
                f"{self._where}: this user may not listen at port {settings.port}; set plc.port to 1024 or "
                "above (in the PLC too), or allow it with CAP_NET_BIND_SERVICE, see the README"
            )
        if error.errno == errno.EADDRNOTAVAIL:
            return PlcError(
                f"{self._where}: this PC does not have the address {settings.listen}; "
                "correct plc.listen, or bring that network interface up"
            )
        return PlcError(f"{self._where}: it cannot listen: {error}; correct plc.listen and plc.port")


def _log_error(_: asyncio.AbstractEventLoop, context: dict[str, object]) -> None:
    log.error("plc_server_error", why=str(context.get("message")), error=repr(context.get("exception")))
