"""`inspectd plc`: what a controls engineer needs to wire the agent to a PLC."""

from __future__ import annotations

import typer

from inspectd.agent.cli import plc_live_commands

app = typer.Typer(help="What a controls engineer needs to wire the agent to a PLC.", no_args_is_help=True)


@app.callback()
def prepare() -> None:
    """Keep the commands below a name of their own, however many there are."""


app.add_typer(plc_live_commands.app)
