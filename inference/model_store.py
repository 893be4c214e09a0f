"""Installed bundles: a models folder with the versions of each class, one of them in force.

    MODELS/CLASS/1/  MODELS/CLASS/2/   bundles, as they were installed; adjusting a decision writes into one
    MODELS/CLASS/current               link to the version in force, switched by rename
    MODELS/CLASS/history.jsonl         what was put in force when, by whom and why

A station's configuration names MODELS/CLASS/current. A version gets its number only once it is complete,
flushed to the disk, and has reproduced its golden scores; until then, whatever happens, nothing has changed.
Versions are never removed: a rollback may need each of them.
"""

import errno
import fcntl
import os
import re
import shutil
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from inspectd.inference.bundle import MANIFEST, Bundle, load_bundle
from inspectd.inference.documents import read_document, sync_folder
from inspectd.inference.engine import open_engine
from inspectd.inference.errors import BundleError, StoreError
from inspectd.inference.manifest import limits_key
from inspectd.inference.model_history import Entry, append_entry, now, read_history, version_before
from inspectd.inference.runtime import RuntimeSettings

CURRENT = "current"
LOCK_WAIT_S = 60.0
_LOCK = ".lock"
_LOCK_POLL_S = 0.05
# Both are leftovers, if they are there when a command begins: only one command works at a time.
_UNFINISHED = ".installing"
_NEW_LINK = ".current.new"
_PLAIN_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_-]{0,63}")
_DISK_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}

Tell = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Switched:
    """What a command did: `before` (0: none) and `version` are alike if that was in force already."""

    class_name: str
    link: Path
    before: int
    version: int
    bundle: Bundle


