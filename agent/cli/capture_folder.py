"""The folder that captured images go to: numbered files, each whole or not there."""

from __future__ import annotations

import os
import re
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from inspectd.agent.errors import AgentError
from inspectd.inference.documents import sync_folder
from inspectd.inference.engine import read_image

_NAME = re.compile(r"^(\d+)\.png$")
_PART = ".part"


class CaptureFolder:
    """Numbered PNG files, from 0001.png on."""

    def __init__(self, folder: Path) -> None:
        """Make the folder. Raises AgentError if it cannot be made or listed."""
        self.folder = folder
        try:
            folder.mkdir(parents=True, exist_ok=True)
            for torn in folder.glob(f"*{_PART}"):
                torn.unlink()  # of a run that was cut off while writing
            names = [path.name for path in folder.iterdir()]
        except OSError as error:
            raise AgentError(
                f"{folder}: cannot be written to ({error.strerror}); choose another --into"
            ) from error
        numbers = [int(match[1]) for name in names if (match := _NAME.match(name))]
        self.count = len(numbers)
        self._next = max(numbers, default=0) + 1

    def files(self) -> list[Path]:
        """Return the numbered images that are there, in their order."""
        found = [path for path in self.folder.iterdir() if _NAME.match(path.name)]
        return sorted(found, key=lambda path: int(path.stem))

    def read(self, file: Path) -> NDArray[np.uint8]:
        """Return an image captured before, uint8 RGB [H, W, 3]. Raises AgentError if it is damaged."""
        pixels = read_image(file)
        if pixels is None:
            raise AgentError(f"{file}: cannot be read as an image; move it away")
        return pixels

    def write(self, pixels: NDArray[np.uint8]) -> Path:
        """Write an image, uint8 RGB [H, W, 3], under the next number, and give its file.

        It is on the disk when this returns, and no power cut leaves half of it under its name. Raises
        AgentError if it cannot be written; then nothing is left of it.
        """
        encoded, data = cv2.imencode(".png", cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR))
        file = self.folder / f"{self._next:04}.png"
        if not encoded:
            raise AgentError(f"{file}: cannot be encoded as PNG")
        part = file.with_name(file.name + _PART)
        try:
            try:
                with part.open("wb") as stream:
                    stream.write(data.tobytes())
                    stream.flush()
                    os.fsync(stream.fileno())
                part.replace(file)
            except BaseException:
                part.unlink(missing_ok=True)
                raise
            sync_folder(self.folder)
        except OSError as error:
            raise AgentError(
                f"{file}: cannot be written ({error.strerror}); free space on the disk or choose another"
                " --into, and run this again: it goes on"
            ) from error
        self._next += 1
        self.count += 1
        return file
