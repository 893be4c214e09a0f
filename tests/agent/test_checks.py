"""The arithmetic of a configuration: each rule with what just breaks it and what just keeps it."""

from pathlib import Path
from typing import Any

import pytest
from station_files import settings_with, write_station

from inspectd.agent.checks import Problem, find_problems, load_checked
from inspectd.agent.config import StationSettings
from inspectd.agent.errors import ConfigError

FOLDER = {"kind": "folder", "trigger": "software", "path": "images"}
FREE = {"kind": "folder", "trigger": "free", "path": "images"}
DEVICE = {"kind": "video", "trigger": "software", "source": "0", "rate_hz": 20.0}
STREAM = {"kind": "video", "trigger": "software", "source": "rtsp://192.0.2.7/stream"}
FREE_RUNNING = {"mode": "free_running", "max_speed_counts_per_s": 10_000.0}

# Numbers in ms. With the settings of `settings_with` a hardware trigger needs
# 2 x 40 (age) + 10 (trigger to exposure) + 10 (lead) + 10 (scan) = 110 between two parts, and a verdict takes
# 10 (scan) + 40 (age) + 300 (deadline) + 5 (cycle) + 200 (time-out) + 10 (scan) = 565 from the photo-eye.
# Each rule: the key that it names, what just breaks it, and what just keeps it.
RULES: dict[str, tuple[str, dict[str, Any], dict[str, Any]]] = {
    "step limit under the deadline": (
        "line.step_limit_ms",
        {"line": {"step_limit_ms": 300.0}},
        {"line": {"step_limit_ms": 299.9}},
    ),
    "trigger age under half the interval": (
        "plc.max_trigger_age_ms",
        {"plc": {"max_trigger_age_ms": 100.0}, "line": {"deadline_ms": 290.0}},
        {"plc": {"max_trigger_age_ms": 84.9}, "line": {"deadline_ms": 290.0}},
    ),
    "trigger age over the cycle": (
        "plc.max_trigger_age_ms",
        {"plc": {"max_trigger_age_ms": 5.0}},
        {"plc": {"max_trigger_age_ms": 5.1}},
    ),
    "windows apart, triggered by hardware": (
        "line.min_part_interval_ms",
        {"line": {"min_part_interval_ms": 110.0}},
        {"line": {"min_part_interval_ms": 110.1}},
    ),
    "windows apart, triggered by software": (
        "line.min_part_interval_ms",
        {"line": {"min_part_interval_ms": 100.0}, "camera": FOLDER},
        {"line": {"min_part_interval_ms": 100.1}, "camera": FOLDER},
    ),
    "window closed before the deadline": (
        "line.deadline_ms",
        {"line": {"deadline_ms": 55.0, "step_limit_ms": 50.0}},
        {"line": {"deadline_ms": 55.1, "step_limit_ms": 50.0}},
    ),
    # 40 (age) + 10 (trigger to exposure) + 5 (transfer) + 50 (a frame at 20 per second) + 5 (its transfer).
    "window closed before the deadline, on a device that streams": (
        "line.deadline_ms",
        {"line": {"deadline_ms": 110.0, "step_limit_ms": 50.0}, "camera": DEVICE},
        {"line": {"deadline_ms": 110.1, "step_limit_ms": 50.0}, "camera": DEVICE},
    ),
    "verdict before the gate": (
        "line.eye_to_gate_ms",
        {"line": {"eye_to_gate_ms": 565.0}},
        {"line": {"eye_to_gate_ms": 565.1}},
    ),
    "slot its own until the verdict is copied": (
        "line.deadline_ms",
        {"line": {"deadline_ms": 2535.1, "eye_to_gate_ms": 10_000.0}},
        {"line": {"deadline_ms": 2535.0, "eye_to_gate_ms": 10_000.0}},
    ),
    "trigger of a triggered camera": (
        "cameras.0.trigger",
        {"camera": FREE},
        {"camera": FOLDER},
    ),
    "trigger of a free-running camera": (
        "cameras.0.trigger",
        {"camera": FOLDER, "plc": FREE_RUNNING, "line": {"min_pitch_counts": 1000.0}},
        {"camera": FREE, "plc": FREE_RUNNING, "line": {"min_pitch_counts": 1000.0}},
    ),
    "recipes apart": (
        "classes.1.recipe",
        {"classes": [{"recipe": 1, "bundle": "a"}, {"recipe": 1, "bundle": "b"}]},
        {"classes": [{"recipe": 1, "bundle": "a"}, {"recipe": 2, "bundle": "b"}]},
    ),
    # 1000 (eye to gate) / 200 (interval) = 5 parts on the way.
    "confirmations within the parts on the way": (
        "line.confirmations.within_parts",
        {"line": {"confirmations": {"missing": 2, "within_parts": 5}}},
        {"line": {"confirmations": {"missing": 2, "within_parts": 6}}},
    ),
    "confirmations name parts by id": (
        "line.confirmations",
        {
            "plc": FREE_RUNNING,
            "line": {"min_pitch_counts": 1000.0, "confirmations": {"missing": 2, "within_parts": 6}},
        },
        {"line": {"confirmations": {"missing": 2, "within_parts": 6}}},
    ),
    "free-running: position sharper than half the pitch": (
        "plc.max_speed_counts_per_s",
        {"plc": FREE_RUNNING, "line": {"min_pitch_counts": 800.0}},
        {"plc": FREE_RUNNING, "line": {"min_pitch_counts": 800.1}},
    ),
    "free-running: pitch known": (
        "line.min_pitch_counts",
        {"plc": FREE_RUNNING},
        {"plc": FREE_RUNNING, "line": {"min_pitch_counts": 1000.0}},
    ),
    "free-running: position known before the deadline": (
        "line.deadline_ms",
        {
            "plc": FREE_RUNNING,
            "line": {"deadline_ms": 30.0, "step_limit_ms": 20.0, "min_pitch_counts": 1000.0},
        },
        {
            "plc": FREE_RUNNING,
            "line": {"deadline_ms": 30.1, "step_limit_ms": 20.0, "min_pitch_counts": 1000.0},
        },
    ),
}


