"""What the tests of installed models share."""

import json
import shutil
from pathlib import Path

from inspectd.inference.bundle import DECISION, MANIFEST, adjust_limits, load_bundle
from inspectd.inference.documents import document_id
from inspectd.inference.manifest import Limits, parse_manifest
from inspectd.inference.model_history import HISTORY
from inspectd.inference.model_store import CURRENT, ModelStore
from inspectd.inference.runtime import RuntimeSettings

KEY = "float32/openvino/float32"
RUNTIME = RuntimeSettings(threads=1)


def copied(folder: Path, name: str) -> Path:
    """A copy beside the folder."""
    return Path(shutil.copytree(folder, folder.with_name(name)))


def adjust(folder: Path, factor: float) -> None:
    """Put another threshold in force, as a technician does."""
    limits = load_bundle(folder).decision.limits[KEY]
    changed = Limits(threshold=limits.threshold * factor, low_limit=limits.low_limit)
    adjust_limits(folder, {KEY: changed}, how="by hand", why="test", by="me")


def rewrite_manifest(folder: Path, **changes: object) -> None:
    """Change a bundle's manifest as calibration would have: every hash is right."""
    content = json.loads((folder / MANIFEST).read_text()) | changes
    (folder / MANIFEST).write_text(json.dumps(content))
    parse_manifest(folder / MANIFEST, content)
    decision = json.loads((folder / DECISION).read_text()) | {"bundle_id": document_id(content)}
    decision.pop("sha256")
    (folder / DECISION).write_text(json.dumps(decision | {"sha256": document_id(decision)}))
    load_bundle(folder)


def miss_golden_scores(folder: Path) -> None:
    """Make it a bundle that this machine does not reproduce, every hash right."""
    golden = json.loads((folder / MANIFEST).read_text())["golden"]
    golden[0]["scores"][KEY] *= 1.5
    rewrite_manifest(folder, golden=golden)


def in_force(store: ModelStore, name: str = "disk") -> str:
    """The decision that a station would find, everything checked."""
    return load_bundle(store.folder / name / CURRENT).decision_id


def names(store: ModelStore, name: str = "disk") -> list[str]:
    """What lies in a class's folder."""
    return sorted(path.name for path in (store.folder / name).iterdir())


def unchanged(store: ModelStore, decision_id: str, versions: list[str]) -> bool:
    """Whether what was in force still is, and nothing is left of what was refused."""
    left = [*versions, CURRENT, HISTORY]
    return in_force(store) == decision_id and names(store) == left and len(store.history("disk")) == 1
