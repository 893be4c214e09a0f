"""Every mistake in a station's file is told with file, line, key, what is wrong and what would be right."""

import re
from pathlib import Path

import pytest
from station_files import STATION, write_station

from inspectd.agent.config import load_config
from inspectd.agent.errors import ConfigError

VIDEO = (
    "kind: folder\n    name: top\n    trigger: software\n    path: images",
    "kind: video\n    source: '0'",
)
SIMULATED = (VIDEO[0], "kind: simulated\n    wire_port: 5021\n    width: 600\n    height: 600")

# Each mistake: what is changed in the whole file, the line that it shows in, and what is said of it.
MISTAKES = {
    "unknown key, near to one": (
        [("deadline_ms: 300", "deadline_ms: 300\n  stop_affter: 3")],
        "stop_affter: 3",
        "line.stop_affter: unknown key; did you mean `stop_after`?",
    ),
    "unknown key, near to none": (
        [("folder: record", "folder: record\n  colour: red")],
        "colour: red",
        "record.colour: unknown key; remove it; the keys here are folder, keep, max_mb",
    ),
    "a key of another section is not suggested": (
        [("folder: record", "folder: record\n  deadline: 3")],
        "deadline: 3",
        "record.deadline: unknown key; remove it",
    ),
    "unknown section": (
        [("name: press-3", "name: press-3\nreccord: {}")],
        "reccord: {}",
        "reccord: unknown key; did you mean `record`?",
    ),
    "unknown key of a camera": (
        [("path: images", "path: images\n    fourcc: MJPG")],
        "fourcc: MJPG",
        "cameras.0.fourcc: unknown key; remove it; the keys here are",
    ),
    "unknown key named like the camera's kind": (
        [("name: top", "folder: images")],
        "folder: images",
        "cameras.0.folder: unknown key; remove it",
    ),
    "key that is no text": (
        [("name: press-3", "name: press-3\n5: 6")],
        "5: 6",
        "5: unknown key, and not even text",
    ),
    "missing key": (
        [("  deadline_ms: 300\n", "")],
        "line:",
        "line.deadline_ms: is missing; add it (a verdict is due so long after its trigger was seen, ms)",
    ),
    "missing key of a camera": (
        [("    path: images\n", "")],
        "- kind: folder",
        "cameras.0.path: is missing; add it",
    ),
    "missing section": (
        [("record:\n  folder: record\n", "")],
        "# A station on which nothing is wrong.",
        "record: is missing; add it",
    ),
    "empty section": (
        [("record:\n  folder: record", "record:")],
        "record:",
        "record: must hold keys of its own, is empty; write them indented under it",
    ),
    "value for a section": (
        [("record:\n  folder: record", "record: here")],
        "record: here",
        "record: must hold keys of its own, is the text 'here'; write them indented under it",
    ),
    "number in quotes": (
        [("deadline_ms: 300", "deadline_ms: '300'")],
        "deadline_ms: '300'",
        "line.deadline_ms: must be a number, is the text '300'; take away the quotes",
    ),
    "whole number in quotes": (
        [("host: 127.0.0.1", "host: 127.0.0.1\n  port: '502'")],
        "port: '502'",
        "plc.port: must be a whole number, is the text '502'; take away the quotes",
    ),
    "text for a number": (
        [("deadline_ms: 300", "deadline_ms: 300 ms")],
        "deadline_ms: 300 ms",
        "line.deadline_ms: must be a number, is the text '300 ms'; write a number",
    ),
    "fraction for a whole number": (
        [("recipe: 1", "recipe: 1.5")],
        "- recipe: 1.5",
        "classes.0.recipe: must be a whole number, is 1.5; write a whole number",
    ),
    "switch for a number": (
        [("host: 127.0.0.1", "host: 127.0.0.1\n  station: true")],
        "station: true",
        "plc.station: must be a whole number, is true; write a whole number",
    ),
    "number as text": (
        [("name: press-3", "name: 17")],
        "name: 17",
        "name: must be text, is 17; put it in quotes",
    ),
    "number as a path": (
        [("bundle: bundles/buttons", "bundle: 4711")],
        "bundle: 4711",
        "classes.0.bundle: must be text, is 4711; put it in quotes",
    ),
    "date as text": (
        [("name: press-3", "name: 2024-01-31")],
        "name: 2024-01-31",
        "name: must be text, is 2024-01-31; put it in quotes",
    ),
    "index of a device without quotes": (
        [VIDEO, ("'0'", "0")],
        "source: 0",
        "cameras.0.source: must be text, is 0; put it in quotes",
    ),
    "yes for true": (
        [("deadline_ms: 300", "deadline_ms: 300\n  shadow: yes")],
        "shadow: yes",
        "line.shadow: must be true or false, is the text 'yes'; write one of the two",
    ),
    "under the range": (
        [("deadline_ms: 300", "deadline_ms: -1")],
        "deadline_ms: -1",
        "line.deadline_ms: must be over 0, is -1; raise it",
    ),
    "over the range": (
        [("recipe: 1", "recipe: 65536")],
        "- recipe: 65536",
        "classes.0.recipe: must be at most 65535, is 65536; lower it",
    ),
    "not a finite number": (
        [("host: 127.0.0.1", "host: 127.0.0.1\n  max_speed_counts_per_s: .inf")],
        "max_speed_counts_per_s: .inf",
        "plc.max_speed_counts_per_s: input should be a finite number, is inf; correct it",
    ),
    "not one of the choices": (
        [("record:", "engine:\n  precision: float16\nrecord:")],
        "precision: float16",
        "engine.precision: must be 'float32' or 'bfloat16', is the text 'float16'; choose one",
    ),
    "text against its pattern": (
        [("name: press-3", "name: press 3")],
        "name: press 3",
        "name: string should match pattern",
    ),
    "no list": (
        [("  - recipe: 1\n    bundle", "  recipe: 1\n  bundle")],
        "classes:",
        "classes: must be a list, is a mapping; begin each of its entries with a dash",
    ),
    "empty list": (
        [("classes:\n  - recipe: 1\n    bundle: bundles/buttons", "classes: []")],
        "classes: []",
        "classes: holds 0 entries, at least 1 must be; add some",
    ),
    "second camera": (
        [("classes:", "  - kind: folder\n    path: more\nclasses:")],
        "cameras:",
        "cameras: holds 2 entries, at most 1 may be; remove some",
    ),
    "unknown kind of camera": (
        [("kind: folder", "kind: gige")],
        "- kind: gige",
        "cameras.0.kind: must be one of 'folder', 'video', 'simulated', is the text 'gige'; choose one",
    ),
    "camera without a kind": (
        [("kind: folder\n    name", "name")],
        "- name: top",
        "cameras.0.kind: is missing; add it, one of folder, simulated, video",
    ),
    "keys of a camera that do not fit together": (
        [("trigger: software", "trigger: hardware")],
        "- kind: folder",
        "cameras.0: a folder has no trigger input: set trigger to software or free",
    ),
    "sizes of a camera that do not fit together": (
        [SIMULATED, ("width: 600", "width: 100")],
        "- kind: simulated",
        "cameras.0: size (512) does not fit into width x height (100 x 600): raise those",
    ),
    "unknown key of a dictionary": (
        [VIDEO, ("source: '0'", "source: '0'\n    properties: {exposur: 3}")],
        "properties: {exposur: 3}",
        "cameras.0.properties.exposur: must be 'auto_exposure', ",
    ),
    "entry in a list in a camera": (
        [
            SIMULATED,
            (
                "height: 600",
                "height: 600\n    faults:\n      - {fault: drop, part: 1}\n      - {fault: fire, part: 2}",
            ),
        ],
        "- {fault: fire, part: 2}",
        "cameras.0.faults.1.fault: must be 'drop', 'duplicate', 'stray', 'freeze', 'delay' or 'hang', is",
    ),
    "host that is a name": (
        [("host: 127.0.0.1", "host: plc.example")],
        "host: plc.example",
        "plc.host: host 'plc.example' is not an IP address: give the PLC's address in numbers",
    ),
    "value that a merge brought in": (
        [("record:", "engine:\n  <<: {precision: float16}\nrecord:")],
        "engine:",
        "engine.precision: must be 'float32' or 'bfloat16'",
    ),
}


