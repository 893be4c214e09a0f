"""Reading one YAML file strictly into a settings model, with file, line, key and remedy in every error."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeVar, cast

from pydantic import BaseModel, ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from inspectd.agent.errors import ConfigError

Model = TypeVar("Model", bound=BaseModel)
Location = tuple[int | str, ...]


def read_yaml(path: Path) -> CommentedMap:
    """Read a YAML 1.2 mapping with its line numbers.

    Raises ConfigError if the file is missing, unreadable, not YAML, has a key twice or holds no mapping.
    """
    try:
        with path.open(encoding="utf-8") as file:
            document = YAML(typ="rt").load(file)
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError([f"{path}: cannot be read ({error}); name a readable YAML file"]) from error
    except MarkedYAMLError as error:
        mark = cast("Any", error.problem_mark)
        line = f":{mark.line + 1}" if mark is not None else ""
        what = str(cast("Any", error.problem) or error).splitlines()[0]
        raise ConfigError([f"{path}{line}: {what}; correct the YAML there"]) from error
    except YAMLError as error:
        raise ConfigError([f"{path}: {error}; correct the YAML"]) from error
    if not isinstance(document, CommentedMap):
        raise ConfigError([f"{path}:1: holds no settings; write keys such as `station:` at its top level"])
    return document


def validate(model: type[Model], document: CommentedMap, path: Path) -> Model:
    """Validate a document read by `read_yaml`. Raises ConfigError with every problem at once."""
    try:
        return model.model_validate(document)
    except ValidationError as error:
        problems = [
            f"{path}:{line_of(document, _yaml_location(document, detail['loc']))}: "
            f"{_explain(model, document, detail)}"
            for detail in error.errors(include_url=False)
        ]
        raise ConfigError(problems) from error


def line_of(document: CommentedMap, location: Sequence[int | str]) -> int:
    """Give the line (from 1) of a key, or of the nearest mapping around it that the file holds."""
    line = 1
    node: Any = document
    for step in location:
        if isinstance(node, CommentedMap) and step in node:
            line = _line(node.lc.key(step))
        elif isinstance(node, CommentedSeq) and isinstance(step, int) and step < len(node):
            line = _line(node.lc.item(step))
        else:
            break
        node = cast("Any", node[step])
    return line


def _line(position: Any) -> int:
    return int(position[0]) + 1


def _yaml_location(document: CommentedMap, location: Location) -> Location:
    """Leave out the steps that name a kind of a union and not a key of the file."""
    node: Any = document
    kept: list[int | str] = []
    for number, step in enumerate(location):
        is_last = number == len(location) - 1
        present = (isinstance(node, CommentedMap) and step in node) or (
            isinstance(node, CommentedSeq) and isinstance(step, int) and step < len(node)
        )
        if present:
            node = cast("Any", node[step])
            kept.append(step)
        elif is_last:
            kept.append(step)
    return tuple(kept)


def _explain(model: type[BaseModel], document: CommentedMap, detail: Any) -> str:
    location = _yaml_location(document, detail["loc"])
    key = ".".join(str(step) for step in location) or "settings"
    kind = detail["type"]
    if kind == "extra_forbidden":
        return f"{key}: unknown key; {_suggest(model, str(location[-1]))}"
    if kind == "missing":
        return f"{key}: is missing; add it"
    if kind == "value_error":
        return f"{key}: {detail['ctx']['error']}"
    if kind == "string_type":
        return f"{key}: must be text, is {detail['input']!r}; put it in quotes"
    return f"{key}: {detail['msg'][0].lower()}{detail['msg'][1:]}, is {detail['input']!r}; correct the value"


def _suggest(model: type[BaseModel], wrong: str) -> str:
    near = difflib.get_close_matches(wrong, sorted(_all_keys(model.model_json_schema())), n=1)
    return f"did you mean `{near[0]}`?" if near else "remove it or see the README for the keys there are"


def _all_keys(schema: dict[str, Any]) -> set[str]:
    """Every key that the settings know anywhere."""
    keys: set[str] = set()
    for part in (schema, *schema.get("$defs", {}).values()):
        keys |= set(part.get("properties", {}))
    return keys
