"""The record of verdicts: append-only, durable soon, honest about what it lost."""

import errno
import json
import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from inspectd.agent import record
from inspectd.agent.errors import RecordError
from inspectd.agent.record import FILE_NAME, SYNC_INTERVAL_S, Recorder, read_rows, recorded_ids


def recorder_in(folder: Path, max_bytes: int = 1_000_000, keep: int = 3) -> Recorder:
    recorder = Recorder(folder, max_bytes, keep)
    recorder.start()
    return recorder


def wait_for(condition: Callable[[], bool]) -> None:
    give_up = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < give_up, "it did not come to that"
        time.sleep(0.005)


def test_rows_come_back_in_order(tmp_path: Path) -> None:
    """What is put is read again, oldest first or newest first, NaN as null."""
    recorder = recorder_in(tmp_path)
    recorder.put({"part": 1, "score": float("nan")})
    recorder.put({"part": 2, "score": 0.5})
    recorder.stop()
    rows = list(read_rows(tmp_path))
    assert [(row["part"], row["score"]) for row in rows] == [(1, None), (2, 0.5)]
    assert [row["part"] for row in read_rows(tmp_path, newest_first=True)] == [2, 1]


def test_any_text_is_recorded(tmp_path: Path) -> None:
    """What the PLC sends as SERIAL may hold anything; a row is one line all the same."""
    recorder = recorder_in(tmp_path)
    recorder.put({"serial": "A\ufffd\n\x07", "lot": "\u2028"})
    recorder.stop()
    assert [(row["serial"], row["lot"]) for row in read_rows(tmp_path)] == [("A\ufffd\n\x07", "\u2028")]


def test_rows_are_on_disk_soon(tmp_path: Path) -> None:
    """A row is in the file without the recorder being stopped, after about the sync interval."""
    recorder = recorder_in(tmp_path)
    recorder.put({"part": 1})
    give_up = time.monotonic() + 100 * SYNC_INTERVAL_S
    while not list(read_rows(tmp_path)) and time.monotonic() < give_up:
        time.sleep(0.005)
    assert [row["part"] for row in read_rows(tmp_path)] == [1]
    recorder.stop()


def test_rotation_keeps_the_newest_files(tmp_path: Path) -> None:
    """A full file is renamed; only the configured number is kept, and reading goes across them in order."""
    recorder = recorder_in(tmp_path, max_bytes=200, keep=2)
    for part in range(40):
        recorder.put({"part": part})
        if part % 8 == 7:
            time.sleep(3 * SYNC_INTERVAL_S)
    recorder.stop()
    assert sorted(path.name for path in tmp_path.iterdir()) in (
        [FILE_NAME, f"{FILE_NAME}.1", f"{FILE_NAME}.2"],
        [f"{FILE_NAME}.1", f"{FILE_NAME}.2"],
    )
    parts = [row["part"] for row in read_rows(tmp_path)]
    assert parts == sorted(parts)
    assert parts[-1] == 39


def test_torn_line_does_not_swallow_the_next_row(tmp_path: Path) -> None:
    """After a power cut in the middle of a line the next row starts on its own."""
    (tmp_path / FILE_NAME).write_text('{"part": 1}\n{"part": 2, "ver')
    recorder = recorder_in(tmp_path)
    recorder.put({"part": 3})
    recorder.stop()
    assert [row["part"] for row in read_rows(tmp_path)] == [1, 3]


