"""Arguments and options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

ConfigArgument = Annotated[Path, typer.Argument(help="The station's YAML file.")]
BundleArgument = Annotated[Path, typer.Argument(help="Folder of a bundle.")]
RuntimeOption = Annotated[str, typer.Option(help="openvino or torch.")]
PrecisionOption = Annotated[str, typer.Option(help="float32 or bfloat16.")]
ByOption = Annotated[str, typer.Option(help="Who does it; default: the login user.", show_default=False)]
JsonOption = Annotated[bool, typer.Option("--json", help="One JSON object on standard output.")]
