"""Power cuts, a full disk and two commands at once: nothing half-done is ever in force."""

import contextlib
import errno
import multiprocessing
import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest

from inspectd.inference import model_store
from inspectd.inference.bundle import load_bundle
from inspectd.inference.errors import InferenceError, StoreError
from inspectd.inference.model_history import HISTORY
from inspectd.inference.model_store import ModelStore
from tests.inference.store_bench import RUNTIME, adjust, copied, in_force, names, unchanged


class PowerCut(BaseException):
    """Nothing that a program does after it has any effect."""


PRIMITIVES = (
    (Path, "mkdir"),
    (Path, "rename"),
    (Path, "replace"),
    (Path, "unlink"),
    (Path, "symlink_to"),
    (Path, "chmod"),
    (model_store.shutil, "copyfile"),
    (model_store.shutil, "rmtree"),
    (model_store.os, "fsync"),
    (model_store.os, "truncate"),
)


def cut_at(monkeypatch: pytest.MonkeyPatch, step: int, error: BaseException) -> list[int]:
    """Let the `step`-th change to the disk fail, and each one after it; gives the count of changes."""
    count = [0]

    def failing(change: object) -> object:
        def call(*arguments: object, **named: object) -> object:
            count[0] += 1
            if count[0] >= step:
                raise error
            assert callable(change)
            return change(*arguments, **named)

        return call

    for holder, name in PRIMITIVES:
        monkeypatch.setattr(holder, name, failing(getattr(holder, name)))
    return count


@dataclass
class Try:
    """One command on a models folder that is as it was before each time."""

    store: ModelStore
    command: str
    source: Path
    prepared: Path

    def restore(self) -> None:
        shutil.rmtree(self.store.folder, ignore_errors=True)
        if self.prepared.exists():
            shutil.copytree(self.prepared, self.store.folder, symlinks=True)

    def work(self) -> None:
        if self.command == "rollback":
            self.store.rollback("disk", 1, by="b", why="")
        else:
            self.store.install(self.source, by="b", why="")

    def cut_at(self, step: int, error: BaseException, monkeypatch: pytest.MonkeyPatch) -> bool:
        """Work until the cut; tells whether it came to its end before."""
        with monkeypatch.context() as patched:
            count = cut_at(patched, step, error)
            with contextlib.suppress(PowerCut, InferenceError):
                self.work()
        return count[0] < step

    def is_whole(self) -> bool:
        """Whether what is in force, if anything, loads and stands in the history."""
        current = self.store.current("disk")
        known = [entry.version for entry in self.store.history("disk")]
        return not current or (bool(in_force(self.store)) and current in known)


@pytest.fixture
def attempt(
    request: pytest.FixtureRequest,
    untested_store: ModelStore,
    bundle_folder: Path,
    variant: Path,
    tmp_path: Path,
) -> Try:
    """A first install, another one, or a rollback."""
    store, command = untested_store, str(request.param)
    prepared = tmp_path / "prepared"
    if command != "first":
        store.install(bundle_folder, by="a", why="")
    if command == "rollback":
        store.install(variant, by="a", why="")
    if command != "first":
        shutil.copytree(store.folder, prepared, symlinks=True)
    return Try(store, command, bundle_folder if command == "first" else variant, prepared)


