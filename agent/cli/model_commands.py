"""`inspectd model`: the versions of each class that are installed on this machine."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from inspectd.agent.cli.arguments import BundleArgument, ByOption, JsonOption

app = typer.Typer(help="Versions of each class installed on this machine.", no_args_is_help=True)

ModelsOption = Annotated[
    Path | None,
    typer.Option(
        help="Models folder; default: /var/lib/inspectd/models as root,"
        " else ~/.local/share/inspectd/models (or below XDG_DATA_HOME).",
        show_default=False,
    ),
]
StationOption = Annotated[
    Path | None, typer.Option(help="A station's YAML file: test on its runtime and precision.")
]
RuntimeOption = Annotated[str, typer.Option(help="Test on this runtime: openvino or torch.")]
PrecisionOption = Annotated[str, typer.Option(help="Test in this precision: float32 or bfloat16.")]
WhyOption = Annotated[str, typer.Option(help="Why, in a few words; stands in the history.")]


@app.command()
def install(  # noqa: PLR0913, PLR0917  one for each option
    bundle: BundleArgument,
    models: ModelsOption = None,
    class_name: Annotated[
        str, typer.Option("--class", help="Folder of the class; default: the bundle's class name.")
    ] = "",
    station: StationOption = None,
    runtime: RuntimeOption = "",
    precision: PrecisionOption = "",
    why: WhyOption = "",
    by: ByOption = "",
    as_json: JsonOption = False,
) -> None:
    """Copy a bundle in as its class's next version, test it on its golden frames, and put it in force."""
    from inspectd.agent.cli.model import SwitchOptions, run_install

    options = SwitchOptions(models, station, runtime, precision, why, by)
    run_install(bundle, class_name, options, as_json=as_json)


@app.command("list")
def list_models(models: ModelsOption = None, as_json: JsonOption = False) -> None:
    """Show every installed version, which of them is in force, and the history."""
    from inspectd.agent.cli.model_list import run_list

    run_list(models, as_json=as_json)


@app.command()
def rollback(  # noqa: PLR0913, PLR0917  one for each option
    class_name: Annotated[str, typer.Argument(metavar="CLASS", help="Folder name of the class.")],
    to: Annotated[int, typer.Option(min=0, help="Version; 0: the one in force before.")] = 0,
    models: ModelsOption = None,
    station: StationOption = None,
    runtime: RuntimeOption = "",
    precision: PrecisionOption = "",
    why: WhyOption = "",
    by: ByOption = "",
    as_json: JsonOption = False,
) -> None:
    """Put an older version in force again, after the same tests as at its installation."""
    from inspectd.agent.cli.model import SwitchOptions, run_rollback

    options = SwitchOptions(models, station, runtime, precision, why, by)
    run_rollback(class_name, to, options, as_json=as_json)
