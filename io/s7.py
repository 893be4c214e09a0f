"""S7 as the link's transport: PUT/GET on one data block of an S7-300, 400, 1200 or 1500.

The library's client waits 5 s for a connection and splits large requests in two. So this uses the library's
connection and protocol themselves: every exchange ends by one deadline, is one request, and after any error
the connection is closed, so that a late answer can never be taken for the answer to the next request.
"""

from __future__ import annotations

import logging
import struct
import time
from typing import TYPE_CHECKING, Any

from snap7.connection import ISOTCPConnection
from snap7.datatypes import S7Area, S7WordLen
from snap7.error import S7Error, S7TimeoutError
from snap7.s7protocol import S7Protocol

from inspectd.io.errors import PlcError
from inspectd.io.plc import PLC_WORDS, WORDS
from inspectd.io.plc_trouble import (
    S7_CLOSED,
    S7_LISTENS,
    S7_NO_CPU,
    S7_SILENT,
    Told,
    Trouble,
    told_of_connection,
    told_of_s7_header,
    told_of_s7_item,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from inspectd.io.plc_settings import S7Settings

# The library logs each error that it raises, too: the link reports an outage once.
logging.getLogger("snap7").setLevel(logging.CRITICAL)

_OWN_TSAP = 0x0100
_CONNECTION_TYPE = 0x01
_WANTED_PDU = 480
# Bytes of a write request that are not data, as the library counts them at most.
_WRITE_OVERHEAD = 35
_LEAST_PDU = _WRITE_OVERHEAD + 2 * (WORDS - PLC_WORDS)
_SUCCESS = 0xFF


class S7Transport:
    """One data block over one connection. For one thread; every method raises PlcError and nothing else.

    Each call takes at most the configured time-out, `connect` at most twice that.
    """

    def __init__(self, settings: S7Settings) -> None:
        self._settings = settings
        self._where = (
            f"S7 {settings.host}:{settings.port}, rack {settings.rack}, slot {settings.slot},"
            f" DB{settings.data_block}"
        )
        self._timeout = settings.timeout_ms / 1000.0
        self._connection: _BoundedConnection | None = None
        self._protocol = S7Protocol()

    def connect(self) -> None:
        """Open a new connection and agree on the size of a request."""
        self.close()
        settings = self._settings
        connection = _BoundedConnection(
            settings.host,
            port=settings.port,
            local_tsap=_OWN_TSAP,
            remote_tsap=(_CONNECTION_TYPE << 8) | (settings.rack << 5) | settings.slot,
        )
        self._protocol = S7Protocol()
        try:
            connection.begin(self._timeout)
            connection.connect(self._timeout)
        except Exception as error:  # what comes by wire makes the library raise errors of many kinds
            told = _told_at_connecting(error, settings, reached=connection.reached)
            raise PlcError(f"{self._where}: {told}", told) from error
        self._connection = connection
        answer = self._ask(
            "agreeing on the size of a request",
            lambda protocol: protocol.build_setup_communication_request(pdu_length=_WANTED_PDU),
        )
        agreed: dict[str, int] = answer["parameters"] or {}
        pdu = agreed.get("pdu_length", 0)
        if pdu < _LEAST_PDU:
            self.close()
            raise PlcError(
                f"{self._where}: the PLC takes requests of {pdu} bytes, {_LEAST_PDU} are needed; "
                "connect to the CPU itself"
            )

    def read(self, start: int, count: int) -> list[int]:
        """Read `count` words from word `start` of the image in one request."""
        first, size = self._settings.base_byte + 2 * start, 2 * count

        def build(protocol: S7Protocol) -> bytes:
            return protocol.build_read_request(
                S7Area.DB, self._settings.data_block, first, S7WordLen.BYTE, size
            )

        def unpack(protocol: S7Protocol, answer: dict[str, Any]) -> list[int]:
            data = bytes(protocol.extract_read_data(answer, S7WordLen.BYTE, size))
            return list(struct.unpack(f">{count}H", data))

        doing = f"reading bytes {first} to {first + size - 1}"
        return self._checked(doing, unpack, self._ask(doing, build))

    def write(self, start: int, words: Sequence[int]) -> None:
        """Write `words` (each 0..65535) from word `start` of the image in one request."""
        first, size = self._settings.base_byte + 2 * start, 2 * len(words)

        def build(protocol: S7Protocol) -> bytes:
            data = struct.pack(f">{len(words)}H", *words)
            return protocol.build_write_request(
                S7Area.DB, self._settings.data_block, first, S7WordLen.BYTE, data
            )

        doing = f"writing bytes {first} to {first + size - 1}"
        answer = self._ask(doing, build)
        self._checked(doing, S7Protocol.check_write_response, answer)

    def close(self) -> None:
        """Close the connection, if there is one."""
        if self._connection is not None:
            self._connection.hang_up()
            self._connection = None

    def _ask(self, doing: str, build: Callable[[S7Protocol], bytes]) -> dict[str, Any]:
        """Send one request and return the answer that bears its number."""
        if self._connection is None:
            raise PlcError(f"{self._where}: {doing}: not connected")
        try:
            self._connection.begin(self._timeout)
            self._connection.send_data(build(self._protocol))
            answer = self._protocol.parse_response(self._connection.receive_data())
            self._protocol.validate_pdu_reference(answer["sequence"])
        except Exception as error:
            self.close()
            told = _told(error)
            raise PlcError(f"{self._where}: {doing}: {told}", told) from error
        return answer

    def _checked(
        self, doing: str, check: Callable[[S7Protocol, dict[str, Any]], Any], answer: dict[str, Any]
    ) -> Any:
        """Return what `check` makes of an answer; what the PLC refused becomes an error with its remedy."""
        try:
            return check(self._protocol, answer)
        except Exception as error:
            self.close()
            data: dict[str, Any] = answer.get("data") or {}
            code = data.get("return_code", _SUCCESS)
            told = _told(error) if code == _SUCCESS else told_of_s7_item(code)
            raise PlcError(f"{self._where}: {doing}: {told}", told) from error


class _BoundedConnection(ISOTCPConnection):
    """Keeps to one deadline for a whole exchange, in however small pieces an answer comes."""

    _until = 0.0
    reached = False
    """Whether the TCP connection came about: what fails after that is not the network's fault."""

    def _iso_connect(self) -> None:
        self.reached = True
        super()._iso_connect()

    def begin(self, timeout: float) -> None:
        """Give the exchange that begins now `timeout` seconds."""
        self._until = time.monotonic() + timeout
        if self.socket is not None:
            self.socket.settimeout(timeout)

    def hang_up(self) -> None:
        """Close without waiting for anybody."""
        if self.socket is not None:
            self.socket.settimeout(0.0)
        self.disconnect()

    def _recv_exact(self, size: int) -> bytes:
        data = bytearray()
        while len(data) < size:
            left = self._until - time.monotonic()
            if self.socket is None or left <= 0:
                raise S7TimeoutError("no complete answer in time")
            self.socket.settimeout(left)
            piece = self.socket.recv(size - len(data))
            if not piece:
                raise ConnectionError("the PLC closed the connection")
            data += piece
        return bytes(data)


def _told_at_connecting(error: Exception, settings: S7Settings, *, reached: bool) -> Told:
    """Say why no connection to the CPU came about; the library wraps what the socket said."""
    cause = error.__context__
    if not reached and isinstance(cause, OSError):
        return told_of_connection(cause, settings.port, settings.timeout_ms, S7_LISTENS)
    if _is_closing(error) or "Expected COTP CC" in str(error):
        return S7_NO_CPU
    return _told(error)


def _told(error: Exception) -> Told:
    """Say why a request got no answer that can be used."""
    if isinstance(error, S7TimeoutError | TimeoutError) or isinstance(error.__context__, TimeoutError):
        return S7_SILENT
    if _is_closing(error):
        return S7_CLOSED
    if isinstance(error, S7Error) and error.error_code is not None:
        return told_of_s7_header(error.error_code)
    return _unusable(error)


def _is_closing(error: Exception) -> bool:
    return isinstance(error, ConnectionError) or isinstance(error.__context__, ConnectionError)


def _unusable(error: Exception) -> Told:
    return Told(
        Trouble.OTHER,
        f"no usable answer ({type(error).__name__}: {error})",
        "see that an S7 PLC listens at this address and port",
    )
