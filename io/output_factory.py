"""Which settings make which output."""

from __future__ import annotations

from typing import TYPE_CHECKING

from inspectd.io.errors import DeviceError
from inspectd.io.output_settings import GpioSettings, MqttSettings, OpcUaSettings, missing_package

if TYPE_CHECKING:
    from inspectd.io.outputs import Output


def output_of(settings: GpioSettings | MqttSettings | OpcUaSettings, station: str) -> Output:
    """Return the output, not started yet; `station` is the station's name.

    Raises DeviceError if its package is not installed or a file that it names cannot be used.
    """
    if missing := missing_package(settings.kind):
        raise DeviceError(f"output {settings.kind} {missing}")
    if isinstance(settings, GpioSettings):
        from inspectd.io.gpio_output import GpioOutput  # noqa: PLC0415  each loads what it needs

        return GpioOutput(settings)
    if isinstance(settings, MqttSettings):
        from inspectd.io.mqtt_output import MqttOutput  # noqa: PLC0415  likewise

        return MqttOutput(settings, station)
    from inspectd.io.opcua_output import OpcUaOutput  # noqa: PLC0415  likewise

    return OpcUaOutput(settings, station)
