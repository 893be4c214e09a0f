"""`inspectd calibrate`: the commands that take images and check them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from inspectd.agent.cli.arguments import ConfigArgument, JsonOption

app = typer.Typer()


@app.command()
def capture(  # noqa: PLR0913, PLR0917  one for each option
    config: ConfigArgument,
    class_name: Annotated[str, typer.Option("--class", help="Product class: the folder's name.")],
    count: Annotated[int, typer.Option(min=1, help="Images there shall be, those already taken included.")],
    into: Annotated[Path, typer.Option(help="Folder of the classes' folders.")] = Path("data"),
    kind: Annotated[
        str, typer.Option(help="Take parts with this defect, for validation/KIND; default: good parts.")
    ] = "",
    interval: Annotated[
        float | None,
        typer.Option(min=0.0, help="Wait between frames, s; default: 1, with a hardware trigger 0."),
    ] = None,
    ask: Annotated[bool, typer.Option("--ask", help="Wait for Enter before each frame.")] = False,
    wait: Annotated[float | None, typer.Option(min=0.1, help="Longest wait for a frame, s.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Take images of good parts with the station's camera. Run again after an interruption, it goes on.

    They go to INTO/CLASS/train/good. A frame that is not fit to calibrate with is refused, with the reason.
    The station's agent must not run meanwhile.
    """
    from inspectd.agent.cli.capture import CaptureOptions, run_capture

    options = CaptureOptions(config, class_name, count, into, kind, interval, ask, wait)
    run_capture(options, as_json=as_json)


@app.command()
def data(
    source: Annotated[
        Path, typer.Argument(metavar="PATH", help="Folder of good images, MVTec AD's layout, or a CSV list.")
    ],
    mixed_sizes: Annotated[bool, typer.Option("--mixed-sizes", help="Images may differ in size.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Check a data folder and say everything wrong with it at once. Exit status 1 if there are errors."""
    from inspectd.agent.cli.data import run_data_check

    run_data_check(source, mixed_sizes=mixed_sizes, as_json=as_json)
