"""Scores of finished folds, kept beside the bundle: hours that Ctrl-C or a power cut must not cost.

The file is a help and nothing else: one that is damaged, or of another run, is passed over and written anew.
"""

from __future__ import annotations

import json
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from pydantic import Field

from inspectd.calibration.errors import CalibrationError
from inspectd.inference.documents import Document, document_id, read_document, sync_folder, write_document
from inspectd.inference.errors import BundleError

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

    from inspectd.inference.bundle import Bundle


class FoldsIdentity(Document):
    """What scores of folds follow from: with another of these, they would be other scores."""

    bundle_id: str
    seed: int
    folds: int
    data: str = Field(description="sha256 over the ids of the images, in their order")
    vgg19: str = Field(description="the siblings' first weights: none, auto, or the sha256 of the file")
    keys: tuple[str, ...] = Field(description="runtimes that scored, graph/runtime/precision")
    program: str = Field(description="version of inspectd")


class Fold(Document):
    """Held-out scores of one fold by key, in the order in which the fold was dealt."""

    scores: dict[str, tuple[float, ...]]


class KeptFolds:
    """The finished folds of one run; `file` lies beside the bundle's folder, which must not change."""

    def __init__(self, bundle: Bundle, identity: FoldsIdentity) -> None:
        self.file = kept_file(bundle)
        self._identity = identity
        self._done = _read(self.file, identity)

    def find(self, number: int, size: int) -> Fold | None:
        """Return the scores of a fold of so many images; None if they are not there."""
        fold = self._done.get(number)
        if fold is None or set(fold.scores) != set(self._identity.keys):
            return None
        return fold if all(len(scores) == size for scores in fold.scores.values()) else None

    def add(self, number: int, fold: Fold) -> None:
        """Keep a fold's scores. Raises CalibrationError if they cannot be written; those before stay."""
        self._done[number] = fold
        self._write()

    def check_room(self) -> None:
        """Raise CalibrationError if the file cannot be written. One of another run stays until `add`."""
        new = self._write_new()
        new.unlink()

    def _write(self) -> None:
        """Write all there is; after a power cut at any moment the file holds this or what it held before."""
        new = self._write_new()
        with self._told_if_impossible():
            new.replace(self.file)
            sync_folder(self.file.parent)

    def _write_new(self) -> Path:
        content = {
            "identity": self._identity.model_dump(mode="json"),
            "done": {str(number): fold.model_dump(mode="json") for number, fold in self._done.items()},
        }
        new = self.file.with_suffix(".new")
        with self._told_if_impossible():
            write_document(new, content | {"sha256": document_id(content)})
        return new

    @contextmanager
    def _told_if_impossible(self) -> Generator[None]:
        try:
            yield
        except OSError as error:
            with suppress(OSError):  # half a file would take the room that the next attempt needs
                self.file.with_suffix(".new").unlink(missing_ok=True)
            raise CalibrationError(
                f"{self.file}: the scores of finished folds cannot be kept ({error.strerror}). Free space or"
                " make the folder writable; the same command goes on after the last fold that was kept."
            ) from error


def kept_file(bundle: Bundle) -> Path:
    """Return where a bundle's folds are kept."""
    return bundle.folder.with_name(f"{bundle.folder.name}.folds.json")


def _read(file: Path, identity: FoldsIdentity) -> dict[int, Fold]:
    """Read the finished folds of a run with this identity; none where the file does not fit."""
    try:
        content = read_document(file)
        whole = content.pop("sha256", None) == document_id(content)
        if not whole or FoldsIdentity.model_validate_json(json.dumps(content.get("identity"))) != identity:
            return {}
        done = content["done"].items()
        return {int(number): Fold.model_validate_json(json.dumps(fold)) for number, fold in done}
    except (BundleError, KeyError, AttributeError, ValueError):  # pydantic's is a ValueError
        return {}