@pytest.mark.parametrize(
    "cut", [PowerCut(), OSError(errno.ENOSPC, "No space left on device")], ids=["power", "disk"]
)
@pytest.mark.parametrize("attempt", ["first", "install", "rollback"], indirect=True)
def test_cut_off_between_any_two_steps(
    attempt: Try, cut: BaseException, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The old version or the new one is in force, whole; the history names it; the next try succeeds.

    The golden frames take no part: what is tested is the order of the changes on the disk.
    """
    store = attempt.store
    before = store.current("disk")
    outcomes: set[int] = set()
    step = 0
    for step in range(1, 100):
        attempt.restore()
        if attempt.cut_at(step, cut, monkeypatch):
            break
        outcomes.add(store.current("disk"))
        assert attempt.is_whole()
        attempt.work()
        assert attempt.is_whole()
        assert store.history("disk")[-1].version == store.current("disk") != before
        assert not [name for name in names(store) if name.startswith(".")]
    assert 5 < step < 99, "it was cut off between steps, and came to its end at last"
    assert outcomes == {before, store.current("disk")}


def test_a_full_disk_is_named_with_its_remedy(
    store: ModelStore, bundle_folder: Path, variant: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.install(bundle_folder, by="a", why="")
    before = in_force(store)

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(model_store.shutil, "copyfile", full)
        with pytest.raises(
            StoreError, match=r"No space left on device. Free space on that disk and try again"
        ):
            store.install(variant, by="a", why="")
    assert unchanged(store, before, ["1"])


def test_a_switch_cut_off_is_told_in_the_history(
    store: ModelStore, bundle_folder: Path, variant: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What an entry announced and what did not take place after all both stand there."""
    store.install(bundle_folder, by="a", why="")

    def cut(*_: object) -> None:
        raise PowerCut

    with monkeypatch.context() as patched:
        patched.setattr(Path, "symlink_to", cut)
        with pytest.raises(PowerCut):
            store.install(variant, by="a", why="")
    assert store.current("disk") == 1
    assert store.rollback("disk", 2, by="b", why="").version == 2
    told = [(entry.action, entry.version) for entry in store.history("disk")]
    assert told == [("install", 1), ("install", 2), ("found", 1), ("rollback", 2)]
    assert store.history("disk")[2].why == "the switch to version 2 did not take place"


def test_a_switch_that_fails_is_told_at_once(
    store: ModelStore, bundle_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The history does not go on naming a version that is not in force, until somebody tries again."""

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(Path, "symlink_to", full)
        with pytest.raises(StoreError, match=r"Free space on that disk"):
            store.install(bundle_folder, by="a", why="")
    assert [(entry.action, entry.version) for entry in store.history("disk")] == [
        ("install", 1),
        ("found", 0),
    ]


def test_a_torn_line_hides_no_other(store: ModelStore, bundle_folder: Path, variant: Path) -> None:
    """The line that a power cut tore is passed over, and the next one begins anew."""
    store.install(bundle_folder, by="a", why="")
    history = store.folder / "disk" / HISTORY
    with history.open("ab") as file:
        file.write(b'{"action": "inst')
    store.install(variant, by="a", why="")
    assert [entry.version for entry in store.history("disk")] == [1, 2]


def install_variant(folder: Path, source: Path, number: int) -> None:
    """One of several processes at once."""
    copy = copied(source, f"copy-{number}")
    adjust(copy, 1 - number / 100)
    ModelStore(folder, RUNTIME).install(copy, by=str(number), why="")


def test_several_installs_at_once(store: ModelStore, bundle_folder: Path) -> None:
    """Each gets its own version, one after the other, and every version is whole."""
    spawn = multiprocessing.get_context("spawn")
    numbers = range(1, 4)
    processes = [
        spawn.Process(target=install_variant, args=(store.folder, bundle_folder, number))
        for number in numbers
    ]
    for process in processes:
        process.start()
    for process in processes:
        process.join(100)
    assert [process.exitcode for process in processes] == [0, 0, 0]
    assert store.versions("disk") == [1, 2, 3]
    assert {entry.by for entry in store.history("disk")} == {"1", "2", "3"}
    assert len({load_bundle(store.folder / "disk" / str(version)).decision_id for version in (1, 2, 3)}) == 3
    assert store.history("disk")[-1].version == store.current("disk")


def test_a_second_command_waits_and_then_gives_up(
    store: ModelStore, bundle_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It says that it waits; and after a while, that another one is at work."""
    monkeypatch.setattr(model_store, "LOCK_WAIT_S", 0.1)
    told: list[str] = []
    second = ModelStore(store.folder, RUNTIME, told.append)
    with (
        store._at_work("disk"),  # pyright: ignore[reportPrivateUsage]  the lock alone
        pytest.raises(StoreError, match=r"another install or rollback is at work"),
    ):
        second.install(bundle_folder, by="a", why="")
    assert told == ["waiting for another install or rollback"]
    second.install(bundle_folder, by="a", why="")
