"""The exceptions of everything that is connected by a wire: cameras and PLC links.

Errors of third-party libraries and of the operating system are mapped into these once, where the device is
touched. Each text says what failed, where, and what to do about it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from inspectd.io.plc_trouble import Told


class DeviceError(Exception):
    """A device cannot be used as it is configured."""


class CameraError(DeviceError):
    """A camera cannot be opened, or delivers no more frames."""


class PlcError(DeviceError):
    """The link to a PLC is down, or the PLC answered with an error.

    `told`: which trouble it is, with its remedy, where that is known; the text holds both.
    """

    def __init__(self, text: str, told: Told | None = None) -> None:
        super().__init__(text)
        self.told = told


class PlcRefusedError(PlcError):
    """The link cannot be had, and trying again will not help: the agent must end and say why."""
