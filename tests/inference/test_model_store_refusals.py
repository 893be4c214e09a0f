"""What is never put in force: what was changed, misses its golden scores, or is of another class."""

import shutil
from pathlib import Path

import pytest

from inspectd.inference.bundle import load_bundle
from inspectd.inference.errors import BundleError, EngineError, StoreError
from inspectd.inference.model_store import CURRENT, ModelStore
from inspectd.inference.runtime import RuntimeSettings
from tests.inference.store_bench import copied, in_force, miss_golden_scores, rewrite_manifest, unchanged


def test_a_tampered_bundle_is_refused(store: ModelStore, bundle_folder: Path, variant: Path) -> None:
    store.install(bundle_folder, by="a", why="")
    before = in_force(store)
    graph = variant / "float32.onnx"
    graph.write_bytes(graph.read_bytes()[:-1] + b"x")
    with pytest.raises(BundleError, match=r"does not match manifest.json"):
        store.install(variant, by="a", why="")
    assert unchanged(store, before, ["1"])


def test_a_bundle_that_misses_its_golden_scores_is_refused(
    store: ModelStore, bundle_folder: Path, variant: Path
) -> None:
    """Every hash is right, yet this machine would judge otherwise than the one it was calibrated on."""
    store.install(bundle_folder, by="a", why="")
    before = in_force(store)
    miss_golden_scores(bundle_folder)
    with pytest.raises(EngineError, match=r"self-test"):
        store.install(bundle_folder, by="a", why="")
    assert unchanged(store, before, ["1"])
    store.install(variant, by="a", why="")
    assert store.versions("disk") == [1, 2]


def test_a_bundle_without_limits_for_the_runtime_is_refused(tmp_path: Path, bundle_folder: Path) -> None:
    store = ModelStore(tmp_path / "models", RuntimeSettings(precision="bfloat16"))
    with pytest.raises(BundleError, match=r"no limits for float32/openvino/bfloat16"):
        store.install(bundle_folder, by="a", why="")
    assert store.classes() == []


def test_rollback_tests_first(store: ModelStore, bundle_folder: Path, variant: Path) -> None:
    """A version that was damaged since, or that this machine does not reproduce, is not put in force."""
    store.install(bundle_folder, by="a", why="")
    store.install(variant, by="a", why="")
    before = in_force(store)
    graph = store.folder / "disk" / "1" / "float32.onnx"
    whole = graph.read_bytes()
    graph.write_bytes(whole[:-1] + b"x")
    with pytest.raises(BundleError, match=r"does not match manifest.json"):
        store.rollback("disk", by="a", why="")
    graph.write_bytes(whole)
    miss_golden_scores(store.folder / "disk" / "1")
    with pytest.raises(EngineError, match=r"self-test"):
        store.rollback("disk", by="a", why="")
    assert in_force(store) == before
    assert store.current("disk") == 2


def test_a_damaged_version_is_installed_anew(store: ModelStore, bundle_folder: Path) -> None:
    """Installing the bundle again mends it, under the next number."""
    store.install(bundle_folder, by="a", why="")
    (store.folder / "disk" / "1" / "float32.onnx").write_bytes(b"")
    assert store.install(bundle_folder, by="a", why="").version == 2
    in_force(store)


@pytest.mark.parametrize("name", ["a/b", "../up", "..", ".hidden", "-x", "Knöpfe", "a b", "a.b", "x" * 65])
def test_exotic_names_are_refused(name: str, store: ModelStore, bundle_folder: Path) -> None:
    """As --class, as a bundle's own class, and for a rollback; the remedy is named."""
    told = "class .* is named by 1 to 64 letters A-Z, digits, _ and -. Give it such a name with --class."
    with pytest.raises(StoreError, match=told):
        store.install(bundle_folder, name, by="a", why="")
    with pytest.raises(StoreError, match=told):
        store.rollback(name, by="a", why="")
    if len(name) <= 64:
        rewrite_manifest(bundle_folder, class_name=name)
        with pytest.raises(StoreError, match=told):
            store.install(bundle_folder, by="a", why="")
        assert store.install(bundle_folder, "plain", by="a", why="").class_name == "plain"
    assert [path.name for path in store.folder.parent.iterdir() if path.name == "up"] == []


def test_a_bundle_of_another_class_is_refused(store: ModelStore, bundle_folder: Path) -> None:
    """A folder's class is that of its first version: --class does not put screws in force as disks."""
    screw = copied(bundle_folder, "screw")
    store.install(bundle_folder, by="a", why="")
    before = in_force(store)
    rewrite_manifest(screw, class_name="screw")
    with pytest.raises(StoreError, match=r"a bundle of class 'screw', but .*disk holds 'disk'"):
        store.install(screw, "disk", by="a", why="")
    assert unchanged(store, before, ["1"])
    store.install(screw, by="a", why="")
    assert store.classes() == ["disk", "screw"]


def test_unknown_classes_and_versions(store: ModelStore, bundle_folder: Path) -> None:
    """Each message names what there is."""
    with pytest.raises(StoreError, match=r"no such class. Installed: none\."):
        store.rollback("disk", by="a", why="")
    store.install(bundle_folder, by="a", why="")
    with pytest.raises(StoreError, match=r"no such class. Installed: disk\."):
        store.rollback("disc", by="a", why="")
    with pytest.raises(StoreError, match=r"no version 7. There are: 1\."):
        store.rollback("disk", 7, by="a", why="")


def test_current_that_is_no_link_is_left_alone(store: ModelStore, bundle_folder: Path) -> None:
    """Somebody copied a bundle there by hand: nothing of it is lost."""
    (store.folder / "disk").mkdir(parents=True)
    shutil.copytree(bundle_folder, store.folder / "disk" / CURRENT)
    with pytest.raises(StoreError, match=r"is no link. Move it away, then install the bundle again"):
        store.install(bundle_folder, by="a", why="")
    load_bundle(store.folder / "disk" / CURRENT)


def test_a_folder_that_may_not_be_written(store: ModelStore, bundle_folder: Path) -> None:
    store.folder.write_text("a file")
    with pytest.raises(StoreError, match=r"Run this as the user who owns the models folder"):
        store.install(bundle_folder, by="a", why="")
