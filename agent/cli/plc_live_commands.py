"""`inspectd plc`: the commands that talk to a PLC."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from inspectd.agent.cli.arguments import ConfigArgument, JsonOption

app = typer.Typer()


class Kind(str, Enum):
    """Which protocol the simulated PLC speaks, in the words of plc.kind."""

    MODBUS_TCP = "modbus_tcp"
    S7 = "s7"
    MODBUS_SERVER = "modbus_server"


@app.command()
def watch(
    config: ConfigArgument,
    once: Annotated[bool, typer.Option(help="Show the image once, after 0.7 s for the heartbeats.")] = False,
    seconds: Annotated[
        float | None, typer.Option(min=0.1, help="Watch so long; default: until Ctrl-C.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Show the live words between PLC and agent, every bit by its name; writes nothing."""
    from inspectd.agent.cli.plc_watch import WatchOptions, run_watch

    run_watch(config, WatchOptions(once, seconds, as_json))


@app.command(name="test")
def try_wiring(
    config: ConfigArgument,
    yes: Annotated[bool, typer.Option(help="Write without asking first.")] = False,
    wait: Annotated[float, typer.Option(min=0.0, help="Seconds to wait for a part; 0: none is sent.")] = 30.0,
    as_json: JsonOption = False,
) -> None:
    """Walk through the handshake with a technician and say what is wired wrongly."""
    from inspectd.agent.cli.plc_trial import TrialOptions, run_trial

    run_trial(config, TrialOptions(yes=yes, wait_s=wait, as_json=as_json))


@app.command()
def simulate(  # noqa: PLR0913, PLR0917  one for each option
    config: Annotated[Path | None, typer.Argument(help="A station's YAML file that it is to fit.")] = None,
    kind: Annotated[
        Kind | None, typer.Option(help="As plc.kind: with modbus_server the agent is the server.")
    ] = None,
    port: Annotated[
        int | None, typer.Option(min=0, max=65535, help="TCP port; 0: any free one, which is told.")
    ] = None,
    parts: Annotated[int, typer.Option(min=0, help="How many parts pass; 0: without end.")] = 0,
    seconds: Annotated[
        float | None, typer.Option(min=0.1, help="Run so long; default: until Ctrl-C.")
    ] = None,
    rate: Annotated[float | None, typer.Option(min=0.1, max=50.0, help="Parts per second.")] = None,
    defects: Annotated[float | None, typer.Option(min=0.0, max=1.0, help="Share of defective parts.")] = None,
    seed: Annotated[int | None, typer.Option(min=0, help="Another seed gives other parts.")] = None,
    wait_online: Annotated[bool, typer.Option(help="The belt waits for an agent to be Online.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Run a simulated PLC with conveyor, shift register and reject gate, to try an agent on."""
    from inspectd.agent.cli.plc_simulate import SimulateOptions, run_simulator

    chosen = None if kind is None else kind.value
    run_simulator(
        config,
        SimulateOptions(
            kind=chosen,
            port=port,
            parts=parts,
            seconds=seconds,
            rate=rate,
            defects=defects,
            seed=seed,
            wait_online=wait_online,
            as_json=as_json,
        ),
    )
