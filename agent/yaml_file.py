"""Reading one YAML file strictly into a settings model, with file, line, key and remedy in every error."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeVar, cast

from pydantic import BaseModel, ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.constructor import DuplicateKeyError
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from inspectd.agent.errors import ConfigError
from inspectd.agent.yaml_problems import explain, key_path

Model = TypeVar("Model", bound=BaseModel)


def read_yaml(path: Path) -> CommentedMap:
    """Read a YAML 1.2 mapping with its line numbers.

    Raises ConfigError if the file is missing, unreadable, not YAML, has a key twice or holds no mapping.
    """
    try:
        document = YAML(typ="rt").load(_read_text(path))
    except MarkedYAMLError as error:
        mark = cast("Any", error.problem_mark)
        line = f":{mark.line + 1}" if mark is not None else ""
        what = str(cast("Any", error.problem) or error).splitlines()[0]
        remedy = "keep one of the two" if isinstance(error, DuplicateKeyError) else "correct the YAML there"
        raise ConfigError([f"{path}{line}: {what}; {remedy}"]) from error
    except YAMLError as error:
        raise ConfigError([f"{path}: {str(error).splitlines()[0]}; correct the YAML"]) from error
    if not isinstance(document, CommentedMap):
        raise ConfigError(
            [f"{path}:1: holds no settings; write keys such as `name:` and `line:` at its top level"]
        )
    return document


def _read_text(path: Path) -> str:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ConfigError([f"{path}: {error.strerror}; name a readable YAML file"]) from error
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        line = 1 + data.count(b"\n", 0, error.start)
        raise ConfigError([f"{path}:{line}: is not UTF-8 text ({error.reason}); save it as UTF-8"]) from error


def validate(model: type[Model], document: CommentedMap, path: Path) -> Model:
    """Validate a document read by `read_yaml`. Raises ConfigError with every problem at once."""
    try:
        return model.model_validate(document)
    except ValidationError as error:
        schema = model.model_json_schema()
        problems: list[str] = []
        for detail in error.errors(include_url=False):
            key = key_path(document, detail)
            where = f"{path}:{line_of(document, key)}: {'.'.join(map(str, key)) or 'settings'}"
            problems.append(f"{where}: {explain(schema, document, key, detail)}")
        raise ConfigError(problems) from error


def line_of(document: CommentedMap, location: Sequence[int | str]) -> int:
    """Give the line (from 1) of a key, or of the nearest key around it that the file holds."""
    line = 1
    node: Any = document
    for step in location:
        if isinstance(node, CommentedMap) and step in node:
            # What a merge (<<) brought in has no line of its own.
            line = _line(node.lc.key(step)) if step in (node.lc.data or {}) else line
        elif isinstance(node, CommentedSeq) and isinstance(step, int) and step < len(node):
            line = _line(node.lc.item(step))
        else:
            break
        node = cast("Any", node[step])
    return line


def _line(position: Any) -> int:
    return int(position[0]) + 1
