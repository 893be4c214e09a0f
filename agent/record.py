"""The record of verdicts: append-only JSON lines, one for each part, rotated by size.

Writing never delays a verdict: rows go through a bounded queue to a thread of their own and are durable
`SYNC_INTERVAL_S` later at the most. Rows that the disk does not take are kept and tried again, and meanwhile
the station accepts nothing. What the queue cannot hold any more is lost, counted and logged.
"""

from __future__ import annotations

import itertools
import json
import math
import os
import queue
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import structlog

from inspectd.agent.errors import RecordError
from inspectd.io.plc import ID_COUNT
from inspectd.io.plc_events import RecordedIds

log = structlog.get_logger(__name__)

SYNC_INTERVAL_S = 0.05
RETRY_S = 0.5
QUEUE_ROWS = 4096
FILE_NAME = "verdicts.jsonl"

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class RecordStatus:
    """How the record is doing: rows written and lost; `failing` says why the last write failed, "" if not."""

    written: int
    lost: int
    failing: str


class Recorder:
    """Appends rows to `folder/verdicts.jsonl` on a thread of its own.

    A file over `max_bytes` is renamed to `verdicts.jsonl.1` and so on; the newest `keep` are kept.
    """

    def __init__(self, folder: Path, max_bytes: int, keep: int) -> None:
        self._path = folder / FILE_NAME
        self._max_bytes = self._rotate_at = max_bytes
        self._keep = keep
        self._rows: queue.Queue[Row | None] = queue.Queue(QUEUE_ROWS)
        self._thread = threading.Thread(target=self._run, name="recorder", daemon=True)
        self._written = 0
        self._lost = 0
        self._counting = threading.Lock()
        self._failing = ""
        self._stopping = threading.Event()
        self._observers: list[Callable[[Row], None]] = []
        self.beat_at = time.monotonic()

    def start(self) -> None:
        """Open the record. Raises RecordError if the folder cannot be written."""
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            _mend_torn_line(self._path)
            with self._path.open("ab"):
                pass
        except OSError as error:
            raise RecordError(
                f"record {self._path}: {error.strerror}; make the folder writable for the agent's user "
                "or set record.folder to one that is"
            ) from error
        self._thread.start()

    def observe(self, observer: Callable[[Row], None]) -> None:
        """Call `observer` with every row as it is written; it must return at once and never raise."""
        self._observers.append(observer)

    def put(self, row: Row) -> None:
        """Hand a row over; never waits. A row that finds the queue full is lost, counted and logged."""
        time_text = datetime.now(timezone.utc).isoformat(timespec="milliseconds")
        stamped = {"time": time_text, **{key: _finite(value) for key, value in row.items()}}
        try:
            self._rows.put_nowait(stamped)
        except queue.Full:
            self._lose([stamped], "queue full")
        for observer in self._observers:
            observer(stamped)

    def status(self) -> RecordStatus:
        """Counters so far."""
        return RecordStatus(self._written, self._lost, self._failing)

    def stop(self, timeout_s: float = 1.0) -> None:
        """Write what is queued and end the thread."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join(timeout_s)

    def _run(self) -> None:
        batch: list[Row] = []
        while True:
            self.beat_at = time.monotonic()
            batch = batch or self._next_batch()
            if batch and self._write(batch):
                batch = []
            elif batch and not self._stopping.is_set():
                self._stopping.wait(RETRY_S)  # then the same rows again; the queue holds the next ones
            elif batch:
                self._lose(batch, self._failing)
                batch = []
            elif self._stopping.is_set():
                return

    def _next_batch(self) -> list[Row]:
        """Wait for a row, then take all that have gathered; empty after a while without any."""
        batch: list[Row] = []
        try:
            row = self._rows.get(timeout=SYNC_INTERVAL_S)
            while row is not None:
                batch.append(row)
                row = self._rows.get_nowait()
        except queue.Empty:
            pass
        return batch

    def _write(self, batch: list[Row]) -> bool:
        """Append the rows, all or none; False if the disk does not take them."""
        data = b"".join(json.dumps(row, allow_nan=False, default=str).encode() + b"\n" for row in batch)
        try:
            if self._failing:
                _mend_torn_line(self._path)
            size = _append(self._path, data)
        except OSError as error:
            if not self._failing:
                log.error("record_write_failed", path=str(self._path), error=str(error), rows=len(batch))
            self._failing = f"record {self._path}: {error.strerror or error}"
            return False
        if self._failing:
            log.info("record_back", path=str(self._path), rows=len(batch))
        self._written += len(batch)
        self._failing = ""
        if size > self._rotate_at:
            self._rotate(size)
        return True

    def _lose(self, rows: list[Row], why: str) -> None:
        with self._counting:
            self._lost += len(rows)
        log.error("record_rows_lost", why=why, rows=rows)

    def _rotate(self, size: int) -> None:
        """Begin a new file; one that cannot be renamed goes on, and is tried again at twice its size."""
        try:
            for number in range(self._keep - 1, 0, -1):
                older = self._path.with_suffix(f".jsonl.{number}")
                if older.exists():
                    older.replace(self._path.with_suffix(f".jsonl.{number + 1}"))
            self._path.replace(self._path.with_suffix(".jsonl.1"))
            self._rotate_at = self._max_bytes
        except OSError as error:
            self._rotate_at = 2 * size
            log.error("record_not_rotated", path=str(self._path), error=str(error))


def _finite(value: object) -> object:
    """JSON has no NaN: a score that is not finite is recorded as null, its reason says why."""
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _append(path: Path, data: bytes) -> int:
    """Append to a file, durably, or leave it as it was; gives its size. Raises OSError."""
    with path.open("ab", buffering=0) as file:
        size = file.tell()
        try:
            rest = memoryview(data)
            while rest:
                rest = rest[file.write(rest) :]
            os.fsync(file.fileno())
        except OSError:
            file.truncate(size)
            raise
        return size + len(data)


def _mend_torn_line(path: Path) -> None:
    """End a line that a power cut tore, so that the next row starts on a line of its own."""
    if not path.exists() or path.stat().st_size == 0:
        return
    with path.open("rb+") as file:
        file.seek(-1, os.SEEK_END)
        if file.read(1) != b"\n":
            file.write(b"\n")


def read_rows(
    folder: Path,
    *,
    newest_first: bool = False,
    torn: Callable[[], None] | None = None,
    read: Callable[[int, int], None] | None = None,
) -> Iterator[Row]:
    """Give every readable row of a record's folder, oldest first unless asked otherwise.

    Lines torn by a power cut are passed over; `torn` is told of each. `read` is told the bytes gone through
    and those of all files, line by line. Raises RecordError if a file cannot be read.
    """
    files = _files(folder)
    done, total = 0, sum(_size(path) for path in files) if read else 0
    for path in files if newest_first else reversed(files):
        try:
            lines = path.read_bytes().splitlines()
        except FileNotFoundError:
            continue  # it was rotated away just now
        except OSError as error:
            raise RecordError(
                f"record {path}: {error.strerror}; make it readable for the agent's user"
            ) from error
        for line in reversed(lines) if newest_first else lines:
            try:
                row = json.loads(line)
            except ValueError:
                row = None
            if isinstance(row, dict):
                yield row
            elif torn is not None and line.strip():
                torn()
            done += len(line) + 1
            if read is not None:
                read(min(done, total), total)


def _size(path: Path) -> int:
    """Bytes of a file; 0 of one that was rotated away just now."""
    try:
        return path.stat().st_size
    except OSError:
        return 0


def _files(folder: Path) -> list[Path]:
    """The files of a record, newest first."""
    files = [folder / FILE_NAME]
    try:
        while (older := folder / f"{FILE_NAME}.{len(files)}").exists():
            files.append(older)
    except OSError as error:
        raise RecordError(f"record {folder}: {error.strerror}; let the agent's user enter it") from error
    return files


def recorded_ids(folder: Path, epoch: int, *, ring_key: str) -> RecordedIds:
    """Tell which ids of an epoch the record holds; `ring_key` is "trig_id" or "result_seq".

    Goes back through the newest rows only, as far as ids can be in question (`ID_COUNT` rows).
    """
    last_part_id = 0
    recent: dict[int, int] = {}
    for row in itertools.islice(read_rows(folder, newest_first=True), ID_COUNT):
        part_id, ring_id = row.get("part"), row.get(ring_key)
        if isinstance(part_id, int):
            last_part_id = max(last_part_id, part_id)
        if row.get("epoch") == epoch and isinstance(ring_id, int):
            recent.setdefault(ring_id, part_id if isinstance(part_id, int) else 0)
    return RecordedIds(last_part_id, dict(sorted(recent.items(), key=lambda item: item[1])))
