"""The history of an installed class: what was put in force when, by whom and why; one JSON line an entry.

Lines are only ever appended. An entry is on the disk before the version that it names is switched to, so
that nothing is ever in force without one. Where the switch was cut off, the next command appends `found`:
what is in force after all.
"""

import errno
import os
from collections.abc import Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import Literal

from pydantic import Field, ValidationError

from inspectd.inference.documents import Document, canonical_json, sync_folder

HISTORY = "history.jsonl"


class Entry(Document):
    """One change of what is in force. `version` 0: nothing."""

    at: str = Field(description="wall clock, ISO 8601, UTC")
    action: Literal["install", "rollback", "found"]
    version: int = Field(ge=0)
    bundle_id: str = ""
    decision_id: str = Field(default="", description="decision in force at that time; adjusting comes later")
    engine: str = Field(default="", description="graph/runtime/precision of the golden frames' test")
    by: str
    why: str


def now() -> str:
    """Return the wall clock as entries have it."""
    return datetime.now(timezone.utc).isoformat(timespec="seconds")


def read_history(home: Path) -> list[Entry]:
    """Read a class's history, oldest first; a line torn by a power cut is passed over. Raises OSError."""
    try:
        lines = (home / HISTORY).read_bytes().splitlines()
    except FileNotFoundError:
        return []
    entries: list[Entry] = []
    for line in lines:
        try:
            entries.append(Entry.model_validate_json(line))
        except ValidationError:  # noqa: PERF203  one torn line must not hide the others
            continue
    return entries


def append_entry(home: Path, entry: Entry) -> None:
    """Append an entry and flush it to the disk; where that fails nothing of it stays. Raises OSError."""
    with (home / HISTORY).open("ab+", buffering=0) as file:
        end = file.seek(0, os.SEEK_END)
        if end:
            file.seek(end - 1)
        torn = end > 0 and file.read(1) != b"\n"
        try:
            # The line begins anew, so that one that a power cut tore spoils itself alone.
            line = (b"\n" if torn else b"") + canonical_json(entry.model_dump(mode="json")) + b"\n"
            if file.write(line) != len(line):
                no_room = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(home / HISTORY))
                raise no_room
            os.fsync(file.fileno())
            if not end:
                sync_folder(home)  # a new file is lost, however well flushed, if its folder does not know it
        except OSError:
            os.truncate(file.fileno(), end)
            raise


def version_before(history: Sequence[Entry]) -> int:
    """Return the version that was in force before the present one, 0 if there was none.

    Going back is going back: after a rollback from 3 to 2 the version before is 1, not 3.
    """
    in_force: list[int] = []
    before: list[int] = []
    for entry in history:
        if entry.action == "found" and before and before[-1] == entry.version:
            in_force, before = before, in_force  # what was to be put in force never was
            continue
        before = list(in_force)
        if entry.version in in_force and entry.action != "install":
            del in_force[in_force.index(entry.version) + 1 :]
            continue
        if entry.version in in_force:
            in_force.remove(entry.version)
        if entry.version:
            in_force.append(entry.version)
    return in_force[-2] if len(in_force) > 1 else 0
