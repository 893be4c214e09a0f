"""How someone who only looks reaches the image, whichever side the server is on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from inspectd.io.plc_settings import ModbusServerSettings, ModbusTcpSettings
from inspectd.io.transports import transport_of

if TYPE_CHECKING:
    from inspectd.io.plc_settings import AnyPlcSettings
    from inspectd.io.plc_transport import PlcTransport


def transport_to_watch(settings: AnyPlcSettings) -> PlcTransport:
    """Return a transport to read the image with, not connected yet.

    Where the agent is the server the words lie in the running agent, which is asked as a PLC would.
    """
    if isinstance(settings, ModbusServerSettings):
        return transport_of(
            ModbusTcpSettings(
                host=settings.listen,
                port=settings.port,
                device_id=settings.device_id,
                base_address=settings.base_address,
                timeout_ms=settings.timeout_ms,
            )
        )
    return transport_of(settings)
