"""The configuration of a station: one YAML file, read strictly.

Each package owns the settings of its part; this file composes them and resolves paths against the folder
of the configuration file.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field
from ruamel.yaml.comments import CommentedMap

from inspectd.agent.errors import ConfigError
from inspectd.agent.yaml_file import line_of, read_yaml, validate
from inspectd.inference.runtime import RuntimeSettings
from inspectd.io.camera_settings import (
    CameraSettings,
    FolderCameraSettings,
    VideoCameraSettings,
)
from inspectd.io.output_settings import AnyOutputSettings, with_paths
from inspectd.io.plc_settings import AnyPlcSettings


class _Settings(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


class ConfirmationSettings(_Settings):
    """How closely the reject sensor's confirmations (REJECT_CONFIRM_ID) are watched."""

    missing: int = Field(
        ge=1, le=1000, description="missing confirmations in a row before the line is asked to stop"
    )
    within_parts: int = Field(
        ge=1,
        le=1000,
        description="a rejected part is to be confirmed before so many parts have come after it",
    )


class LineSettings(_Settings):
    """The times and distances of the line. Every part of the law that says "on time" is set here."""

    min_part_interval_ms: float = Field(gt=0, le=600_000, description="shortest time between two parts, ms")
    deadline_ms: float = Field(
        gt=0, le=60_000, description="a verdict is due so long after its trigger was seen, ms"
    )
    step_limit_ms: float = Field(
        gt=0, le=60_000, description="longest step of the inspection loop before the heartbeat ends, ms"
    )
    trigger_to_exposure_ms: float = Field(
        ge=0, le=10_000, description="longest time from the trigger to the exposure, ms"
    )
    frame_transfer_ms: float = Field(
        default=5, ge=0, le=10_000, description="longest time from the exposure to the frame's arrival, ms"
    )
    eye_to_gate_ms: float = Field(
        gt=0, le=600_000, description="shortest time of a part from the photo-eye to the reject gate, ms"
    )
    min_pitch_counts: float | None = Field(
        default=None,
        gt=0,
        le=2**31,
        description="shortest distance between two parts, encoder counts; free-running mode only",
    )
    stop_after: int = Field(
        default=20,
        ge=1,
        le=10_000,
        description="parts in a row not accepted before the line is asked to stop",
    )
    confirmations: ConfirmationSettings | None = Field(
        default=None, description="watch over the reject sensor; without it there is none"
    )
    shadow: bool = Field(default=False, description="judge and record, but accept nothing")


class ClassSettings(_Settings):
    """One product class."""

    recipe: int = Field(ge=1, le=65_535, description="RECIPE word by which the PLC names the class")
    bundle: Path = Field(strict=False, description="folder of its bundle")


class RecordSettings(_Settings):
    """Where the verdicts are written down."""

    folder: Path = Field(strict=False, description="folder of the record")
    max_mb: int = Field(default=20, ge=1, le=10_000, description="size at which a file is rotated, MB")
    keep: int = Field(default=20, ge=1, le=1000, description="rotated files to keep")


class StationSettings(_Settings):
    """Everything about one station."""

    name: str = Field(pattern=r"^[A-Za-z0-9_-]+$", max_length=64, description="name of the station")
    line: LineSettings
    plc: AnyPlcSettings
    cameras: Annotated[
        list[CameraSettings], Field(min_length=1, max_length=1, description="the station's camera")
    ]
    classes: Annotated[list[ClassSettings], Field(min_length=1, description="the product classes")]
    engine: RuntimeSettings = Field(default_factory=RuntimeSettings)
    record: RecordSettings
    outputs: list[AnyOutputSettings] = Field(
        default_factory=list[AnyOutputSettings], description="accept pulse and reports beside the PLC link"
    )

    @property
    def camera(self) -> CameraSettings:
        """The station's one camera."""
        return self.cameras[0]


def load_config(path: Path) -> StationSettings:
    """Read and validate a station's file. Raises ConfigError with every problem found.

    Relative paths in the file are taken from the file's own folder.
    """
    settings, _ = read_config(path)
    return settings


def read_config(path: Path) -> tuple[StationSettings, CommentedMap]:
    """Do as `load_config`, and give the file's content with its line numbers too."""
    document = read_yaml(path)
    settings = validate(StationSettings, document, path)
    folder = path.resolve().parent

    def absolute(inner: str | Path, *key: str | int) -> Path:
        try:
            return folder / Path(inner).expanduser()
        except RuntimeError as error:
            where = f"{path}:{line_of(document, key)}: {'.'.join(map(str, key))}"
            raise ConfigError([f"{where}: {inner}: ~ names no known user; write the whole path"]) from error

    classes = [
        entry.model_copy(update={"bundle": absolute(entry.bundle, "classes", number, "bundle")})
        for number, entry in enumerate(settings.classes)
    ]
    folder_of_record = absolute(settings.record.folder, "record", "folder")
    record = settings.record.model_copy(update={"folder": folder_of_record})
    camera: Any = settings.camera
    if isinstance(camera, FolderCameraSettings):
        camera = camera.model_copy(update={"path": absolute(camera.path, "cameras", 0, "path")})
    elif isinstance(camera, VideoCameraSettings) and not camera.is_device and not camera.is_stream:
        source = str(absolute(camera.source, "cameras", 0, "source"))
        camera = camera.model_copy(update={"source": source})
    outputs = [
        with_paths(output, absolute, "outputs", number) for number, output in enumerate(settings.outputs)
    ]
    update = {"classes": classes, "record": record, "cameras": [camera], "outputs": outputs}
    return settings.model_copy(update=update), document
