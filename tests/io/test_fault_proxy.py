"""The fault proxy does to a real TCP connection what its mode says."""

from __future__ import annotations

import socket
import threading
import time
from typing import TYPE_CHECKING

import pytest

from inspectd.io.fault_proxy import FaultProxy, ProxyMode

if TYPE_CHECKING:
    from collections.abc import Iterator

WAIT_S = 5.0


class Upper:
    """A server that answers each chunk in capitals and remembers what it was sent."""

    def __init__(self) -> None:
        self.heard = b""
        self.reset = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address: tuple[str, int] = self._listener.getsockname()
        self._connections: list[socket.socket] = []
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self._connections.append(connection)
            threading.Thread(target=self._answer, args=(connection,), daemon=True).start()

    def _answer(self, connection: socket.socket) -> None:
        try:
            while data := connection.recv(1000):
                self.heard += data
                connection.sendall(data.upper())
        except ConnectionResetError:
            self.reset.set()
        except OSError:
            pass
        finally:
            connection.close()

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for connection in self._connections:
            connection.close()


@pytest.fixture
def server() -> Iterator[Upper]:
    upper = Upper()
    yield upper
    upper.close()


@pytest.fixture
def proxy(server: Upper) -> Iterator[FaultProxy]:
    with FaultProxy(server.address) as started:
        yield started


def connect(proxy: FaultProxy, timeout_s: float = WAIT_S) -> socket.socket:
    return socket.create_connection(("127.0.0.1", proxy.port), timeout=timeout_s)


def ask(client: socket.socket, data: bytes, length: int) -> bytes:
    client.sendall(data)
    answer = b""
    while len(answer) < length:
        answer += (chunk := client.recv(length - len(answer)))
        if not chunk:
            break
    return answer


def silent(client: socket.socket, seconds: float = 0.15) -> bool:
    """Whether nothing comes for a while."""
    client.settimeout(seconds)
    try:
        return client.recv(1000) == b"never"
    except TimeoutError:
        return True
    finally:
        client.settimeout(WAIT_S)


def test_pass_carries_both_ways_and_closes_the_far_end(proxy: FaultProxy, server: Upper) -> None:
    """In pass mode the proxy is a wire: bytes of many sizes arrive unchanged."""
    data = bytes(range(97, 123)) * 4000
    with connect(proxy) as client:
        assert ask(client, b"one", 3) == b"ONE"
        assert ask(client, data, len(data)) == data.upper()
    assert server.heard == b"one" + data
    assert proxy.accepted == 1


def test_delay_holds_requests_and_answers_back(proxy: FaultProxy) -> None:
    """Each direction takes the delay; going back to pass ends it."""
    proxy.set_mode("delay", delay_ms=80)
    with connect(proxy) as client:
        begun = time.monotonic()
        assert ask(client, b"late", 4) == b"LATE"
        assert time.monotonic() - begun >= 0.155
        proxy.set_mode("pass")
        assert ask(client, b"now", 3) == b"NOW"


def test_delayed_bytes_arrive_after_their_sender_closed(proxy: FaultProxy, server: Upper) -> None:
    """As in a network: what was sent before a close is still delivered, though the sender has given up."""
    proxy.set_mode(ProxyMode.DELAY, delay_ms=100)
    with connect(proxy) as client:
        client.sendall(b"stale")
    deadline = time.monotonic() + WAIT_S
    while server.heard != b"stale" and time.monotonic() < deadline:
        time.sleep(0.01)
    assert server.heard == b"stale"


def test_a_shorter_delay_does_not_reorder_a_stream(proxy: FaultProxy, server: Upper) -> None:
    """Bytes sent after the delay has ended do not overtake those still under way."""
    proxy.set_mode("delay", delay_ms=150)
    with connect(proxy) as client:
        client.sendall(b"first")
        time.sleep(0.03)
        proxy.set_mode("pass")
        assert ask(client, b"second", 11) == b"FIRSTSECOND"
    assert server.heard == b"firstsecond"


def test_hang_swallows_and_answers_nothing(proxy: FaultProxy, server: Upper) -> None:
    """Standing connections fall silent, new ones are accepted and silent; nothing reaches the target."""
    with connect(proxy) as standing:
        assert ask(standing, b"a", 1) == b"A"
        proxy.set_mode("hang")
        standing.sendall(b"lost")
        with connect(proxy) as fresh:
            fresh.sendall(b"lost too")
            assert silent(fresh)
            assert silent(standing)
            proxy.set_mode("pass")
            assert ask(standing, b"b", 1) == b"B"
            with pytest.raises(ConnectionResetError):
                fresh.recv(1)
    assert server.heard == b"ab"


def test_reset_sends_rst_to_both_sides_and_to_every_newcomer(proxy: FaultProxy, server: Upper) -> None:
    """Both ends of a standing connection see a reset, not an orderly end."""
    with connect(proxy) as client:
        assert ask(client, b"a", 1) == b"A"
        proxy.set_mode("reset")
        with pytest.raises(ConnectionResetError):
            client.recv(1)
        assert server.reset.wait(WAIT_S)
    with pytest.raises(ConnectionResetError), connect(proxy) as fresh:
        fresh.recv(1)
    proxy.set_mode("pass")
    with connect(proxy) as client:
        assert ask(client, b"again", 5) == b"AGAIN"


def test_truncate_cuts_each_answer_and_leaves_the_connection(proxy: FaultProxy, server: Upper) -> None:
    """The request arrives whole, of the answer only its first half; the rest never comes."""
    proxy.set_mode("truncate")
    with connect(proxy) as client:
        assert ask(client, b"halfhalf", 4) == b"HALF"
        assert silent(client)
        assert ask(client, b"more", 2) == b"MO"
    assert server.heard == b"halfhalfmore"


def test_duplicate_repeats_answers_not_requests(proxy: FaultProxy, server: Upper) -> None:
    """The client gets each answer twice, the target each request once."""
    proxy.set_mode("duplicate")
    with connect(proxy) as client:
        assert ask(client, b"ab", 4) == b"ABAB"
    assert server.heard == b"ab"


def test_refuse_closes_the_port_and_pass_opens_the_same_one(proxy: FaultProxy) -> None:
    """A refused connection fails at once; afterwards the same port serves again."""
    port = proxy.port
    with connect(proxy) as client:
        assert ask(client, b"a", 1) == b"A"
        proxy.set_mode("refuse")
        with pytest.raises(ConnectionResetError):
            client.recv(1)
    with pytest.raises(ConnectionRefusedError):
        connect(proxy)
    proxy.set_mode("pass")
    assert proxy.port == port
    with connect(proxy) as client:
        assert ask(client, b"b", 1) == b"B"


def test_a_target_that_refuses_resets_the_client() -> None:
    """Without a target the client does not hang."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address: tuple[str, int] = listener.getsockname()
    with FaultProxy(address) as proxy, pytest.raises(ConnectionResetError), connect(proxy) as client:
        client.recv(1)


def test_an_unknown_mode_is_refused_and_stop_is_idempotent(server: Upper) -> None:
    """A typing error in a scenario is an error, not a link without fault."""
    proxy = FaultProxy(server.address)
    with pytest.raises(RuntimeError, match="start"):
        proxy.set_mode("pass")
    proxy.start()
    with pytest.raises(ValueError, match="hnag"):
        proxy.set_mode("hnag")
    proxy.stop()
    proxy.stop()
    with pytest.raises(ConnectionRefusedError):
        connect(proxy)
