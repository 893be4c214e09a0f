"""The bundle: the one thing that moves from calibration to the line, a folder in which every byte is hashed.

`manifest.json` says what it is and never changes; the sha256 of its canonical form is the bundle's id.
`decision.json` holds the limits in force with their own hash and the bundle's id, `decision-N.json` the
versions before. Every other file (graphs, golden frames) is listed in the manifest with its sha256.
"""

import fcntl
import os
import shutil
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path

from inspectd.inference.documents import (
    document_id,
    file_id,
    read_document,
    sync_folder,
    write_document,
)
from inspectd.inference.errors import BundleError
from inspectd.inference.manifest import (
    GRAPH_OF_PRECISION,
    Decision,
    Limits,
    Manifest,
    limits_key,
    parse_decision,
    parse_manifest,
)

MANIFEST = "manifest.json"
DECISION = "decision.json"
# What a power cut while adjusting may leave behind: never read, replaced by the next adjustment.
_UNFINISHED_DECISION = "decision.json.new"


@dataclass(frozen=True, slots=True)
class Bundle:
    """A loaded bundle, every hash checked. The ids are sha256, hex."""

    folder: Path
    manifest: Manifest
    decision: Decision
    bundle_id: str
    decision_id: str

    def graph_file(self, precision: str) -> Path:
        """Return the ONNX file to run in a precision. Raises BundleError if the bundle has none."""
        graph = GRAPH_OF_PRECISION.get(precision)
        if graph is None or graph not in self.manifest.graphs:
            raise BundleError(
                f"{self.folder}: no graph for precision {precision!r}."
                f" Configure one of {', '.join(GRAPH_OF_PRECISION)}."
            )
        return self.folder / self.manifest.graphs[graph]

    def limits(self, runtime_name: str, precision: str) -> Limits:
        """Return the limits calibrated for a runtime and precision. Raises BundleError if there are none."""
        self.graph_file(precision)
        key = limits_key(runtime_name, precision)
        if key not in self.decision.limits:
            raise BundleError(
                f"{self.folder / DECISION}: no limits for {key}."
                f" Configure one of {', '.join(sorted(self.decision.limits))}, or calibrate for it."
            )
        return self.decision.limits[key]


def load_bundle(folder: Path) -> Bundle:
    """Load a bundle and check every hash in it.

    The path may be a link to the folder: it is followed once, so that all that is read is of one version.
    Raises BundleError, naming the file and the remedy, for anything missing, changed, unlisted, of another
    format version or outside the folder, and for a decision that belongs to another bundle.
    """
    if not folder.is_dir():
        raise BundleError(f"{folder}: no such bundle folder. Check the path, or install the bundle.")
    folder = folder.resolve()
    content = read_document(folder / MANIFEST)
    manifest = parse_manifest(folder / MANIFEST, content)
    bundle_id = document_id(content)
    decision, decision_id, kept = _load_decisions(folder, bundle_id)
    _check_files(folder, manifest, kept)
    return Bundle(folder, manifest, decision, bundle_id, decision_id)


def write_bundle(  # noqa: PLR0913  the decision's fields, one for one
    folder: Path,
    manifest: Manifest,
    files: Mapping[str, Path],
    limits: Mapping[str, Limits],
    *,
    how: str,
    why: str,
    by: str,
    provisional: str = "",
    reserved: tuple[str, ...] = (),
    chosen_by: tuple[str, ...] = (),
    replace: bool = False,
) -> Bundle:
    """Write a bundle in one step: it is there complete, flushed to the disk and checked, or not at all.

    `files` are the sources of the names in `manifest.files`. With `replace` a bundle that is there already
    stays until the new one is complete. Raises BundleError if the folder exists, or if what was written
    does not load.
    """
    folder = folder.absolute()
    if folder.is_symlink():
        raise BundleError(
            f"{folder}: a link, as to a model in force. Choose another folder, then install it."
        )
    if folder.exists() and not replace:
        raise BundleError(f"{folder}: exists already. Choose another folder, or ask to replace it.")
    folder.parent.mkdir(parents=True, exist_ok=True)
    new, old = (folder.parent / f".{folder.name}.{os.getpid()}.{suffix}" for suffix in ("new", "old"))
    shutil.rmtree(new, ignore_errors=True)
    try:
        new.mkdir()
        for name, source in files.items():
            (new / name).parent.mkdir(parents=True, exist_ok=True)
            _copy(source, new / name)
        write_document(new / MANIFEST, manifest.model_dump(mode="json"))
        bundle_id = document_id(read_document(new / MANIFEST))
        decision = Decision(
            version=1,
            bundle_id=bundle_id,
            parent=None,
            limits=dict(limits),
            provisional=provisional,
            reserved=reserved,
            chosen_by=_joined(chosen_by, reserved),
            how=how,
            why=why,
            by=by,
            decided_at=_now(),
        )
        write_document(new / DECISION, decision.to_json())
        sync_folder(new)
        load_bundle(new)
        if folder.exists():
            folder.rename(old)
        new.rename(folder)
        sync_folder(folder.parent)
    except OSError as error:
        raise BundleError(
            f"{folder}: cannot be written ({error}). Free space or choose another folder."
        ) from error
    finally:
        shutil.rmtree(new, ignore_errors=True)
    shutil.rmtree(old, ignore_errors=True)
    return load_bundle(folder)


