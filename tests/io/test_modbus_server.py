"""The agent as a Modbus TCP server, asked by pymodbus' client: every table, every refusal."""

from __future__ import annotations

import socket
import struct
import threading
import time

import pytest
from modbus_server_bench import (
    BASE,
    DEVICE,
    answer_from,
    ask,
    client_of,
    frame,
    free_port,
    plc_words,
    read_request,
    served,
    socket_to,
    write_request,
)
from structlog.testing import capture_logs

from inspectd.io.errors import PlcError, PlcRefusedError
from inspectd.io.modbus_server import ModbusServer
from inspectd.io.plc_settings import ModbusServerSettings

ILLEGAL_FUNCTION, ILLEGAL_ADDRESS, ILLEGAL_VALUE, BUSY, NO_DEVICE = 1, 2, 3, 6, 11


def test_what_the_agent_writes_is_read_as_holding_and_input_registers() -> None:
    words = [0, 1, 65535, *range(97)]
    with served() as (server, port), client_of(port) as client:
        server.write(32, words)
        holding = client.read_holding_registers(BASE + 32, count=100, device_id=DEVICE)
        inputs = client.read_input_registers(BASE + 32, count=100, device_id=DEVICE)
        assert holding.registers == inputs.registers == words
        assert server.read(32, 100) == words


def test_what_the_plc_writes_is_a_poll_from_the_second_request_on() -> None:
    """One request, or function 6 word by word; words 32 to 51 come with it as the agent wrote them."""
    with served() as (server, port), client_of(port) as client:
        server.write(32, [7] * 100)
        assert not client.read_holding_registers(BASE, count=132 - 7, device_id=DEVICE).isError()
        before = time.monotonic()
        assert not client.write_registers(BASE, plc_words(5), device_id=DEVICE).isError()
        (poll,) = server.take()
        assert poll.words == plc_words(5) + [7] * 20
        assert poll.started <= before <= poll.ended <= time.monotonic()
        for number, word in enumerate(plc_words(6)):
            assert not client.write_register(BASE + number, word, device_id=DEVICE).isError()
        (poll,) = server.take()
        assert poll.words[:32] == plc_words(6)


def test_one_request_writes_and_reads() -> None:
    """Function 23: what a PLC needs once a scan, as one exchange."""
    with served() as (server, port), client_of(port) as client:
        server.write(32, list(range(100)))
        for trig_id in (5, 6):
            answer = client.readwrite_registers(
                read_address=BASE + 32,
                read_count=100,
                write_address=BASE,
                values=plc_words(trig_id),
                device_id=DEVICE,
            )
            assert answer.registers == list(range(100))
        assert [poll.words[2] for poll in server.take()] == [6]


def test_control_is_coils_that_go_both_ways_and_status_discrete_inputs() -> None:
    with served() as (server, port), client_of(port) as client:
        server.write(33, [0b101])
        inputs = client.read_discrete_inputs(BASE, count=16, device_id=DEVICE)
        assert inputs.bits == [True, False, True] + [False] * 13
        words = plc_words()
        words[1] = 1
        client.write_registers(BASE, words, device_id=DEVICE)
        assert client.read_coils(BASE, count=2, device_id=DEVICE).bits[:2] == [True, False]
        client.write_coil(BASE + 3, True, device_id=DEVICE)
        client.write_coils(BASE, [False, True], device_id=DEVICE)
        assert client.read_holding_registers(BASE + 1, count=1, device_id=DEVICE).registers == [0b1010]


@pytest.mark.parametrize("unit", [0, 255])
def test_units_that_mean_the_server_itself_are_answered(unit: int) -> None:
    """Many PLCs send 255 or 0 where no gateway is meant."""
    with served() as (_, port), client_of(port) as client:
        assert not client.read_holding_registers(BASE, count=1, device_id=unit).isError()