class ModelStore:
    """A models folder. `runtime` is what golden frames are tested on; `tell` hears each step that begins."""

    def __init__(self, folder: Path, runtime: RuntimeSettings, tell: Tell = lambda _: None) -> None:
        self.folder = folder.absolute()
        self._runtime = runtime
        self._tell = tell

    def classes(self) -> list[str]:
        """Return the names of the classes installed."""
        with _mapped(self.folder):
            if not self.folder.is_dir():
                return []
            return sorted(
                path.name
                for path in self.folder.iterdir()
                if _PLAIN_NAME.fullmatch(path.name) and self.versions(path.name)
            )

    def versions(self, class_name: str) -> list[int]:
        """Return the numbers of a class's versions, oldest first."""
        home = self.home(class_name)
        with _mapped(home):
            names = [path.name for path in home.iterdir()] if home.is_dir() else []
        return sorted(int(name) for name in names if _number(name))

    def current(self, class_name: str) -> int:
        """Return the version in force, 0 if there is none."""
        link = self.home(class_name) / CURRENT
        with _mapped(link):
            if link.is_symlink():
                return _number(os.readlink(link))  # noqa: PTH115  the link's own text
            if link.exists():
                raise StoreError(f"{link}: is no link. Move it away, then install the bundle again.")
            return 0

    def history(self, class_name: str) -> list[Entry]:
        """Return what was put in force, oldest first."""
        with _mapped(self.home(class_name)):
            return read_history(self.home(class_name))

    def home(self, class_name: str) -> Path:
        """Return a class's folder. Raises StoreError for a name that is no plain folder name."""
        if not _PLAIN_NAME.fullmatch(class_name):
            raise StoreError(
                f"class {class_name!r}: a class's folder is named by 1 to 64 letters A-Z, digits, _ and -."
                " Give it such a name with --class."
            )
        return self.folder / class_name

    def install(self, source: Path, class_name: str = "", *, by: str, why: str) -> Switched:
        """Copy a bundle in as the class's next version, test it, and put it in force.

        A version that is the same bundle with the same decision is put in force again. `class_name` is the
        class's folder, where it is not named as the bundle's class. Raises BundleError, EngineError or
        StoreError; then what was in force still is.
        """
        name = class_name or load_bundle(source).manifest.class_name
        with self._at_work(name) as home:
            self._tell("checking hashes")
            bundle = load_bundle(source)
            self._check_class(home, bundle)
            version = self._same_version(name, bundle)
            if version:
                self._test(home / str(version))
            else:
                version = self._copy_in(home, bundle)
            return self._switch(name, version, "install", by=by, why=why)

    def rollback(self, class_name: str, to: int = 0, *, by: str, why: str) -> Switched:
        """Test an older version and put it in force: `to`, or the one that was so before the present.

        Raises BundleError, EngineError or StoreError; then what was in force still is.
        """
        if not self.home(class_name).is_dir():
            known = ", ".join(self.classes()) or "none"
            raise StoreError(f"{self.home(class_name)}: no such class. Installed: {known}.")
        with self._at_work(class_name) as home:
            version = to or version_before(self.history(class_name))
            if not version:
                raise StoreError(f"{home}: no version was in force before. Name one with --to, or install.")
            if version not in self.versions(class_name):
                known = ", ".join(map(str, self.versions(class_name))) or "none"
                raise StoreError(f"{home}: no version {version}. There are: {known}.")
            self._tell("checking hashes")
            self._check_class(home, load_bundle(home / str(version)))
            self._test(home / str(version))
            return self._switch(class_name, version, "rollback", by=by, why=why)

    @contextmanager
    def _at_work(self, class_name: str) -> Generator[Path]:
        """Keep every other command out, and clear up after one that was cut off."""
        home = self.home(class_name)
        with _mapped(home):
            for folder in (self.folder, home):
                is_new = not folder.exists()
                folder.mkdir(parents=True, exist_ok=True)
                if is_new:
                    folder.chmod(0o755)  # whatever the umask: the station's own user reads what is installed
            with (self.folder / _LOCK).open("ab") as lock:
                self._lock(lock.fileno())
                shutil.rmtree(home / _UNFINISHED, ignore_errors=True)
                self._note_interrupted(class_name)
                try:
                    yield home
                finally:
                    shutil.rmtree(home / _UNFINISHED, ignore_errors=True)

    def _lock(self, descriptor: int) -> None:
        give_up = time.monotonic() + LOCK_WAIT_S
        if not _locked(descriptor):
            self._tell("waiting for another install or rollback")
        while not _locked(descriptor):
            if time.monotonic() > give_up:
                raise StoreError(
                    f"{self.folder}: another install or rollback is at work. Try again when it has ended."
                )
            time.sleep(_LOCK_POLL_S)

    def _note_interrupted(self, class_name: str) -> None:
        """Have the history end with what is in force, where a command was cut off before its switch."""
        history, current = self.history(class_name), self.current(class_name)
        if history and history[-1].version != current:
            why = f"the switch to version {history[-1].version} did not take place"
            append_entry(
                self.home(class_name),
                Entry(at=now(), action="found", version=current, by="inspectd", why=why),
            )

    def _check_class(self, home: Path, bundle: Bundle) -> None:
        """Refuse a bundle of another class than those that the folder holds."""
        for version in self.versions(home.name):
            try:
                held = read_document(home / str(version) / MANIFEST).get("class_name")
            except BundleError:
                continue
            if held != bundle.manifest.class_name:
                raise StoreError(
                    f"{bundle.folder}: a bundle of class {bundle.manifest.class_name!r}, but {home} holds"
                    f" {held!r}. Check which bundle you meant, or give it another folder with --class."
                )
            return

    def _same_version(self, class_name: str, bundle: Bundle) -> int:
        """Find the version that is this bundle with this decision, undamaged; 0 if there is none."""
        for version in reversed(self.versions(class_name)):
            try:
                held = load_bundle(self.home(class_name) / str(version))
            except BundleError:
                continue
            if (held.bundle_id, held.decision_id) == (bundle.bundle_id, bundle.decision_id):
                return version
        return 0

    def _copy_in(self, home: Path, bundle: Bundle) -> int:
        """Copy a bundle into the class's folder and test the copy; it gets its number last."""
        self._tell("copying")
        new = home / _UNFINISHED
        _copy_tree(bundle.folder, new)
        copy = load_bundle(new)
        if (copy.bundle_id, copy.decision_id) != (bundle.bundle_id, bundle.decision_id):
            raise StoreError(f"{bundle.folder}: was changed while it was copied. Install it again.")
        self._test(new)
        numbers = [entry.version for entry in self.history(home.name)]
        version = max([*self.versions(home.name), *numbers], default=0) + 1
        new.rename(home / str(version))
        sync_folder(home)
        return version

    def _test(self, folder: Path) -> None:
        self._tell(f"golden frames on {self._runtime.name} {self._runtime.precision}")
        open_engine(folder, self._runtime).close()

    def _switch(self, class_name: str, version: int, action: str, *, by: str, why: str) -> Switched:
        """Write the history, then lead the link to the version, unless it leads there already."""
        self._tell("switching")
        home, before = self.home(class_name), self.current(class_name)
        bundle = load_bundle(home / str(version))
        done = Switched(class_name, home / CURRENT, before, version, bundle)
        if before == version:
            return done
        entry = {
            "at": now(),
            "action": action,
            "version": version,
            "bundle_id": bundle.bundle_id,
            "decision_id": bundle.decision_id,
            "engine": limits_key(self._runtime.name, self._runtime.precision),
            "by": by,
            "why": why,
        }
        append_entry(home, Entry.model_validate(entry))
        try:
            (home / _NEW_LINK).unlink(missing_ok=True)
            (home / _NEW_LINK).symlink_to(str(version))
            (home / _NEW_LINK).replace(home / CURRENT)
        except OSError:
            self._note_interrupted(class_name)
            raise
        sync_folder(home)
        sync_folder(self.folder)
        return done


def _locked(descriptor: int) -> bool:
    """Take the lock, unless another process has it; the kernel frees it even when that is killed."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _number(name: str) -> int:
    """Return the version that a folder's name or a link's text stands for, 0 if it stands for none."""
    return int(name) if re.fullmatch(r"[1-9][0-9]{0,8}", name) else 0


def _copy_tree(source: Path, target: Path) -> None:
    """Copy a bundle's files and flush them to the disk; every user may read them, as a station's must."""
    target.mkdir()
    for path in sorted(source.rglob("*")):
        copy = target / path.relative_to(source)
        if path.is_dir():
            copy.mkdir()
        else:
            shutil.copyfile(path, copy)
            copy.chmod(0o644)
            with copy.open("rb") as file:
                os.fsync(file.fileno())
    for folder in (target, *(path for path in target.rglob("*") if path.is_dir())):
        folder.chmod(0o755)
        sync_folder(folder)


@contextmanager
def _mapped(where: Path) -> Generator[None]:
    """Turn an error of the file system into a StoreError with its remedy."""
    try:
        yield
    except OSError as error:
        remedy = "Run this as the user who owns the models folder, or name another with --models."
        if error.errno in _DISK_FULL:
            remedy = "Free space on that disk and try again; what was in force still is."
        raise StoreError(f"{error.filename or where}: {error.strerror}. {remedy}") from error
