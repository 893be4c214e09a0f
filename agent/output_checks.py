"""The rules that a station's outputs must keep: packages, windows of the accept pulse, users, passwords."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from inspectd.agent.config import StationSettings
from inspectd.agent.times import trigger_lead_ms, window_close_ms
from inspectd.io.opcua_users import check_users
from inspectd.io.output_settings import GpioSettings, MqttSettings, OpcUaSettings, missing_package

_OTHERS = 0o077

Found = tuple[tuple[str | int, ...], str]
"""Key and what is wrong there."""


def output_problems(settings: StationSettings) -> Iterator[Found]:
    """Apply every rule that needs no look at the disk."""
    kinds: set[str] = set()
    for number, output in enumerate(settings.outputs):
        key = ("outputs", number)
        if missing := missing_package(output.kind):
            yield (*key, "kind"), missing
        if isinstance(output, GpioSettings):
            yield from _pulse(settings, output, number)
            if output.kind in kinds:
                yield (*key, "kind"), "a station has one accept pulse; remove the other"
        kinds.add(output.kind)


def _pulse(settings: StationSettings, gpio: GpioSettings, number: int) -> Iterator[Found]:
    """The PLC must be able to tell from its time alone which part a pulse is for."""
    line, plc = settings.line, settings.plc
    if plc.mode == "free_running":
        text = "in free-running mode parts are told apart by their position, which a pulse cannot tell"
        yield ("outputs", number, "kind"), f"{text}; remove the output or set plc.mode to plc_triggered"
        return
    key = ("outputs", number, "window_to_ms")
    length = gpio.window_to_ms - gpio.window_from_ms + plc.plc_scan_ms
    if not length < line.min_part_interval_ms:
        text = (
            f"windows of neighbouring parts can overlap: window_to_ms - window_from_ms + PLC scan = "
            f"{length:g} ms is not under line.min_part_interval_ms ({line.min_part_interval_ms:g})"
        )
        yield key, f"{text}; raise window_from_ms or lower window_to_ms"
    # The agent knows the moment of an id but for its age, and puts the whole pulse inside what is certain.
    unsure = plc.max_trigger_age_ms + trigger_lead_ms(settings)
    earliest = max(gpio.window_from_ms + unsure, window_close_ms(settings)) + gpio.pulse_ms + plc.cycle_ms
    if not earliest < gpio.window_to_ms:
        text = f"no pulse could be given: it can end {earliest:g} ms after the id at the earliest"
        yield key, f"{text}; raise window_to_ms ({gpio.window_to_ms:g})"
    if not gpio.window_to_ms + plc.plc_scan_ms < line.eye_to_gate_ms:
        text = f"the window closes after the part can be at the gate ({line.eye_to_gate_ms:g} ms)"
        yield key, f"{text}; lower window_to_ms or move the gate"


def output_problems_on_disk(settings: StationSettings) -> Iterator[Found]:
    """Look at the files that the outputs name."""
    for number, output in enumerate(settings.outputs):
        if isinstance(output, OpcUaSettings):
            problem = "" if output.anonymous else check_users(output.folder)
            if problem:
                yield ("outputs", number, "folder"), problem
        if isinstance(output, MqttSettings):
            yield from _files(output, number)


def _files(mqtt: MqttSettings, number: int) -> Iterator[Found]:
    named: list[tuple[tuple[str | int, ...], Path | None, bool]] = [
        (("outputs", number, "password_file"), mqtt.password_file, True)
    ]
    if mqtt.tls is not None:
        where = ("outputs", number, "tls")
        named += [
            ((*where, "ca"), mqtt.tls.ca, False),
            ((*where, "certificate"), mqtt.tls.certificate, False),
            ((*where, "key"), mqtt.tls.key, True),
        ]
    for key, path, secret in named:
        if path is None:
            continue
        try:
            with path.open("rb"):
                mode = path.stat().st_mode
        except OSError as error:
            yield key, f"{path}: {error.strerror}; name a file that the agent's user can read"
            continue
        if secret and mode & _OTHERS:
            yield key, f"{path} can be read by others; type: chmod 600 {path}"