def refusals() -> dict[str, tuple[bytes, int]]:
    words = plc_words()
    return {
        "write to the agent's words": (write_request(32, [1]), ILLEGAL_ADDRESS),
        "write across both blocks": (write_request(0, [*words, 1]), ILLEGAL_ADDRESS),
        "one of the agent's words": (struct.pack(">BHH", 6, BASE + 33, 1), ILLEGAL_ADDRESS),
        "write before the image": (struct.pack(">BHH", 6, BASE - 1, 1), ILLEGAL_ADDRESS),
        "read past the image": (read_request(33, 100), ILLEGAL_ADDRESS),
        "read before the image": (struct.pack(">BHH", 3, BASE - 1, 2), ILLEGAL_ADDRESS),
        "input registers past the image": (struct.pack(">BHH", 4, BASE + 132, 1), ILLEGAL_ADDRESS),
        "a 17th coil": (struct.pack(">BHH", 1, BASE, 17), ILLEGAL_ADDRESS),
        "write of a 17th coil": (struct.pack(">BHH", 5, BASE + 16, 0xFF00), ILLEGAL_ADDRESS),
        "write of discrete inputs": (struct.pack(">BHHBB", 15, BASE + 9, 8, 1, 1), ILLEGAL_ADDRESS),
        "exchange that reads past the image": (
            struct.pack(">BHHHHB32H", 23, BASE + 100, 50, BASE, 32, 64, *words),
            ILLEGAL_ADDRESS,
        ),
        "exchange that writes the agent's words": (
            struct.pack(">BHHHHBH", 23, BASE, 1, BASE + 32, 1, 2, 5),
            ILLEGAL_ADDRESS,
        ),
        "no registers at all": (read_request(0, 0), ILLEGAL_VALUE),
        "too many registers": (read_request(0, 126), ILLEGAL_VALUE),
        "fewer words than counted": (struct.pack(">BHHBH", 16, BASE, 2, 4, 1), ILLEGAL_VALUE),
        "a wrong count of bytes": (struct.pack(">BHHBHH", 16, BASE, 2, 2, 1, 1), ILLEGAL_VALUE),
        "no words": (struct.pack(">BHHB", 16, BASE, 0, 0), ILLEGAL_VALUE),
        "fewer coils than counted": (struct.pack(">BHHB", 15, BASE, 8, 1), ILLEGAL_VALUE),
        "an exchange cut short": (struct.pack(">BHHHHBH", 23, BASE, 1, BASE, 2, 4, 5), ILLEGAL_VALUE),
        "a request cut short": (b"\x03\x00", ILLEGAL_VALUE),
        "a mask write": (struct.pack(">BHHH", 22, BASE, 0, 0), ILLEGAL_FUNCTION),
        "device identification": (b"\x2b\x0e\x01\x00", ILLEGAL_FUNCTION),
        "function 0": (b"\x00", ILLEGAL_FUNCTION),
        "an exception as a request": (b"\x83\x02", ILLEGAL_FUNCTION),
    }


def test_everything_else_is_refused_and_changes_nothing() -> None:
    """Each with the code that the specification has for it; the connection goes on."""
    with served() as (server, port), socket_to(port) as connection:
        server.write(32, [9] * 100)
        ask(connection, write_request(0, plc_words()))
        before = server.read(0, 132)
        for name, (request, code) in refusals().items():
            assert ask(connection, request) == bytes([request[0] | 0x80, code]), name
        connection.sendall(frame(read_request(0, 1), unit=9))
        assert answer_from(connection) == bytes([0x83, NO_DEVICE])
        assert server.read(0, 132) == before
        assert server.take() == []


def test_every_read_shows_one_image() -> None:
    """Two writers and a reader at full speed: no answer holds half of two images."""
    done = threading.Event()
    with served() as (server, port), client_of(port) as client:

        def write_on() -> None:
            number = 0
            while not done.is_set():
                number = number % 60_000 + 1
                server.write(32, [number] * 100)

        writer = threading.Thread(target=write_on)
        writer.start()
        try:
            seen: list[set[int]] = []
            for _ in range(200):
                answer = client.read_holding_registers(BASE + 32, count=100, device_id=DEVICE)
                seen.append({int(word) for word in answer.registers})
        finally:
            done.set()
            writer.join(5.0)
    assert all(len(words) == 1 for words in seen)
    assert len({word for words in seen for word in words}) > 2


