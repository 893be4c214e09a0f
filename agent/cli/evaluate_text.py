"""How evaluations and comparisons read on a terminal: plain text in columns."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from inspectd.agent.cli.output import say

if TYPE_CHECKING:
    from inspectd.calibration.compare import Comparison
    from inspectd.calibration.evaluate_report import EvaluateReport, Group, Outcomes
    from inspectd.calibration.paper_tables import PaperTable
    from inspectd.calibration.rates import Interval, Rate

_NAMES = {"image_auroc": "image AUROC", "pixel_auroc": "pixel AUROC", "aupro": "AUPRO (to 30 % FPR)"}


def say_report(report: EvaluateReport) -> None:
    """Print an evaluation."""
    say(
        f"images: {report.images} ({report.good} good, {report.defective} defective,"
        f" {report.without_mask} of them without mask, {report.unfit} unfit)"
    )
    if report.reserved or report.in_training:
        say(f"left out: {report.reserved} that chose the limits, {report.in_training} used in training")
    inner = report.intervals
    rows = [
        (_NAMES[name], _number(getattr(report, name)), _interval(inner.get(name)))
        for name in ("image_auroc", "pixel_auroc", "aupro")
    ]
    rows.append(("average precision", _number(report.average_precision), ""))
    _table(("", "value", "95 % interval"), rows)
    if report.outcomes is not None:
        _say_outcomes(report, report.outcomes)
    if report.best_f1 is not None:
        best = report.best_f1
        say()
        say(
            f"best F1 on these images {best.f1:.4f}, accuracy {best.accuracy:.4f}, at threshold"
            f" {best.threshold:.4g} (chosen on them, so it flatters)"
        )
    _say_groups("defects by kind", report.per_kind)
    _say_groups("defects by size", report.per_third)


def say_paper(name: str, tables: Sequence[PaperTable], disagreements: Sequence[str]) -> None:
    """Print a class's rows of the paper beside what was measured, all in per cent."""
    for table in tables:
        say()
        say(f"paper, Table {table.table}. {table.caption} ({name}, %)")
        ours = [
            _percent(table.ours[metric]) + _percent_interval(table.ours_intervals.get(metric))
            for metric in table.metrics
        ]
        _table(("", *table.metrics), [("this bundle", *ours), *((model, *row) for model, row in table.rows)])
    if any("f1" in table.metrics for table in tables):
        say("F1 and accuracy of this bundle: at the threshold that is best on the test images.")
    for text in disagreements:
        say(f"note: {text}")


def say_comparison(found: Comparison) -> None:
    """Print two bundles side by side, and the verdicts that would change."""
    say(f"images: {found.a.images} ({found.a.good} good, {found.a.defective} defective)")
    if found.reserved or found.in_training:
        say(f"left out: {found.reserved} that chose the limits, {found.in_training} used in training")
    rows = [
        (
            _NAMES[each.name],
            _number(each.a),
            _number(each.b),
            "-" if each.difference is None else f"{each.difference:+.4f}",
            _interval(each.interval, "+.4f"),
            "yes" if each.clear else "no",
        )
        for each in found.differences
    ]
    _table(("", "a", "b", "b - a", "95 % interval", "clear"), rows)
    if found.changes is None or found.a.outcomes is None or found.b.outcomes is None:
        return
    say()
    sides = (found.a.outcomes, found.b.outcomes)
    counted = [
        ("defective ACCEPT (escapes)", *(_rate(side.escapes) for side in sides)),
        ("good REJECT (false rejects)", *(_rate(side.false_rejects) for side in sides)),
        ("good UNKNOWN", *(_rate(side.good_unknown) for side in sides)),
        *(
            (f"{name} (Eq. {number})", *(_number(getattr(side.agreement, key)) for side in sides))
            for name, key, number in _EQUATIONS
        ),
    ]
    _table(("at the decisions in force", "a", "b"), counted)
    say()
    say(f"verdicts that would change: {len(found.changes)} of {found.a.images}")
    if found.changes:
        changes = [
            (
                each.kind,
                f"{each.a} -> {each.b}",
                f"{each.a_of_threshold:.3f} -> {each.b_of_threshold:.3f}",
                each.file,
            )
            for each in found.changes
        ]
        _table(("kind", "verdict", "score / threshold", "image"), changes)


_EQUATIONS = (
    ("accuracy", "accuracy", 8),
    ("F1", "f1", 9),
    ("precision", "precision", 10),
    ("recall", "recall", 11),
)


def _say_outcomes(report: EvaluateReport, outcomes: Outcomes) -> None:
    limits = report.limits
    say()
    if limits is not None:
        say(
            f"at the decision in force: threshold {limits.threshold:.4g}, low limit {limits.low_limit:.4g},"
            f" recheck band {limits.recheck:.3g} of the threshold; UNKNOWN counts as not accepted"
        )
    rows = [
        (
            f"{name} (Eq. {number})",
            _number(getattr(outcomes.agreement, key)),
            _interval(report.intervals.get(key)),
        )
        for name, key, number in _EQUATIONS
    ]
    _table(("", "value", "95 % interval"), rows)
    say()
    verdicts = ("ACCEPT", "REJECT", "UNKNOWN")
    sides = (("good", outcomes.good), ("defective", outcomes.defective))
    _table(("", *verdicts), [(name, *(str(side[each]) for each in verdicts)) for name, side in sides])
    if outcomes.unknown_reasons:
        told = ", ".join(f"{reason} {count}" for reason, count in outcomes.unknown_reasons.items())
        say(f"UNKNOWN because of: {told}")
    say(f"escapes (defective ACCEPT): {_rate(outcomes.escapes)}")
    say(f"false rejects (good REJECT): {_rate(outcomes.false_rejects)}")
    say(f"good parts UNKNOWN: {_rate(outcomes.good_unknown)}")


def _say_groups(title: str, groups: Sequence[Group]) -> None:
    if not groups:
        return
    say()
    sized = any(group.largest_size is not None for group in groups)
    rows = [
        (
            group.name,
            str(group.images),
            *((_size(group),) if sized else ()),
            _number(group.image_auroc),
            _interval(group.image_auroc_interval),
            "-" if group.escapes is None else _rate(group.escapes),
            "-" if group.unknown is None else str(group.unknown),
        )
        for group in groups
    ]
    header = (
        title,
        "images",
        *(("up to",) if sized else ()),
        "image AUROC",
        "95 % interval",
        "escapes",
        "UNKNOWN",
    )
    _table(header, rows)


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print rows under a header, each column as wide as its longest entry."""
    lines = [header, *rows]
    widths = [max(len(line[column]) for line in lines) for column in range(len(header))]
    for line in lines:
        say("  ".join(text.ljust(width) for text, width in zip(line, widths, strict=True)).rstrip())


def _size(group: Group) -> str:
    return "-" if group.largest_size is None else f"{group.largest_size:.0f} px"


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.4f}"


def _interval(interval: Interval | None, form: str = ".4f") -> str:
    return "-" if interval is None else f"{interval[0]:{form}} to {interval[1]:{form}}"


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{value:.1f}"


def _percent_interval(interval: Interval | None) -> str:
    return "" if interval is None else f" ({interval[0]:.1f} to {interval[1]:.1f})"


def _rate(rate: Rate) -> str:
    if rate.rate is None or rate.interval is None:
        return "none to count"
    low, high = rate.interval
    return f"{rate.count} of {rate.of}: {100 * rate.rate:.1f} % ({100 * low:.1f} to {100 * high:.1f} %)"
