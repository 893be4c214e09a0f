"""The settings of cameras, as they stand under `cameras` in a station's configuration.

`CameraSettings` is a union told apart by `kind`. Lengths of time are in ms, sizes in pixels.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

Trigger = Literal["software", "hardware", "free"]
LARGEST_SIDE = 32_768

PropertyName = Literal[
    "auto_exposure",
    "exposure",
    "gain",
    "brightness",
    "contrast",
    "saturation",
    "sharpness",
    "gamma",
    "auto_wb",
    "wb_temperature",
    "autofocus",
    "focus",
]
"""Properties of a V4L2 device that can be set. They are set in this order: manual values come after the
automatic mode that forbids them."""


class _Settings(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class CommonCameraSettings(_Settings):
    """What every camera has."""

    name: str = Field(
        default="camera", min_length=1, max_length=64, pattern=r"^[A-Za-z0-9_.-]+$", description="unique name"
    )
    trigger: Trigger = Field(default="free", description="what starts an exposure")
    width: int = Field(default=2048, ge=1, le=LARGEST_SIDE, description="largest image width, px")
    height: int = Field(default=1536, ge=1, le=LARGEST_SIDE, description="largest image height, px")
    slots: int = Field(
        default=8, ge=2, le=64, description="frames that the agent may hold at once; the next ones are lost"
    )
    stall_ms: int = Field(
        default=1000,
        ge=300,
        le=60_000,
        description="without a sign of life for so long: killed, started again",
    )
    start_timeout_ms: int = Field(
        default=15_000, ge=1000, le=120_000, description="time for the process to start and open the device"
    )
    restart_backoff_ms: int = Field(
        default=200, ge=10, le=60_000, description="wait before the first restart; doubles at each failure"
    )
    restart_backoff_max_ms: int = Field(
        default=5000, ge=10, le=600_000, description="longest wait before a restart"
    )

    @model_validator(mode="after")
    def _back_off_is_ordered(self) -> CommonCameraSettings:
        if self.restart_backoff_max_ms < self.restart_backoff_ms:
            raise ValueError(
                f"restart_backoff_max_ms ({self.restart_backoff_max_ms}) is below restart_backoff_ms "
                f"({self.restart_backoff_ms}): raise the one or lower the other"
            )
        return self


class FolderCameraSettings(CommonCameraSettings):
    """A replay of the images in a folder, in the order of their names."""

    kind: Literal["folder"] = "folder"
    trigger: Trigger = Field(default="free", description="software: one image per trigger; free: at rate_hz")
    path: Path = Field(strict=False, description="the folder")
    recursive: bool = Field(default=False, description="take the images of folders inside it too")
    loop: bool = Field(default=False, description="begin again after the last image")
    rate_hz: float = Field(default=2.0, gt=0, le=1000, description="images per second, with trigger free")

    @model_validator(mode="after")
    def _has_no_trigger_input(self) -> FolderCameraSettings:
        if self.trigger == "hardware":
            raise ValueError("a folder has no trigger input: set trigger to software or free")
        return self


class VideoCameraSettings(CommonCameraSettings):
    """Whatever OpenCV opens: a USB camera, a video file, or an RTSP or HTTP stream."""

    kind: Literal["video"] = "video"
    source: str = Field(
        min_length=1, description="index ('0') or path of a V4L2 device, a file, or a URL (rtsp://, http://)"
    )
    trigger: Trigger = Field(
        default="free",
        description="software: the first frame exposed after the trigger (of a file: the next); "
        "hardware: a device that is triggered from outside; free: every frame",
    )
    stall_ms: int = Field(
        default=4000,
        ge=1500,
        le=60_000,
        description="without a sign of life for so long: killed, started again; must exceed read_timeout_ms",
    )
    open_timeout_ms: int = Field(default=5000, ge=500, le=60_000, description="time to open the source")
    read_timeout_ms: int = Field(
        default=2000, ge=1000, le=30_000, description="longest wait for a frame; of a device in whole seconds"
    )
    rate_hz: float | None = Field(
        default=None, gt=0, le=1000, description="frame rate asked of a device; of a file: instead of its own"
    )
    fourcc: str | None = Field(
        default=None, min_length=4, max_length=4, description="pixel format asked of a device, e.g. MJPG"
    )
    properties: dict[PropertyName, float] = Field(
        default_factory=dict[PropertyName, float],
        description="set on a device and read back, in the driver's own units",
    )
    loop: bool = Field(default=False, description="begin a file again after its last frame")

    @property
    def is_stream(self) -> bool:
        """Whether the source is a URL."""
        return "://" in self.source

    @property
    def is_device(self) -> bool:
        """Whether the source is a V4L2 device."""
        return self.source.isdecimal() or self.source.startswith("/dev/")

    @model_validator(mode="after")
    def _fits_together(self) -> VideoCameraSettings:
        if self.stall_ms <= self.read_timeout_ms:
            raise ValueError(
                f"stall_ms ({self.stall_ms}) must exceed read_timeout_ms ({self.read_timeout_ms}), "
                "or a slow source is killed before its time-out can say what is wrong"
            )
        if self.start_timeout_ms <= self.open_timeout_ms:
            raise ValueError(
                f"start_timeout_ms ({self.start_timeout_ms}) must exceed "
                f"open_timeout_ms ({self.open_timeout_ms})"
            )
        if not self.is_device:
            if self.trigger == "hardware":
                raise ValueError("trigger hardware needs a device: a file or a URL has no trigger input")
            if self.properties or self.fourcc:
                raise ValueError("properties and fourcc can be set on a device only: remove them")
        if self.loop and (self.is_device or self.is_stream):
            raise ValueError("loop holds for a file only: remove it")
        return self


class SimulatedFault(_Settings):
    """Something that goes wrong with the simulated camera at one part."""

    fault: Literal["drop", "duplicate", "stray", "freeze", "delay", "hang"] = Field(
        description="drop: no frame, and the next one tells that one was lost; duplicate: two; stray: two, "
        "and the second is another picture of the same part; freeze: the previous part's image with a new "
        "stamp; delay: handed over later, honest stamp; hang: the driver never returns"
    )
    part: int = Field(ge=0, description="the part at which it happens")
    ms: int = Field(
        default=0, ge=0, le=60_000, description="of delay: how much later; of duplicate and stray: the gap"
    )


class SimulatedCameraSettings(CommonCameraSettings):
    """Generated buttons on a simulated line."""

    kind: Literal["simulated"] = "simulated"
    trigger: Trigger = Field(
        default="hardware",
        description="hardware: exposes at the photo-eye; software: on command; free: parts at rate_hz",
    )
    pattern: Literal["buttons", "number"] = Field(
        default="buttons", description="number: each image (width x height) is filled with its part number"
    )
    seed: int = Field(default=0, ge=0, description="of the parts and their defects")
    defect_rate: float = Field(default=0.1, ge=0, le=1, description="fraction of parts with a defect")
    size: int = Field(default=512, ge=128, le=4096, description="side of the image of a button, px")
    marker: bool = Field(default=False, description="draw the part's number and truth into the image")
    wire_port: int | None = Field(
        default=None, ge=1, le=65_535, description="UDP port on 127.0.0.1 where the photo-eye announces parts"
    )
    rate_hz: float = Field(default=2.0, gt=0, le=1000, description="parts per second, with trigger free")
    start_part: int = Field(default=0, ge=0, description="first part, with trigger free")
    faults: tuple[SimulatedFault, ...] = Field(
        default=(), strict=False, description="what goes wrong, and at which part"
    )

    @model_validator(mode="after")
    def _can_work(self) -> SimulatedCameraSettings:
        if self.pattern == "buttons" and self.size > min(self.width, self.height):
            raise ValueError(
                f"size ({self.size}) does not fit into width x height "
                f"({self.width} x {self.height}): raise those"
            )
        if self.trigger != "free" and self.wire_port is None:
            raise ValueError(
                f"trigger {self.trigger} needs wire_port, where the photo-eye announces the parts; "
                "or set trigger to free"
            )
        return self


CameraSettings = Annotated[
    FolderCameraSettings | VideoCameraSettings | SimulatedCameraSettings, Field(discriminator="kind")
]
"""One camera of a station."""
