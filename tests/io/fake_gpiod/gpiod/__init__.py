"""A stand-in for the package gpiod, as much of it as the accept pulse uses, for a chip that is a file.

In the file named by FAKE_GPIO each change of a line's level is one line: moment (s, monotonic), 0 or 1, what
did it. With FAKE_GPIO_STOP=before-edge or in-pulse the process stops itself once, at the worst moment: called
to put the line active but with no edge yet, or with the line active. FAKE_GPIO_FAIL=request or set raises,
with set after the line went active.
"""

import os
import signal
import time
from pathlib import Path
from typing import Any

from gpiod.line import Direction, Value

__all__ = ["LineSettings", "request_lines"]


class LineSettings:
    def __init__(self, *, direction: Direction, active_low: bool, output_value: Value) -> None:
        assert direction is Direction.OUTPUT
        self.active_low = active_low
        self.output_value = output_value


class LineRequest:
    def __init__(self, line: int | str, settings: LineSettings) -> None:
        self._line = line
        self._active_low = settings.active_low
        self._level: bool | None = None
        self._put(settings.output_value, "request")

    def _put(self, value: Value, by: str) -> None:
        level = (value is Value.ACTIVE) != self._active_low
        if level is not self._level:
            with Path(os.environ["FAKE_GPIO"]).open("a") as file:
                file.write(f"{time.monotonic()} {int(level)} {by}\n")
        self._level = level

    def set_value(self, line: int | str, value: Value) -> None:
        assert line == self._line
        if value is Value.ACTIVE:
            _stop_once("before-edge")
        self._put(value, "set")
        if value is Value.ACTIVE:
            _stop_once("in-pulse")
            if os.environ.get("FAKE_GPIO_FAIL") == "set":
                raise OSError(5, "Input/output error")

    def release(self) -> None:
        pass


def _stop_once(moment: str) -> None:
    mark = Path(os.environ["FAKE_GPIO"] + ".stopped")
    if os.environ.get("FAKE_GPIO_STOP") == moment and not mark.exists():
        mark.write_text(str(os.getpid()))
        os.kill(os.getpid(), signal.SIGSTOP)


def request_lines(path: str, *, consumer: str, config: dict[Any, LineSettings]) -> LineRequest:
    assert consumer
    if os.environ.get("FAKE_GPIO_FAIL") == "request":
        raise FileNotFoundError(2, "No such file or directory", path)
    ((line, settings),) = config.items()
    return LineRequest(line, settings)
