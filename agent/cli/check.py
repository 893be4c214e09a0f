"""`inspectd check`: everything wrong with a station's file, at once."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from inspectd.agent.checks import Key, Problem, find_problems
from inspectd.agent.cli.output import print_json, say
from inspectd.agent.config import StationSettings, read_config
from inspectd.agent.errors import ConfigError
from inspectd.agent.output_checks import output_problems_on_disk
from inspectd.inference.bundle import load_bundle
from inspectd.inference.errors import BundleError
from inspectd.inference.runtime import RuntimeSettings
from inspectd.io.camera_process import check_camera
from inspectd.io.camera_settings import FolderCameraSettings, VideoCameraSettings
from inspectd.io.errors import DeviceError
from inspectd.io.plc_diagnosis import Diagnosis
from inspectd.io.plc_finding import Outcome
from inspectd.io.transports import transport_of


def check_config(config: Path, *, hardware: bool, as_json: bool) -> None:
    """Print every problem as file:line: key: text. Exit status 1 if there is any that is not a warning."""
    errors: list[str] = []
    warnings: list[str] = []
    try:
        settings, document = read_config(config)
        for problem in [*find_problems(settings), *_find_on_disk(settings)]:
            (warnings if problem.warning else errors).append(problem.located(config, document))
        if hardware:
            wrong, worrying = _find_in_hardware(settings)
            errors += wrong
            warnings += worrying
    except ConfigError as error:
        errors += error.problems
    if as_json:
        print_json({"config": str(config), "ok": not errors, "errors": errors, "warnings": warnings})
    else:
        for text in warnings:
            say(f"warning: {text}")
        for text in errors:
            say(f"error: {text}")
        if not errors:
            say(f"{config}: ok")
    if errors:
        raise SystemExit(1)


def _find_on_disk(settings: StationSettings) -> list[Problem]:
    """Look at the files that the configuration names."""
    problems: list[Problem] = []
    for number, entry in enumerate(settings.classes):
        problem = _bundle_problem(("classes", number, "bundle"), entry.bundle, settings.engine)
        problems += [problem] if problem else []
    camera = settings.camera
    if isinstance(camera, FolderCameraSettings) and not _holds(camera.path.is_dir):
        problems.append(
            Problem(("cameras", 0, "path"), f"{camera.path}: no such folder; name one with images")
        )
    is_video = isinstance(camera, VideoCameraSettings)
    if is_video and not (camera.is_device or camera.is_stream or _holds(Path(camera.source).is_file)):
        problems.append(Problem(("cameras", 0, "source"), f"{camera.source}: no such video file; name one"))
    problems += [Problem(key, text) for key, text in output_problems_on_disk(settings)]
    folder = settings.record.folder
    existing = next(parent for parent in (folder, *folder.parents) if _holds(parent.exists))
    if not os.access(existing, os.W_OK | os.X_OK):
        text = f"{folder} cannot be written by this user; change its owner or name another folder"
        problems.append(Problem(("record", "folder"), text))
    return problems


def _holds(test: Callable[[], bool]) -> bool:
    """Ask something of a path; no, if a folder above it may not even be entered."""
    try:
        return test()
    except OSError:
        return False


def _bundle_problem(key: Key, folder: Path, engine: RuntimeSettings) -> Problem | None:
    """Say why a bundle cannot be used by an engine, or warn that its decision is provisional."""
    try:
        bundle = load_bundle(folder)
        bundle.limits(engine.name, engine.precision)
    except BundleError as error:
        return Problem(key, str(error))
    if provisional := bundle.decision.provisional:
        text = f"the decision is provisional: {provisional}; the station shows Degraded"
        return Problem(key, f"{text} until `calibrate threshold` completes it", warning=True)
    return None


def _find_in_hardware(settings: StationSettings) -> tuple[list[str], list[str]]:
    """Open the camera and read the PLC's words for a while: what is wrong, and what is worth a look."""
    errors: list[str] = []
    warnings: list[str] = []
    try:
        check_camera(settings.camera)
    except DeviceError as error:
        errors.append(f"cameras.0: {error}")
    transport = transport_of(settings.plc)
    told = {Outcome.FAILED: errors, Outcome.WARNED: warnings}
    try:
        for finding in Diagnosis(settings.plc, transport, {entry.recipe for entry in settings.classes}).run():
            if finding.outcome in told:
                told[finding.outcome].append(f"plc: {finding}")
    finally:
        transport.close()
    return errors, warnings
