"""`inspectd plc`: the commands that talk to a PLC."""

from __future__ import annotations

from typing import Annotated

import typer

from inspectd.agent.cli.arguments import ConfigArgument, JsonOption

app = typer.Typer()


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
