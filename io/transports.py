"""Which transport speaks which protocol."""

from __future__ import annotations

from typing import TYPE_CHECKING

from inspectd.io.modbus import ModbusTransport
from inspectd.io.modbus_rtu import ModbusRtuTransport
from inspectd.io.modbus_server import ModbusServer
from inspectd.io.plc_settings import ModbusRtuSettings, ModbusServerSettings, S7Settings
from inspectd.io.s7 import S7Transport

if TYPE_CHECKING:
    from inspectd.io.plc_settings import AnyPlcSettings
    from inspectd.io.plc_transport import PlcTransport


def transport_of(settings: AnyPlcSettings) -> PlcTransport:
    """Return the transport for a link's settings, not connected yet."""
    if isinstance(settings, ModbusServerSettings):
        return ModbusServer(settings)
    if isinstance(settings, ModbusRtuSettings):
        return ModbusRtuTransport(settings)
    return S7Transport(settings) if isinstance(settings, S7Settings) else ModbusTransport(settings)
