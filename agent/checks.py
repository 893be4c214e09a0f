"""What must hold between the numbers of a configuration, so that the contract with the PLC can be kept.

Each rule gives the key to change, what is wrong and what would be right. None of them touches hardware.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ruamel.yaml.comments import CommentedMap

from inspectd.agent.config import StationSettings, read_config
from inspectd.agent.errors import ConfigError
from inspectd.agent.link_checks import link_problems, told_of_delivery, told_of_seen_after
from inspectd.agent.output_checks import output_problems
from inspectd.agent.times import position_wait_ms, trigger_lead_ms, window_close_ms
from inspectd.agent.yaml_file import line_of
from inspectd.io.camera_settings import VideoCameraSettings

Key = tuple[str | int, ...]

USUAL_FRAME_RATE_HZ = 30.0
# A part's slot in the ring is its own for 15 parts at the wrap of ids; one more is kept in hand.
MAX_PARTS_BETWEEN = 14


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong with a configuration. A warning does not keep the agent from running."""

    key: Key
    text: str
    warning: bool = False

    def located(self, path: Path, document: CommentedMap) -> str:
        """Say it with file, line and key; `document` is the file's content."""
        return f"{path}:{line_of(document, self.key)}: {'.'.join(map(str, self.key))}: {self.text}"


def load_checked(path: Path) -> StationSettings:
    """Load a station's file and apply every rule. Raises ConfigError with everything wrong."""
    settings, document = read_config(path)
    problems = [problem for problem in find_problems(settings) if not problem.warning]
    if problems:
        raise ConfigError([problem.located(path, document) for problem in problems])
    return settings


def find_problems(settings: StationSettings) -> list[Problem]:
    """Apply every rule."""
    rules = [_classes, _trigger, _deadlines, _travel, _confirmations, _stamps]
    rules.append(_free_running if settings.plc.mode == "free_running" else _windows)
    found = [problem for rule in rules for problem in rule(settings)]
    found += [Problem(key, text, warning=warning) for key, text, warning in link_problems(settings)]
    return found + [Problem(key, text) for key, text in output_problems(settings)]


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
    if age <= plc.seen_after_ms:
        text = (
            f"{age:g} ms is not over {told_of_seen_after(plc)}: triggers would be too old when they are seen"
        )
        yield Problem(
            ("plc", "max_trigger_age_ms"),
            f"{text}; set at least {math.ceil(plc.seen_after_ms + plc.cycle_ms)}",
        )
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
    window = window_close_ms(settings) + _word_ms(settings)
    if not window < line.deadline_ms:
        text = f"the window of a part closes {window:g} ms after its trigger, at or past the deadline"
        yield Problem(("line", "deadline_ms"), f"{text} ({line.deadline_ms:g}); raise deadline_ms")


def _word_ms(settings: StationSettings) -> float:
    """How long after a window's end a camera may take to tell that nothing more was exposed in it.

    Most are asked and answer at once. A device that streams and is triggered by software answers with its
    next frame, which has to be exposed and handed over.
    """
    camera = settings.camera
    if not (isinstance(camera, VideoCameraSettings) and camera.is_device and camera.trigger == "software"):
        return 0.0
    return 1000 / (camera.rate_hz or USUAL_FRAME_RATE_HZ) + settings.line.frame_transfer_ms


def _travel(settings: StationSettings) -> Iterator[Problem]:
    """The verdict must reach the PLC before the part reaches the gate, and while its slot is its own."""
    line, plc = settings.line, settings.plc
    # From the photo-eye: a scan until the PLC gives the part its id, the id's age when it is seen, the
    # deadline, the next cycle, a write that just succeeds, and the scan that copies the verdict.
    age_ms = 0.0 if plc.mode == "free_running" else plc.plc_scan_ms + plc.max_trigger_age_ms
    safe_copy = age_ms + line.deadline_ms + plc.delivery_ms + plc.plc_scan_ms
    if not safe_copy < line.eye_to_gate_ms:
        parts_of_it = f"deadline + {told_of_delivery(plc)} + PLC scan"
        if age_ms:
            parts_of_it = f"PLC scan + trigger age + {parts_of_it}"
        text = (
            f"a part reaches the gate after {line.eye_to_gate_ms:g} ms, its verdict may take "
            f"{parts_of_it} = {safe_copy:g} ms"
        )
        yield Problem(("line", "eye_to_gate_ms"), f"{text}; move the gate or lower line.deadline_ms")
    parts = math.ceil(safe_copy / line.min_part_interval_ms)
    if parts > MAX_PARTS_BETWEEN:
        text = (
            f"{parts} parts may pass between a trigger and the PLC's copy of its verdict ({safe_copy:g} ms)"
        )
        yield Problem(("line", "deadline_ms"), f"{text}, at most {MAX_PARTS_BETWEEN} may; lower deadline_ms")


def _confirmations(settings: StationSettings) -> Iterator[Problem]:
    """A rejected part must have come to the reject sensor before its confirmation counts as missing."""
    line, key = settings.line, ("line", "confirmations")
    if line.confirmations is None:
        return
    if settings.plc.mode == "free_running":
        yield Problem(
            key, "the reject sensor names parts by TRIG_ID, which free-running mode lacks; remove it"
        )
    on_the_way = math.ceil(line.eye_to_gate_ms / line.min_part_interval_ms)
    if not line.confirmations.within_parts > on_the_way:
        text = (
            f"{line.confirmations.within_parts} is not over the {on_the_way} parts that fit between "
            f"photo-eye and gate (eye_to_gate_ms {line.eye_to_gate_ms:g} / min_part_interval_ms "
            f"{line.min_part_interval_ms:g}): no confirmation could be in time"
        )
        yield Problem((*key, "within_parts"), f"{text}; set at least {on_the_way + 2}")


def _free_running(settings: StationSettings) -> Iterator[Problem]:
    """A position must be sharper than half the pitch, and known before the deadline."""
    line, plc = settings.line, settings.plc
    waited = position_wait_ms(settings)
    if line.min_pitch_counts is None:
        text = "is missing; free-running mode needs the shortest distance between two parts in encoder counts"
        yield Problem(("line", "min_pitch_counts"), text)
    else:
        uncertain_ms = waited + plc.plc_scan_ms
        uncertain = plc.max_speed_counts_per_s * uncertain_ms / 1000
        if not uncertain < line.min_pitch_counts / 2:
            text = (
                f"at max_speed_counts_per_s ({plc.max_speed_counts_per_s:g}) the belt moves {uncertain:g} "
                f"counts in {uncertain_ms:g} ms (25 + cycle + PLC scan) between two known positions: not "
                f"under half of line.min_pitch_counts ({line.min_pitch_counts:g})"
            )
            yield Problem(("plc", "max_speed_counts_per_s"), f"{text}; slow the line or widen the pitch")
    if not waited < line.deadline_ms:
        text = f"a position is certain only {waited:g} ms (25 + cycle) after the exposure, at or past the"
        yield Problem(("line", "deadline_ms"), f"{text} deadline ({line.deadline_ms:g}); raise deadline_ms")


def _stamps(settings: StationSettings) -> Iterator[Problem]:
    camera = settings.camera
    if isinstance(camera, VideoCameraSettings) and camera.is_stream:
        text = "a network stream carries no exposure stamps: this station reports, but never accepts a part"
        if not settings.line.shadow:
            text += "; set line.shadow to true, or it will ask to stop the line"
        yield Problem(("cameras", 0, "source"), text, warning=True)
