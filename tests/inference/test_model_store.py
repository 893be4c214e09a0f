"""Installed models: versions, the switch between them, and their history."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from inspectd.inference.bundle import load_bundle
from inspectd.inference.documents import file_id
from inspectd.inference.engine import open_engine
from inspectd.inference.errors import StoreError
from inspectd.inference.model_history import HISTORY, Entry, version_before
from inspectd.inference.model_store import CURRENT, ModelStore
from tests.inference.store_bench import KEY, RUNTIME, adjust, in_force, names

# --- install and rollback --------------------------------------------------------------------------------


@pytest.fixture(autouse=True)
def without_golden_frames(untested_store: ModelStore) -> None:
    """They take a second each time, and have their own tests."""
    assert not untested_store.classes()


def test_install_puts_a_bundle_in_force(store: ModelStore, bundle_folder: Path) -> None:
    """It is a copy: the source may go. The history says what, when, by whom and why."""
    bundle = load_bundle(bundle_folder)
    done = store.install(bundle_folder, by="anna", why="new camera")
    shutil.rmtree(bundle_folder)
    assert (done.class_name, done.before, done.version) == ("disk", 0, 1)
    assert done.link == store.folder / "disk" / CURRENT
    assert load_bundle(done.link).bundle_id == bundle.bundle_id
    assert load_bundle(done.link).folder == (store.folder / "disk" / "1").resolve()
    open_engine(done.link, RUNTIME).close()
    (entry,) = store.history("disk")
    assert (entry.action, entry.version, entry.by, entry.why) == ("install", 1, "anna", "new camera")
    assert (entry.bundle_id, entry.decision_id) == (bundle.bundle_id, bundle.decision_id)
    assert entry.engine == KEY
    assert store.classes() == ["disk"]


def test_each_install_is_a_version_of_its_own(store: ModelStore, bundle_folder: Path, variant: Path) -> None:
    """What was there stays; the same bundle with the same decision is the version that it is already."""
    store.install(bundle_folder, by="a", why="")
    assert store.install(variant, by="a", why="").version == 2
    assert (store.versions("disk"), store.current("disk")) == ([1, 2], 2)
    again = store.install(bundle_folder, by="a", why="")
    assert (again.before, again.version) == (2, 1)
    assert store.versions("disk") == [1, 2]
    assert store.install(bundle_folder, by="a", why="").before == 1
    assert [entry.version for entry in store.history("disk")] == [1, 2, 1], "nothing changed the last time"


def test_rollback_goes_back_one_version(store: ModelStore, bundle_folder: Path, variant: Path) -> None:
    """And twice is two back, not there and back again."""
    store.install(bundle_folder, by="a", why="")
    first = in_force(store)
    store.install(variant, by="a", why="")
    adjust(variant, 0.9)
    store.install(variant, by="a", why="")
    assert store.rollback("disk", by="b", why="too many rejects").version == 2
    assert store.rollback("disk", by="b", why="").version == 1
    assert in_force(store) == first
    with pytest.raises(StoreError, match=r"no version was in force before. Name one with --to"):
        store.rollback("disk", by="b", why="")
    assert store.rollback("disk", 3, by="b", why="").version == 3
    actions = [(entry.action, entry.version, entry.why) for entry in store.history("disk")][3:]
    assert actions == [
        ("rollback", 2, "too many rejects"),
        ("rollback", 1, ""),
        ("rollback", 3, ""),
    ]


@pytest.mark.parametrize(
    ("changes", "before"),
    [
        ("i1", 0),
        ("i1 i2", 1),
        ("i1 i2 r1", 0),
        ("i1 i2 i3 r2", 1),
        ("i1 i2 i3 r2 r3", 2),
        ("i1 i2 i1", 2),
        ("i1 i2 i3 f2", 1),
        ("i1 f0 i2", 1),
        ("i1 i2 i3 r1 f3", 2),
    ],
)
def test_what_was_in_force_before(changes: str, before: int) -> None:
    """By the history: i installs, r rolls back, f finds."""
    actions = {"i": "install", "r": "rollback", "f": "found"}
    entries = [
        Entry.model_validate(
            {"at": "now", "action": actions[word[0]], "version": int(word[1]), "by": "a", "why": ""}
        )
        for word in changes.split()
    ]
    assert version_before(entries) == before


def test_an_adjusted_version_stays_what_it_is(store: ModelStore, bundle_folder: Path) -> None:
    """Adjusting through the link writes into the version; the bundle as it came is then another version."""
    store.install(bundle_folder, by="a", why="")
    adjust(store.folder / "disk" / CURRENT, 0.8)
    assert (store.folder / "disk" / "1" / "decision-1.json").is_file()
    assert names(store) == ["1", CURRENT, HISTORY]
    assert store.install(bundle_folder, by="a", why="").version == 2
    assert store.rollback("disk", by="a", why="").version == 1
    assert load_bundle(store.folder / "disk" / CURRENT).decision.version == 2


def test_the_copy_is_readable_for_a_stations_user(store: ModelStore, bundle_folder: Path) -> None:
    """Whoever calibrated may keep files to himself; the agent runs as another user."""
    for path in bundle_folder.iterdir():
        path.chmod(0o600)
    bundle_folder.chmod(0o700)
    done = store.install(bundle_folder, by="a", why="")
    for path in (done.bundle.folder, *done.bundle.folder.iterdir()):
        assert path.stat().st_mode & 0o044 == 0o044


def test_copies_are_the_same_bytes(store: ModelStore, bundle_folder: Path) -> None:
    done = store.install(bundle_folder, by="a", why="")
    for path in bundle_folder.iterdir():
        assert file_id(done.bundle.folder / path.name) == file_id(path)
    assert np.isfinite(done.bundle.limits("openvino", "float32").threshold)
