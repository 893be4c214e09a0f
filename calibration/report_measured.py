"""What a report says of test images: figures with intervals, scores and limits, ROC and PR curves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from sklearn import metrics

from inspectd.calibration.report_facts import percent
from inspectd.calibration.report_page import Picture, Plot, Plots, Section, Table, Text
from inspectd.calibration.report_plots import Curve, precision_recall_plot, roc_plot, score_histogram

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from inspectd.calibration.evaluate_report import EvaluateReport, Group, Outcomes
    from inspectd.calibration.rates import Interval, Rate
    from inspectd.calibration.report_page import Block
    from inspectd.inference.manifest import Limits

NO_DATA = "No test images were given. Name their folder or CSV list as DATA to have {what} here."

_sklearn = cast("Any", metrics)
_NONE = "\N{EN DASH}"
_VERDICTS = ("ACCEPT", "REJECT", "UNKNOWN")
_INTERVAL = "95 % interval"


def metrics_section(report: EvaluateReport) -> Section:
    """Return the table of figures, the confusion at the decision in force, and each kind of defect."""
    agreement = report.outcomes.agreement if report.outcomes else None
    figures = (
        ("image_auroc", "Image AUROC", report.image_auroc, "1: every defective part over every good one"),
        ("pixel_auroc", "Pixel AUROC", report.pixel_auroc, "the same for pixels, by the masks"),
        ("aupro", "AUPRO", report.aupro, "overlap with each defect, to 30 % false-positive pixels"),
        ("f1", "F1", agreement and agreement.f1, "Eq. 9 of the paper, at the decision in force"),
        ("accuracy", "Accuracy", agreement and agreement.accuracy, "Eq. 8, likewise"),
        ("precision", "Precision", agreement and agreement.precision, "Eq. 10, likewise"),
        ("recall", "Recall", agreement and agreement.recall, "Eq. 11, likewise"),
        ("", "Average precision", report.average_precision, "area under the precision-recall curve"),
    )
    rows = [
        (title, _share(value), _interval(report.intervals.get(name)), meaning)
        for name, title, value, meaning in figures
    ]
    caption = (
        f"Measured on {report.images} images: {report.good} good, {report.defective} defective"
        f" ({report.without_mask} of them without a mask). Intervals: exact"
        " (Clopper-Pearson) for accuracy, precision and recall, by bootstrap over the images for the rest."
    )
    blocks: list[Block] = [Text(warning, "warning") for warning in report.warnings]
    blocks.append(Table(caption, ("Figure", "Value", _INTERVAL, "Meaning"), rows, frozenset({1, 2})))
    if report.outcomes is not None:
        blocks += _confusion(report.outcomes)
    if report.per_kind:
        blocks.append(_groups("Each kind of defect against all good parts.", "Kind", report.per_kind))
    if report.per_third:
        caption = "Defects by size, in thirds; size is the longest extent of the mask."
        blocks.append(_groups(caption, "Third", report.per_third, sizes=True))
    return Section("metrics", "Metrics", blocks)


def kept_metrics_section(kept: Mapping[str, Any]) -> Section:
    """Return the figures that the manifest keeps from the calibration, for a report without test images."""
    blocks: list[Block] = [Text(NO_DATA.format(what="confusion, intervals and curves"), "missing")]
    test = kept.get("test")
    if not isinstance(test, dict):
        blocks.append(Text("The bundle keeps no figures either: its data had no test images.", "missing"))
        return Section("metrics", "Metrics", blocks)
    figures = cast("dict[str, Any]", test)
    titles = {"image_auroc": "Image AUROC", "pixel_auroc": "Pixel AUROC", "aupro": "AUPRO"}
    rows = [(title, _share(figures.get(name))) for name, title in titles.items()]
    caption = (
        f"Kept in the manifest by the calibration itself: measured on {figures.get('good')} good and"
        f" {figures.get('defective')} defective images."
    )
    blocks.append(Table(caption, ("Figure", "Value"), rows, frozenset({1})))
    kinds = [
        (str(each["name"]), str(each["images"]), _share(each["image_auroc"])) for each in _kinds(figures)
    ]
    if kinds:
        columns = ("Kind", "Images", "Image AUROC")
        blocks.append(Table("Each kind of defect, likewise.", columns, kinds, frozenset({1, 2})))
    return Section("metrics", "Metrics", blocks)


def scores_section(report: EvaluateReport, limits: Limits) -> Section:
    """Return the histogram of scores with the limits in force."""
    good, by_kind = _scores(report)
    over = int(np.count_nonzero(good >= limits.threshold))
    under = sum(int(np.count_nonzero(scores < limits.threshold)) for scores in by_kind.values())
    counts = (
        f"{over} of {len(good)} good parts score at or over the threshold, {under} of {report.defective}"
        " defective ones under it"
    )
    caption = (
        "Above: how many parts have which score. Below: each part as a stroke, a row for each kind. Good"
        " parts belong left of the threshold (solid line), defective ones right of it; a score left of the"
        f" low limit (dashed) is implausibly good. Here {counts}."
    )
    picture = Picture(score_histogram(good, by_kind, limits), f"Histogram of anomaly scores: {counts}.")
    return Section("scores", "Scores and limits", [Plot("score-histogram", picture, caption)])


def curves_section(report: EvaluateReport, limits: Limits) -> Section:
    """Return ROC and precision-recall curves with the point of the threshold in force."""
    if report.image_auroc is None:
        text = "The test images are all good or all defective: there is no ROC or precision-recall curve."
        return Section("curves", "ROC and precision-recall", [Text(text, "missing")])
    scores = np.asarray([each.score for each in report.per_image])
    truth = np.asarray([each.defective for each in report.per_image])
    rejected = scores >= limits.threshold
    found = float(rejected[truth].mean())
    false = float(rejected[~truth].mean())
    right = float(truth[rejected].mean()) if rejected.any() else None
    positive, true, _ = _sklearn.roc_curve(truth, scores)
    precision, recall, _ = _sklearn.precision_recall_curve(truth, scores)
    roc = roc_plot(Curve(positive, true, (false, found)), report.image_auroc)
    point = None if right is None else (found, right)
    pr = precision_recall_plot(Curve(recall, precision, point), float(truth.mean()))
    at_roc = (
        f"{percent(found)} of the defective parts are found and {percent(false)} of the good ones rejected"
    )
    at_pr = (
        "the threshold in force rejects no part"
        if right is None
        else f"of the parts rejected at the threshold in force, {percent(right)} are defective"
    )
    plots = (
        Plot(
            "roc",
            Picture(roc, f"ROC curve, AUROC {report.image_auroc:.3f}; at the threshold {at_roc}."),
            f"The closer to the upper left corner, the better. At the threshold in force (diamond) {at_roc}.",
        ),
        Plot(
            "precision-recall",
            Picture(pr, f"Precision-recall curve; {at_pr}."),
            f"The closer to the upper right corner, the better. Here {at_pr}.",
        ),
    )
    note = (
        "Both count scores at or over the threshold alone; recheck band, low limit and fitness add to them."
    )
    return Section("curves", "ROC and precision-recall", [Plots(plots), Text(note)])


def measured_in_words(report: EvaluateReport) -> str:
    """Return in one sentence what the decision in force did to the test images."""
    if report.outcomes is None:
        return ""
    good, defective = report.outcomes.good["ACCEPT"], report.outcomes.defective["ACCEPT"]
    return (
        f"On the test images it accepts {good} of {report.good} good parts"
        f" and {defective} of {report.defective} defective ones."
    )


def _confusion(outcomes: Outcomes) -> list[Block]:
    rows = [
        (name, *(str(counts[verdict]) for verdict in _VERDICTS), str(sum(counts.values())))
        for name, counts in (("good", outcomes.good), ("defective", outcomes.defective))
    ]
    reasons = ", ".join(f"{count} {reason}" for reason, count in outcomes.unknown_reasons.items())
    caption = "Confusion at the decision in force. A line treats UNKNOWN as reject."
    caption += f" UNKNOWN were: {reasons}." if reasons else ""
    rates = [
        ("Escapes: defective parts accepted", *_rate(outcomes.escapes)),
        ("False rejects: good parts rejected", *_rate(outcomes.false_rejects)),
        ("Good parts UNKNOWN", *_rate(outcomes.good_unknown)),
    ]
    return [
        Table(caption, ("Truth", *_VERDICTS, "Parts"), rows, frozenset(range(1, 5))),
        Table(
            "Rates at the decision in force, with exact (Clopper-Pearson) intervals.",
            ("Rate", "Parts", "Share", _INTERVAL),
            rates,
            frozenset({1, 2, 3}),
        ),
    ]


def _groups(caption: str, title: str, groups: Sequence[Group], *, sizes: bool = False) -> Table:
    columns = [title, "Parts", "Image AUROC", _INTERVAL, "Accepted", "Share accepted", "UNKNOWN"]
    rows: list[tuple[str, ...]] = []
    for group in groups:
        accepted = ("", "") if group.escapes is None else (str(group.escapes.count), _rate(group.escapes)[1])
        interval = _interval(group.image_auroc_interval)
        row = (group.name, str(group.images), _share(group.image_auroc), interval, *accepted)
        row = (*row, "" if group.unknown is None else str(group.unknown))
        size = "" if group.largest_size is None else f"{group.largest_size:.0f} px"
        rows.append((*row, size) if sizes else row)
    if sizes:
        columns.append("Largest")
    return Table(caption, columns, rows, frozenset(range(1, len(columns))))


def _scores(report: EvaluateReport) -> tuple[NDArray[np.float64], dict[str, NDArray[np.float64]]]:
    """Scores of the good images, and of the defective ones by kind."""
    kinds = sorted({each.kind for each in report.per_image if each.defective})
    good = np.asarray([each.score for each in report.per_image if not each.defective], np.float64)
    return good, {
        kind: np.asarray([each.score for each in report.per_image if each.kind == kind], np.float64)
        for kind in kinds
    }


def _kinds(figures: Mapping[str, Any]) -> list[dict[str, Any]]:
    kinds = figures.get("per_kind")
    return cast("list[dict[str, Any]]", kinds) if isinstance(kinds, list) else []


def _rate(rate: Rate) -> tuple[str, str, str]:
    parts = f"{rate.count} of {rate.of}"
    if rate.rate is None or rate.interval is None:
        return parts, _NONE, _NONE
    low, high = rate.interval
    return parts, percent(rate.rate), f"{100 * low:.1f} to {100 * high:.1f} %"


def _share(value: object) -> str:
    return f"{value:.3f}" if isinstance(value, (int, float)) else _NONE


def _interval(interval: Interval | None) -> str:
    return _NONE if interval is None else f"{interval[0]:.3f} to {interval[1]:.3f}"
