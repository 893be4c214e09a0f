"""Ctrl-C in a long calculation: it ends where its state is whole, a second Ctrl-C ends it at once."""

from __future__ import annotations

import os
import signal
import threading
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from types import FrameType

    from typing_extensions import Self

_TOLD = b"\nCtrl-C: stops after this step, once more: at once\n"


class PatientInterrupt:
    """While it is entered, a first SIGINT in the midst of a step waits for `between_steps`."""

    def __init__(self) -> None:
        self._in_step = False
        self._asked = False
        self._before: Any = None

    def __enter__(self) -> Self:
        """Take SIGINT, which only the main thread can."""
        if threading.current_thread() is threading.main_thread():
            self._before = signal.signal(signal.SIGINT, self._on_signal)
        return self

    def __exit__(self, *_: object) -> None:
        """Give SIGINT back."""
        if self._before is not None:
            signal.signal(signal.SIGINT, self._before)

    def between_steps(self, *, another_follows: bool) -> None:
        """Say that nothing is half done now. Raises KeyboardInterrupt if it was asked for."""
        self._in_step = another_follows
        if self._asked:
            self._asked = False
            raise KeyboardInterrupt

    def _on_signal(self, _signal: int, _frame: FrameType | None) -> None:
        if self._asked or not self._in_step:
            raise KeyboardInterrupt
        self._asked = True
        os.write(2, _TOLD)  # unlike sys.stderr, safe in the midst of anything
