"""The PLC twin as a process of its own: `python -m inspectd.io.plc_simulator --config JSON`.

`PlcSimulator` starts it from Python, takes its records and gives it commands. The process serves Modbus TCP
on 127.0.0.1 and ends with whoever started it.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import itertools
import json
import queue
import subprocess
import sys
import tempfile
import threading
import time
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from inspectd.io.errors import PlcError
from inspectd.io.plc_record import PartRecord, PlcSummary
from inspectd.io.plc_simulator_settings import PlcSimulatorSettings

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from typing_extensions import Self

__all__ = ["PlcSimulator", "PlcSimulatorSettings", "main"]

_START_TIMEOUT_S = 30.0
_REPLY_TIMEOUT_S = 10.0
_STOP_TIMEOUT_S = 3.0
_POLL_S = 0.02
_STDERR_TAIL = 2000
_BAD_USAGE = 2


class PlcSimulator:
    """The twin's process, seen from the one that started it.

    `on_record` is called with each part's record on a thread of its own; `records` keeps them all. `program`
    is the command line before `--config`. Every method raises PlcError when the process has ended.
    """

    def __init__(
        self,
        settings: PlcSimulatorSettings,
        on_record: Callable[[PartRecord], None] | None = None,
        *,
        program: Sequence[str] = (sys.executable, "-m", "inspectd.io.plc_simulator"),
    ) -> None:
        self.settings = settings
        self.host = "127.0.0.1"
        self.port = 0
        self.records: list[PartRecord] = []
        self._on_record = on_record
        self._program = tuple(program)
        self._process: subprocess.Popen[bytes] | None = None
        self._reader: threading.Thread | None = None
        self._listening = threading.Event()
        self._finished = threading.Event()
        self._ended = threading.Event()
        self._replies: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
        self._numbers = itertools.count(1)
        self._one_command = threading.Lock()
        self._stderr = tempfile.TemporaryFile()  # noqa: SIM115  closed by `stop`

    @property
    def pid(self) -> int:
        """Process id; 0 when it does not run."""
        return 0 if self._process is None else self._process.pid

    def start(self) -> Self:
        """Start the process and wait until it listens on `port`; PlcError if it does not."""
        self._process = subprocess.Popen(  # noqa: S603  our own module
            [*self._program, "--config", self.settings.model_dump_json()],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._stderr,
            # Ctrl-C in a terminal is for the starter, which ends the twin last.
            start_new_session=True,
        )
        self._reader = threading.Thread(target=self._read, name="plc-simulator", daemon=True)
        self._reader.start()
        try:
            self._wait_for(self._listening, _START_TIMEOUT_S, "listening")
        except PlcError:
            self.stop()
            raise
        return self

    def command(self, name: str, **arguments: Any) -> dict[str, Any]:
        """Give a command and wait until it is carried out; ValueError if the twin refuses it.

        power_cycle(off_s, retentive, belt_runs), belt(running), clear_fault(), control(bits, on),
        panel(recipe, lot, version, skip_ids, confirm_rejects, ack_results, heed_ready), tear(on),
        camera_fault(part, fault, ms), status(), view(), stop().
        """
        number = next(self._numbers)
        timeout = _REPLY_TIMEOUT_S + float(arguments.get("off_s", 0.0))
        with self._one_command:
            self._send({"id": number, "command": name, **arguments})
            deadline = time.monotonic() + timeout
            while True:
                try:
                    reply = self._replies.get(timeout=max(0.0, deadline - time.monotonic()))
                except queue.Empty:
                    raise self._error(f"did not answer {name!r} within {timeout:g} s") from None
                if reply["id"] == number:
                    break
                if reply["id"] is None:
                    raise self._error(f"ended before it answered {name!r}")
        if not reply["ok"]:
            raise ValueError(f"PLC simulator: {name}: {reply['error']}")
        return reply["result"]

    def status(self) -> dict[str, Any]:
        """Give the present state: belt, parts, epoch, and what the agent last wrote."""
        return self.command("status")

    def wait_until(self, reached: Callable[[dict[str, Any]], bool], timeout_s: float) -> dict[str, Any]:
        """Wait for a state and give it; PlcError after `timeout_s`, with the state that stood then."""
        deadline = time.monotonic() + timeout_s
        while True:
            status = self.status()
            if reached(status):
                return status
            if time.monotonic() >= deadline:
                raise self._error(f"did not reach the state waited for within {timeout_s:g} s: {status}")
            time.sleep(_POLL_S)

    def wait(self, timeout_s: float) -> PlcSummary:
        """Wait until the last part has passed the gate; PlcError after `timeout_s`."""
        self._wait_for(self._finished, timeout_s, "finished")
        return self.summary()

    def summary(self) -> PlcSummary:
        """Count the records so far."""
        return PlcSummary.of(list(self.records))

    def stop(self) -> None:
        """End the process; calling it again does nothing."""
        process, self._process = self._process, None
        if process is None:
            return
        assert process.stdin is not None  # noqa: S101  asked for in `start`
        assert process.stdout is not None  # noqa: S101
        with contextlib.suppress(BrokenPipeError):  # it may have ended first
            process.stdin.close()  # the twin ends when its input does
        try:
            process.wait(_STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(_STOP_TIMEOUT_S)
        if self._reader is not None:
            self._reader.join(_STOP_TIMEOUT_S)
        process.stdout.close()
        self._stderr.close()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _send(self, request: dict[str, Any]) -> None:
        if self._process is None or self._process.stdin is None:
            raise PlcError("PLC simulator: not running; call start() first")
        try:
            self._process.stdin.write(json.dumps(request).encode() + b"\n")
            self._process.stdin.flush()
        except OSError as error:
            raise self._error("takes no commands: it has ended") from error

    def _read(self) -> None:
        assert self._process is not None  # noqa: S101  started before this thread
        assert self._process.stdout is not None  # noqa: S101
        for line in self._process.stdout:
            message: dict[str, Any] = json.loads(line)
            event = message.pop("event")
            if event == "part":
                record = PartRecord.from_dict(message)
                self.records.append(record)
                if self._on_record is not None:
                    self._on_record(record)
            elif event == "reply":
                self._replies.put(message)
            elif event == "listening":
                self.port = int(message["port"])
                self._listening.set()
            elif event == "finished":
                self._finished.set()
        self._ended.set()
        self._replies.put({"id": None})

    def _wait_for(self, event: threading.Event, timeout_s: float, what: str) -> None:
        deadline = time.monotonic() + timeout_s
        while not event.wait(_POLL_S):
            if self._ended.is_set() and not event.is_set():
                raise self._error(f"ended before it was {what}")
            if time.monotonic() >= deadline:
                raise self._error(f"was not {what} within {timeout_s:g} s")

    def _error(self, what: str) -> PlcError:
        tail = ""
        if not self._stderr.closed:
            self._stderr.seek(0)
            tail = self._stderr.read().decode(errors="replace")[-_STDERR_TAIL:].strip()
        return PlcError(f"PLC simulator: {what}" + (f"; it said:\n{tail}" if tail else ""))


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the twin in this process until its standard input ends; gives the exit status."""
    parser = argparse.ArgumentParser(prog="python -m inspectd.io.plc_simulator", description=__doc__)
    parser.add_argument("--config", default="{}", help="settings as one JSON object (PlcSimulatorSettings)")
    options = parser.parse_args(arguments)
    try:
        settings = PlcSimulatorSettings.model_validate_json(options.config)
    except ValidationError as error:
        sys.stderr.write(f"--config: {error}\n")
        return _BAD_USAGE
    from inspectd.io.plc_simulator_child import serve  # noqa: PLC0415  the starter needs no Modbus server

    try:
        asyncio.run(serve(settings))
    except PlcError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
