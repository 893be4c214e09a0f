"""The S7 transport against python-snap7's server, and against servers that misbehave."""

from __future__ import annotations

import socket
import struct
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager

import pytest
from raw_server import SILENCE_S, serving
from snap7.server import Server
from snap7.type import SrvArea

from inspectd.io.errors import PlcError
from inspectd.io.plc_settings import S7Settings
from inspectd.io.s7 import S7Transport

DATA_BLOCK = 7
BASE_BYTE = 20
TIME_OUT_MS = 150.0


def transport_to(port: int, **changes: object) -> S7Transport:
    own = {"data_block": DATA_BLOCK, "base_byte": BASE_BYTE, "timeout_ms": TIME_OUT_MS}
    return S7Transport(
        S7Settings.model_validate({"kind": "s7", "host": "127.0.0.1", "port": port, **own, **changes})
    )


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="module")
def plc() -> Iterator[tuple[int, bytearray]]:
    """A server with one data block; gives its port and the block's bytes."""
    memory = bytearray(BASE_BYTE + 264)
    server, port = Server(log=False), free_port()
    server.register_area(SrvArea.DB, DATA_BLOCK, memory)
    server.start_to("127.0.0.1", port)
    yield port, memory
    server.stop()


@contextmanager
def relay(port: int, spoil: Callable[[bytes, int], list[bytes]]) -> Generator[int]:
    """Pass one connection after the other on to `port`; answers go through `spoil` with their number.

    `spoil` gives the pieces to send, 20 ms apart.
    """

    def handle(near: socket.socket) -> None:
        with socket.create_connection(("127.0.0.1", port)) as far:
            far.settimeout(SILENCE_S)
            number = 0
            while request := near.recv(1000):
                far.sendall(request)
                for piece in spoil(far.recv(1000), number):
                    near.sendall(piece)
                    time.sleep(0.02)
                number += 1

    with serving(handle) as own_port:
        yield own_port


def connect_and_read(transport: S7Transport) -> None:
    transport.connect()
    transport.read(0, 52)


FIRST_READ = 2
"""Number of the answer to the first request after those to the two of `connect`."""


def test_words_lie_big_endian_in_the_block(plc: tuple[int, bytearray]) -> None:
    """Word n is byte base + 2n, high byte first; the whole image of 100 words goes in one request."""
    port, memory = plc
    transport = transport_to(port)
    transport.connect()
    words = [0x1234, 0xFFFF, *range(98)]
    transport.write(32, words)
    assert memory[BASE_BYTE + 64 : BASE_BYTE + 68] == bytes((0x12, 0x34, 0xFF, 0xFF))
    assert list(struct.unpack_from(">100H", memory, BASE_BYTE + 64)) == words
    struct.pack_into(">H", memory, BASE_BYTE + 4, 65_500)
    assert transport.read(0, 52)[2] == 65_500
    assert transport.read(32, 100) == words
    transport.close()


def test_each_write_is_one_request(plc: tuple[int, bytearray]) -> None:
    """A request cut in two could leave half an image in the PLC."""
    requests: list[int] = []

    def count(answer: bytes, number: int) -> list[bytes]:
        requests.append(number)
        return [answer]

    with relay(plc[0], count) as port:
        transport = transport_to(port)
        transport.connect()
        before = len(requests)
        transport.write(32, [7] * 100)
        after = len(requests)
        transport.close()
    assert after == before + 1


@pytest.mark.parametrize(
    ("changes", "told"),
    [({"data_block": 8}, "no such data block, or it is optimised"), ({"base_byte": 4000}, "too short")],
)
def test_a_block_that_the_plc_does_not_have_is_an_error(
    plc: tuple[int, bytearray], changes: dict[str, object], told: str
) -> None:
    """The error names the place and what to look at; the connection is closed."""
    transport = transport_to(plc[0], **changes)
    transport.connect()
    with pytest.raises(PlcError, match=rf"DB\d.*bytes.*refused.*{told}"):
        transport.read(0, 52)
    with pytest.raises(PlcError, match="not connected"):
        transport.write(32, [0])


def test_a_word_that_does_not_fit_is_an_error_of_the_link(plc: tuple[int, bytearray]) -> None:
    transport = transport_to(plc[0])
    transport.connect()
    with pytest.raises(PlcError, match=r"writing bytes 84 to 85"):
        transport.write(32, [65536])


def test_a_plc_that_refuses_is_named() -> None:
    port = free_port()
    with pytest.raises(PlcError, match=rf"127\.0\.0\.1:{port}.*rack 0, slot 1.*nothing listens at port"):
        transport_to(port).connect()


