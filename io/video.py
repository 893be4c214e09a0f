"""Whatever OpenCV opens as a camera: a V4L2 device, a video file, an RTSP or HTTP stream.

**Stamps.** V4L2 gives each buffer's time on the monotonic clock (CAP_PROP_POS_MSEC); a frame counts as
stamped if that time lies within the last second. A stream has no such clock: its frames carry the time of
their arrival, say so, and are never accepted. A file is a replay, exposed when it is presented.

**The newest frame.** A device or stream is drained all the time, whether its frames are wanted or not, so
that none grows old in a driver's queue. With a software trigger, the first frame exposed after it is taken.

**Hangs.** All of OpenCV's time-outs are set here; what hangs all the same is killed with its process.
"""

from __future__ import annotations

import math
import os
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, get_args
from urllib.parse import urlsplit

import cv2

from inspectd.io.camera import Grab, Skipped, SourceEndError
from inspectd.io.camera_settings import PropertyName
from inspectd.io.errors import CameraError
from inspectd.io.exposures import Exposures

if TYPE_CHECKING:
    from cv2.typing import MatLike

    from inspectd.io.camera_settings import VideoCameraSettings
    from inspectd.io.frame_ring import Slot

OLDEST_STAMP_S = 1.0
"""A driver's stamp older than this, or in the future, is not on our clock."""
USUAL_RATE_HZ = 25.0
"""Of a file that does not tell its own."""
STREAM_OPTIONS = "rtsp_transport;tcp|fflags;nobuffer|flags;low_delay"
"""For FFmpeg: whole frames rather than torn ones, and no buffering on our side."""


