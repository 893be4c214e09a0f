"""JSON documents that are known by their hash: strict reading, canonical form, atomic writing."""

import hashlib
import json
import math
import os
from pathlib import Path
from typing import Any, NoReturn

from pydantic import BaseModel, ConfigDict

from inspectd.inference.errors import BundleError

_CHUNK = 1 << 20


class Document(BaseModel):
    """Base of everything in a bundle's documents: frozen, strict, no unknown keys, no NaN."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


def canonical_json(document: object) -> bytes:
    """Return the one canonical spelling of a JSON document: sorted keys, no blanks, UTF-8.

    Raises ValueError for NaN and infinity, which JSON does not have.
    """
    text = json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return text.encode()


def document_id(document: object) -> str:
    """Return the sha256 (hex) of the document's canonical JSON."""
    return hashlib.sha256(canonical_json(document)).hexdigest()


def file_id(path: Path) -> str:
    """Return the sha256 (hex) of a file's bytes."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def read_document(path: Path) -> dict[str, Any]:
    """Read a JSON object strictly: no duplicate keys, no NaN or infinity.

    Raises BundleError naming the file, what is wrong and the remedy.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise BundleError(f"{path}: missing. Install the complete bundle again.") from error
    except (OSError, UnicodeDecodeError) as error:
        raise BundleError(f"{path}: cannot be read ({error}). Install the bundle again.") from error
    try:
        document = json.loads(
            text, object_pairs_hook=_unique, parse_constant=_no_constant, parse_float=_finite
        )
    except (ValueError, RecursionError) as error:
        raise BundleError(
            f"{path}: not a valid JSON document ({error}). Install the bundle again."
        ) from error
    if not isinstance(document, dict):
        raise BundleError(f"{path}: holds no JSON object. Install the bundle again.")
    return document  # pyright: ignore[reportUnknownVariableType]  json.loads is untyped


def write_document(path: Path, document: object) -> None:
    """Write a JSON document readable by people (indented, sorted keys) and flush it to the disk."""
    text = json.dumps(document, sort_keys=True, indent=2, ensure_ascii=False, allow_nan=False)
    with path.open("w", encoding="utf-8") as file:
        file.write(text + "\n")
        file.flush()
        # Whoever installs or adjusts, under whatever umask: the station's own user reads it.
        os.fchmod(file.fileno(), 0o644)
        os.fsync(file.fileno())


def sync_folder(folder: Path) -> None:
    """Flush a folder's entries to the disk, so that a rename in it survives a power cut."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    document = dict(pairs)
    if len(document) != len(pairs):
        raise ValueError("a key stands twice")
    return document


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"{text} is too large a number")
    return value


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a number of JSON")
