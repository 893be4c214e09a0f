"""`inspectd plc map`: the register map with the addresses of a station's PLC, and source to import there."""

from __future__ import annotations

import csv
import io
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Literal

from rich.console import Console
from rich.table import Table

from inspectd.agent.checks import load_checked
from inspectd.agent.cli.output import fail, note, print_json, say
from inspectd.agent.config import StationSettings
from inspectd.io.plc import CONTRACT_VERSION
from inspectd.io.plc_addresses import Row, rows
from inspectd.io.plc_settings import S7Settings
from inspectd.io.plc_source_openplc import openplc_program
from inspectd.io.plc_source_scl import scl_source
from inspectd.io.plc_source_text import structured_text

Format = Literal["table", "csv", "json", "scl", "st", "openplc"]
_PLAIN = ("word", "bit", "address", "name", "type", "writer")


@dataclass(frozen=True, slots=True)
class _File:
    """One file that `--out` writes."""

    name: str
    what_for: str
    text: Callable[[StationSettings], str]


def run_map(config: Path, form: Format, out: Path | None) -> None:
    """Print the map in a format, or write every file into a folder. ConfigError: everything wrong in it."""
    settings = load_checked(config)
    if out is not None:
        _write_files(settings, out, as_json=form == "json")
        return
    texts: dict[str, Callable[[StationSettings], str]] = {
        "csv": _as_csv,
        "scl": _as_scl,
        "st": _as_st,
        "openplc": _as_openplc,
    }
    if form == "json":
        print_json(_as_json(settings))
    elif form == "table":
        _print_table(settings)
    else:
        sys.stdout.write(texts[form](settings))


# --- the map ---------------------------------------------------------------------------------------------


def _as_json(settings: StationSettings) -> dict[str, Any]:
    return {
        "contract_version": CONTRACT_VERSION,
        "kind": settings.plc.kind,
        "station": settings.plc.station,
        "mode": settings.plc.mode,
        "handshake": settings.plc.handshake,
        "rows": [asdict(row) for row in rows(settings.plc)],
    }


def _as_csv(settings: StationSettings) -> str:
    text = io.StringIO()
    names = [field.name for field in fields(Row)]
    writer = csv.DictWriter(text, names, lineterminator="\n")
    writer.writeheader()
    writer.writerows(asdict(row) for row in rows(settings.plc))
    return text.getvalue()


def _print_table(settings: StationSettings) -> None:
    """A table for people: lines in a box on a terminal, columns of text elsewhere."""
    modbus = not isinstance(settings.plc, S7Settings)
    names = ["word", "bit", "address", *(["number"] if modbus else []), "name", "type", "writer", "meaning"]
    cells = [[_cell(row, name) for name in names] for row in rows(settings.plc)]
    if sys.stdout.isatty():
        table = Table(title=_title(settings), title_justify="left")
        for name in names:
            table.add_column(name, justify="right" if name in ("word", "bit") else "left")
        for row in cells:
            table.add_row(*row)
        Console(file=sys.stdout).print(table)
        return
    widths = [max(len(row[column]) for row in [names, *cells]) for column in range(len(names) - 1)]
    say(_title(settings))
    for row in [names, *cells]:
        say("  ".join([*(cell.ljust(width) for cell, width in zip(row, widths, strict=False)), row[-1]]))


def _cell(row: Row, name: str) -> str:
    value = getattr(row, name)
    return "" if value is None else str(value)


def _title(settings: StationSettings) -> str:
    return f"Register map of {settings.name}: {settings.plc.kind}, station {settings.plc.station}"


# --- source ----------------------------------------------------------------------------------------------


def _head(settings: StationSettings) -> str:
    plc = settings.plc
    return (
        f"(* inspectd: reject gate of station {plc.station}, {settings.name}."
        f" PLC contract version {CONTRACT_VERSION}, mode {plc.mode}, handshake {plc.handshake}.\n"
        "   Made by `inspectd plc map`; the README says how to use it. It sorts parts: it is no safety\n"
        "   device and protects nobody. *)\n\n"
    )


def _as_scl(settings: StationSettings) -> str:
    return _head(settings) + scl_source(settings.plc)


def _as_st(settings: StationSettings) -> str:
    return _head(settings) + structured_text(settings.plc)


def _as_openplc(settings: StationSettings) -> str:
    pitch = round(settings.line.min_pitch_counts or 0)
    try:
        program = openplc_program(settings.plc, settings.classes[0].recipe, pitch)
    except ValueError as error:
        fail(str(error))
    return _head(settings) + program


_FILES = (
    _File("inspectd-map.csv", "every word and bit with its address", _as_csv),
    _File("inspectd-gate.scl", "TIA Portal: external source file", _as_scl),
    _File("inspectd-gate.st", "CODESYS and other IEC 61131-3 tools: the function block", _as_st),
    _File("inspectd-openplc.st", "OpenPLC runtime: the whole program", _as_openplc),
)


def _write_files(settings: StationSettings, folder: Path, *, as_json: bool) -> None:
    """Write every file. One that is there and differs ends the command before any is written."""
    texts = {file.name: file.text(settings) for file in _FILES if not _left_out(settings, file)}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in texts.items():
            path = folder / name
            if path.exists() and path.read_text(encoding="utf-8") != text:
                fail(f"{path} exists and differs: move it away, or name another folder; nothing was written")
        for name, text in texts.items():
            (folder / name).write_text(text, encoding="utf-8", newline="\n")
    except (OSError, UnicodeDecodeError) as error:
        fail(f"{folder}: {error}; name a folder that this user can write")
    if as_json:
        print_json({"folder": str(folder), "files": list(texts)})
        return
    for file in _FILES:
        if file.name in texts:
            say(f"{folder / file.name}: {file.what_for}")


def _left_out(settings: StationSettings, file: _File) -> bool:
    """Whether there is no such file for this station; says so."""
    if file.text is not _as_openplc:
        return False
    try:
        openplc_program(settings.plc, 1, 0)
    except ValueError as error:
        note(f"no {file.name}: {error}")
        return True
    return False
