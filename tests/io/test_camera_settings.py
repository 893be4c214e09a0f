"""Settings of cameras: what is taken, what is refused, and what the refusal says."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from inspectd.io.camera_messages import decode_settings, encode_settings
from inspectd.io.camera_settings import (
    CameraSettings,
    FolderCameraSettings,
    SimulatedCameraSettings,
    VideoCameraSettings,
)

ADAPTER: TypeAdapter[CameraSettings] = TypeAdapter(CameraSettings)


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ({"kind": "folder", "path": "parts"}, FolderCameraSettings(path=Path("parts"))),
        ({"kind": "video", "source": "0"}, VideoCameraSettings(source="0")),
        ({"kind": "simulated", "wire_port": 5000}, SimulatedCameraSettings(wire_port=5000)),
        (
            {"kind": "simulated", "trigger": "free", "faults": [{"fault": "drop", "part": 3}]},
            SimulatedCameraSettings.model_validate(
                {"trigger": "free", "faults": ({"fault": "drop", "part": 3},)}
            ),
        ),
    ],
)
def test_kind_chooses_the_settings(written: dict[str, Any], expected: CameraSettings) -> None:
    """`kind` alone tells which settings hold, and the defaults fill the rest."""
    assert ADAPTER.validate_python(written) == expected


@pytest.mark.parametrize(
    ("written", "told"),
    [
        ({"kind": "gige"}, "kind"),
        ({"kind": "folder"}, "path"),
        ({"kind": "folder", "path": "p", "exposure": 3}, "exposure"),
        ({"kind": "folder", "path": "p", "trigger": "hardware"}, "set trigger to software or free"),
        ({"kind": "folder", "path": "p", "slots": 1}, "slots"),
        ({"kind": "folder", "path": "p", "rate_hz": "2"}, "rate_hz"),
        ({"kind": "folder", "path": "p", "name": "a b"}, "name"),
        ({"kind": "folder", "path": "p", "restart_backoff_ms": 6000}, "restart_backoff_max_ms"),
        ({"kind": "video", "source": "a.avi", "trigger": "hardware"}, "needs a device"),
        ({"kind": "video", "source": "a.avi", "properties": {"gain": 1}}, "device only"),
        ({"kind": "video", "source": "0", "properties": {"gian": 1}}, "gian"),
        ({"kind": "video", "source": "0", "loop": True}, "a file only"),
        ({"kind": "video", "source": "0", "stall_ms": 2000}, "read_timeout_ms"),
        ({"kind": "video", "source": "0", "open_timeout_ms": 20000}, "start_timeout_ms"),
        ({"kind": "simulated"}, "wire_port"),
        ({"kind": "simulated", "trigger": "free", "size": 1600}, "width x height"),
    ],
)
def test_refusals_name_the_key(written: dict[str, Any], told: str) -> None:
    """What cannot work is refused, and the error names the key or the remedy."""
    with pytest.raises(ValidationError, match=told):
        ADAPTER.validate_python(written)


@pytest.mark.parametrize(
    "settings",
    [
        FolderCameraSettings(path=Path("parts/good"), trigger="software"),
        VideoCameraSettings(source="rtsp://user:secret@host/stream", rate_hz=12.5),
        VideoCameraSettings(source="/dev/video2", properties={"auto_exposure": 1, "exposure": 100}),
        SimulatedCameraSettings.model_validate(
            {"wire_port": 5000, "faults": ({"fault": "delay", "part": 3, "ms": 5},)}
        ),
    ],
)
def test_settings_reach_the_child_unchanged(settings: CameraSettings) -> None:
    """What the camera's process reads is what the agent wrote."""
    assert decode_settings(encode_settings(settings)) == settings


def test_kinds_of_video_source_are_told_apart() -> None:
    """An index or a path in /dev is a device, a URL a stream, all else a file."""
    kinds = {
        source: (settings.is_device, settings.is_stream)
        for source in ("0", "/dev/video0", "rtsp://host/s", "http://host/s.mjpg", "line.avi")
        for settings in [VideoCameraSettings(source=source)]
    }
    assert kinds == {
        "0": (True, False),
        "/dev/video0": (True, False),
        "rtsp://host/s": (False, True),
        "http://host/s.mjpg": (False, True),
        "line.avi": (False, False),
    }