class VideoSource:
    """See `inspectd.io.camera.FrameSource`."""

    def __init__(self, settings: VideoCameraSettings) -> None:
        self._settings = settings
        self._capture = cv2.VideoCapture()
        self._image: MatLike | None = None
        self._exposures = Exposures(None)
        self._ready: Grab | None = None
        self._at_start = True
        self._streaming = False

    @property
    def _where(self) -> str:
        return f"camera {self._settings.name}: {without_password(self._settings.source)}"

    def open(self) -> list[str]:
        """Open the source and set what is configured. Raises `CameraError`."""
        try:
            if self._settings.is_device:
                return self._open_device()
            if self._settings.is_stream:
                return self._open_stream()
            return self._open_file()
        except cv2.error as error:
            raise CameraError(f"{self._where} cannot be opened: {error.err}") from error

    def _open_device(self) -> list[str]:
        settings = self._settings
        path = Path(f"/dev/video{settings.source}" if settings.source.isdecimal() else settings.source)
        if not path.exists():
            there = ", ".join(sorted(map(str, Path("/dev").glob("video*")))) or "none"
            raise CameraError(
                f"{self._where}: no device {path} (there are: {there}): plug it in or correct `source`"
            )
        if not os.access(path, os.R_OK | os.W_OK):
            raise CameraError(
                f"{self._where}: no permission for {path}: add the agent's user to the group `video`"
            )
        # Read when the capture is opened; the only way to set it.
        os.environ["OPENCV_VIDEOIO_V4L_SELECT_TIMEOUT"] = str(settings.read_timeout_ms // 1000)
        self._capture.open(str(path.resolve()), cv2.CAP_V4L2)
        if not self._capture.isOpened():
            raise CameraError(f"{self._where} cannot be opened: is it in use, and is it a capture device?")
        wanted: list[tuple[str, int, float]] = []
        if settings.fourcc is not None:
            wanted.append(("fourcc", cv2.CAP_PROP_FOURCC, cv2.VideoWriter.fourcc(*settings.fourcc)))
        wanted.append(("width", cv2.CAP_PROP_FRAME_WIDTH, settings.width))
        wanted.append(("height", cv2.CAP_PROP_FRAME_HEIGHT, settings.height))
        if settings.rate_hz is not None:
            wanted.append(("rate_hz", cv2.CAP_PROP_FPS, settings.rate_hz))
        wanted.extend(
            (name, getattr(cv2, f"CAP_PROP_{name.upper()}"), settings.properties[name])
            for name in get_args(PropertyName)
            if name in settings.properties
        )
        for _name, code, value in wanted:
            self._capture.set(code, value)  # its answer means nothing: some drivers say yes and do not
        return [note for name, code, value in wanted if (note := self._difference(name, code, value))]

    def _difference(self, name: str, code: int, asked: float) -> str:
        found = self._capture.get(code)
        if math.isclose(found, asked, rel_tol=1e-3, abs_tol=1e-6):
            return ""
        if name == "fourcc":
            return f"fourcc: asked {fourcc_text(asked)}, is {fourcc_text(found)}"
        return f"{name}: asked {asked:g}, is {found:g}"

    def _open_stream(self) -> list[str]:
        settings = self._settings
        os.environ.setdefault("OPENCV_FFMPEG_CAPTURE_OPTIONS", STREAM_OPTIONS)
        time_outs = [
            cv2.CAP_PROP_OPEN_TIMEOUT_MSEC,
            settings.open_timeout_ms,
            cv2.CAP_PROP_READ_TIMEOUT_MSEC,
            settings.read_timeout_ms,
        ]
        if not self._capture.open(settings.source, cv2.CAP_FFMPEG, time_outs):
            raise CameraError(
                f"{self._where} cannot be opened within {settings.open_timeout_ms} ms: check address, "
                "network, user and password, and that the camera streams"
            )
        return ["frames carry no exposure stamp: this camera can report, and accepts nothing"]

    def _open_file(self) -> list[str]:
        path = Path(self._settings.source)
        if not path.is_file():
            raise CameraError(f"{self._where}: no such file: correct `source`")
        if not self._capture.open(str(path), cv2.CAP_FFMPEG):
            raise CameraError(f"{self._where} cannot be opened: is it a video file, and complete?")
        notes: list[str] = []
        rate_hz = self._settings.rate_hz or self._capture.get(cv2.CAP_PROP_FPS)
        if not (math.isfinite(rate_hz) and rate_hz > 0):
            rate_hz = USUAL_RATE_HZ
            notes.append(f"the file tells no frame rate: replayed at {rate_hz:g} Hz")
        if self._settings.trigger == "free":
            self._exposures = Exposures(rate_hz)
        return notes

    def grab(self, timeout_s: float, slot: Slot) -> Grab | Skipped | None:
        """Give the next frame.

        A device or stream waits for its own time-out rather than `timeout_s`; a device triggered by hardware
        only for its first frame.
        """
        try:
            if self._streaming and self._settings.trigger == "hardware":
                return self._grab_triggered(timeout_s, slot)
            if self._settings.is_device or self._settings.is_stream:
                return self._grab_live(slot)
            return self._grab_from_file(timeout_s, slot)
        except cv2.error as error:
            raise CameraError(f"{self._where} failed: {error.err}") from error

    def _grab_live(self, slot: Slot) -> Grab | Skipped | None:
        asked_at = time.monotonic()
        if not self._capture.grab():
            waited_s = time.monotonic() - asked_at
            if self._settings.trigger == "hardware" and waited_s > self._settings.read_timeout_ms / 4000:
                return None  # nothing was triggered; a lost device answers at once
            raise CameraError(
                f"{self._where} gave no frame after {waited_s:.1f} s: check cable, power and network"
            )
        self._streaming = True
        return self._take_live(slot)

    def _grab_triggered(self, timeout_s: float, slot: Slot) -> Grab | Skipped | None:
        """Give the triggered frame, or say soon that there is none. OpenCV can once a device streams."""
        limit_ns = max(1, round(timeout_s * 1000)) * 1_000_000  # 0 would be for ever
        grabbed, _which = cv2.VideoCapture.waitAny([self._capture], timeoutNs=limit_ns)
        return self._take_live(slot) if grabbed else None

    def _take_live(self, slot: Slot) -> Grab | Skipped:
        """Give the frame that was grabbed, if it is wanted."""
        stamped, exposed_at = self._stamp(time.monotonic())
        if self._settings.trigger == "software" and not self._exposures.serve(exposed_at):
            return Skipped(exposed_at)
        lost = self._exposures.take_dropped()
        return replace(
            self._retrieve(slot), exposed_at=exposed_at, exposure_stamped=stamped, lost_before=lost
        )

    def _stamp(self, now: float) -> tuple[bool, float]:
        """Give the exposure's moment if the source knows it, else the arrival's."""
        if self._settings.is_device:
            driver_s = self._capture.get(cv2.CAP_PROP_POS_MSEC) / 1000
            if now - OLDEST_STAMP_S <= driver_s <= now:
                return True, driver_s
        return False, now

    def _grab_from_file(self, timeout_s: float, slot: Slot) -> Grab | None:
        if self._ready is None:
            while not self._capture.grab():
                self._rewind()
            self._at_start = False
            self._ready = self._retrieve(slot)
        exposed_at = self._exposures.next(timeout_s)
        if exposed_at is None:
            return None
        ready, self._ready = self._ready, None
        return replace(ready, exposed_at=exposed_at, lost_before=self._exposures.take_dropped())

    def _rewind(self) -> None:
        if self._at_start:
            raise CameraError(f"{self._where} holds no frame that can be decoded: is it complete?")
        if not self._settings.loop:
            raise SourceEndError
        self._at_start = True
        self._capture.set(cv2.CAP_PROP_POS_FRAMES, 0)

    def _retrieve(self, slot: Slot) -> Grab:
        """Decode the grabbed frame and write it into the slot, turned from OpenCV's BGR into RGB."""
        taken, self._image = self._capture.retrieve(self._image)
        if not taken:
            return Grab(0, exposure_stamped=True, problem=f"{self._where}: the frame cannot be decoded")
        height, width = self._image.shape[:2]
        grey = self._image.ndim == 2  # noqa: PLR2004  [H, W]
        code = cv2.COLOR_GRAY2RGB if grey else cv2.COLOR_BGR2RGB
        cv2.cvtColor(self._image, code, dst=slot.pixels(height, width))
        return Grab(0, exposure_stamped=True, height=height, width=width)

    def trigger(self) -> None:
        """Take the first frame exposed from now on; of a file, the next."""
        self._exposures.trigger()

    def close(self) -> None:
        """Give the device back."""
        self._capture.release()


def without_password(source: str) -> str:
    """Give a source as it may be logged: a URL without user and password."""
    if "://" not in source:
        return source
    parts = urlsplit(source)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2], query="").geturl()


def fourcc_text(code: float) -> str:
    """Give a pixel format's code as its four characters."""
    return int(code).to_bytes(4, "little").decode("latin-1")
