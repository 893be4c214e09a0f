"""`inspectd calibrate`: the commands that train."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from inspectd.agent.cli.arguments import JsonOption

app = typer.Typer()


@app.command()
def train(  # noqa: PLR0913, PLR0917  one for each option
    data: Annotated[Path, typer.Argument(help="Folder of good images, or one in the MVTec AD layout.")],
    out: Annotated[Path, typer.Option(help="Folder of the new bundle.")],
    profile: Annotated[str, typer.Option(help="How long and how large to train.")] = "quick",
    name: Annotated[str, typer.Option(help="Name of the product class; default: the data folder's.")] = "",
    size: Annotated[int | None, typer.Option(help="Side of the model's input, px.")] = None,
    sigma: Annotated[float | None, typer.Option(min=0.0, max=1.0, help="Noise rate of the class.")] = None,
    preset: Annotated[str, typer.Option(help="The paper's noise rate of its class of this name.")] = "",
    noise_study: Annotated[
        Path | None, typer.Option(help="The best noise rate of a study by `calibrate noise`.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of the split, the noise and the weights.")] = 0,
    vgg19: Annotated[
        str, typer.Option(help="Pre-trained weights: auto, none or a safetensors file.")
    ] = "auto",
    replace: Annotated[bool, typer.Option(help="Replace a bundle that is there already.")] = False,
    mixed_sizes: Annotated[
        bool, typer.Option(help="Images may differ in size; the bundle then takes frames of any size.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Train on good parts alone and write a bundle. Run again after an interruption, it goes on."""
    from inspectd.agent.cli.calibrate import TrainOptions, run_training
    from inspectd.agent.cli.noise import rate_to_train_with

    sigma = rate_to_train_with(sigma, preset, noise_study)
    options = TrainOptions(data, out, profile, name, size, sigma, seed, vgg19, replace, mixed_sizes)
    run_training(options, as_json=as_json)