def adjust_limits(
    folder: Path,
    limits: Mapping[str, Limits],
    *,
    how: str,
    why: str,
    by: str,
    provisional: str = "",
    reserved: tuple[str, ...] = (),
    chosen_by: tuple[str, ...] = (),
) -> Bundle:
    """Put new limits in force as the decision's next version; the one before is kept beside it.

    Only limits whose key (graph/runtime/precision) is given change. The new decision is complete unless
    `provisional` says what it lacks. Test images that the decision before had `reserved` stay so, unless
    others are given; images that limits were `chosen_by` are known for good, since some of the limits (a
    recheck band, another runtime's) may outlive the choice. Raises BundleError as load_bundle does.
    """
    with _alone(folder):
        bundle = load_bundle(folder)
        folder, before = bundle.folder, bundle.decision
        decision = Decision(
            version=before.version + 1,
            bundle_id=bundle.bundle_id,
            parent=bundle.decision_id,
            limits={**before.limits, **limits},
            provisional=provisional,
            reserved=reserved or before.reserved,
            chosen_by=_joined(before.chosen_by, before.reserved, chosen_by, reserved),
            how=how,
            why=why,
            by=by,
            decided_at=_now(),
        )
        try:
            # As it was written: an older program's decision has fewer fields, and its hash is over those.
            write_document(folder / _kept_name(before.version), read_document(folder / DECISION))
            write_document(folder / _UNFINISHED_DECISION, decision.to_json())
            (folder / _UNFINISHED_DECISION).replace(folder / DECISION)
            sync_folder(folder)
        except OSError as error:
            raise BundleError(
                f"{folder}: the decision cannot be written ({error}). The old one stays."
            ) from error
        return load_bundle(folder)


@contextmanager
def _alone(folder: Path) -> Generator[None]:
    """Keep other adjustments of the same bundle out: each must see the decision that it follows."""
    if not folder.is_dir():
        yield  # loading says what is wrong
        return
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def file_hashes(files: Mapping[str, Path]) -> dict[str, str]:
    """Return the manifest's `files`: the sha256 of each source by its name in the bundle."""
    return {name: file_id(source) for name, source in files.items()}


def _load_decisions(folder: Path, bundle_id: str) -> tuple[Decision, str, set[str]]:
    """Load the decision in force and follow its parents; return it, its hash and the names of those kept."""
    path = folder / DECISION
    decision, decision_id = parse_decision(path, read_document(path))
    kept: set[str] = set()
    current = decision
    while True:
        if current.bundle_id != bundle_id:
            raise BundleError(
                f"{path}: decides for another bundle ({current.bundle_id[:12]}, this is {bundle_id[:12]}):"
                f" either it or {MANIFEST} was exchanged. Install the complete bundle again."
            )
        if current.parent is None:
            break
        expected = current.parent, current.version - 1
        path = folder / _kept_name(expected[1])
        current, current_id = parse_decision(path, read_document(path))
        if (current_id, current.version) != expected:
            raise BundleError(
                f"{path}: is not the version that the next one names. Install the bundle again."
            )
        kept.add(path.name)
    # An adjustment cut off half-way leaves a copy of the decision that is still in force.
    kept.add(_kept_name(decision.version))
    return decision, decision_id, kept


def _check_files(folder: Path, manifest: Manifest, kept: set[str]) -> None:
    """Hold every file in the folder against the manifest's list."""
    for name, expected in manifest.files.items():
        path = folder / name
        if not path.is_file():
            raise BundleError(
                f"{path}: missing, though {MANIFEST} lists it. Install the complete bundle again."
            )
        try:
            actual = file_id(path)
        except OSError as error:
            raise BundleError(f"{path}: cannot be read ({error}). Install the bundle again.") from error
        if actual != expected:
            raise BundleError(f"{path}: its content does not match {MANIFEST}. Install the bundle again.")
    known = {MANIFEST, DECISION, _UNFINISHED_DECISION, *kept, *manifest.files}
    for path in sorted(folder.rglob("*")):
        if path.is_symlink():
            raise BundleError(f"{path}: a link, which may point out of the bundle. Install the bundle again.")
        if not path.is_dir() and path.relative_to(folder).as_posix() not in known:
            raise BundleError(f"{path}: not listed in {MANIFEST}. Remove it, or install the bundle again.")


def _joined(*ids: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(sorted({each for some in ids for each in some}))


def _kept_name(version: int) -> str:
    return f"decision-{version}.json"


def _copy(source: Path, target: Path) -> None:
    shutil.copyfile(source, target)
    with target.open("rb") as file:
        os.fsync(file.fileno())


def _now() -> str:
    return datetime.now(timezone.utc).isoformat(timespec="seconds")