def test_full_queue_is_counted_not_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A recorder that cannot keep up loses rows loudly and never holds the line up."""
    monkeypatch.setattr("inspectd.agent.record.QUEUE_ROWS", 2)
    recorder = Recorder(tmp_path, 1000, 1)  # not started: nothing takes rows out
    for part in range(3):
        recorder.put({"part": part})
    assert recorder.status().lost == 1


def test_rows_that_cannot_be_written_at_the_end_are_counted(tmp_path: Path) -> None:
    """They are lost with the process, and the log has them; the status says why."""
    folder = tmp_path / "record"
    recorder = recorder_in(folder)
    (folder / FILE_NAME).unlink()
    folder.rmdir()
    recorder.put({"part": 1})
    recorder.put({"part": 2})
    recorder.stop()
    assert recorder.status().lost == 2
    assert "No such file" in recorder.status().failing


def test_unwritable_folder_is_refused_at_start(tmp_path: Path) -> None:
    """A record that cannot be kept is an error at start that names the folder."""
    blocker = tmp_path / "file"
    blocker.write_text("")
    with pytest.raises(RecordError, match="file"):
        Recorder(blocker / "record", 1000, 1).start()


def test_recorded_ids_are_those_of_the_epoch(tmp_path: Path) -> None:
    """At start the link learns which ids of the PLC's epoch have a row, and the last part id of all."""
    rows = [
        {"part": 1, "trig_id": 65535, "epoch": 7},
        {"part": 2, "trig_id": 1, "epoch": 8},
        {"part": 3, "trig_id": 2, "epoch": 8},
    ]
    (tmp_path / FILE_NAME).write_text("".join(json.dumps(row) + "\n" for row in rows))
    ids = recorded_ids(tmp_path, 8, ring_key="trig_id")
    assert ids.last_part_id == 3
    assert dict(ids.recent) == {1: 2, 2: 3}


def test_rows_wait_for_a_disk_that_is_full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a full disk took half of is taken back; once there is room, each row stands there once."""
    monkeypatch.setattr(record, "RETRY_S", 0.01)
    recorder = recorder_in(tmp_path)
    with monkeypatch.context() as full_disk:

        def no_space(_file: int) -> None:
            raise OSError(errno.ENOSPC, "No space left on device")

        full_disk.setattr(os, "fsync", no_space)
        recorder.put({"part": 1})
        wait_for(lambda: bool(recorder.status().failing))
        assert "No space left on device" in recorder.status().failing
        assert (tmp_path / FILE_NAME).read_bytes() == b""
        recorder.put({"part": 2})
    wait_for(lambda: not recorder.status().failing)
    recorder.put({"part": 3})
    recorder.stop()
    assert [row["part"] for row in read_rows(tmp_path)] == [1, 2, 3]
    assert (recorder.status().written, recorder.status().lost) == (3, 0)


def test_line_that_could_not_be_taken_back_costs_no_other_row(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A line torn by a disk that then takes nothing at all is ended; the next row has a line of its own."""
    monkeypatch.setattr(record, "RETRY_S", 0.01)
    recorder = recorder_in(tmp_path)
    with monkeypatch.context() as dead_disk:

        def fail(path: Path, _data: bytes) -> int:
            path.write_bytes(b'{"part": 1, "verd')
            raise OSError(errno.EIO, "Input/output error")

        dead_disk.setattr(record, "_append", fail)
        recorder.put({"part": 1})
        wait_for(lambda: bool(recorder.status().failing))
    recorder.stop()
    assert [row["part"] for row in read_rows(tmp_path)] == [1]
    assert recorder.status().lost == 0


def test_file_that_cannot_be_rotated_goes_on(tmp_path: Path) -> None:
    """Its rows are written all the same, once each."""
    recorder = recorder_in(tmp_path, max_bytes=1, keep=1)
    (tmp_path / f"{FILE_NAME}.1").mkdir()
    (tmp_path / f"{FILE_NAME}.1" / "full").touch()
    for part in (1, 2):
        recorder.put({"part": part})
        wait_for(lambda part=part: recorder.status().written == part)
    recorder.stop()
    rows = [json.loads(line)["part"] for line in (tmp_path / FILE_NAME).read_text().splitlines()]
    assert rows == [1, 2]
    assert recorder.status().failing == ""


def test_record_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    """What, where, remedy; the ids of a record are never guessed."""
    (tmp_path / FILE_NAME).mkdir()
    with pytest.raises(RecordError, match=r"record .*verdicts.jsonl: Is a directory; make it readable"):
        recorded_ids(tmp_path, 1, ring_key="trig_id")


def test_file_that_is_rotated_away_meanwhile_is_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The record may be read while it is written: a file that has just got another name is no error."""
    recorder = recorder_in(tmp_path)
    recorder.put({"part": 1})
    recorder.stop()
    gone = tmp_path / f"{FILE_NAME}.1"

    def files(folder: Path) -> list[Path]:
        return [folder / FILE_NAME, gone]

    monkeypatch.setattr(record, "_files", files)
    assert [row["part"] for row in read_rows(tmp_path)] == [1]
