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
    profile: Annotated[
        str, typer.Option(help="quick (CPU, 10 min), standard (GPU, 10 min) or paper (hours).")
    ] = "quick",
    name: Annotated[str, typer.Option(help="Name of the product class; default: the data folder's.")] = "",
    size: Annotated[int | None, typer.Option(min=32, help="Side of the model's input, px.")] = None,
    sigma: Annotated[float | None, typer.Option(min=0.0, max=1.0, help="Noise rate of the class.")] = None,
    preset: Annotated[str, typer.Option(help="The paper's noise rate of its class of this name.")] = "",
    noise_study: Annotated[
        Path | None, typer.Option(help="The best noise rate of a study of these images by `calibrate noise`.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of the split, the noise and the weights.")] = 0,
    vgg19: Annotated[
        str,
        typer.Option(help="Pre-trained weights: auto (torchvision's), none, or a .pth or .safetensors file."),
    ] = "auto",
    device: Annotated[str, typer.Option(help="auto (a GPU if there is one), cpu or cuda.")] = "auto",
    epochs: Annotated[int | None, typer.Option(min=1, help="Passes over the images, at the most.")] = None,
    minutes: Annotated[
        float | None, typer.Option(min=0.01, help="Training time at 224 px, at the most; less for smaller.")
    ] = None,
    batch: Annotated[int | None, typer.Option(min=1, help="Images of a step; halved if memory ends.")] = None,
    learning_rate: Annotated[float | None, typer.Option(min=1e-7, max=1.0, help="Adam's step size.")] = None,
    synthetic: Annotated[
        float | None,
        typer.Option(min=0.0, max=1.0, help="Share of images given synthetic defects to repair."),
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume/--no-resume", help="Go on from a checkpoint, or begin anew.")
    ] = True,
    no_noise: Annotated[bool, typer.Option("--no-noise", help="Ablation: no noise on the input.")] = False,
    no_skips: Annotated[bool, typer.Option("--no-skips", help="Ablation: no skip connections.")] = False,
    no_pyramid: Annotated[
        bool, typer.Option("--no-pyramid", help="Ablation: no reduced images beside the blocks.")
    ] = False,
    frozen_vgg: Annotated[
        bool, typer.Option("--frozen-vgg", help="Ablation: pre-trained layers stay as loaded.")
    ] = False,
    replace: Annotated[bool, typer.Option(help="Replace a bundle that is there already.")] = False,
    mixed_sizes: Annotated[
        bool, typer.Option(help="Images may differ in size; the bundle then takes frames of any size.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Train on good parts alone and write a bundle. Run again after an interruption, it goes on."""
    from inspectd.agent.cli.calibrate import run_training
    from inspectd.agent.cli.noise import rate_to_train_with
    from inspectd.agent.cli.output import fail

    sigma, origin = rate_to_train_with(sigma, preset, noise_study)
    if no_noise and sigma is not None:
        fail("--no-noise: a noise rate is given too; leave one of them out", status=2)
    wanted = {
        "data": data,
        "out": out,
        "profile": profile,
        "class_name": name or None,
        "image_size": size,
        "sigma": 0.0 if no_noise else sigma,
        "sigma_origin": origin,
        "seed": seed,
        "vgg19": vgg19,
        "device": device,
        "epochs": epochs,
        "minutes": minutes,
        "batch": batch,
        "learning_rate": learning_rate,
        "synthetic": synthetic,
        "resume": resume,
        "skips": "none" if no_skips else None,
        "pyramid": False if no_pyramid else None,
        "freeze_vgg": frozen_vgg or None,
        "replace": replace,
        "mixed_sizes": mixed_sizes,
    }
    run_training(wanted, as_json=as_json)
