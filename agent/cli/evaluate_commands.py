"""`inspectd calibrate`: the commands that measure."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from inspectd.agent.cli.arguments import BundleArgument, JsonOption

app = typer.Typer()


@app.command()
def evaluate(
    bundle: BundleArgument,
    data: Annotated[Path, typer.Argument(help="Test images and masks in the MVTec AD layout.")],
    runtime: Annotated[str, typer.Option(help="openvino or torch.")] = "openvino",
    precision: Annotated[str, typer.Option(help="float32 or bfloat16.")] = "float32",
    as_json: JsonOption = False,
) -> None:
    """Measure how well a bundle tells good parts from defective ones."""
    from inspectd.agent.cli.calibrate import run_evaluation

    run_evaluation(bundle, data, runtime, precision, as_json=as_json)
