"""What must hold between the numbers of a configuration, so that the contract with the PLC can be kept.

Each rule gives the key to change, what is wrong and what would be right. None of them touches hardware.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from inspectd.agent.config import StationSettings
from inspectd.io.camera_settings import VideoCameraSettings

Key = tuple[str | int, ...]

# A part's slot in the ring is its own for 15 parts at the wrap of ids; one more is kept in hand.
MAX_PARTS_BETWEEN = 14
# Longest time between the polls around an exposure whose position is still trusted, ms (besides the cycle).
POLL_LIMIT_MS = 25.0


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong with a configuration. A warning does not keep the agent from running."""

    key: Key
    text: str
    warning: bool = False


def find_problems(settings: StationSettings) -> list[Problem]:
    """Apply every rule."""
    rules = [_classes, _trigger, _deadlines, _travel, _stamps]
    rules.append(_free_running if settings.plc.mode == "free_running" else _windows)
    return [problem for rule in rules for problem in rule(settings)]


def trigger_lead_ms(settings: StationSettings) -> float:
    """How long before the last good poll a part's exposure may lie: one PLC scan if triggered by hardware."""
    return settings.plc.plc_scan_ms if settings.camera.trigger == "hardware" else 0.0


def _classes(settings: StationSettings) -> Iterator[Problem]:
    seen: set[int] = set()
    for number, entry in enumerate(settings.classes):
        if entry.recipe in seen:
            text = f"recipe {entry.recipe} stands twice; give each class a recipe of its own"
            yield Problem(("classes", number, "recipe"), text)
        seen.add(entry.recipe)


def _trigger(settings: StationSettings) -> Iterator[Problem]:
    key = ("cameras", 0, "trigger")
    trigger = settings.camera.trigger
    if settings.plc.mode == "plc_triggered" and trigger == "free":
        text = "a camera that runs free gives no frame for a trigger; set trigger to software or hardware"
        yield Problem(key, f"{text}, or plc.mode to free_running")
    if settings.plc.mode == "free_running" and trigger == "software":
        yield Problem(
            key, "in free-running mode nobody triggers by software; set trigger to hardware or free"
        )


def _deadlines(settings: StationSettings) -> Iterator[Problem]:
    line = settings.line
    if line.step_limit_ms >= line.deadline_ms:
        text = f"{line.step_limit_ms:g} ms is not under deadline_ms ({line.deadline_ms:g}): a step that hangs"
        yield Problem(("line", "step_limit_ms"), f"{text} must end the heartbeat first; lower it")


def _windows(settings: StationSettings) -> Iterator[Problem]:
    """Each exposure must lie in one part's window alone."""
    line, plc = settings.line, settings.plc
    interval, age = line.min_part_interval_ms, plc.max_trigger_age_ms
    if not age < interval / 2:
        text = f"{age:g} ms is not under half of line.min_part_interval_ms ({interval:g})"
        yield Problem(("plc", "max_trigger_age_ms"), f"{text}; set at most {interval / 2 - 1:g}")
    if age <= plc.cycle_ms:
        text = f"{age:g} ms is not over cycle_ms ({plc.cycle_ms:g}): every trigger would be too old"
        yield Problem(("plc", "max_trigger_age_ms"), f"{text}; set at least {2 * plc.cycle_ms:g}")
    # The window of part k begins at the last poll without its id: at most `age` before the id was seen and at
    # the latest when the PLC set it, which may be a scan off the regular interval. It must end before the
    # next one can begin.
    lead = trigger_lead_ms(settings)
    needed = 2 * age + line.trigger_to_exposure_ms + lead + plc.plc_scan_ms
    if not needed < interval:
        text = (
            f"windows of neighbouring parts can overlap: 2 x max_trigger_age ({age:g}) + trigger_to_exposure "
            f"({line.trigger_to_exposure_ms:g}) + lead of the hardware trigger ({lead:g}) + PLC scan "
            f"({plc.plc_scan_ms:g}) = {needed:g} ms is not under min_part_interval_ms ({interval:g})"
        )
        yield Problem(("line", "min_part_interval_ms"), f"{text}; shorten those or slow the line")
    window = age + line.trigger_to_exposure_ms + line.frame_transfer_ms
    if not window < line.deadline_ms:
        text = f"the window of a part closes {window:g} ms after its trigger, at or past the deadline"
        yield Problem(("line", "deadline_ms"), f"{text} ({line.deadline_ms:g}); raise deadline_ms")


def _travel(settings: StationSettings) -> Iterator[Problem]:
    """The verdict must reach the PLC before the part reaches the gate, and while its slot is its own."""
    line, plc = settings.line, settings.plc
    safe_copy = line.deadline_ms + plc.max_trigger_age_ms + plc.cycle_ms + plc.timeout_ms + plc.plc_scan_ms
    if not safe_copy < line.eye_to_gate_ms:
        text = (
            f"a part reaches the gate after {line.eye_to_gate_ms:g} ms, its verdict may take deadline + "
            f"trigger age + cycle + time-out + PLC scan = {safe_copy:g} ms"
        )
        yield Problem(("line", "eye_to_gate_ms"), f"{text}; move the gate or lower line.deadline_ms")
    parts = math.ceil(safe_copy / line.min_part_interval_ms)
    if parts > MAX_PARTS_BETWEEN:
        text = (
            f"{parts} parts may pass between a trigger and the PLC's copy of its verdict ({safe_copy:g} ms)"
        )
        yield Problem(("line", "deadline_ms"), f"{text}, at most {MAX_PARTS_BETWEEN} may; lower deadline_ms")


def _free_running(settings: StationSettings) -> Iterator[Problem]:
    """A position must be sharper than half the pitch: max_speed x 25 ms + cycle + scan < pitch / 2.

    At full speed the pitch is max_speed x min_part_interval, so the speed cancels out.
    """
    line, plc = settings.line, settings.plc
    uncertain_ms = POLL_LIMIT_MS + plc.cycle_ms + plc.plc_scan_ms
    if not uncertain_ms < line.min_part_interval_ms / 2:
        text = (
            f"at full speed the belt moves for {uncertain_ms:g} ms (25 + cycle + PLC scan) between two known "
            f"positions, which is not under half of min_part_interval_ms ({line.min_part_interval_ms:g})"
        )
        yield Problem(("line", "min_part_interval_ms"), f"{text}; slow the line or shorten plc.cycle_ms")


def _stamps(settings: StationSettings) -> Iterator[Problem]:
    camera = settings.camera
    if isinstance(camera, VideoCameraSettings) and camera.is_stream:
        text = "a network stream carries no exposure stamps: this station reports, but never accepts a part"
        yield Problem(("cameras", 0, "source"), text, warning=True)
