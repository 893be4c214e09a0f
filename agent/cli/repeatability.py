"""`inspectd calibrate repeatability`: one part, many times before the camera, held against its limits."""

from __future__ import annotations

import hashlib
import math
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from inspectd.agent.cli.grab import open_camera
from inspectd.agent.cli.output import fail, note, print_json, say
from inspectd.agent.cli.progress import progress_bar
from inspectd.agent.config import ClassSettings, StationSettings, load_config
from inspectd.inference.bundle import load_bundle
from inspectd.inference.engine import Engine, open_engine, read_image
from inspectd.inference.errors import EngineError

if TYPE_CHECKING:
    from inspectd.calibration.repeatability import Reading, Repeatability

Frame = tuple[str, NDArray[np.uint8], str]
"""Name, pixels uint8 RGB [H, W, 3], and what the camera says is wrong with them; empty: nothing."""


@dataclass(frozen=True, slots=True)
class RepeatabilityOptions:
    """What the user asked for. `images` stands for the camera where it is given."""

    config: Path
    class_name: str
    recipe: int | None
    count: int
    images: Path | None
    interval_s: float
    max_spread: float
    max_drift: float


def run_repeatability(options: RepeatabilityOptions, *, as_json: bool) -> None:
    """Judge the frames as the line would and report; exit status 1 if something is out of its limits."""
    from inspectd.calibration.errors import CalibrationError
    from inspectd.calibration.repeatability import Allowed, assess

    settings = load_config(options.config)
    entry = _chosen(options, settings)
    engine = open_engine(entry.bundle, settings.engine)
    try:
        with progress_bar("judging") as advance:
            readings: list[Reading] = []
            for frame in _frames(options, settings):
                readings.append(_read(engine, frame))
                advance(len(readings), options.count, readings[-1].name)
        result = assess(readings, engine.limits, Allowed(options.max_spread, options.max_drift))
    except CalibrationError as error:
        fail(str(error))
    finally:
        engine.close()
    if len(readings) < options.count:
        note(f"inspectd: {len(readings)} of {options.count} frames: there were no more")
    source = options.images or f"camera {settings.camera.name}"
    about: dict[str, Any] = {
        "station": settings.name,
        "class": engine.class_name,
        "bundle_id": engine.bundle_id,
        "decision_id": engine.decision_id,
        "source": str(source),
        "threshold": engine.limits.threshold,
        "max_spread": options.max_spread,
        "max_drift": options.max_drift,
    }
    if as_json:
        scores = [None if reading.unfit else reading.score for reading in readings]
        print_json({**about, **result.to_json(), "scores": scores})
    else:
        _print(about, result)
    if not result.passed:
        raise SystemExit(1)


def _chosen(options: RepeatabilityOptions, settings: StationSettings) -> ClassSettings:
    """Return the class that was asked for, by its name or recipe, or the only one."""
    names = {entry.recipe: load_bundle(entry.bundle).manifest.class_name for entry in settings.classes}
    found = [
        entry
        for entry in settings.classes
        if options.recipe in {None, entry.recipe} and options.class_name in {"", names[entry.recipe]}
    ]
    if len(found) != 1:
        known = ", ".join(f"{recipe} ({name})" for recipe, name in names.items())
        what = "several classes fit" if found else "no such class"
        fail(f"{options.config}: {what}; choose by --recipe or --class one of: {known}", status=2)
    return found[0]


def _frames(options: RepeatabilityOptions, settings: StationSettings) -> Iterator[Frame]:
    if options.images is not None:
        yield from _stored(options.images, options.count)
        return
    with open_camera(settings.camera) as camera:
        for number in range(options.count):
            if number:
                time.sleep(options.interval_s)
            shot = camera.grab()
            if shot is None:
                return
            yield f"frame {shot.number}", shot.pixels, shot.problem


def _stored(folder: Path, count: int) -> Iterator[Frame]:
    from inspectd.calibration.layout import images_in

    if not folder.is_dir():
        fail(f"{folder}: no such folder; name one with images of one part, taken one after the other")
    for file in images_in(folder)[:count]:
        pixels = read_image(file)
        if pixels is None:
            fail(f"{file}: cannot be read as an image; export it again, or move it away")
        yield file.name, pixels, ""


def _read(engine: Engine, frame: Frame) -> Reading:
    from inspectd.calibration.repeatability import Reading

    name, pixels, problem = frame
    if problem:
        return Reading(name, math.nan, (problem,), digest=name)
    digest = hashlib.sha256(pixels.tobytes()).hexdigest()
    try:
        judged = engine.judge(pixels)
    except EngineError as error:
        return Reading(name, math.nan, (f"inference failed: {error}",), digest)
    return Reading(name, judged.score, judged.unfit, digest)


def _print(about: dict[str, Any], result: Repeatability) -> None:
    say(f"{about['class']}, {about['source']}: {result.frames} frames of one part, {result.fit} fit to judge")
    if result.mean is not None:
        say(f"score: mean {result.mean:.4f}, {result.lowest:.4f} to {result.highest:.4f}")
        say(
            f"standard deviation: {result.deviation:.5f}"
            f" (the true one is under {result.deviation_upper:.5f} with 95 % confidence)"
        )
    if result.spread is not None:
        say(
            f"six deviations: {result.spread:.1%} of the distance to the {result.limit_name}"
            f" {result.limit:.4f} (limit {about['max_spread']:.0%})"
        )
    if result.drift_share is not None:
        chance = "beyond chance" if result.drift_beyond_chance else "within chance"
        say(
            f"drift, second half less first: {result.drift:+.5f}, {result.drift_share:.1%} of that distance"
            f" (limit {about['max_drift']:.0%}), {chance}"
        )
    verdicts = ", ".join(f"{name} {n} ({n / result.frames:.0%})" for name, n in result.verdicts.items())
    say(f"verdicts: {verdicts}; flips {result.flips} (limit 0)")
    for problem in result.problems:
        say(f"FAILED: {problem}")
    say("passed" if result.passed else "not passed")