def test_requests_in_one_packet_are_all_answered_and_the_later_ones_prove_no_time() -> None:
    """They were composed before any answer to the first: that is where their polls begin."""
    with served() as (server, port), socket_to(port) as connection:
        ask(connection, read_request(0, 1))
        time.sleep(0.02)
        batch = [write_request(0, plc_words(trig_id)) for trig_id in (5, 6, 7)]
        connection.sendall(b"".join(frame(one, number=count) for count, one in enumerate(batch)))
        answers = [answer_from(connection) for _ in batch]
        assert answers == [struct.pack(">BHH", 16, BASE, 32)] * 3
        polls = server.take()
        assert [poll.words[2] for poll in polls] == [5, 6, 7]
        assert len({poll.started for poll in polls}) == 1
        assert all(poll.ended - poll.started >= 0.02 for poll in polls)


def test_a_request_in_drops_lasts_until_its_last_byte() -> None:
    with served() as (server, port), socket_to(port) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        ask(connection, read_request(0, 1))
        data = frame(write_request(0, plc_words()))
        connection.sendall(data[:10])
        time.sleep(0.03)
        connection.sendall(data[10:])
        assert answer_from(connection)
        (poll,) = server.take()
        assert poll.ended - poll.started >= 0.03


def test_a_new_connection_proves_no_time_with_its_first_write() -> None:
    """A PLC that opens one for each write is never heard, and that is told."""
    with served() as (server, port), capture_logs() as logs:
        for _ in range(12):
            with socket_to(port) as connection:
                ask(connection, write_request(0, plc_words()))
            assert server.take() == []
        assert "writes not used: 12" in server.silence(time.monotonic())
    assert [entry["event"] for entry in logs].count("plc_writes_not_used") == 1


def test_a_port_in_use_is_told_for_good_and_an_address_not_there_for_now() -> None:
    """The agent ends at the first, since another serves there; an interface may still come up."""
    with served() as (_, port):
        other = ModbusServer(ModbusServerSettings(kind="modbus_server", listen="127.0.0.1", port=port))
        with pytest.raises(PlcRefusedError, match=f"127.0.0.1:{port}: the port is in use.*plc.port"):
            other.connect()
    absent = ModbusServer(ModbusServerSettings(kind="modbus_server", listen="192.0.2.7", port=free_port()))
    with pytest.raises(PlcError, match=r"does not have the address 192\.0\.2\.7") as raised:
        absent.connect()
    assert not isinstance(raised.value, PlcRefusedError)


def test_it_listens_again_at_once_on_the_same_port_with_the_same_image() -> None:
    with served() as (server, port):
        server.write(32, [4] * 100)
        with socket_to(port) as connection:
            ask(connection, read_request(0, 1))
            server.close()
            assert answer_from(connection) == b""
        with pytest.raises(ConnectionRefusedError), socket_to(port):
            pass
        with pytest.raises(PlcError, match="has ended"):
            server.write(32, [5])
        server.connect()
        with socket_to(port) as connection:
            assert ask(connection, read_request(32, 1)) == b"\x03\x02\x00\x04"


def test_at_the_end_the_plc_can_read_once_more() -> None:
    """What was put last is waited for, for a moment, as long as somebody is connected."""
    with served() as (server, port), socket_to(port) as connection:
        ask(connection, read_request(32, 2))
        server.write(32, [1, 0])
        closing = threading.Thread(target=server.close)
        closing.start()
        assert ask(connection, read_request(32, 2)) == b"\x03\x04\x00\x01\x00\x00"
        closing.join(5.0)
        assert not closing.is_alive()