@pytest.mark.parametrize("host", ["::1", "fe80::1", "::ffff:192.168.0.1"])
def test_a_host_that_the_library_cannot_reach_is_refused(host: str) -> None:
    """Its sockets are IPv4 alone: told where the station is checked, not by a link that never comes up."""
    with pytest.raises(ValueError, match="IPv4 alone: give the PLC's IPv4 address"):
        S7Settings.model_validate({"kind": "s7", "host": host, "data_block": 1})


@pytest.mark.parametrize("silent_from", [0, 1, FIRST_READ])
def test_a_hang_ends_with_the_time_out(plc: tuple[int, bytearray], silent_from: int) -> None:
    """Whether the PLC hangs at the connection, at the agreement or later: never the library's 5 s."""

    def spoil(answer: bytes, number: int) -> list[bytes]:
        return [answer] if number < silent_from else []

    with relay(plc[0], spoil) as port:
        transport = transport_to(port)
        began = time.monotonic()
        with pytest.raises(PlcError):
            connect_and_read(transport)
        # Connecting, agreeing and reading: three exchanges of 150 ms at the most.
        assert time.monotonic() - began < 1.0
        with pytest.raises(PlcError, match="not connected"):
            transport.read(0, 52)


def test_an_answer_in_drops_has_no_more_time_than_another(plc: tuple[int, bytearray]) -> None:
    """One byte every 20 ms would keep a time-out for each piece from ever coming."""

    def drops(answer: bytes, number: int) -> list[bytes]:
        return [bytes((byte,)) for byte in answer] if number >= FIRST_READ else [answer]

    with relay(plc[0], drops) as port:
        transport = transport_to(port)
        transport.connect()
        began = time.monotonic()
        with pytest.raises(PlcError, match="no answer came in time"):
            transport.read(0, 52)
        assert time.monotonic() - began < 1.0


def stale(answer: bytes, number: int) -> list[bytes]:
    """The number of the request before, in place of this one's."""
    return [answer[:11] + struct.pack(">H", number - 1) + answer[13:]] if number >= FIRST_READ else [answer]


def truncated(answer: bytes, number: int) -> list[bytes]:
    """The end is missing, and the length says so."""
    if number < FIRST_READ:
        return [answer]
    return [answer[:2] + struct.pack(">H", len(answer) - 10) + answer[4:-10]]


def too_few_words(answer: bytes, number: int) -> list[bytes]:
    """A whole answer, to a request for fewer words."""
    if number < FIRST_READ:
        return [answer]
    data = answer[25:-2]
    header = answer[:15] + struct.pack(">H", len(data) + 4) + answer[17:21]
    return [header[:2] + struct.pack(">H", 25 + len(data)) + header[4:] + answer[21:23]
            + struct.pack(">H", 8 * len(data)) + data]  # fmt: skip


def noise(_answer: bytes, number: int) -> list[bytes]:
    """What no PLC says."""
    return [_answer] if number < FIRST_READ else [b"\x03\x00\x00\x10" + b"\xff" * 12]


@pytest.mark.parametrize("spoil", [stale, truncated, too_few_words, noise])
def test_no_answer_but_the_right_one_is_taken(
    plc: tuple[int, bytearray], spoil: Callable[[bytes, int], list[bytes]]
) -> None:
    """Anything else is an error, after which the connection is closed and a new one works."""
    with relay(plc[0], spoil) as port:
        transport = transport_to(port)
        transport.connect()
        with pytest.raises(PlcError):
            transport.read(0, 52)
        with pytest.raises(PlcError, match="not connected"):
            transport.read(0, 52)
        transport.connect()
        transport.close()


def test_a_refused_write_is_an_error(plc: tuple[int, bytearray]) -> None:
    """The PLC's code for access denied in place of its acknowledgement."""

    def deny(answer: bytes, number: int) -> list[bytes]:
        return [answer[:-1] + b"\x03"] if number >= FIRST_READ else [answer]

    with relay(plc[0], deny) as port:
        transport = transport_to(port)
        transport.connect()
        with pytest.raises(PlcError, match=r"writing bytes.*access is not permitted.*PUT/GET"):
            transport.write(32, [1] * 100)


def test_a_plc_with_too_small_requests_is_refused(plc: tuple[int, bytearray]) -> None:
    """The image must fit one request; the agreement at the connection says whether it does."""

    def small(answer: bytes, number: int) -> list[bytes]:
        return [answer[:-2] + struct.pack(">H", 120)] if number == 1 else [answer]

    with relay(plc[0], small) as port, pytest.raises(PlcError, match="requests of 120 bytes, 235 are needed"):
        transport_to(port).connect()
