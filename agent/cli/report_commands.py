"""`inspectd calibrate`: the report."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from inspectd.agent.cli.arguments import (
    BundleArgument,
    ByOption,
    JsonOption,
    PrecisionOption,
    RuntimeOption,
)

app = typer.Typer()


@app.command()
def report(  # noqa: PLR0913, PLR0917  one for each option
    bundle: BundleArgument,
    data: Annotated[
        Path | None, typer.Argument(help="Test images: MVTec AD layout or CSV list. None: the bundle alone.")
    ] = None,
    out: Annotated[Path, typer.Option(help="HTML file to write.")] = Path("report.html"),
    plots: Annotated[Path | None, typer.Option(help="Folder for the plots as PNG files.")] = None,
    noise_study: Annotated[Path | None, typer.Option(help="Folder of a noise study.")] = None,
    training: Annotated[
        Path | None, typer.Option(help="Folder of the training's history; default: BUNDLE.training.")
    ] = None,
    worst: Annotated[int, typer.Option(min=1, max=16, help="False rejects and misses to show.")] = 8,
    by: ByOption = "",
    date: Annotated[str, typer.Option(help="Date of the report, ISO 8601; default: now.")] = "",
    runtime: RuntimeOption = "openvino",
    precision: PrecisionOption = "float32",
    as_json: JsonOption = False,
) -> None:
    """Write a calibration report as one HTML file that opens in a browser without a network."""
    from inspectd.agent.cli.report import ReportOptions, run_report

    options = ReportOptions(
        bundle, data, out, plots, noise_study, training, worst, by, date, runtime, precision
    )
    run_report(options, as_json=as_json)
