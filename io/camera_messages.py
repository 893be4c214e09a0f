"""What a camera's process and the agent say to each other, on a Unix socket pair that keeps messages apart.

    parent -> child   the settings, once; then TRIGGER, `returned_slot(n)` for each slot given back, and
                      `asked_look(t)` for each moment at which the device is to be asked for a frame
    child -> parent   one JSON object each, below; at least one every `BEAT_S` once the device is open

The end of the connection says to either side that the other is gone.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from inspectd.io.camera_settings import CameraSettings

BEAT_S = 0.1
"""Longest time between two signs of life of an open camera that does not hang, plus one grab's time-out."""
LARGEST_MESSAGE = 65_536
TRIGGER = b"trigger"
_RETURN = b"return "
_LOOK = b"look "


class _Message(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Opened(_Message):
    """The device is open."""

    kind: Literal["opened"] = "opened"
    notes: tuple[str, ...] = Field(description="what differs from the settings")


class FrameTaken(_Message):
    """The device gave a frame. Its slot is the parent's now; a frame lost for want of a slot has none."""

    kind: Literal["frame_taken"] = "frame_taken"
    slot: int | None
    number: int
    exposed_at: float
    exposure_stamped: bool
    height: int
    width: int
    problem: str
    label: str
    lost: int = Field(description="frames lost since the device was opened")


class Beat(_Message):
    """The grabbing loop is alive, and every frame before `looked_at` has been told."""

    kind: Literal["beat"] = "beat"
    looked_at: float = Field(description="when the device was last asked for a frame and had none, s")
    lost: int = Field(description="frames lost since the device was opened")
    finished: bool = Field(description="a replay is at its end")


class Failed(_Message):
    """The device failed, and the process ends."""

    kind: Literal["failed"] = "failed"
    error: str


ChildMessage = Opened | FrameTaken | Beat | Failed

_child_message: TypeAdapter[ChildMessage] = TypeAdapter(Annotated[ChildMessage, Field(discriminator="kind")])
_settings: TypeAdapter[CameraSettings] = TypeAdapter(CameraSettings)


def encode_message(message: ChildMessage) -> bytes:
    """Write a child's message as bytes."""
    return message.model_dump_json().encode()


def decode_message(data: bytes) -> ChildMessage:
    """Read a child's message. Raises `ValueError` if it is none."""
    return _child_message.validate_json(data)


def encode_settings(settings: CameraSettings) -> bytes:
    """Write a camera's settings as bytes."""
    return _settings.dump_json(settings)


def decode_settings(data: bytes) -> CameraSettings:
    """Read a camera's settings. Raises `ValueError` if they are none."""
    return _settings.validate_json(data, strict=False)


def returned_slot(index: int) -> bytes:
    """Tell the child that it has this slot back."""
    return _RETURN + str(index).encode()


def slot_returned_by(data: bytes) -> int | None:
    """Read which slot a message to the child gives back; None if it is another message."""
    return int(data.removeprefix(_RETURN)) if data.startswith(_RETURN) else None


def asked_look(at: float) -> bytes:
    """Have the child ask the device for a frame at this moment, s on the monotonic clock, and say so."""
    return _LOOK + repr(at).encode()


def look_asked_by(data: bytes) -> float | None:
    """Read at which moment a message to the child wants the device asked; None if it is another message."""
    return float(data.removeprefix(_LOOK)) if data.startswith(_LOOK) else None
