"""`inspectd calibrate repeatability`: the command."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from inspectd.agent.cli.arguments import ConfigArgument, JsonOption

app = typer.Typer()


@app.command()
def repeatability(  # noqa: PLR0913, PLR0917  one for each option
    config: ConfigArgument,
    class_name: Annotated[str, typer.Option("--class", help="The part's class, by its bundle's name.")] = "",
    recipe: Annotated[int | None, typer.Option(min=1, help="The same by the PLC's recipe number.")] = None,
    count: Annotated[int, typer.Option(min=10, help="Frames to take.")] = 50,
    images: Annotated[Path | None, typer.Option(help="Folder of images instead of the camera.")] = None,
    interval: Annotated[float, typer.Option(min=0.0, help="Wait between two frames, s.")] = 0.0,
    max_spread: Annotated[
        float, typer.Option(min=0.0, help="Six deviations, as a share of the distance to the limit.")
    ] = 0.3,
    max_drift: Annotated[
        float, typer.Option(min=0.0, help="Drift between both halves, as a share of the same.")
    ] = 0.1,
    as_json: JsonOption = False,
) -> None:
    """Judge one part many times: spread, drift and verdict flips. Exit status 1 if out of limits.

    Leave the part before the camera, or better: put it in anew for each frame. A part near the threshold
    flips of itself: take a typical good one. The station's agent must not run meanwhile.
    """
    from inspectd.agent.cli.repeatability import RepeatabilityOptions, run_repeatability

    options = RepeatabilityOptions(config, class_name, recipe, count, images, interval, max_spread, max_drift)
    run_repeatability(options, as_json=as_json)
