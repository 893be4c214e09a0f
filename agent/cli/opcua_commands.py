"""Commands of the OPC UA server."""

from __future__ import annotations

from typing import Annotated

import typer

from inspectd.agent.cli.arguments import ConfigArgument

app = typer.Typer(help="The station's OPC UA server.", no_args_is_help=True)

NameArgument = Annotated[str, typer.Argument(help="Name of the user.", show_default=False)]


@app.callback()
def opcua() -> None:
    """The station's OPC UA server."""


@app.command()
def user(config: ConfigArgument, name: NameArgument) -> None:
    """Add a user of the OPC UA server, or change a password, asked for or read from standard input."""
    from inspectd.agent.cli.opcua_user import set_station_user

    set_station_user(config, name)
