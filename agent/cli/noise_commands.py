"""`inspectd calibrate noise`: the command."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from inspectd.agent.cli.arguments import JsonOption

app = typer.Typer()


@app.command()
def noise(  # noqa: PLR0913, PLR0917  one for each option
    data: Annotated[Path, typer.Argument(help="Good images, as for train; validation/ where there is one.")],
    out: Annotated[Path, typer.Option(help="Folder of the study; one that is there goes on.")],
    profile: Annotated[str, typer.Option(help="What to train with, as for train.")] = "quick",
    name: Annotated[str, typer.Option(help="Name of the product class; default: the data folder's.")] = "",
    size: Annotated[int | None, typer.Option(help="Side of the model's input, px.")] = None,
    low: Annotated[float, typer.Option(help="Lowest rate to try, image in [0, 1].")] = 0.05,
    high: Annotated[float, typer.Option(help="Highest rate to try.")] = 0.5,
    trials: Annotated[int, typer.Option(min=1, help="Rates to try, over all workers and calls.")] = 12,
    minutes: Annotated[
        float | None, typer.Option(help="Begin no trial later than this; the last one is finished.")
    ] = None,
    steps: Annotated[int, typer.Option(min=1, help="Training steps for each rate and seed.")] = 400,
    seed: Annotated[int, typer.Option(min=0, help="Of the split, the noise and the weights.")] = 0,
    seeds: Annotated[int, typer.Option(min=1, help="Trainings of each rate: more tell rates apart.")] = 1,
    preset: Annotated[
        str, typer.Option(help="Class of the paper whose rate is tried first; default: the one of this name.")
    ] = "",
    vgg19: Annotated[str, typer.Option(help="Pre-trained weights, as for train.")] = "auto",
    mixed_sizes: Annotated[bool, typer.Option(help="Images may differ in size.")] = False,
    storage: Annotated[
        str,
        typer.Option(help="For several machines: a database's URL, or a journal file on a shared disk."),
    ] = "",
    as_json: JsonOption = False,
) -> None:
    """Search the noise rate of a class by short trainings. Run again after an interruption, it goes on.

    Run it in several processes or machines at once, with the same data and options, and they share the work.
    """
    from inspectd.agent.cli.noise import NoiseOptions, run_noise_search

    training = {
        "data": data,
        "out": out,
        "profile": profile,
        "class_name": name or None,
        "image_size": size,
        "seed": seed,
        "vgg19": vgg19,
        "mixed_sizes": mixed_sizes,
    }
    search = {
        "low": low,
        "high": high,
        "trials": trials,
        "minutes": minutes,
        "steps": steps,
        "seeds": seeds,
        "preset": preset,
        "storage": storage,
    }
    run_noise_search(NoiseOptions(training, search), as_json=as_json)