def problems_of(path: Path) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        load_config(path)
    return caught.value.problems


@pytest.mark.parametrize("name", MISTAKES)
def test_mistake_is_told_with_line_key_and_remedy(name: str, tmp_path: Path) -> None:
    """One mistake gives one problem, at the line of its key, with what would be right."""
    changes, shown, told = MISTAKES[name]
    path = write_station(tmp_path, *changes)
    line = 1 + [text.strip() for text in path.read_text().splitlines()].index(shown)
    (problem,) = problems_of(path)
    assert problem.startswith(f"{path}:{line}: {told}")
    assert "pydantic" not in problem


def test_whole_file_is_without_a_problem(tmp_path: Path) -> None:
    """The file that the mistakes are put into is itself right."""
    assert load_config(write_station(tmp_path)).name == "press-3"


def test_all_mistakes_are_told_at_once(tmp_path: Path) -> None:
    """Nobody has to correct a file mistake by mistake."""
    changes = [
        ("deadline_ms: 300", "deadline_ms: soon"),
        ("recipe: 1", "recipe: 0"),
        ("path: images", "pth: x"),
    ]
    problems = problems_of(write_station(tmp_path, *changes))
    keys = [re.sub(r".*?yaml:(\d+: [^ ]+):.*", r"\1", problem) for problem in problems]
    assert keys == ["5: line.deadline_ms", "14: cameras.0.path", "17: cameras.0.pth", "19: classes.0.recipe"]


