"""Which transport speaks which protocol."""

from __future__ import annotations

from typing import TYPE_CHECKING

from inspectd.io.modbus import ModbusTransport
from inspectd.io.plc_settings import S7Settings
from inspectd.io.s7 import S7Transport

if TYPE_CHECKING:
    from inspectd.io.plc_settings import ModbusTcpSettings
    from inspectd.io.plc_transport import PlcTransport


def transport_of(settings: ModbusTcpSettings | S7Settings) -> PlcTransport:
    """Return the transport for a link's settings, not connected yet."""
    return S7Transport(settings) if isinstance(settings, S7Settings) else ModbusTransport(settings)
