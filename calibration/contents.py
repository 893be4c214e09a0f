"""Images told apart by their content: a copy of another name or in another folder is the same image."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from inspectd.calibration.errors import CalibrationError
from inspectd.inference.documents import file_id

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from inspectd.calibration.layout import Labelled

SHORT_ID = 16
"""Digits of a sha256 that manifests and decisions name an image by."""


@dataclass(frozen=True, slots=True)
class Image:
    """An image file with the sha256 of its content, and what it shows."""

    sha256: str
    label: Labelled

    @property
    def id(self) -> str:
        """First `SHORT_ID` digits of the sha256."""
        return self.sha256[:SHORT_ID]

    @property
    def file(self) -> Path:
        """Where it lies."""
        return self.label.file


def distinct(labelled: Iterable[Labelled]) -> tuple[list[Image], int]:
    """Return images with their hashes, each content once, and how many were repeated.

    Raises CalibrationError for a file that cannot be read, or one content under two labels.
    """
    given = [Image(sha256_of(each.file), each) for each in labelled]
    one_label_each(given)
    first: dict[str, Image] = {}
    for image in given:
        first.setdefault(image.id, image)
    return list(first.values()), len(given) - len(first)


def one_label_each(images: Iterable[Image]) -> None:
    """Raise CalibrationError if a content is once good and once defective: one of the two is wrong."""
    first: dict[str, Image] = {}
    for image in images:
        other = first.setdefault(image.id, image)
        if other.label.defective != image.label.defective:
            raise CalibrationError(
                f"{image.file}: has the same content as {other.file}, once {other.label.kind}, once"
                f" {image.label.kind}. Remove the wrong one."
            )


def sha256_of(file: Path) -> str:
    """Return the sha256 of a file, hex. Raises CalibrationError if it cannot be read."""
    try:
        return file_id(file)
    except OSError as error:
        raise CalibrationError(
            f"{file}: cannot be read ({error.strerror}). Correct the list, mend the file or remove it."
        ) from error


def short_id(file: Path) -> str:
    """Return the first `SHORT_ID` digits of a file's sha256. Raises CalibrationError if it cannot be read."""
    return sha256_of(file)[:SHORT_ID]
