"""What is flushed before what: a rename may survive a power cut that a file's content does not."""

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from inspectd.inference import model_store
from inspectd.inference.model_history import HISTORY
from inspectd.inference.model_store import CURRENT, ModelStore

Change = tuple[str, Path]
Command = Callable[[ModelStore, Path, Path], object]


@dataclass
class Disk:
    """Notes changes and flushes in the order in which they are made, by the place that they were made at."""

    log: list[Change] = field(default_factory=list[Change])

    def watch(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Listen in on what the store calls."""
        sync, copy = os.fsync, model_store.shutil.copyfile
        replace, rename, write = Path.replace, Path.rename, model_store.append_entry

        def fsync(descriptor: int) -> None:
            sync(descriptor)
            self.log.append(("flush", Path(f"/proc/self/fd/{descriptor}").readlink()))

        def copyfile(source: Path, target: Path) -> None:
            copy(source, target)
            self.log.append(("write", target))

        def moved(move: Callable[[Path, Path], Path]) -> Callable[[Path, Path], Path]:
            def noted(path: Path, target: Path) -> Path:
                self.log.append(("move", target))
                return move(path, target)

            return noted

        def append_entry(home: Path, entry: object) -> None:
            self.log.append(("append", home / HISTORY))
            write(home, entry)  # pyright: ignore[reportArgumentType]  whatever the store gives

        monkeypatch.setattr(os, "fsync", fsync)
        monkeypatch.setattr(model_store.shutil, "copyfile", copyfile)
        monkeypatch.setattr(Path, "replace", moved(replace))
        monkeypatch.setattr(Path, "rename", moved(rename))
        monkeypatch.setattr(model_store, "append_entry", append_entry)

    def at(self, kind: str, path: Path, after: int = -1) -> int:
        """The first moment after another at which this happened."""
        found = [n for n, change in enumerate(self.log) if n > after and change == (kind, path)]
        assert found, f"{kind} of {path} is missing after {after}: {self.log}"
        return found[0]


def first(store: ModelStore, bundle: Path, _variant: Path) -> int:
    store.install(bundle, by="a", why="")
    return 1


def second(store: ModelStore, _bundle: Path, variant: Path) -> int:
    store.install(variant, by="a", why="")
    return 2


def prepare_nothing(_store: ModelStore, _bundle: Path) -> None:
    pass


def prepare_one(store: ModelStore, bundle: Path) -> None:
    store.install(bundle, by="a", why="")


@pytest.mark.parametrize(("prepare", "command"), [(prepare_nothing, first), (prepare_one, second)])
def test_nothing_is_in_force_before_it_is_on_the_disk(
    untested_store: ModelStore,
    bundle_folder: Path,
    variant: Path,
    monkeypatch: pytest.MonkeyPatch,
    prepare: Callable[[ModelStore, Path], None],
    command: Callable[[ModelStore, Path, Path], int],
) -> None:
    """Files, their folders, the number, the history's line, the link: each is flushed before the next."""
    store, disk = untested_store, Disk()
    prepare(store, bundle_folder)
    disk.watch(monkeypatch)
    number = command(store, bundle_folder, variant)
    home = store.folder / "disk"
    new, version = home / ".installing", home / str(number)
    files = [path.relative_to(version) for path in version.rglob("*") if path.is_file()]
    assert len(files) >= 4
    numbered = disk.at("move", version)
    for file in files:
        written = disk.at("write", new / file)
        flushed = disk.at("flush", new / file, after=written)
        assert flushed < disk.at("flush", (new / file).parent, after=flushed) < numbered
    known = disk.at("flush", home, after=numbered)
    noted = disk.at("append", home / HISTORY, after=known)
    on_disk = disk.at("flush", home / HISTORY, after=noted)
    if number == 1:
        on_disk = disk.at("flush", home, after=on_disk)  # the history is a new file, too
    switched = disk.at("move", home / CURRENT)
    assert on_disk < switched
    disk.at("flush", home, after=switched)


def test_a_rollback_is_noted_on_the_disk_before_it_is_made(
    untested_store: ModelStore, bundle_folder: Path, variant: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And flushed when it is made."""
    store, disk = untested_store, Disk()
    store.install(bundle_folder, by="a", why="")
    store.install(variant, by="a", why="")
    disk.watch(monkeypatch)
    store.rollback("disk", 1, by="a", why="")
    home = store.folder / "disk"
    switched = disk.at("move", home / CURRENT)
    assert disk.at("append", home / HISTORY) < disk.at("flush", home / HISTORY) < switched
    disk.at("flush", home, after=switched)
