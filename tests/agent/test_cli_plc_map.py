"""`inspectd plc map`: the register map for people and programs, and the source files."""

from __future__ import annotations

import csv
import io
import os
import pty
import subprocess
from pathlib import Path

import pytest
from command import COMMAND, Inspectd
from station_files import write_station

from inspectd.io.plc import WORDS

FILES = ["inspectd-gate.scl", "inspectd-gate.st", "inspectd-map.csv", "inspectd-openplc.st"]


@pytest.fixture
def config(tmp_path: Path) -> Path:
    return write_station(tmp_path)


def test_the_map_as_plain_text(inspectd: Inspectd, config: Path) -> None:
    """A line for every word and bit, in columns, where standard output is no terminal."""
    done = inspectd("plc", "map", config)
    assert (done.status, done.err) == (0, "")
    lines = done.out.splitlines()
    assert lines[1].split() == ["word", "bit", "address", "number", "name", "type", "writer", "meaning"]
    assert lines[2].split()[:6] == ["0", "0", "40001", "HEARTBEAT", "UINT", "plc"]
    assert any("STATUS.StopLineRequest" in line for line in lines)
    assert any("RING[15].CHECK" in line for line in lines)


def test_the_map_on_a_terminal(config: Path) -> None:
    """A table with lines; nothing is lost."""
    leader, follower = pty.openpty()
    environment = {**os.environ, "COLUMNS": "200", "TERM": "xterm"}
    command = [*COMMAND, "plc", "map", str(config)]
    with subprocess.Popen(command, stdout=follower, stderr=subprocess.PIPE, env=environment) as process:
        os.close(follower)
        shown = b""
        while True:
            try:
                piece = os.read(leader, 65536)
            except OSError:
                break
            if not piece:
                break
            shown += piece
        assert process.wait(60) == 0
    os.close(leader)
    text = shown.decode()
    assert "┃" in text
    assert "RING[15].CHECK" in text


def test_the_map_as_csv(inspectd: Inspectd, config: Path) -> None:
    """With a heading; the words of all rows cover the image."""
    found = list(csv.DictReader(io.StringIO(inspectd("plc", "map", config, "--format", "csv").out)))
    assert list(found[0]) == ["word", "bit", "address", "number", "name", "type", "writer", "meaning"]
    assert (found[0]["word"], found[0]["bit"], found[0]["number"]) == ("0", "", "40001")
    assert found[-1]["word"] == str(WORDS - 1)


@pytest.mark.parametrize("option", [("--json",), ("--format", "json")])
def test_the_map_as_json(inspectd: Inspectd, config: Path, option: tuple[str, ...]) -> None:
    """One object, with what the station is."""
    report = inspectd("plc", "map", config, *option).report
    assert (report["contract_version"], report["kind"], report["mode"]) == (1, "modbus_tcp", "plc_triggered")
    assert report["rows"][1]["name"] == "CONTROL"
    assert report["rows"][2] == {
        **report["rows"][2],
        "word": 1,
        "bit": 0,
        "name": "CONTROL.TriggerEnable",
        "type": "BOOL",
    }


@pytest.mark.parametrize(
    ("form", "told"),
    [
        ("st", "FUNCTION_BLOCK INSPECTD_GATE"),
        ("scl", 'DATA_BLOCK "InspectdData"'),
        ("openplc", "END_CONFIGURATION"),
    ],
)
def test_source_on_standard_output(inspectd: Inspectd, config: Path, form: str, told: str) -> None:
    """The file and nothing else, with a heading that names the station; plain ASCII."""
    done = inspectd("plc", "map", config, "--format", form)
    assert (done.status, done.err) == (0, "")
    assert done.out.startswith("(* inspectd: reject gate of station 1")
    assert told in done.out
    assert done.out.isascii()


def test_files_are_written_once_and_never_over_others(
    inspectd: Inspectd, config: Path, tmp_path: Path
) -> None:
    """Again into the same folder is nothing new; an edited file stays, and ends the command."""
    folder = tmp_path / "plc" / "source"
    done = inspectd("plc", "map", config, "--out", folder)
    assert done.status == 0
    assert sorted(path.name for path in folder.iterdir()) == FILES
    assert all(f"{folder / name}: " in done.out for name in FILES)
    for name, form in (("gate.scl", "scl"), ("gate.st", "st"), ("openplc.st", "openplc"), ("map.csv", "csv")):
        printed = inspectd("plc", "map", config, "--format", form).out
        assert (folder / f"inspectd-{name}").read_text() == printed
    report = inspectd("plc", "map", config, "--out", folder, "--json").report
    assert sorted(report["files"]) == FILES
    edited = folder / "inspectd-gate.st"
    edited.write_text("(* mine *)")
    (folder / "inspectd-map.csv").unlink()
    assert inspectd("plc", "map", config, "--out", folder).refuses(1, str(edited), "nothing was written")
    assert edited.read_text() == "(* mine *)"
    assert not (folder / "inspectd-map.csv").exists()


def test_a_folder_that_cannot_be_written(inspectd: Inspectd, config: Path, tmp_path: Path) -> None:
    """One line, with the folder."""
    taken = tmp_path / "taken"
    taken.write_text("")
    assert inspectd("plc", "map", config, "--out", taken).refuses(1, str(taken), "name a folder")


def test_a_base_address_that_openplc_does_not_have(inspectd: Inspectd, tmp_path: Path) -> None:
    """The other files are written, and it is said why one is not."""
    config = write_station(tmp_path, ("  kind: modbus_tcp", "  kind: modbus_tcp\n  base_address: 5000"))
    assert inspectd("plc", "map", config, "--format", "openplc").refuses(1, "base_address", "1024")
    done = inspectd("plc", "map", config, "--out", tmp_path / "out")
    assert done.status == 0
    assert "inspectd-openplc.st" in done.err
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == FILES[:3]


def test_bad_input(inspectd: Inspectd, config: Path, tmp_path: Path) -> None:
    """A missing file, a wrong configuration, an unknown format."""
    assert inspectd("plc", "map", tmp_path / "none.yaml").refuses(1, "none.yaml")
    assert inspectd("plc", "map", config, "--format", "pdf").status == 2
