"""`inspectd calibrate data`: everything wrong with a data folder, at once."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from inspectd.agent.cli.output import fail_without_calibration, print_json, say
from inspectd.agent.cli.progress import progress_bar

if TYPE_CHECKING:
    from inspectd.calibration.data_check import DataReport
    from inspectd.calibration.findings import Finding

_FORMS = {"plain": "plain folder", "mvtec": "MVTec AD layout", "csv": "CSV list"}
MOST_SHOWN = 10
"""Findings of one kind that are printed; `--json` has them all."""


def run_data_check(data: Path, *, mixed_sizes: bool, as_json: bool) -> None:
    """Print every finding. Exit status 1 if there is any that is not a warning."""
    try:
        from inspectd.calibration.data_check import check_data
    except ImportError as missing:
        fail_without_calibration(missing)
    with progress_bar("looking at images") as advance:
        report = check_data(data, mixed_sizes=mixed_sizes, advance=advance)
    if as_json:
        print_json(report.to_json())
    else:
        _print(report)
    if report.errors:
        raise SystemExit(1)


def _print(report: DataReport) -> None:
    say(f"{report.source}: {_FORMS[report.form]}")
    for split, kinds in report.counts.items():
        text = ", ".join(f"{count} {kind}" for kind, count in sorted(kinds.items()))
        say(f"  {split}: {text or 'no images'}")
    if report.size is not None:
        height, width = report.size
        others = "" if report.sizes == 1 else f" and {report.sizes - 1} other sizes"
        say(f"  size: {width}x{height} px{others}")
    if report.supported_rate is not None:
        proof = f"prove no rate of false rejects below {report.supported_rate:.1%}"
        say(f"  threshold: from {report.threshold_parts} good parts, which {proof}")
    _print_findings(report.findings)
    warnings = len(report.findings) - report.errors
    counts = f"{_number(report.errors, 'error')}, {_number(warnings, 'warning')}"
    say(counts if report.findings else "nothing wrong")


def _number(count: int, what: str) -> str:
    return f"{count} {what}" if count == 1 else f"{count} {what}s"


def _print_findings(findings: tuple[Finding, ...]) -> None:
    total = Counter(finding.code for finding in findings)
    shown: Counter[str] = Counter()
    for finding in findings:
        shown[finding.code] += 1
        if shown[finding.code] <= MOST_SHOWN:
            say(f"{finding.severity}: {finding}")
        elif shown[finding.code] == total[finding.code]:
            left = total[finding.code] - MOST_SHOWN
            say(f"{finding.severity}: and {left} more of this kind ({finding.code}); --json names them all")
