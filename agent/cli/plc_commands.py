"""`inspectd plc`: what a controls engineer needs to wire the agent to a PLC."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from inspectd.agent.cli import plc_live_commands
from inspectd.agent.cli.arguments import ConfigArgument, JsonOption

app = typer.Typer(help="What a controls engineer needs to wire the agent to a PLC.", no_args_is_help=True)


class MapFormat(str, Enum):
    """What `map` prints."""

    TABLE = "table"
    CSV = "csv"
    JSON = "json"
    SCL = "scl"
    ST = "st"
    OPENPLC = "openplc"


@app.callback()
def prepare() -> None:
    """Keep the commands below a name of their own, however many there are."""


@app.command("map")
def print_map(
    config: ConfigArgument,
    form: Annotated[
        MapFormat,
        typer.Option(
            "--format",
            help="scl: source for TIA Portal; st: structured text (IEC 61131-3) for CODESYS;"
            " openplc: a whole program for OpenPLC.",
        ),
    ] = MapFormat.TABLE,
    out: Annotated[
        Path | None, typer.Option(help="Write map and source files into this folder instead.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Print every word and bit with its address in the PLC, or PLC source with the reject gate."""
    from inspectd.agent.cli.plc_map import run_map

    run_map(config, "json" if as_json else form.value, out)


app.add_typer(plc_live_commands.app)
