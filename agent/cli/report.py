"""`inspectd calibrate report`: collects what the page is made of, and says what was written."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path

from inspectd.agent.cli.adjust import login_user
from inspectd.agent.cli.output import fail, fail_without_calibration, print_json, say
from inspectd.agent.cli.progress import progress_bar
from inspectd.agent.cli.runtime_option import runtime_settings


@dataclass(frozen=True, slots=True)
class ReportOptions:
    """What the user asked for; empty texts and None: not given."""

    bundle: Path
    data: Path | None
    out: Path
    plots: Path | None
    noise_study: Path | None
    training: Path | None
    worst: int
    by: str
    date: str
    runtime: str
    precision: str


def run_report(options: ReportOptions, *, as_json: bool) -> None:
    """Write the report and print where it lies, its hash, and what it lacks."""
    try:
        from inspectd.calibration.errors import CalibrationError
        from inspectd.calibration.report import ReportRequest, write_report
    except ImportError as error:
        fail_without_calibration(error)
    runtime = runtime_settings(options.runtime, options.precision)
    request = ReportRequest(
        bundle=options.bundle,
        out=options.out,
        by=options.by or login_user(),
        date=_checked_date(options.date),
        runtime=runtime,
        data=options.data,
        plots=options.plots,
        noise_study=options.noise_study,
        training=options.training,
        worst=options.worst,
    )
    with progress_bar("report") as advance:
        try:
            written = write_report(request, advance)
        except CalibrationError as error:
            fail(str(error))
    if as_json:
        print_json(written.to_json())
        return
    say(f"wrote {written.path} ({written.size / 1e6:.1f} MB), sha256 {written.sha256}")
    if written.plots:
        say(f"wrote {len(written.plots)} plots to {options.plots}")
    say(written.verdict)
    if written.missing:
        say(f"something is missing in: {', '.join(written.missing)}; the report says what")


def _checked_date(text: str) -> str:
    """Return the date as it was given, now if it was not; it must be one."""
    if not text:
        return datetime.now(timezone.utc).isoformat(timespec="seconds")
    try:
        datetime.fromisoformat(text)
    except ValueError:
        fail(f"--date {text!r} is no date; write it like 2026-05-31 or 2026-05-31T14:00:00+00:00", status=2)
    return text
