"""`inspectd calibrate evaluate` and `compare`: measure bundles on test images, and say what came out."""

from __future__ import annotations

import platform
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from inspectd.agent.cli.evaluate_text import say_comparison, say_paper, say_report
from inspectd.agent.cli.output import fail, fail_without_calibration, note, print_json, say
from inspectd.agent.cli.progress import progress_bar
from inspectd.agent.cli.runtime_option import runtime_settings
from inspectd.inference.bundle import Bundle, load_bundle
from inspectd.inference.manifest import limits_key
from inspectd.inference.runtime import RuntimeSettings

if TYPE_CHECKING:
    from inspectd.calibration.evaluate_report import EvaluateReport
    from inspectd.calibration.paper_figures import WrittenFigures
    from inspectd.calibration.paper_tables import PaperTable

    Paper = tuple[str, tuple[PaperTable, ...], tuple[str, ...]]
    """A class's name in the paper, its part of each table, and where those disagree."""

CPU_INFO = Path("/proc/cpuinfo")


@dataclass(frozen=True, slots=True)
class EvaluateOptions:
    """What the user asked `evaluate` for."""

    bundle: Path
    data: Path
    runtime: str
    precision: str
    paper: bool = False
    paper_class: str = ""
    figures: Path | None = None
    time_with: tuple[Path, ...] = ()
    without_noise: Path | None = None


def run_evaluation(options: EvaluateOptions, *, as_json: bool) -> None:
    """Measure a bundle on test images; make the paper's tables and figures if asked."""
    try:
        from inspectd.calibration.errors import CalibrationError
        from inspectd.calibration.evaluate import evaluate
        from inspectd.calibration.paper_tables import beside, disagreements, find_class
    except ImportError as error:
        fail_without_calibration(error)
    settings = runtime_settings(options.runtime, options.precision)
    if options.figures is None and (options.time_with or options.without_noise):
        fail("--time-with, --without-noise: need --figures, the folder to write to", status=2)
    bundle = load_bundle(options.bundle)
    try:
        # Before the work, so that a wrong name costs nothing.
        name = find_class(options.paper_class or bundle.manifest.class_name) if options.paper else ""
        _make_folder(options.figures)
        with progress_bar("evaluate") as advance:
            report = evaluate(options.bundle, options.data, settings, advance)
        figures = _make_figures(options, settings, bundle, report)
    except CalibrationError as error:
        fail(str(error))
    paper = (name, beside(name, report), disagreements(name)) if name else None
    _warn(report.warnings)
    if as_json:
        print_json({**_about(bundle, settings), **_to_json(report, paper, figures)})
        return
    for key, value in _about(bundle, settings).items():
        say(f"{key}: {value}")
    say_report(report)
    if paper is not None:
        say_paper(*paper)
    if figures is not None:
        say()
        for file in figures.files:
            say(f"wrote {file}")
        for text in figures.notes:
            say(f"not made: {text}")


def run_comparison(a: Path, b: Path, data: Path, runtime: str, precision: str, *, as_json: bool) -> None:
    """Measure two bundles on the same test images."""
    try:
        from inspectd.calibration.compare import compare
        from inspectd.calibration.errors import CalibrationError
    except ImportError as error:
        fail_without_calibration(error)
    settings = runtime_settings(runtime, precision)
    with progress_bar("compare") as advance:
        try:
            found = compare((a, b), data, settings, advance)
        except CalibrationError as error:
            fail(str(error))
    about = [_about(load_bundle(folder), settings) for folder in (a, b)]
    _warn(found.warnings)
    if as_json:
        print_json({"a_bundle": about[0], "b_bundle": about[1], **found.to_json()})
        return
    for name, each in zip("ab", about, strict=True):
        say(f"{name}: " + ", ".join(f"{key} {value}" for key, value in each.items()))
    say_comparison(found)


def _make_folder(folder: Path | None) -> None:
    if folder is None:
        return
    from inspectd.calibration.paper_figures import make_folder

    make_folder(folder)


def _make_figures(
    options: EvaluateOptions, settings: RuntimeSettings, bundle: Bundle, report: EvaluateReport
) -> WrittenFigures | None:
    if options.figures is None:
        return None
    from inspectd.calibration.paper_figures import FigureRequest, write_figures

    request = FigureRequest(
        bundle=bundle,
        runtime=settings,
        report=report,
        machine=_machine(),
        others=tuple(load_bundle(folder) for folder in options.time_with),
        without_noise=None if options.without_noise is None else load_bundle(options.without_noise),
    )
    with progress_bar("figures") as advance:
        return write_figures(options.figures, request, advance)


def _to_json(report: EvaluateReport, paper: Paper | None, figures: WrittenFigures | None) -> dict[str, Any]:
    shown = report.to_json(per_image=True)
    if paper is not None:
        name, tables, differing = paper
        listed = [table.to_json() for table in tables]
        shown["paper"] = {"class": name, "tables": listed, "disagreements": list(differing)}
    if figures is not None:
        shown["figures"] = {"files": [str(file) for file in figures.files], "notes": list(figures.notes)}
    return shown


def _about(bundle: Bundle, settings: RuntimeSettings) -> dict[str, Any]:
    """Say what was measured: which bundle, at which decision, on which runtime."""
    return {
        "bundle": str(bundle.folder),
        "class": bundle.manifest.class_name,
        "bundle_id": bundle.bundle_id,
        "decision_id": bundle.decision_id,
        "decision_version": bundle.decision.version,
        "engine": limits_key(settings.name, settings.precision),
    }


def _warn(warnings: tuple[str, ...]) -> None:
    for text in warnings:
        note(f"warning: {text}")


def _machine() -> str:
    """Return the processor's name, or the architecture's where the system does not tell."""
    try:
        lines = CPU_INFO.read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    named = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(named, platform.machine())
