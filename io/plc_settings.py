"""Settings of the link to the PLC: one section of a station's configuration."""

from __future__ import annotations

import ipaddress
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationInfo, field_validator

_LOOPBACK = "127.0.0.1"
# Modbus over a serial line: bytes of a request to read and its answer apart from the words themselves, of a
# request to write and its answer, and the silence before each of the four, in characters.
_READ_BYTES = 8 + 5
_WRITE_BYTES = 9 + 8
_SILENCE_CHARACTERS = 3.5
_WORDS_READ = 52
_WORDS_WRITTEN = 100


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


def _own_address(listen: str) -> str:
    address = ipaddress.ip_address(_LOOPBACK if listen == "localhost" else _plain_address(listen))
    if address.is_unspecified:
        raise ValueError(
            f"listen {listen!r} means every interface of this PC: give the address of the one that the PLC "
            "is connected to, since Modbus knows no passwords"
        )
    return str(address)


def _plain_address(text: str) -> str:
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        raise ValueError(f"{text!r} is not an IP address: give it in numbers, like 192.168.10.5") from None


class LinkSettings(BaseModel):
    """How the PLC and the agent run together, whatever the protocol; times in ms, the encoder in counts."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

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

    @property
    def place(self) -> str:
        """Where the other side is found, for messages."""
        return "the PLC"

    @property
    def poll_span_ms(self) -> float:
        """From the start of one poll to the end of the next at the longest, if all is well, ms."""
        return self.cycle_ms

    @property
    def seen_after_ms(self) -> float:
        """From the start of the last poll without an id until the id is seen, if all is well, ms."""
        return self.cycle_ms

    @property
    def delivery_ms(self) -> float:
        """From a verdict's publication until it is in the PLC, a write that just succeeds included, ms."""
        return self.cycle_ms + self.timeout_ms


class PlcSettings(LinkSettings):
    """The agent calls the PLC over a network."""

    host: Annotated[str, AfterValidator(_address)] = Field(description="IP address of the PLC")

    @property
    def place(self) -> str:
        """Where the other side is found, for messages."""
        return f"the PLC at {self.host}"


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


class ModbusServerSettings(LinkSettings):
    """The agent is a Modbus TCP server, which the PLC writes to and reads from."""

    kind: Literal["modbus_server"]
    listen: Annotated[str, AfterValidator(_own_address)] = Field(
        description="IP address of this PC on the PLC's network"
    )
    port: int = Field(default=502, ge=1, le=65535, description="TCP port on which the agent listens")
    device_id: int = Field(
        default=1, ge=0, le=255, description="Modbus unit identifier; 0 and 255 are answered as well"
    )
    base_address: int = Field(
        default=0,
        ge=0,
        le=65535 - 131,
        description="address (counted from 0) of word 0, and of the first coil and discrete input",
    )
    allowed_clients: list[Annotated[str, AfterValidator(_plain_address)]] = Field(
        default=[], max_length=64, description="IP addresses that may connect; empty: any"
    )
    poll_ms: float = Field(
        default=20.0,
        ge=1.0,
        le=1000.0,
        description="longest time from one write of words 0-31 by the PLC to the next, and from read to read",
    )

    @property
    def place(self) -> str:
        """Where the other side is found, for messages."""
        return f"the PLC, at this PC's {self.listen}:{self.port}"

    @property
    def poll_span_ms(self) -> float:
        """From the answer before one write to the next write's arrival: two of the PLC's periods, ms."""
        return 2 * self.poll_ms

    @property
    def seen_after_ms(self) -> float:
        """Likewise, and the agent's cycle, ms."""
        return self.poll_span_ms + self.cycle_ms

    @property
    def delivery_ms(self) -> float:
        """A verdict is there at once and waits for the PLC's next read, ms."""
        return self.poll_ms


class ModbusRtuSettings(LinkSettings):
    """The PLC is a Modbus RTU server (slave) on a serial line, the agent its client (master)."""

    kind: Literal["modbus_rtu"]
    serial_port: str = Field(min_length=1, description="device file of the serial line")
    baud_rate: Literal[19200, 38400, 57600, 115200, 230400, 460800, 921600] = Field(
        default=115200, description="bits per second"
    )
    parity: Literal["none", "even", "odd"] = Field(default="even", description="parity bit")
    stop_bits: Literal[1, 2] = Field(default=1, description="stop bits")
    device_id: int = Field(default=1, ge=1, le=247, description="Modbus address of the PLC")
    base_address: int = Field(
        default=0, ge=0, le=65535 - 131, description="holding register (counted from 0) of word 0"
    )
    cycle_ms: float = Field(default=60.0, ge=1.0, le=100.0, description="time between two polls")
    max_trigger_age_ms: float = Field(
        default=150.0,
        gt=0.0,
        le=10_000.0,
        description="oldest trigger still photographed; under half a part interval",
    )

    @property
    def place(self) -> str:
        """Where the other side is found, for messages."""
        return f"the PLC on {self.serial_port}"

    @property
    def read_ms(self) -> float:
        """How long a poll and its answer are on the line, without the PLC's own time, ms."""
        return self._on_line_ms(_READ_BYTES + 2 * _WORDS_READ)

    @property
    def write_ms(self) -> float:
        """How long a write and its answer are on the line, without the PLC's own time, ms."""
        return self._on_line_ms(_WRITE_BYTES + 2 * _WORDS_WRITTEN)

    @property
    def exchange_ms(self) -> float:
        """How long a read and a write take, each with an answer that the PLC needs a scan for, ms."""
        return self.read_ms + self.write_ms + 2 * self.plc_scan_ms

    @property
    def poll_span_ms(self) -> float:
        """A cycle, a verdict's own write that holds it up, and the read itself, ms."""
        return self.cycle_ms + self.exchange_ms

    @property
    def seen_after_ms(self) -> float:
        """Likewise, ms."""
        return self.poll_span_ms

    def _on_line_ms(self, size: int) -> float:
        bits = 1 + 8 + (self.parity != "none") + self.stop_bits
        return (size + 2 * _SILENCE_CHARACTERS) * bits * 1000.0 / self.baud_rate


AnyPlcSettings = Annotated[
    ModbusTcpSettings | S7Settings | ModbusServerSettings | ModbusRtuSettings, Field(discriminator="kind")
]
"""Settings of any protocol."""
