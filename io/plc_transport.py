"""The port to a PLC: four methods, one file per protocol behind it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence


class PlcTransport(Protocol):
    """Words of one PLC over one connection; word numbers count from the image's word 0.

    Used from one thread. Every method takes a bounded time, and `connect`, `read` and `write` raise PlcError
    and nothing else. After an error the connection is closed, and the next call is `connect`.
    """

    def connect(self) -> None:
        """Open the connection."""
        ...

    def read(self, start: int, count: int) -> list[int]:
        """Read `count` words from word `start`."""
        ...

    def write(self, start: int, words: Sequence[int]) -> None:
        """Write `words` from word `start` as one request."""
        ...

    def close(self) -> None:
        """Close the connection, if there is one."""
        ...
