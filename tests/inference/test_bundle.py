"""Bundles: what is written loads, and nothing that was changed does."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from inspectd.inference.bundle import adjust_limits, file_hashes, load_bundle, write_bundle
from inspectd.inference.documents import document_id
from inspectd.inference.errors import BundleError
from inspectd.inference.manifest import Limits

KEY = "float32/openvino/float32"


def edit(file: Path, change: Callable[[dict[str, Any]], object], *, rehash: bool = False) -> None:
    """Change a document in place; with `rehash` a decision's own hash is made to match again."""
    document = json.loads(file.read_text())
    change(document)
    if rehash:
        document.pop("sha256")
        document["sha256"] = document_id(document)
    file.write_text(json.dumps(document))


def test_a_written_bundle_loads_with_stable_ids(bundle_folder: Path) -> None:
    """Ids depend on content alone: another spelling of the same manifest is the same bundle."""
    bundle = load_bundle(bundle_folder)
    assert bundle.manifest.class_name == "disk"
    assert bundle.graph_file("bfloat16") == bundle_folder / "float32.onnx"
    assert bundle.limits("openvino", "float32").recheck == 0.0
    edit(bundle_folder / "manifest.json", lambda _: None)
    again = load_bundle(bundle_folder)
    assert (again.bundle_id, again.decision_id) == (bundle.bundle_id, bundle.decision_id)
    assert bundle.bundle_id == document_id(json.loads((bundle_folder / "manifest.json").read_text()))


def drop(name: str) -> Callable[[Path], object]:
    return lambda folder: (folder / name).unlink()


def write(name: str, content: bytes) -> Callable[[Path], object]:
    return lambda folder: (folder / name).write_bytes(content)


def append(name: str) -> Callable[[Path], object]:
    return lambda folder: (folder / name).write_bytes((folder / name).read_bytes() + b"\0")


def manifest(change: Callable[[dict[str, Any]], object]) -> Callable[[Path], None]:
    return lambda folder: edit(folder / "manifest.json", change)


def decision(change: Callable[[dict[str, Any]], object], *, rehash: bool = True) -> Callable[[Path], None]:
    return lambda folder: edit(folder / "decision.json", change, rehash=rehash)


def limit(**values: float) -> Callable[[Path], None]:
    return decision(lambda document: document["limits"][KEY].update(values))


def link(folder: Path) -> None:
    graph = folder / "float32.onnx"
    graph.rename(folder.parent / "float32.onnx")
    graph.symlink_to(folder.parent / "float32.onnx")


@pytest.mark.parametrize(
    ("tamper", "named"),
    [
        (drop("manifest.json"), "manifest.json"),
        (drop("decision.json"), "decision.json"),
        (drop("float32.onnx"), "float32.onnx"),
        (drop("golden-camera.png"), "golden-camera.png"),
        (append("float32.onnx"), "float32.onnx"),
        (append("golden-camera.png"), "golden-camera.png"),
        (write("extra.txt", b"x"), "extra.txt"),
        (write("decision-7.json", b"{}"), "decision-7.json"),
        (link, "float32.onnx"),
        (write("manifest.json", b"{"), "manifest.json"),
        (write("manifest.json", b"[]"), "manifest.json"),
        (write("decision.json", b"\xff"), "decision.json"),
        (manifest(lambda m: m.update(format_version=2)), "format version 2"),
        (manifest(lambda m: m.update(class_name="other")), "another bundle"),
        (manifest(lambda m: m.update(surprise=1)), "surprise"),
        (manifest(lambda m: m["files"].update({"../float32.onnx": "0" * 64})), "inside the bundle"),
        (manifest(lambda m: m["files"].update({"/etc/passwd": "0" * 64})), "inside the bundle"),
        (manifest(lambda m: m["graphs"].update(float32="other.onnx")), "other.onnx"),
        (decision(lambda d: d["limits"][KEY].update(threshold=9.0), rehash=False), "own hash"),
        (decision(lambda d: d.update(bundle_id="0" * 64)), "another bundle"),
        (decision(lambda d: d.update(version=2, parent="0" * 64)), "decision-1.json"),
        (decision(lambda d: d.update(version=2)), "parent"),
        (limit(threshold=-1.0), "threshold"),
        (limit(low_limit=-0.1), "low_limit"),
        (limit(low_limit=99.0), "low limit"),
        (limit(recheck=0.99), "low limit"),
        (limit(recheck=1.5), "recheck"),
    ],
)
def test_anything_changed_is_refused(
    bundle_folder: Path, tamper: Callable[[Path], object], named: str
) -> None:
    """Missing, changed, unlisted or foreign: BundleError says what and where, and what to do."""
    tamper(bundle_folder)
    with pytest.raises(BundleError, match=named) as caught:
        load_bundle(bundle_folder)
    assert str(bundle_folder) in str(caught.value)


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999"])
def test_limits_that_are_no_numbers_are_refused(bundle_folder: Path, number: str) -> None:
    """A NaN threshold would compare false with every score."""
    file = bundle_folder / "decision.json"
    document = json.loads(file.read_text())
    threshold = document["limits"][KEY]["threshold"]
    file.write_text(file.read_text().replace(repr(threshold), number))
    with pytest.raises(BundleError, match=r"decision\.json"):
        load_bundle(bundle_folder)


