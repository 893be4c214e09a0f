"""Settings of the outputs: the list `outputs` of a station's configuration, each entry by its `kind`."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator
from typing_extensions import Self

if TYPE_CHECKING:
    from collections.abc import Callable

_LONGEST_TOPIC = 200


class _Settings(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


def _line(line: object) -> object:
    if isinstance(line, bool) or not isinstance(line, (int, str)) or line == "" or str(line)[0] == "-":
        raise ValueError(f"line {line!r} is neither an offset on the chip (0, 1, ...) nor a line's name")
    return line


class GpioSettings(_Settings):
    """One pulse on a wire for each accepted part, edge-triggered into a monostable; times in ms."""

    kind: Literal["gpio"]
    chip: str = Field(default="/dev/gpiochip0", pattern=r"^/dev/", description="device of the GPIO chip")
    line: Annotated[int | str, BeforeValidator(_line)] = Field(
        description="offset or name of the line on that chip"
    )
    active_low: bool = Field(default=False, description="the pulse is a low level")
    pulse_ms: float = Field(default=10.0, ge=1.0, le=100.0, description="length of the pulse")
    window_from_ms: float = Field(
        default=0.0, ge=0.0, le=60_000.0, description="the PLC's window of a part opens so long after its id"
    )
    window_to_ms: float = Field(
        gt=0.0, le=60_000.0, description="the PLC's window of a part closes so long after its id"
    )


def _topic(topic: str) -> str:
    if any(character in topic for character in "+#\0"):
        raise ValueError(f"topic {topic!r} holds +, # or NUL; take them out: they stand for other topics")
    return topic


class MqttTlsSettings(_Settings):
    """TLS; the broker's certificate is always checked."""

    ca: Path | None = Field(
        default=None, strict=False, description="file with the authority's certificate; absent: the system's"
    )
    certificate: Path | None = Field(default=None, strict=False, description="file with our certificate")
    key: Path | None = Field(default=None, strict=False, description="file with its key")

    @model_validator(mode="after")
    def _key_has_its_certificate(self) -> Self:
        if self.key is not None and self.certificate is None:
            raise ValueError("key without certificate would not be used; name certificate too, or remove key")
        return self


class MqttSettings(_Settings):
    """Verdicts and state for an MQTT broker; reports only."""

    kind: Literal["mqtt"]
    host: str = Field(min_length=1, description="name or address of the broker")
    port: int = Field(default=1883, ge=1, le=65535, description="TCP port of the broker; 8883 for TLS")
    topic: Annotated[str, AfterValidator(_topic)] = Field(
        min_length=1, max_length=_LONGEST_TOPIC, description="the topics are this and /verdict, /status"
    )
    user: str | None = Field(default=None, min_length=1, description="user name at the broker")
    password_file: Path | None = Field(
        default=None, strict=False, description="file that holds the password and that only its owner reads"
    )
    tls: MqttTlsSettings | None = Field(default=None, description="TLS; absent: none")
    keepalive_s: int = Field(
        default=15, ge=1, le=600, description="a broker silent for so long is left and connected to anew"
    )
    reconnect_max_s: int = Field(default=30, ge=1, le=600, description="longest wait between two attempts")
    queue: int = Field(
        default=1000, ge=1, le=100_000, description="verdicts kept while the broker is away; the oldest go"
    )

    @model_validator(mode="after")
    def _password_has_its_user(self) -> Self:
        if self.password_file is not None and self.user is None:
            raise ValueError("password_file without user would not be used; give user too, or remove it")
        return self


class OpcUaSettings(_Settings):
    """An OPC UA server with verdict, state and recipes to read; reports only."""

    kind: Literal["opcua"]
    host: str = Field(
        min_length=1, description="address to listen on; 0.0.0.0 listens on every network of this PC"
    )
    port: int = Field(default=4840, ge=1, le=65535, description="TCP port to listen on")
    folder: Path = Field(strict=False, description="folder of certificate, private key and users")
    anonymous: bool = Field(default=False, description="let clients read without user and password")


AnyOutputSettings = Annotated[GpioSettings | MqttSettings | OpcUaSettings, Field(discriminator="kind")]
"""Settings of any output."""

PACKAGES = {"gpio": "gpiod", "mqtt": "paho", "opcua": "asyncua"}
"""The module that each kind imports; the extra to install is called like the kind."""


def missing_package(kind: str) -> str:
    """Say what an output lacks to run here and how to get it; empty if it lacks nothing."""
    if importlib.util.find_spec(PACKAGES[kind]) is not None:
        return ""
    return f"needs a package that is not installed; type: pip install 'inspectd[{kind}]'"


def with_paths(
    settings: GpioSettings | MqttSettings | OpcUaSettings, absolute: Callable[..., Path], *where: str | int
) -> GpioSettings | MqttSettings | OpcUaSettings:
    """Resolve the files that an output names; `absolute(path, *key)` knows from where, `where` is its key."""
    if isinstance(settings, OpcUaSettings):
        return settings.model_copy(update={"folder": absolute(settings.folder, *where, "folder")})
    if not isinstance(settings, MqttSettings):
        return settings
    changes: dict[str, object] = {}
    if settings.password_file is not None:
        changes["password_file"] = absolute(settings.password_file, *where, "password_file")
    if settings.tls is not None:
        files = {name: getattr(settings.tls, name) for name in ("ca", "certificate", "key")}
        found = {
            name: absolute(path, *where, "tls", name) for name, path in files.items() if path is not None
        }
        changes["tls"] = settings.tls.model_copy(update=found)
    return settings.model_copy(update=changes)
