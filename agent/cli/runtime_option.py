"""The options --runtime and --precision as the engine's settings."""

from __future__ import annotations

from pydantic import ValidationError

from inspectd.agent.cli.output import fail
from inspectd.agent.yaml_problems import explain
from inspectd.inference.runtime import RuntimeSettings


def runtime_settings(runtime: str, precision: str) -> RuntimeSettings:
    """Return what both options name, an empty one the default; ends the command if one names nothing."""
    given = {"name": runtime, "precision": precision}
    try:
        return RuntimeSettings.model_validate({key: value for key, value in given.items() if value})
    except ValidationError as error:
        detail = error.errors(include_url=False)[0]
        field = str(detail["loc"][0])
        option = {"name": "--runtime"}.get(field, f"--{field}")
        fail(f"{option}: {explain({}, None, (field,), detail)}", status=2)
