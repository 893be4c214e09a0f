"""The calibration report: one HTML file that needs nothing else, and its plots as PNG files beside it.

Equal inputs, date and name give equal bytes, so that two reports can be compared.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from inspectd.calibration.errors import CalibrationError
from inspectd.calibration.evaluate import evaluate
from inspectd.calibration.history import HISTORY_FILE, history_file, read_history
from inspectd.calibration.layout import Layout, read_layout
from inspectd.calibration.noise_result import read_result
from inspectd.calibration.report_cases import cases_section
from inspectd.calibration.report_data import data_section
from inspectd.calibration.report_facts import (
    decisions_section,
    preparation_section,
    summary,
    verdict_of,
    versions_section,
)
from inspectd.calibration.report_measured import (
    NO_DATA,
    curves_section,
    kept_metrics_section,
    measured_in_words,
    metrics_section,
    scores_section,
)
from inspectd.calibration.report_noise import noise_section
from inspectd.calibration.report_page import Page, Section, Text, render
from inspectd.calibration.report_training import training_section
from inspectd.calibration.scoring import open_scorer
from inspectd.inference.bundle import load_bundle
from inspectd.inference.manifest import limits_key

if TYPE_CHECKING:
    from inspectd.calibration.evaluate_report import EvaluateReport
    from inspectd.calibration.history import History
    from inspectd.calibration.key_scores import StepProgress
    from inspectd.inference.bundle import Bundle
    from inspectd.inference.runtime import RuntimeSettings


@dataclass(frozen=True, slots=True)
class ReportRequest:
    """What to report on. Files and folders that are None were not given."""

    bundle: Path
    out: Path
    by: str
    """Who makes the report."""
    date: str
    """When, ISO 8601."""
    runtime: RuntimeSettings
    data: Path | None = None
    plots: Path | None = None
    """Folder for the plots as PNG files; None: in the page alone."""
    noise_study: Path | None = None
    training: Path | None = None
    """Folder that holds the training's history; None: beside the bundle."""
    worst: int = 8
    """False rejects and misses to show, of each at most."""


@dataclass(frozen=True, slots=True)
class WrittenReport:
    """What was written, and what it says at its head."""

    path: Path
    sha256: str
    size: int
    """Bytes."""
    plots: tuple[Path, ...]
    bundle: Bundle
    verdict: str
    missing: tuple[str, ...]
    """Anchors of the sections that lack something the report was not given."""
    measured: EvaluateReport | None

    def to_json(self) -> dict[str, Any]:
        """Return the summary as a JSON object."""
        measured, decision = self.measured, self.bundle.decision
        return {
            "report": str(self.path),
            "sha256": self.sha256,
            "bytes": self.size,
            "plots": [str(plot) for plot in self.plots],
            "class": self.bundle.manifest.class_name,
            "bundle_id": self.bundle.bundle_id,
            "decision_id": self.bundle.decision_id,
            "decision_version": decision.version,
            "provisional": decision.provisional,
            "verdict": self.verdict,
            "missing": list(self.missing),
            "images": None if measured is None else measured.images,
            "image_auroc": None if measured is None else measured.image_auroc,
            "pixel_auroc": None if measured is None else measured.pixel_auroc,
        }


