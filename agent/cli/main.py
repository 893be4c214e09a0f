"""The command `inspectd`: one subcommand a file, each imported when it is called."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from inspectd.agent.cli import (
    data_commands,
    evaluate_commands,
    model_commands,
    noise_commands,
    opcua_commands,
    plc_commands,
    repeatability_commands,
    report_commands,
    threshold_commands,
    train_commands,
)
from inspectd.agent.cli.arguments import BundleArgument, ConfigArgument, JsonOption
from inspectd.agent.cli.output import fail

app = typer.Typer(
    name="inspectd",
    help="Inspects every part that passes a camera and tells the PLC to accept or reject it.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
calibrate_app = typer.Typer(help="What a technician does for a product class.", no_args_is_help=True)
for commands in (
    data_commands,
    train_commands,
    noise_commands,
    evaluate_commands,
    repeatability_commands,
    threshold_commands,
    report_commands,
):
    calibrate_app.add_typer(commands.app)
app.add_typer(calibrate_app, name="calibrate")
app.add_typer(model_commands.app, name="model")
app.add_typer(plc_commands.app, name="plc")
app.add_typer(opcua_commands.app, name="opcua")

LogOption = Annotated[str, typer.Option(help="debug, info, warning or error.")]


@app.callback()
def prepare() -> None:
    """Keep logs off standard output, which belongs to the report; some commands want more of them."""
    from inspectd.agent.logs import set_up_logs

    set_up_logs("error")


@app.command()
def run(config: ConfigArgument, log_level: LogOption = "info") -> None:
    """Inspect: run the station until SIGTERM or Ctrl-C."""
    from inspectd.agent.cli.run import run_station

    run_station(config, log_level)


@app.command()
def check(
    config: ConfigArgument,
    hardware: Annotated[bool, typer.Option(help="Also open the camera and reach the PLC.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Check a station's file and say everything wrong with it at once."""
    from inspectd.agent.cli.check import check_config

    check_config(config, hardware=hardware, as_json=as_json)


@app.command()
def demo(
    parts: Annotated[int, typer.Option(min=1, help="Parts to inspect.")] = 60,
    forever: Annotated[bool, typer.Option(help="Go on until Ctrl-C.")] = False,
    rate: Annotated[float, typer.Option(min=0.2, max=5.0, help="Parts per second.")] = 2.0,
    defect_rate: Annotated[float, typer.Option(min=0.0, max=1.0, help="Share of defective parts.")] = 0.1,
    seed: Annotated[int, typer.Option(min=0, help="Another seed gives other parts.")] = 7,
    as_json: JsonOption = False,
) -> None:
    """Show the whole job: a simulated line of buttons, the agent, and a Modbus PLC with a reject gate."""
    from inspectd.agent.cli.demo import DemoOptions, run_demo

    run_demo(DemoOptions(None if forever else parts, rate, defect_rate, seed), as_json=as_json)


@app.command()
def bench(
    bundle: BundleArgument,
    frames: Annotated[int, typer.Option(min=20, help="Frames for each runtime.")] = 200,
    as_json: JsonOption = False,
) -> None:
    """Time a bundle on every runtime installed, and the agent around it."""
    from inspectd.agent.cli.bench import run_bench

    run_bench(bundle, frames, as_json=as_json)


@app.command()
def simulate(
    folder: Annotated[Path, typer.Argument(help="Folder to fill; must be empty or not exist.")],
    good: Annotated[int, typer.Option(min=1, help="Good parts to train on.")] = 300,
    test_good: Annotated[int, typer.Option(min=0, help="Good parts to test with.")] = 100,
    test_defective: Annotated[int, typer.Option(min=0, help="Defective parts to test with.")] = 100,
    size: Annotated[int, typer.Option(min=128, max=2048, help="Side of the images, px.")] = 512,
    seed: Annotated[int, typer.Option(min=0, help="Another seed gives other parts.")] = 1,
) -> None:
    """Write images of simulated buttons with defect masks, in the MVTec AD folder layout."""
    from inspectd.agent.cli.simulate import write_images

    write_images(folder, good=good, test_good=test_good, test_defective=test_defective, size=size, seed=seed)


@app.command()
def explain(
    bundle: BundleArgument,
    images: Annotated[list[Path], typer.Argument(help="Images to judge.")],
    out: Annotated[Path, typer.Option(help="PNG to write.")] = Path("explained.png"),
    as_json: JsonOption = False,
) -> None:
    """Judge images and show input, reconstruction and anomaly map side by side."""
    from inspectd.agent.cli.explain import explain_images

    explain_images(bundle, images, out, as_json=as_json)


def main() -> None:
    """Run the command; an expected error becomes one message and a non-zero exit status."""
    from inspectd.agent.errors import AgentError
    from inspectd.inference.errors import InferenceError
    from inspectd.io.errors import DeviceError

    try:
        app(prog_name="inspectd")
    except (AgentError, InferenceError, DeviceError) as error:
        fail(str(error))
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
