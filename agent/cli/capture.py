"""`inspectd calibrate capture`: images for a new class, from the line's own camera."""

from __future__ import annotations

import re
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from inspectd.agent.cli.capture_folder import CaptureFolder
from inspectd.agent.cli.capture_rules import ENOUGH, Judgement, Rules
from inspectd.agent.cli.grab import Grabber, open_camera
from inspectd.agent.cli.output import fail, note, print_json, say
from inspectd.agent.cli.progress import progress_bar
from inspectd.agent.config import load_config
from inspectd.agent.errors import AgentError
from inspectd.io.errors import CameraError

_NAME = re.compile(r"^[A-Za-z0-9][A-Za-z0-9_.-]*$")
_INTERVAL_S = 1.0
# As many refused frames in a row mean that something stands wrong; the technician may not be looking.
_MOST_REFUSED = 50


@dataclass(frozen=True, slots=True)
class CaptureOptions:
    """What the user asked for; an `interval_s` of None: as the camera's trigger asks for."""

    config: Path
    class_name: str
    count: int
    into: Path
    kind: str
    interval_s: float | None
    ask: bool
    wait_s: float | None

    @property
    def defective(self) -> bool:
        """Whether parts with a defect are taken."""
        return bool(self.kind)

    @property
    def folder(self) -> Path:
        """Where the images go."""
        split = Path("validation", self.kind) if self.defective else Path("train", "good")
        return self.into / self.class_name / split


@dataclass(slots=True)
class Tally:
    """What came of a run. `reasons` counts by their first words; `ended` says why it ended early."""

    before: int
    taken: list[str] = field(default_factory=list[str])
    refused: int = 0
    reasons: Counter[str] = field(default_factory=Counter[str])
    in_a_row: int = 0
    missed: int = 0
    ended: str = ""


def run_capture(options: CaptureOptions, *, as_json: bool) -> None:
    """Take images until there are as many as asked for. Exit status 1 if it ends before."""
    _check_names(options)
    settings = load_config(options.config)
    folder = CaptureFolder(options.folder)
    tally = Tally(before=folder.count)
    interval_s = options.interval_s
    if interval_s is None:
        interval_s = 0.0 if settings.camera.trigger == "hardware" or options.ask else _INTERVAL_S
    try:
        if folder.count < options.count:
            rules = _rules_from(folder, options)
            with open_camera(settings.camera, options.wait_s) as camera:
                _take(camera, folder, rules, tally, options, interval_s)
    except KeyboardInterrupt:
        tally.ended = "interrupted"
    except (AgentError, CameraError) as error:
        tally.ended = str(error)
    _report(options, folder, tally, as_json=as_json)


def _check_names(options: CaptureOptions) -> None:
    for option, name in (("--class", options.class_name), ("--kind", options.kind)):
        if name and not _NAME.match(name):
            fail(f"{option}: {name!r} cannot be a folder's name; use letters, digits, _ . and -", status=2)
    if not options.class_name:
        fail("--class: is empty; name the product class", status=2)
    if options.kind.lower() in {"good", "ok"}:
        fail("--kind: names a defect; leave it out for good parts", status=2)
    if options.ask and not sys.stdin.isatty():
        fail("--ask: needs a terminal to press Enter at; use --interval", status=2)


def _rules_from(folder: CaptureFolder, options: CaptureOptions) -> Rules:
    """Learn from the images that are there already what the next ones are held against."""
    rules = Rules()
    files = folder.files()
    if files:
        note(f"inspectd: {len(files)} images are in {folder.folder} already; going on")
    with progress_bar("reading them") as advance:
        for done, file in enumerate(files, 1):
            rules.keep(folder.read(file), file.name, defective=options.defective)
            advance(done, len(files))
    return rules


def _take(
    camera: Grabber,
    folder: CaptureFolder,
    rules: Rules,
    tally: Tally,
    options: CaptureOptions,
    interval_s: float,
) -> None:
    while folder.count < options.count:
        if options.ask:
            note("Enter takes the next picture, Ctrl-C ends: ")
            sys.stdin.readline()
        began = time.monotonic()
        shot = camera.grab()
        if shot is None:
            tally.ended = "the camera's replay is at its end"
            return
        tally.missed += shot.missed
        if shot.problem:
            _refuse(tally, (f"no image: {shot.problem}",), "")
        else:
            judged = rules.judge(shot.pixels)
            if judged.unfit:
                _refuse(tally, judged.unfit, _measured(judged))
            else:
                file = folder.write(shot.pixels)
                rules.keep(shot.pixels, file.name, defective=options.defective)
                tally.taken.append(file.name)
                tally.in_a_row = 0
                note(f"{folder.count}/{options.count} {file.name}  {_measured(judged)}")
        if tally.in_a_row >= _MOST_REFUSED:
            tally.ended = f"{tally.in_a_row} frames in a row were refused; mend that and run this again"
            return
        if folder.count < options.count:
            time.sleep(max(0.0, began + interval_s - time.monotonic()))


def _refuse(tally: Tally, reasons: tuple[str, ...], measured: str) -> None:
    tally.in_a_row += 1
    tally.refused += 1
    tally.reasons.update(reason.partition(":")[0] for reason in reasons)
    note(f"refused: {'; '.join(reasons)}  {measured}".rstrip())


def _measured(judged: Judgement) -> str:
    measures = judged.measures
    return (
        f"sharpness {measures.sharpness:.3f}  exposure {measures.brightness:.0f} of 255"
        f"  saturated {measures.saturated:.1%}"
    )


def _report(options: CaptureOptions, folder: CaptureFolder, tally: Tally, *, as_json: bool) -> None:
    complete = folder.count >= options.count
    summary: dict[str, Any] = {
        "folder": str(folder.folder),
        "complete": complete,
        "images": folder.count,
        "wanted": options.count,
        "taken": len(tally.taken),
        "there_before": tally.before,
        "refused": tally.refused,
        "refused_for": dict(tally.reasons),
        "frames_missed": tally.missed,
        "ended": tally.ended,
    }
    if as_json:
        print_json(summary)
    else:
        of = f"{folder.count} of {options.count}"
        say(f"{folder.folder}: {of} images, {len(tally.taken)} taken now, {tally.before} were there")
        for reason, times in tally.reasons.most_common():
            say(f"  refused {times} times: {reason}")
        if complete and not options.defective and options.count >= ENOUGH:
            say(f"Check them: inspectd calibrate data {options.into / options.class_name}")
    if not complete:
        fail(
            f"{tally.ended or 'not complete'}; run it again to go on",
            130 if tally.ended == "interrupted" else 1,
        )