def write_report(request: ReportRequest, progress: StepProgress | None = None) -> WrittenReport:
    """Measure what there is to measure and write the report, complete or not at all.

    Raises CalibrationError, naming file and remedy, for data, a study or a history that cannot be used and
    for a file that cannot be written; BundleError and EngineError for a bundle that does not load or run.
    """
    bundle = load_bundle(request.bundle)
    bundle.limits(request.runtime.name, request.runtime.precision)  # told before anything is measured
    for written in (request.out, request.plots):
        _refuse_inside(bundle, written)
    if request.out.suffix.lower() not in {".html", ".htm"}:
        raise CalibrationError(
            f"{request.out}: no name of a page, and it may be another file. End it in .html."
        )
    layout = None if request.data is None else _layout_with_tests(request.data)
    study = None if request.noise_study is None else read_result(request.noise_study)
    history = _history(request)
    measured = None
    if request.data is not None:
        measured = evaluate(request.bundle, request.data, request.runtime, progress)
    key = limits_key(request.runtime.name, request.runtime.precision)
    verdict = verdict_of(bundle, key)
    if measured is not None:
        verdict = f"{verdict} {measured_in_words(measured)}"
    page = Page(
        title=f"Product class {bundle.manifest.class_name}",
        verdict=verdict,
        provisional=bool(bundle.decision.provisional),
        summary=summary(bundle, key, request.by, request.date),
        sections=(
            *_measured_sections(request, bundle, measured),
            training_section(bundle, history),
            noise_section(bundle, study),
            *_cases_sections(request, bundle, measured),
            decisions_section(bundle, key),
            preparation_section(bundle),
            data_section(bundle, layout, measured),
            versions_section(bundle),
        ),
        footer=f"Made by inspectd calibrate report for {request.by}, {request.date}."
        " This file is complete in itself; it asks for nothing from outside.",
    )
    content = render(page).encode()
    plots = _write_plots(request.plots, page)
    _write(request.out, content)
    return WrittenReport(
        path=request.out,
        sha256=hashlib.sha256(content).hexdigest(),
        size=len(content),
        plots=plots,
        bundle=bundle,
        verdict=verdict,
        missing=tuple(section.anchor for section in page.sections if _lacks(section)),
        measured=measured,
    )


def _measured_sections(
    request: ReportRequest, bundle: Bundle, measured: EvaluateReport | None
) -> tuple[Section, ...]:
    if measured is None:
        return (
            kept_metrics_section(bundle.manifest.metrics),
            _not_given("scores", "Scores and limits", "the histogram of scores"),
            _not_given("curves", "ROC and precision-recall", "the curves"),
        )
    limits = bundle.limits(request.runtime.name, request.runtime.precision)
    return (
        metrics_section(measured),
        scores_section(measured, limits),
        curves_section(measured, limits),
    )


def _cases_sections(
    request: ReportRequest, bundle: Bundle, measured: EvaluateReport | None
) -> tuple[Section, ...]:
    if measured is None:
        return (_not_given("cases", "Worst false rejects and misses", "the parts to look at"),)
    limits = bundle.limits(request.runtime.name, request.runtime.precision)
    with open_scorer(bundle, request.runtime) as scorer:
        return (cases_section(measured, limits, scorer, request.worst),)


def _not_given(anchor: str, title: str, what: str) -> Section:
    return Section(anchor, title, [Text(NO_DATA.format(what=what), "missing")])


def _lacks(section: Section) -> bool:
    return any(isinstance(block, Text) and block.tone == "missing" for block in section.blocks)


def _layout_with_tests(data: Path) -> Layout:
    layout = read_layout(data)
    if not layout.test:
        raise CalibrationError(
            f"{data}: no test images. Lay them out as test/good and test/<kind>, or leave DATA out for a"
            " report from the bundle alone."
        )
    return layout


def _history(request: ReportRequest) -> History | None:
    if request.training is None:
        return read_history(history_file(request.bundle))
    file = request.training / HISTORY_FILE if request.training.is_dir() else request.training
    history = read_history(file)
    if history is None:
        raise CalibrationError(
            f"{file}: no history of a training. Name the folder that holds {HISTORY_FILE}."
        )
    return history


def _refuse_inside(bundle: Bundle, written: Path | None) -> None:
    """A file that the manifest does not list would keep the bundle from ever loading again."""
    folder = bundle.folder.resolve()
    if written is not None and folder in (written.resolve(), *written.resolve().parents):
        raise CalibrationError(
            f"{written}: lies inside the bundle, which must not change. Choose another place."
        )


def _write_plots(folder: Path | None, page: Page) -> tuple[Path, ...]:
    if folder is None:
        return ()
    files = {folder / f"{plot.name}.png": plot.picture.content for plot in page.plots()}
    for file, content in files.items():
        _write(file, content)
    return tuple(files)


def _write(file: Path, content: bytes) -> None:
    new = file.with_name(f".{file.name}.new")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        new.write_bytes(content)
        new.replace(file)
    except OSError as error:
        new.unlink(missing_ok=True)
        raise CalibrationError(
            f"{file}: cannot be written ({error.strerror}). Free space, or choose another place."
        ) from error
