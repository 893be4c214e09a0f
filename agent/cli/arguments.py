"""Arguments and options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

ConfigArgument = Annotated[Path, typer.Argument(help="The station's YAML file.")]
BundleArgument = Annotated[Path, typer.Argument(help="Folder of a bundle.")]
JsonOption = Annotated[bool, typer.Option("--json", help="One JSON object on standard output.")]
