"""What `check` says about outputs."""

from pathlib import Path
from typing import Any

import pytest
from station_files import STATION, settings_with, write_station

from inspectd.agent.checks import find_problems
from inspectd.agent.config import load_config
from inspectd.agent.errors import ConfigError
from inspectd.agent.output_checks import output_problems_on_disk
from inspectd.io.opcua_users import set_user
from inspectd.io.output_settings import MqttSettings, OpcUaSettings


def nothing_installed(_name: str) -> None:
    """Stand in for the look at what is installed."""


def pulse(**changes: object) -> dict[str, Any]:
    return {"kind": "gpio", "line": 17, "window_to_ms": 150.0} | changes


def problems(*outputs: dict[str, Any], **more: Any) -> list[str]:
    found = find_problems(settings_with(outputs=list(outputs), **more))
    return [f"{'.'.join(map(str, problem.key))}: {problem.text}" for problem in found]


def test_pulse_with_a_window_of_its_own_is_right() -> None:
    """Shorter than the interval of parts, long enough for a pulse."""
    assert problems(pulse()) == []
    assert problems(pulse(window_from_ms=200.0, window_to_ms=380.0)) == []


def test_windows_that_can_overlap() -> None:
    """The PLC could take a pulse for the neighbour: interval 200 ms, a scan of 10 ms."""
    assert problems(pulse(window_to_ms=189.0)) == []
    (text,) = problems(pulse(window_to_ms=190.0))
    assert text.startswith("outputs.0.window_to_ms: windows of neighbouring parts can overlap")
    (text,) = problems(pulse(window_from_ms=200.0, window_to_ms=390.0))
    assert "raise window_from_ms or lower window_to_ms" in text


def test_window_too_short_for_any_pulse() -> None:
    """Window of the part 40 + 10 + 5 ms, or opening and the id's age 40 + 10 ms; pulse 10, cycle 5 ms."""
    assert problems(pulse(window_to_ms=71.0)) == []
    (text,) = problems(pulse(window_to_ms=70.0))
    assert "no pulse could be given: it can end 70 ms after the id at the earliest" in text
    assert problems(pulse(window_from_ms=100.0, window_to_ms=166.0)) == []
    (text,) = problems(pulse(window_from_ms=100.0, window_to_ms=165.0))
    assert "165 ms" in text


def test_window_after_the_gate() -> None:
    """The part would have passed, 1000 ms after the photo-eye."""
    assert problems(pulse(window_from_ms=840.0, window_to_ms=989.0)) == []
    (text,) = problems(pulse(window_from_ms=840.0, window_to_ms=990.0))
    assert "the window closes after the part can be at the gate (1000 ms)" in text


def test_pulse_in_free_running_mode() -> None:
    """It carries no position."""
    texts = problems(
        pulse(), plc={"mode": "free_running"}, line={"min_pitch_counts": 5000.0, "deadline_ms": 200.0}
    )
    assert any(text.startswith("outputs.0.kind: in free-running mode") for text in texts)


def test_two_pulses() -> None:
    """A part has one."""
    assert problems(pulse(), pulse(line=18)) == [
        "outputs.1.kind: a station has one accept pulse; remove the other"
    ]


@pytest.mark.parametrize("kind", ["gpio", "mqtt", "opcua"])
def test_missing_package(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`check` names the extra to install, before the station is started."""
    monkeypatch.setattr("inspectd.io.output_settings.importlib.util.find_spec", nothing_installed)
    more = {
        "gpio": pulse(),
        "mqtt": {"kind": "mqtt", "host": "broker", "topic": "t"},
        "opcua": {"kind": "opcua", "host": "127.0.0.1", "folder": str(tmp_path)},
    }
    (text,) = problems(more[kind])
    assert text.startswith("outputs.0.kind: needs a package")
    assert f"pip install 'inspectd[{kind}]'" in text


def test_files_are_looked_at(tmp_path: Path) -> None:
    """Missing ones, and secrets that others can read."""
    secret = tmp_path / "secret"
    secret.write_text("word")
    secret.chmod(0o644)
    mqtt = {
        "kind": "mqtt",
        "host": "broker",
        "topic": "t",
        "user": "u",
        "password_file": str(secret),
        "tls": {"ca": str(tmp_path / "missing"), "certificate": str(secret), "key": str(secret)},
    }
    opcua = {"kind": "opcua", "host": "127.0.0.1", "folder": str(tmp_path)}
    settings = settings_with(outputs=[mqtt, opcua, opcua | {"anonymous": True}])
    found = {".".join(map(str, key)): text for key, text in output_problems_on_disk(settings)}
    assert set(found) == {
        "outputs.0.password_file",
        "outputs.0.tls.ca",
        "outputs.0.tls.key",
        "outputs.1.folder",
    }
    assert "chmod 600" in found["outputs.0.password_file"]
    assert "No such file" in found["outputs.0.tls.ca"]
    secret.chmod(0o600)
    set_user(tmp_path, "anna", "long enough")
    (tmp_path / "missing").write_text("")
    assert list(output_problems_on_disk(settings)) == []


def test_files_are_named_from_the_configurations_folder(tmp_path: Path) -> None:
    """As all other files in it."""
    more = (
        "outputs:\n"
        "  - {kind: mqtt, host: broker, topic: t, user: u, password_file: word, tls: {ca: ca.pem}}\n"
        "  - {kind: opcua, host: 127.0.0.1, folder: opcua}\n"
    )
    mqtt, opcua = load_config(write_station(tmp_path, text=STATION + more)).outputs
    assert isinstance(mqtt, MqttSettings)
    assert isinstance(opcua, OpcUaSettings)
    assert mqtt.tls
    assert (mqtt.password_file, mqtt.tls.ca, mqtt.tls.key) == (tmp_path / "word", tmp_path / "ca.pem", None)
    assert opcua.folder == tmp_path / "opcua"


@pytest.mark.parametrize(
    ("entry", "told"),
    [
        ("{kind: mqt}", "outputs.0.kind: must be one of 'gpio', 'mqtt', 'opcua'"),
        ("{kind: gpio, line: 1.5, window_to_ms: 100}", "outputs.0.line: line 1.5 is neither an offset"),
        ("{kind: gpio, line: true, window_to_ms: 100}", "outputs.0.line: line True is neither an offset"),
        ("{kind: gpio, line: -1, window_to_ms: 100}", "outputs.0.line: line -1 is neither an offset"),
        ("{kind: gpio, line: '', window_to_ms: 100}", "outputs.0.line: line '' is neither an offset"),
        ("{kind: gpio, line: 1}", "outputs.0.window_to_ms: is missing"),
        ("{kind: mqtt, host: h, topic: a/+/b}", "outputs.0.topic: topic 'a/+/b' holds"),
        ("{kind: mqtt, host: h, topic: t, password_file: p}", "password_file without user would not be used"),
        ("{kind: mqtt, host: h, topic: t, tls: {key: k}}", "outputs.0.tls: key without certificate"),
        ("{kind: mqtt, host: h, topic: t, pasword_file: p}", "did you mean `password_file`?"),
        ("{kind: opcua, host: h}", "outputs.0.folder: is missing"),
    ],
)
def test_wrong_entries_are_explained(entry: str, told: str, tmp_path: Path) -> None:
    """With line, key and remedy, as everywhere in the file."""
    text = f"{STATION}outputs:\n  - {entry}\n"
    with pytest.raises(ConfigError) as refused:
        load_config(write_station(tmp_path, text=text))
    (problem,) = refused.value.problems
    assert f"station.yaml:{len(text.splitlines())}:" in problem
    assert told in problem
