"""`inspectd calibrate`: the commands that measure."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from inspectd.agent.cli.arguments import BundleArgument, JsonOption, PrecisionOption, RuntimeOption

app = typer.Typer()

DataArgument = Annotated[
    Path, typer.Argument(help="Test images and masks: a folder in the MVTec AD layout, or a CSV list.")
]


@app.command()
def evaluate(  # noqa: PLR0913, PLR0917  one for each option
    bundle: BundleArgument,
    data: DataArgument,
    runtime: RuntimeOption = "openvino",
    precision: PrecisionOption = "float32",
    paper: Annotated[bool, typer.Option("--paper", help="The paper's Tables II to VIII beside it.")] = False,
    paper_class: Annotated[str, typer.Option(help="Class of the paper; default: the bundle's.")] = "",
    figures: Annotated[Path | None, typer.Option(help="Folder for the paper's Figures 5 to 9.")] = None,
    time_with: Annotated[
        list[Path] | None, typer.Option(help="Bundle of another class for Figure 7; may be repeated.")
    ] = None,
    without_noise: Annotated[
        Path | None,
        typer.Option(help="Bundle trained without noise for Figure 6; default: the same weights."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Measure how well a bundle tells good parts from defective ones."""
    from inspectd.agent.cli.evaluate import EvaluateOptions, run_evaluation

    options = EvaluateOptions(
        bundle=bundle,
        data=data,
        runtime=runtime,
        precision=precision,
        paper=paper or bool(paper_class),
        paper_class=paper_class,
        figures=figures,
        time_with=tuple(time_with or ()),
        without_noise=without_noise,
    )
    run_evaluation(options, as_json=as_json)


@app.command()
def compare(
    a: Annotated[Path, typer.Argument(help="Folder of the bundle in force.")],
    b: Annotated[Path, typer.Argument(help="Folder of the bundle that may follow it.")],
    data: DataArgument,
    runtime: RuntimeOption = "openvino",
    precision: PrecisionOption = "float32",
    as_json: JsonOption = False,
) -> None:
    """Measure two bundles on the same images and list the verdicts that would change."""
    from inspectd.agent.cli.evaluate import run_comparison

    run_comparison(a, b, data, runtime, precision, as_json=as_json)
