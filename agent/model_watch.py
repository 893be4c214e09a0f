"""Watches the installed bundles and takes a new version over between two parts, while the line runs.

A version is opened on a thread of its own: hashes, warm-up, golden frames. Only then is it put in force, for
the parts triggered from then on. One that cannot be opened changes nothing: what is in force stays, the log
says why, and the station is Degraded until what runs is again what is installed.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import structlog

from inspectd.agent.classes import Classes
from inspectd.agent.config import ClassSettings
from inspectd.agent.scorer import Scorer
from inspectd.inference.bundle import DECISION, MANIFEST
from inspectd.inference.errors import BundleError, InferenceError, SelfTestError

log = structlog.get_logger(__name__)

POLL_S = 1.0
RETRY_S = 60.0
"""What was refused is tried again after so long: the reason may have passed, or its files be complete now."""
FAILED_REMEDY = (
    "its parts are UNKNOWN/34, and nothing is accepted; install a bundle that passes, then ClearFault"
)

Identity = tuple[object, ...]


class ModelWatch:
    """Looks about once a second whether another bundle or decision stands where the configuration points.

    Nothing waits for it. Its thread runs at the usual priority: a lower one would be handed down to the
    threads of the engine that it opens, which then would judge the line's parts at it.
    """

    def __init__(
        self, entries: Sequence[ClassSettings], load: Callable[[ClassSettings], Scorer], classes: Classes
    ) -> None:
        self._entries = entries
        self._load = load
        self._classes = classes
        self._known: dict[int, Identity] = {}
        self._new: dict[int, Identity] = {}
        self._refused: dict[int, tuple[Identity | None, str]] = {}
        self._retry_at: dict[int, float] = {}
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def load(self, entry: ClassSettings) -> None:
        """Open a class at the station's start and put it in force. Raises what opening it raises.

        One that fails its self-test is no reason to stay away: the PLC shall see why nothing is accepted. It
        is tried again like a version that was refused.
        """
        # Looked at before: what is installed while the bundle loads is seen later as another version.
        self._known[entry.recipe] = _identity(entry.bundle)
        try:
            scorer = self._load(entry)
        except SelfTestError as error:
            self._classes.fail(entry.recipe, str(error))
            self._retry_at[entry.recipe] = time.monotonic() + RETRY_S
            log.error("self_test_failed", recipe=entry.recipe, why=str(error), remedy=FAILED_REMEDY)
            return
        self._classes.put_in_force(entry.recipe, scorer)
        log.info("class_loaded", recipe=entry.recipe, name=scorer.class_name, bundle=scorer.bundle_id[:12])

    def keep_running(self) -> None:
        """Start the thread, or start it again should it have died."""
        if self._stop.is_set() or self.alive:
            return
        self._thread = threading.Thread(target=self._run, name="model-watch", daemon=True)
        try:
            self._thread.start()
        except RuntimeError as error:  # no thread to be had: the line goes on without a watch
            log.error("model_watch_not_started", error=str(error))

    @property
    def alive(self) -> bool:
        """Whether its thread runs; after `stop` it may still be opening a version."""
        return self._thread is not None and self._thread.is_alive()

    def stop(self) -> None:
        """Put nothing more in force. What is being opened just now is closed again."""
        self._stop.set()

    def ended(self, timeout_s: float) -> bool:
        """Wait for the thread's end; False if it is still opening a version."""
        if self._thread is not None and self._thread.is_alive():
            self._thread.join(timeout_s)
        return not self.alive

    def _run(self) -> None:
        while not self._stop.wait(POLL_S):
            self.look()

    def look(self) -> None:
        """Look at every class once, and free the engines that no part needs any more."""
        for entry in self._entries:
            try:
                self._look_at(entry)
            except Exception:  # noqa: PERF203  the loop's boundary
                log.exception("model_watch_failed", recipe=entry.recipe)
        try:
            self._classes.close_unneeded()
        except Exception:
            log.exception("engine_not_freed")

    def _look_at(self, entry: ClassSettings) -> None:
        identity = _identity(entry.bundle)
        if time.monotonic() >= self._retry_at.get(entry.recipe, math.inf):
            del self._retry_at[entry.recipe], self._known[entry.recipe]
        if identity == self._known.get(entry.recipe):
            self._new.pop(entry.recipe, None)
            return
        # Seen twice alike: a folder that is just being written or exchanged is left alone.
        if self._new.get(entry.recipe) != identity:
            self._new[entry.recipe] = identity
            return
        self._known[entry.recipe] = self._new.pop(entry.recipe)
        try:
            self._take_over(entry)
            self._refused.pop(entry.recipe, None)
        except InferenceError as error:
            self._refuse(entry, str(error))
        except Exception as error:
            log.exception("model_watch_failed", recipe=entry.recipe)
            self._refuse(entry, f"{type(error).__name__}: {error}")

    def _take_over(self, entry: ClassSettings) -> None:
        """Open what is installed and put it in force, unless it is so already."""
        before = self._classes.get(entry.recipe)
        scorer = self._load(entry)
        try:
            if before and scorer.class_name != before.class_name:
                raise BundleError(
                    f"{entry.bundle}: a bundle of class {scorer.class_name!r}, recipe {entry.recipe} is"
                    f" {before.class_name!r}. Install one of that class, or restart the agent."
                )
            is_new = before is None or _version(scorer) != _version(before)
            if is_new and not self._stop.is_set():
                self._classes.put_in_force(entry.recipe, scorer)
                log.info(
                    "class_replaced",
                    recipe=entry.recipe,
                    name=scorer.class_name,
                    bundle=scorer.bundle_id[:12],
                    decision=scorer.decision_id[:12],
                )
            elif not is_new:
                self._classes.refuse(entry.recipe, "")
        finally:
            if self._classes.get(entry.recipe) is not scorer:
                scorer.close()

    def _refuse(self, entry: ClassSettings, why: str) -> None:
        before = self._classes.get(entry.recipe)
        name = before.class_name if before else f"of recipe {entry.recipe}"
        self._classes.refuse(entry.recipe, f"class {name}: what is installed is not in force: {why}")
        self._retry_at[entry.recipe] = time.monotonic() + RETRY_S
        refused = self._known.get(entry.recipe), why
        if self._refused.get(entry.recipe) == refused:
            return  # it was told
        self._refused[entry.recipe] = refused
        log.error(
            "model_refused",
            recipe=entry.recipe,
            why=why,
            in_force=before.bundle_id[:12] if before else "",
            remedy="the old version stays in force; install another one, or roll back"
            if before
            else FAILED_REMEDY,
        )


def _version(scorer: Scorer) -> tuple[str, str]:
    return scorer.bundle_id, scorer.decision_id


def _identity(folder: Path) -> Identity:
    """Tell what stands at a path, so that another bundle or decision there shows. Reads no file."""
    try:
        target = folder.resolve(strict=True)
        stats = (folder.lstat(), (target / MANIFEST).stat(), (target / DECISION).stat())
    except (OSError, RuntimeError) as error:  # a loop of links is a RuntimeError before Python 3.13
        return (str(error),)
    return (target, *((stat.st_ino, stat.st_mtime_ns, stat.st_size) for stat in stats))