def test_a_key_that_stands_twice_is_refused(bundle_folder: Path) -> None:
    """Two readers could take two different values from such a document."""
    file = bundle_folder / "manifest.json"
    file.write_text('{"format_version": 1,' + file.read_text().lstrip()[1:])
    with pytest.raises(BundleError, match="twice"):
        load_bundle(bundle_folder)


def test_unknown_runtime_or_precision_has_no_limits(bundle_folder: Path) -> None:
    """A threshold holds for the runtime and precision that it was measured on, and no other."""
    bundle = load_bundle(bundle_folder)
    with pytest.raises(BundleError, match="no limits for float32/openvino/bfloat16"):
        bundle.limits("openvino", "bfloat16")
    with pytest.raises(BundleError, match="no graph for precision 'int8'"):
        bundle.graph_file("int8")


def test_adjusting_writes_a_new_version_and_keeps_the_old(bundle_folder: Path) -> None:
    """The bundle stays the same; the decision gets a new id, names its parent, and the old one is kept."""
    first = load_bundle(bundle_folder)
    old = (bundle_folder / "decision.json").read_text()
    for version in (2, 3):
        new = {KEY: Limits(threshold=10.0 + version, low_limit=0.0, recheck=0.1)}
        bundle = adjust_limits(bundle_folder, new, how="by hand", why="too many rejects", by="technician")
        assert bundle.bundle_id == first.bundle_id
        assert bundle.decision.version == version
        assert bundle.limits("openvino", "float32") == new[KEY]
    assert json.loads((bundle_folder / "decision-1.json").read_text()) == json.loads(old)
    assert bundle.decision.parent not in {None, first.decision_id, bundle.decision_id}


def test_an_older_programs_decision_can_be_adjusted(bundle_folder: Path) -> None:
    """It lacks fields that are known now: it is kept as it was written, since its hash is over that."""

    def age(document: dict[str, Any]) -> None:
        del document["reserved"], document["provisional"], document["chosen_by"]

    edit(bundle_folder / "decision.json", age, rehash=True)
    old = json.loads((bundle_folder / "decision.json").read_text())
    adjust_limits(bundle_folder, {}, how="by hand", why="test", by="technician")
    assert load_bundle(bundle_folder).decision.version == 2
    assert json.loads((bundle_folder / "decision-1.json").read_text()) == old


def test_reserved_images_stay_reserved(bundle_folder: Path) -> None:
    """Unless others are given; what a decision lacks ends with it."""
    decide = partial(adjust_limits, bundle_folder, {}, how="by hand", why="test", by="technician")
    first = decide(provisional="too few", reserved=("aa", "bb"))
    assert first.decision.provisional == "too few"
    second = decide()
    assert (second.decision.provisional, second.decision.reserved) == ("", ("aa", "bb"))
    assert decide(reserved=("cc",)).decision.reserved == ("cc",)