def keys(problems: list[Problem]) -> list[str]:
    return [".".join(map(str, problem.key)) for problem in problems if not problem.warning]


def test_settings_used_here_keep_every_rule() -> None:
    """What the rules are broken with starts from settings without a problem."""
    assert find_problems(settings_with()) == []


@pytest.mark.parametrize("name", RULES)
def test_rule_refuses_what_just_breaks_it(name: str) -> None:
    """The key to change is named, with the numbers and a remedy."""
    key, breaks, _ = RULES[name]
    problems = find_problems(settings_with(**breaks))
    assert key in keys(problems)
    text = next(problem.text for problem in problems if key == ".".join(map(str, problem.key)))
    assert "; " in text or "set trigger" in text


@pytest.mark.parametrize("name", RULES)
def test_rule_lets_pass_what_just_keeps_it(name: str) -> None:
    """No rule asks for more than the contract does."""
    _, _, keeps = RULES[name]
    assert keys(find_problems(settings_with(**keeps))) == []


def test_remedy_of_a_trigger_age_that_is_too_high_works() -> None:
    """What the error proposes for the trigger age keeps that rule."""
    broken = settings_with(plc={"max_trigger_age_ms": 150.0})
    (text,) = [one.text for one in find_problems(broken) if one.key == ("plc", "max_trigger_age_ms")]
    proposed = float(text.rpartition("set at most ")[2])
    mended = settings_with(plc={"max_trigger_age_ms": proposed})
    assert "plc.max_trigger_age_ms" not in keys(find_problems(mended))


def test_all_broken_rules_are_told_at_once() -> None:
    """Nobody has to mend a configuration rule by rule."""
    broken = settings_with(
        line={"step_limit_ms": 400.0, "eye_to_gate_ms": 100.0, "min_part_interval_ms": 50.0}
    )
    assert set(keys(find_problems(broken))) == {
        "line.step_limit_ms",
        "line.eye_to_gate_ms",
        "line.min_part_interval_ms",
        "plc.max_trigger_age_ms",
    }


def stream(*, shadow: bool) -> StationSettings:
    return settings_with(camera=STREAM, line={"shadow": shadow})


def test_stream_is_a_warning() -> None:
    """A source without exposure stamps may run, and only reports: that is said, and how to say it oneself."""
    (warning,) = find_problems(stream(shadow=False))
    assert warning.warning
    assert "never accepts" in warning.text
    assert "set line.shadow to true" in warning.text
    (warning,) = find_problems(stream(shadow=True))
    assert "set line.shadow" not in warning.text


def test_broken_rule_is_told_with_its_line(tmp_path: Path) -> None:
    """`load_checked` refuses to give settings that break a rule: file, line, key, numbers, remedy."""
    path = write_station(tmp_path, ("step_limit_ms: 250", "step_limit_ms: 350"))
    with pytest.raises(ConfigError) as caught:
        load_checked(path)
    (problem,) = caught.value.problems
    assert problem == (
        f"{path}:6: line.step_limit_ms: 350 ms is not under deadline_ms (300): a step that hangs must end "
        "the heartbeat first; lower it"
    )


def test_warning_does_not_keep_a_station_from_running(tmp_path: Path) -> None:
    """`load_checked` gives the settings of a station that only reports."""
    changes = (
        ("kind: folder", "kind: video"),
        ("path: images", "source: rtsp://192.0.2.7/stream"),
        ("host: 127.0.0.1", "host: 192.0.2.8"),
    )
    assert load_checked(write_station(tmp_path, *changes)).plc.place == "the PLC at 192.0.2.8"


@pytest.mark.parametrize(("interval_ms", "warned"), [(55.0, True), (55.1, False)])
def test_level_handshake_that_cannot_keep_pace_is_a_warning(interval_ms: float, *, warned: bool) -> None:
    """10 (age) + 10 (to exposure) + 5 (transfer) + 2 x (5 (cycle) + 10 (scan)) = 55; not with id changes."""
    for handshake in ("level", "id_change"):
        plc = {"max_trigger_age_ms": 10.0, "handshake": handshake}
        problems = find_problems(settings_with(plc=plc, line={"min_part_interval_ms": interval_ms}))
        assert not [problem for problem in problems if not problem.warning]
        told = [problem.text for problem in problems if problem.key == ("plc", "handshake")]
        assert bool(told) == (warned and handshake == "level")
        assert all("have the PLC set BufferResults" in text for text in told)


def test_level_handshake_in_free_running_mode_is_refused(tmp_path: Path) -> None:
    """With its line and what to do."""
    change = ("host: 127.0.0.1", "host: 127.0.0.1\n  mode: free_running\n  handshake: level")
    with pytest.raises(ConfigError, match=r"plc\.handshake: .*alone.*leave `handshake` out"):
        load_checked(write_station(tmp_path, change))
