"""A camera that replays the images in a folder.

How a file becomes RGB uint8 (`decode_into`): grey is repeated in all three channels; of 16 bits the high byte
is kept (v // 256, which turns v x 257 back into v exactly); an alpha channel is dropped; an orientation noted
in the file is ignored: the pixels are taken as they are stored. Other pixel types cannot be judged.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import cv2
import numpy as np

from inspectd.io.camera import Grab, SourceEndError
from inspectd.io.errors import CameraError
from inspectd.io.exposures import Exposures

if TYPE_CHECKING:
    from pathlib import Path

    from cv2.typing import MatLike

    from inspectd.io.camera_settings import FolderCameraSettings
    from inspectd.io.frame_ring import Slot

IMAGE_SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff"})

_TO_RGB = {1: cv2.COLOR_GRAY2RGB, 3: cv2.COLOR_BGR2RGB, 4: cv2.COLOR_BGRA2RGB}


class FolderSource:
    """The images of a folder in the order of their names. See `inspectd.io.camera.FrameSource`."""

    def __init__(self, settings: FolderCameraSettings) -> None:
        self._settings = settings
        self._exposures = Exposures(settings.rate_hz if settings.trigger == "free" else None)
        self._files: list[Path] = []
        self._next = 0
        self._ready: Grab | None = None

    def open(self) -> list[str]:
        """List the folder. Raises `CameraError` if there is none, or no image in it."""
        folder = self._settings.path
        found = folder.rglob("*") if self._settings.recursive else folder.glob("*")
        try:
            if not folder.is_dir():
                raise CameraError(f"camera {self._settings.name}: no folder {folder}: correct `path`")
            self._files = sorted(
                (path for path in found if path.suffix.lower() in IMAGE_SUFFIXES and path.is_file()),
                key=lambda path: path.relative_to(folder).as_posix(),
            )
        except OSError as error:
            raise CameraError(
                f"camera {self._settings.name}: folder {folder} cannot be listed: {error.strerror}"
            ) from error
        if not self._files:
            raise CameraError(
                f"camera {self._settings.name}: no image ({', '.join(sorted(IMAGE_SUFFIXES))}) in {folder}: "
                "correct `path`, or set `recursive` if they are in folders inside it"
            )
        return []

    def grab(self, timeout_s: float, slot: Slot) -> Grab | None:
        """Give the next image: it is decoded ahead, so that it is there at its exposure."""
        if self._ready is None:
            self._ready = self._load_next(slot)
        exposed_at = self._exposures.next(timeout_s)
        if exposed_at is None:
            return None
        ready, self._ready = self._ready, None
        return replace(ready, exposed_at=exposed_at, lost_before=self._exposures.take_dropped())

    def _load_next(self, slot: Slot) -> Grab:
        if self._next == len(self._files):
            if not self._settings.loop:
                raise SourceEndError
            self._next = 0
        path = self._files[self._next]
        self._next += 1
        label = path.relative_to(self._settings.path).as_posix()
        label = label.encode("utf-8", "backslashreplace").decode()
        try:
            height, width = decode_into(slot, path)
        except CameraError as error:
            return Grab(exposed_at=0, exposure_stamped=True, problem=str(error), label=label)
        return Grab(exposed_at=0, exposure_stamped=True, height=height, width=width, label=label)

    def trigger(self) -> None:
        """Give the next image now."""
        self._exposures.trigger()

    def close(self) -> None:
        """Nothing is held open."""


def decode_into(slot: Slot, path: Path) -> tuple[int, int]:
    """Decode an image file into a slot as RGB; give height and width.

    Raises `CameraError` if the file cannot be read, is empty, cut off or no image, or does not fit.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise CameraError(f"image {path} cannot be read: {error.strerror}") from error
    if not data:
        raise CameraError(f"image {path} is empty")
    try:
        image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    except cv2.error as error:
        raise CameraError(f"image {path} cannot be decoded: {error.err}") from error
    if image is None:  # pyright: ignore[reportUnnecessaryComparison]  the stubs do not say that it can be
        raise CameraError(f"image {path} cannot be decoded: not an image, damaged or cut off")
    return _write_rgb(slot, image, path)


def _write_rgb(slot: Slot, image: MatLike, path: Path) -> tuple[int, int]:
    height, width = image.shape[:2]
    channels = image.shape[2] if image.ndim > 2 else 1  # noqa: PLR2004  [H, W] or [H, W, C]
    if image.dtype == np.uint16:
        image = np.right_shift(image, 8).astype(np.uint8)
    if image.dtype != np.uint8 or channels not in _TO_RGB:
        raise CameraError(
            f"image {path} has {channels} channels of {image.dtype}: "
            "convert it to grey or RGB of 8 or 16 bits"
        )
    cv2.cvtColor(image, _TO_RGB[channels], dst=slot.pixels(height, width))
    return height, width
