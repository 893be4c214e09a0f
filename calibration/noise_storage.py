"""Where the trials of a noise search are kept: Optuna's storage, shared by processes and machines.

A worker that was killed leaves its trial "running" for ever. Optuna's own heartbeat is experimental and not
there for journals, so each worker signs its trial with who it is and when it was last seen; whoever comes
next takes a trial away from a process of this machine that is gone, or from a machine that was not seen for
`GRACE_S`, and puts its rate back into the queue.
"""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import optuna
from optuna.exceptions import StorageInternalError
from optuna.pruners import MedianPruner
from optuna.samplers import TPESampler
from optuna.storages import BaseStorage, JournalStorage, RDBStorage
from optuna.storages.journal import JournalFileBackend
from optuna.study import Study
from optuna.trial import FrozenTrial, Trial, TrialState
from sqlalchemy.engine import URL
from sqlalchemy.exc import SQLAlchemyError

from inspectd.calibration.errors import CalibrationError

SIGMA = "sigma"
IDENTITY = "identity"
FIGURES = "figures"
RETRIES = "retries"
NOTE = "note"
_WORKER, _SEEN = "worker", "seen"

DATABASE = "noise.sqlite3"
GRACE_S = 600.0
"""A worker elsewhere that was not seen for so long is taken for dead; it signs every `SIGN_S`."""
SIGN_S = 30.0
MOST_RETRIES = 2
_LOCK_WAIT_S = 60
_COMPLETE_BEFORE_PRUNING = 4
_SHARE_BEFORE_PRUNING = 0.3


@contextmanager
def open_study(
    folder: Path, storage: str, name: str, identity: dict[str, Any], *, looks: int, design: int, seed: int
) -> Generator[Study]:
    """Open or begin the study of a class; `identity` is what all its workers must have in common.

    `storage` is a database URL, a file for a journal on a shared disk, or empty: a database in `folder`.
    Raises CalibrationError, also for what the storage raises inside, if it cannot be used or another study
    goes by this name.
    """
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    opened: BaseStorage | None = None
    try:
        with _failures_told(folder, storage):
            folder.mkdir(parents=True, exist_ok=True)
            with _locked(folder):  # two that begin at once would both make the tables
                opened = _open_storage(folder, storage)
                study = optuna.create_study(
                    storage=opened,
                    study_name=name,
                    direction="maximize",
                    load_if_exists=True,
                    pruner=MedianPruner(
                        n_startup_trials=_COMPLETE_BEFORE_PRUNING,
                        n_warmup_steps=int(_SHARE_BEFORE_PRUNING * looks),
                        n_min_trials=3,
                    ),
                )
                if IDENTITY not in study.user_attrs:
                    study.set_user_attr(IDENTITY, identity)
            check_identity(study, identity)
            # Workers that begin with other trials on record propose other rates.
            study.sampler = TPESampler(seed=seed + len(study.trials), n_startup_trials=design)
            yield study
    finally:
        if isinstance(opened, RDBStorage):
            opened.remove_session()
            opened.engine.dispose()


@contextmanager
def _failures_told(folder: Path, storage: str) -> Generator[None]:
    try:
        yield
    except (StorageInternalError, SQLAlchemyError, ImportError, OSError) as error:
        # The address may hold a password: neither it nor what the database's driver says of it is told.
        where = "--storage" if storage else str(folder)
        cause = error.__cause__ or error
        told = type(cause).__name__ if "://" in storage else str(cause).splitlines()[0]
        raise CalibrationError(
            f"{where}: the study's storage failed ({told}). Check address, rights, space and the database's"
            " driver, then run it again."
        ) from error


def check_identity(study: Study, identity: dict[str, Any]) -> None:
    """Raise CalibrationError if the study is of other data or another recipe, and say what differs."""
    found: Any = study.user_attrs.get(IDENTITY)
    if found == identity:
        return
    differing = [key for key in identity if not isinstance(found, dict) or found.get(key) != identity[key]]
    raise CalibrationError(
        f"study {study.study_name}: belongs to a search with another {', '.join(differing) or 'version'}."
        " Trials of both cannot be compared: use the same data and options, or begin another study (--out)."
    )


class Worker:
    """This process as one of a study's workers."""

    def __init__(self, study: Study) -> None:
        self._study = study
        self._place, self._process = _place(), _process(os.getpid())
        self._signed_at = 0.0

    def sign(self, trial: Trial, *, now: bool = False) -> None:
        """Say that this worker has the trial and lives. Raises OptunaError if it was taken away meanwhile."""
        if now:
            trial.set_user_attr(_WORKER, {"place": self._place, "pid": os.getpid(), "process": self._process})
        if now or time.monotonic() - self._signed_at >= SIGN_S:
            self._signed_at = time.monotonic()
            trial.set_user_attr(_SEEN, time.time())

    def take_back(self) -> list[int]:
        """End the trials of dead workers and put their rates back into the queue; return their numbers."""
        running = self._study.get_trials(deepcopy=False, states=(TrialState.RUNNING,))
        return [
            trial.number
            for trial in running
            if self._is_dead(trial) and put_back(self._study, trial, blamed=True)
        ]

    def _is_dead(self, trial: FrozenTrial) -> bool:
        worker: Any = trial.user_attrs.get(_WORKER)
        if worker is not None and worker["place"] == self._place:
            return _process(worker["pid"]) != worker["process"]
        begun = trial.datetime_start.timestamp() if trial.datetime_start else 0.0
        return time.time() - trial.user_attrs.get(_SEEN, begun) > GRACE_S


def put_back(study: Study, trial: FrozenTrial, *, blamed: bool) -> bool:
    """Mark a running trial as failed and have its rate tried again; False if another was quicker.

    A rate that is blamed for the deaths of `MOST_RETRIES` workers and one more is left alone.
    """
    try:
        study.tell(trial.number, state=TrialState.FAIL)
    except (ValueError, RuntimeError):
        return False
    retries = int(trial.user_attrs.get(RETRIES, 0)) + blamed
    if retries <= MOST_RETRIES and SIGMA in trial.params:
        study.enqueue_trial({SIGMA: trial.params[SIGMA]}, user_attrs={RETRIES: retries})
    return True


def _open_storage(folder: Path, storage: str) -> BaseStorage:
    if not storage:
        url = URL.create("sqlite", database=str(folder.absolute() / DATABASE))
        return _database(url.render_as_string())
    if "://" in storage:
        return _database(storage)
    return JournalStorage(JournalFileBackend(storage))


def _database(url: str) -> RDBStorage:
    waits = {"connect_args": {"timeout": _LOCK_WAIT_S}} if url.startswith("sqlite") else {}
    return RDBStorage(url, engine_kwargs=waits)


@contextmanager
def _locked(folder: Path) -> Generator[None]:
    with (folder / ".lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _place() -> str:
    """Name where process ids mean the same: this boot of this kernel, and this namespace."""
    boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    return f"{boot} {Path('/proc/self/ns/pid').readlink()}"


def _process(pid: int) -> str:
    """Return what tells a process from a later one of the same id: when it began; empty if it is gone."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
    fields = stat.rpartition(")")[2].split()
    return "" if fields[0] in {"Z", "X"} else fields[19]