def test_images_that_chose_limits_are_known_for_good(bundle_folder: Path) -> None:
    """Whatever chooses next: limits that it does not choose anew outlive it."""
    decide = partial(adjust_limits, bundle_folder, {}, how="by hand", why="test", by="technician")
    assert decide(chosen_by=("bb", "aa")).decision.chosen_by == ("aa", "bb")
    assert decide(reserved=("cc",)).decision.chosen_by == ("aa", "bb", "cc")
    assert decide(chosen_by=("dd",)).decision.chosen_by == ("aa", "bb", "cc", "dd")
    assert decide().decision.chosen_by == ("aa", "bb", "cc", "dd")


def test_history_cannot_be_changed(bundle_folder: Path) -> None:
    """A kept decision that was edited and hashed anew is not the one that its successor names."""
    adjust_limits(bundle_folder, {}, how="by hand", why="test", by="technician")
    kept = bundle_folder / "decision-1.json"
    edit(kept, lambda document: document.update(why="nothing"), rehash=True)
    with pytest.raises(BundleError, match=r"decision-1\.json"):
        load_bundle(bundle_folder)


def test_an_adjustment_cut_off_half_way_changes_nothing(bundle_folder: Path) -> None:
    """What a power cut between its writes leaves behind does not keep the bundle from loading."""
    before = load_bundle(bundle_folder)
    shutil.copy(bundle_folder / "decision.json", bundle_folder / "decision-1.json")
    (bundle_folder / "decision.json.new").write_text('{"half": ')
    assert load_bundle(bundle_folder).decision_id == before.decision_id
    after = adjust_limits(bundle_folder, {}, how="by hand", why="again", by="technician")
    assert after.decision.version == 2


def test_writing_is_all_or_nothing(bundle_folder: Path, tmp_path: Path) -> None:
    """A bundle whose files do not match its manifest is not left behind, nor is the old one lost."""
    bundle = load_bundle(bundle_folder)
    files = {name: bundle_folder / name for name in bundle.manifest.files}
    wrong = bundle.manifest.model_copy(update={"files": dict.fromkeys(files, "0" * 64)})
    for folder in (tmp_path / "new", bundle_folder):
        with pytest.raises(BundleError, match="does not match"):
            write_bundle(
                folder, wrong, files, bundle.decision.limits, how="test", why="test", by="test", replace=True
            )
    assert sorted(path.name for path in tmp_path.iterdir()) == ["disk"]
    assert load_bundle(bundle_folder).bundle_id == bundle.bundle_id


def test_an_existing_folder_is_replaced_only_when_asked(bundle_folder: Path, tmp_path: Path) -> None:
    """Writing over a bundle by mistake is refused; on request the new one takes its place."""
    bundle = load_bundle(bundle_folder)
    source = Path(shutil.copytree(bundle_folder, tmp_path / "source"))
    files = {name: source / name for name in bundle.manifest.files}
    renamed = bundle.manifest.model_copy(update={"class_name": "new", "files": file_hashes(files)})
    write = partial(write_bundle, bundle_folder, renamed, files, bundle.decision.limits)
    with pytest.raises(BundleError, match="exists already"):
        write(how="test", why="test", by="test")
    written = write(how="test", why="test", by="test", replace=True)
    assert written.manifest.class_name == "new"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["disk", "source"]


def test_adjustments_at_the_same_time_follow_each_other(bundle_folder: Path) -> None:
    """None is lost, and none is told to have failed whose limits are then in force."""
    limits = load_bundle(bundle_folder).decision.limits
    before = load_bundle(bundle_folder).decision.version

    def adjust(factor: float) -> int:
        changed = {
            key: each.model_copy(update={"threshold": each.threshold * factor})
            for key, each in limits.items()
        }
        return adjust_limits(bundle_folder, changed, how="by hand", why="test", by="a").decision.version

    with ThreadPoolExecutor(8) as pool:
        versions = list(pool.map(adjust, [1 + number / 100 for number in range(16)]))
    assert load_bundle(bundle_folder).decision.version == before + 16
    assert max(versions) == before + 16


def test_a_decision_is_readable_for_a_stations_user(bundle_folder: Path) -> None:
    """Whatever the umask of who adjusts."""
    limits = load_bundle(bundle_folder).decision.limits
    mask = os.umask(0o077)
    try:
        adjust_limits(bundle_folder, limits, how="by hand", why="test", by="a")
    finally:
        os.umask(mask)
    for path in bundle_folder.glob("decision*.json"):
        assert path.stat().st_mode & 0o444 == 0o444
