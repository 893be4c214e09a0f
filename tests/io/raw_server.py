"""A TCP server on a thread of its own, for tests of what a PLC may do to a connection."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress

POLL_S = 0.05
SILENCE_S = 0.5
"""A connection on which nothing comes for so long is ended."""


@contextmanager
def serving(handle: Callable[[socket.socket], None]) -> Generator[int]:
    """Call `handle` with one connection after the other, which may raise OSError; gives the port."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(POLL_S)
        done = threading.Event()

        def serve() -> None:
            while not done.is_set():
                try:
                    connection, _ = listener.accept()
                except TimeoutError:
                    continue
                with connection:
                    connection.settimeout(SILENCE_S)
                    with suppress(OSError):
                        handle(connection)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield int(listener.getsockname()[1])
        finally:
            done.set()
            thread.join(5.0)
