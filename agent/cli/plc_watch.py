"""`inspectd plc watch`: the live image, read only."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from types import FrameType
from typing import Any

from rich.console import Console
from rich.live import Live

from inspectd.agent.cli.output import fail, print_json, say
from inspectd.agent.cli.plc_watch_json import image_as_json
from inspectd.agent.cli.plc_watch_view import picture
from inspectd.agent.config import load_config
from inspectd.io.errors import PlcError
from inspectd.io.plc_live import LiveImage, read_image
from inspectd.io.plc_settings import AnyPlcSettings, ModbusServerSettings
from inspectd.io.plc_transport import PlcTransport
from inspectd.io.plc_watching import transport_to_watch

INTERVAL_S = 0.05
ONCE_S = 0.7  # longer than the 500 ms after which a heartbeat counts as lost
RETRY_S = 0.5


@dataclass(frozen=True, slots=True)
class WatchOptions:
    """What the user asked for; `seconds` None: until Ctrl-C."""

    once: bool
    seconds: float | None
    as_json: bool

    @property
    def until_s(self) -> float | None:
        """How long to watch; None: until Ctrl-C."""
        if self.seconds is not None:
            return self.seconds
        return ONCE_S if self.once or self.as_json else None


def run_watch(config: Path, options: WatchOptions) -> None:
    """Show the image until the time is over or Ctrl-C. PlcError: it could not be read at the start."""
    settings = load_config(config)
    transport = transport_to_watch(settings.plc)
    try:
        words = _first_words(transport, settings.plc)
        image = LiveImage(words, time.monotonic(), {entry.recipe for entry in settings.classes})
        _Watch(transport, image, settings.plc.place, options).run()
    finally:
        transport.close()


def _first_words(transport: PlcTransport, plc: AnyPlcSettings) -> list[int]:
    try:
        transport.connect()
        return read_image(transport)
    except PlcError as error:
        if isinstance(plc, ModbusServerSettings):
            why = "with plc.kind modbus_server the words lie in the running agent: start it to watch them"
            raise PlcError(f"{why} ({error})") from error
        raise


class _Watch:
    """One run of the command."""

    def __init__(self, transport: PlcTransport, image: LiveImage, where: str, options: WatchOptions) -> None:
        self._transport = transport
        self._image = image
        self._where = where
        self._options = options
        self._console = Console()
        self._link = ""
        self._stop = threading.Event()

    def run(self) -> None:
        """Read and show until the end."""
        quiet = self._options.once or self._options.as_json
        is_live = self._console.is_terminal and not quiet
        live = Live(console=self._console, refresh_per_second=8, get_renderable=self._picture, screen=is_live)
        with _stopped_by_signals(self._stop):
            if is_live:
                with live:
                    self._read_on(_ignore)
            else:
                if not quiet:
                    self._console.print(self._picture())
                self._read_on(_ignore if quiet else _say_now)
        self._tell_end(is_live=is_live)

    def _tell_end(self, *, is_live: bool) -> None:
        if self._options.as_json:
            if self._link:
                fail(self._link)
            where: dict[str, Any] = {"plc_at": self._where}
            print_json(where | image_as_json(self._image))
        elif self._options.once or is_live:
            self._console.print(self._picture())

    def _picture(self) -> Any:
        return picture(self._image, self._where, self._link)

    def _read_on(self, show: Callable[[str], None]) -> None:
        until = self._options.until_s
        ends = None if until is None else time.monotonic() + until
        wait = INTERVAL_S
        while not self._stop.wait(wait) and (ends is None or time.monotonic() < ends):
            for line in self._read_once():
                show(line)
            wait = RETRY_S if self._link else INTERVAL_S

    def _read_once(self) -> list[str]:
        """Read and give what is new; a link that is down is told once, and once when it is back."""
        try:
            if self._link:
                self._transport.connect()
            words = read_image(self._transport)
        except PlcError as error:
            told, self._link = self._link, str(error)
            return [] if told else [f"link: {error}"]
        was_down, self._link = bool(self._link), ""
        lines = self._image.update(words, time.monotonic())
        return ["link: back", *lines] if was_down else lines


def _ignore(_line: str) -> None:
    """Show nothing: the table does, or the report at the end."""


def _say_now(line: str) -> None:
    say(f"{datetime.now().astimezone():%H:%M:%S.%f}"[:-3] + f" {line}")


@contextmanager
def _stopped_by_signals(stop: threading.Event) -> Generator[None]:
    """Let Ctrl-C and SIGTERM end the watching, not the command."""

    def on_signal(_signal: int, _frame: FrameType | None) -> None:
        stop.set()

    before = {number: signal.signal(number, on_signal) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