BROKEN = {
    "key twice": (
        STATION.replace("name: top", "kind: folder").encode(),
        ':15: found duplicate key "kind" with value "folder" (original value: "folder"); keep one of the two',
    ),
    "section twice": (f"{STATION}line: {{}}\n".encode(), ':23: found duplicate key "line" with value'),
    "colon forgotten": (STATION.replace("plc:", "plc").encode(), ":10: could not find expected ':'; correct"),
    "tab": (STATION.replace("  host", "\thost").encode(), ":10: found character '\\t' that cannot start"),
    "bracket left open": (STATION.replace("path: images", "path: [images").encode(), ":"),
    "two documents": (f"{STATION}---\na: 1\n".encode(), ":23: but found another document; correct the YAML"),
    "empty": (b"", ":1: holds no settings; write keys such as `name:` and `line:` at its top level"),
    "comments alone": (b"# nothing\n", ":1: holds no settings"),
    "list": (b"- a\n- b\n", ":1: holds no settings"),
    "sentence": (b"this is no configuration\n", ":1: holds no settings"),
    "not UTF-8": (STATION.encode() + b"# M\xfchle\n", ":23: is not UTF-8 text (invalid start byte); save it"),
    "zero byte": (b"name: \x00\n", ": unacceptable character #x0000: special characters are not allowed"),
    "image": (b"\x89PNG\r\n\x1a\n\x00\x00", ":1: is not UTF-8 text"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_what_is_no_yaml_mapping_is_refused(name: str, tmp_path: Path) -> None:
    """A file that cannot even be read as keys and values gives one problem in one line, with the place."""
    content, told = BROKEN[name]
    path = tmp_path / "station.yaml"
    path.write_bytes(content)
    (problem,) = problems_of(path)
    assert problem.startswith(f"{path}{told}")
    assert "\n" not in problem


def test_missing_file_and_folder_are_named(tmp_path: Path) -> None:
    """No such file, or a folder in its place: what and where, and what to do."""
    assert problems_of(tmp_path / "no.yaml") == [
        f"{tmp_path}/no.yaml: No such file or directory; name a readable YAML file"
    ]
    assert problems_of(tmp_path) == [f"{tmp_path}: Is a directory; name a readable YAML file"]
