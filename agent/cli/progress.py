"""A progress bar with the time left on a terminal, a plain line now and then elsewhere; on standard error."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from inspectd.agent.cli.output import note

Advance = Callable[..., None]
PLAIN_INTERVAL_S = 10.0


@contextmanager
def progress_bar(what: str) -> Generator[Advance]:
    """Give a function `advance(done, total, text="", seconds_left=None)` that shows how far the work is."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield _plain(what)
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console) as progress:
        task, stage = progress.add_task(what), _Stage()

        def advance(done: float, total: float, text: str = "", seconds_left: float | None = None) -> None:
            if stage.is_new(done, total):
                progress.reset(task)  # what another stage took says nothing of this one
            left = "" if seconds_left is None or not seconds_left >= 0 else f", {seconds_left:.0f} s left"
            description = f"{what} {text}{left}"
            progress.update(task, completed=done, total=total or None, description=description)

        yield advance


class _Stage:
    """Tells one stage of the work from the next, which has a total of its own or begins at its start."""

    def __init__(self) -> None:
        self._done, self._total = 0.0, 0.0

    def is_new(self, done: float, total: float) -> bool:
        """Whether this is the first word of another stage."""
        before = self._done, self._total
        self._done, self._total = done, total
        return done < before[0] or total != before[1]


def _plain(what: str) -> Advance:
    stage, began = _Stage(), time.monotonic()
    last = before = began

    def advance(done: float, total: float, text: str = "", seconds_left: float | None = None) -> None:
        nonlocal began, last, before
        now = time.monotonic()
        if stage.is_new(done, total):
            began = before
        before = now
        if now - last >= PLAIN_INTERVAL_S or 0 < total <= done:
            last = now
            if not total:
                note(f"{what} {text}")
                return
            left = (now - began) / done * (total - done) if done else 0.0
            left = seconds_left if seconds_left is not None and seconds_left >= 0 else left
            note(f"{what} {done:g}/{total:g} {text}, {left:.0f} s left")

    return advance
