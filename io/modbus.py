"""Modbus TCP as the link's transport: the agent is the client, the PLC the server.

Settings as measured with pymodbus 3.16: the synchronous client on the link's one thread, a short time-out, no
retries, every error caught here, and the connection closed on each, so that a late answer to one request can
never be taken for the answer to the next.
"""

from __future__ import annotations

import logging
import socket
from typing import TYPE_CHECKING

from pymodbus.client import ModbusTcpClient

from inspectd.io.errors import PlcError
from inspectd.io.plc_trouble import MODBUS_LISTENS, told_of_connection, told_of_modbus, told_of_modbus_answer

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pymodbus.pdu import ModbusPDU

    from inspectd.io.plc_settings import ModbusTcpSettings

# The library logs each error that it raises, too, once per attempt: the link reports an outage once.
logging.getLogger("pymodbus").setLevel(logging.CRITICAL)


class ModbusTransport:
    """Holding registers of one PLC over one TCP connection. For one thread; every method raises PlcError.

    A call takes at most the configured time-out to connect, and at most twice that for an answer that comes
    in drops. After an error the connection is closed: `connect` again.
    """

    def __init__(self, settings: ModbusTcpSettings) -> None:
        self._settings = settings
        self._where = f"Modbus TCP {settings.host}:{settings.port}, device {settings.device_id}"
        self._client: ModbusTcpClient | None = None

    def connect(self) -> None:
        """Open a new connection, without Nagle's delay."""
        self.close()
        host, port, timeout_ms = self._settings.host, self._settings.port, self._settings.timeout_ms
        client = ModbusTcpClient(host, port=port, timeout=timeout_ms / 1000.0, retries=0)
        try:
            # The library's own connect says only that it failed, not why.
            client.socket = socket.create_connection((host, port), timeout_ms / 1000.0)
            client.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        except OSError as error:
            client.close()
            told = told_of_connection(error, port, timeout_ms, MODBUS_LISTENS)
            raise PlcError(f"{self._where}: {told}", told) from error
        self._client = client

    def read(self, start: int, count: int) -> list[int]:
        """Read `count` words from word `start` of the image (FC 3)."""
        address = self._settings.base_address + start
        answer = self._ask(
            f"reading {count} registers from {address}",
            lambda client: client.read_holding_registers(
                address, count=count, device_id=self._settings.device_id
            ),
        )
        if len(answer.registers) != count:
            self.close()
            raise PlcError(f"{self._where}: {len(answer.registers)} registers answered, {count} were asked")
        return list(answer.registers)

    def write(self, start: int, words: Sequence[int]) -> None:
        """Write `words` (each 0..65535) from word `start` of the image in one request (FC 16)."""
        address = self._settings.base_address + start
        answer = self._ask(
            f"writing {len(words)} registers from {address}",
            lambda client: client.write_registers(address, list(words), device_id=self._settings.device_id),
        )
        if (answer.address, answer.count) != (address, len(words)):
            self.close()
            raise PlcError(
                f"{self._where}: the answer acknowledges {answer.count} registers from {answer.address}, "
                f"{len(words)} from {address} were written"
            )

    def close(self) -> None:
        """Close the connection, if there is one."""
        if self._client is not None:
            self._client.close()
            self._client = None

    def _ask(self, doing: str, request: Callable[[ModbusTcpClient], ModbusPDU]) -> ModbusPDU:
        if self._client is None:
            raise PlcError(f"{self._where}: {doing}: not connected")
        try:
            answer = request(self._client)
        except Exception as error:  # the library raises bare errors of many kinds for what comes by wire
            self.close()
            told = told_of_modbus_answer(error)
            raise PlcError(f"{self._where}: {doing}: {told}", told) from error
        if answer.isError():
            self.close()
            told = told_of_modbus(getattr(answer, "exception_code", 0))
            raise PlcError(f"{self._where}: {doing}: {told}", told)
        return answer
