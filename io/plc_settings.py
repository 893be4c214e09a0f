"""Settings of the link to the PLC: one section of a station's configuration."""

from __future__ import annotations

import ipaddress
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationInfo, field_validator

_LOOPBACK = "127.0.0.1"


def _address(host: str) -> str:
    if host == "localhost":
        return _LOOPBACK
    try:
        return str(ipaddress.ip_address(host))
    except ValueError:
        raise ValueError(
            f"host {host!r} is not an IP address: give the PLC's address in numbers, "
            "because no time limit can be put on looking a name up"
        ) from None


class PlcSettings(BaseModel):
    """How the PLC and the agent run together, whatever the protocol; times in ms, the encoder in counts."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

    host: Annotated[str, AfterValidator(_address)] = Field(description="IP address of the PLC")
    station: int = Field(default=1, ge=1, le=65535, description="number of this station, written in word 51")
    mode: Literal["plc_triggered", "free_running"] = Field(
        default="plc_triggered",
        description="whether the PLC names each part, or only the encoder tells them apart",
    )
    handshake: Literal["id_change", "level"] = Field(
        default="id_change",
        description="whether a new TRIG_ID alone is the trigger, or the bit Trigger with its acknowledgement",
    )
    cycle_ms: float = Field(default=5.0, ge=1.0, le=50.0, description="time between two polls")
    timeout_ms: float = Field(
        default=200.0,
        ge=10.0,
        le=400.0,
        description="limit for each connect, read and write; over the round trip",
    )
    max_trigger_age_ms: float = Field(
        default=60.0,
        gt=0.0,
        le=10_000.0,
        description="oldest trigger still photographed; under half a part interval",
    )
    plc_scan_ms: float = Field(default=10.0, gt=0.0, le=200.0, description="the PLC's longest scan time")
    max_speed_counts_per_s: float = Field(
        default=10_000.0, gt=0.0, description="fastest the encoder ever counts; free-running mode only"
    )

    @field_validator("handshake")
    @classmethod
    def _level_needs_a_trigger(cls, handshake: str, info: ValidationInfo) -> str:
        if handshake == "level" and info.data.get("mode") == "free_running":
            raise ValueError(
                "the level handshake is for PLC-triggered mode alone: in free_running the PLC raises no "
                "Trigger; leave `handshake` out, or set `mode` to plc_triggered"
            )
        return handshake


class ModbusTcpSettings(PlcSettings):
    """The PLC is a Modbus TCP server, the agent its client."""

    kind: Literal["modbus_tcp"] = "modbus_tcp"
    port: int = Field(default=502, ge=1, le=65535, description="TCP port of the PLC")
    device_id: int = Field(default=1, ge=0, le=255, description="Modbus unit identifier")
    base_address: int = Field(
        default=0, ge=0, le=65535 - 131, description="holding register (counted from 0) of word 0"
    )


class S7Settings(PlcSettings):
    """The PLC is an S7-300, 400, 1200 or 1500 with one non-optimised data block, PUT/GET permitted."""

    kind: Literal["s7"]
    port: int = Field(default=102, ge=1, le=65535, description="TCP port of the PLC")
    rack: int = Field(default=0, ge=0, le=7, description="rack of the CPU")
    slot: int = Field(
        default=1, ge=0, le=31, description="slot of the CPU: 1 for S7-1200/1500, 2 for 300/400"
    )
    data_block: int = Field(ge=1, le=65535, description="number of the data block")
    base_byte: int = Field(
        default=0, ge=0, le=65535 - 263, multiple_of=2, description="byte of the block where word 0 lies"
    )

    @field_validator("host")
    @classmethod
    def _ipv4_only(cls, host: str) -> str:
        if ipaddress.ip_address(host).version != 4:  # noqa: PLR2004  the protocol's own number
            raise ValueError(
                f"host {host!r} is an IPv6 address, and python-snap7 connects by IPv4 alone: "
                "give the PLC's IPv4 address"
            )
        return host


AnyPlcSettings = Annotated[ModbusTcpSettings | S7Settings, Field(discriminator="kind")]
"""Settings of any protocol."""
