"""Saying what is wrong with a value of a configuration, and what would be right.

Pydantic tells problems in the words of programs; this file tells them in those of the file's author. A
`detail` is one entry of `ValidationError.errors()`.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping, Sequence
from typing import Any, cast

Key = tuple[int | str, ...]
Schema = dict[str, Any]

# Problems of a key itself and not of its value: its last step names the key.
_OF_THE_KEY = frozenset({"missing", "extra_forbidden", "invalid_key"})
_OF_THE_KIND = frozenset({"union_tag_invalid", "union_tag_not_found"})
# The steps that pydantic adds for the key of a dictionary.
_DICTIONARY_KEY = "[key]"


def key_path(document: Any, detail: Any) -> Key:
    """Give the key in the file that a problem is about, without the steps that name a kind of a union."""
    location: Key = detail["loc"]
    node: Any = document
    kept: list[int | str] = []
    for number, step in enumerate(location):
        is_last = number == len(location) - 1
        names_the_key = is_last and detail["type"] in _OF_THE_KEY
        if step == _DICTIONARY_KEY or (step == _kind(node) and not names_the_key):
            continue
        kept.append(step)
        node = _child(node, step)
    if detail["type"] in _OF_THE_KIND:
        kept.append("kind")
    return tuple(kept)


def explain(schema: Schema, document: Any, key: Key, detail: Any) -> str:
    """Say what is wrong and what to do about it. `schema` is the JSON schema of the settings."""
    what = _EXPLANATIONS.get(detail["type"])
    if what is not None:
        return what(schema, document, key, detail)
    message = str(detail["msg"])
    return f"{message[0].lower()}{message[1:]}, is {_shown(detail['input'])}; correct it"


def _unknown(schema: Schema, document: Any, key: Key, _detail: Any) -> str:
    known = sorted(_schema_at(schema, document, key[:-1]).get("properties", {}))
    near = difflib.get_close_matches(str(key[-1]), known, n=1)
    remedy = f"did you mean `{near[0]}`?" if near else f"remove it; the keys here are {', '.join(known)}"
    return f"unknown key; {remedy}"


def _missing(schema: Schema, document: Any, key: Key, _detail: Any) -> str:
    entry = _schema_at(schema, document, key[:-1]).get("properties", {}).get(key[-1], {})
    meaning = entry.get("description")
    return f"is missing; add it ({meaning})" if meaning else "is missing; add it"


def _kind_missing(schema: Schema, document: Any, key: Key, _detail: Any) -> str:
    mapping = _entry_at(schema, document, key[:-1]).get("discriminator", {}).get("mapping", {})
    return f"is missing; add it, one of {', '.join(mapping)}"


def _kind_unknown(_schema: Schema, _document: Any, _key: Key, detail: Any) -> str:
    given = _shown(_kind(detail["input"]))
    return f"must be one of {detail['ctx']['expected_tags']}, is {given}; choose one"


def _own_error(_schema: Schema, _document: Any, _key: Key, detail: Any) -> str:
    return str(detail["ctx"]["error"])


def _no_mapping(_schema: Schema, _document: Any, _key: Key, detail: Any) -> str:
    return f"must hold keys of its own, is {_shown(detail['input'])}; write them indented under it"


def _no_list(_schema: Schema, _document: Any, _key: Key, detail: Any) -> str:
    return f"must be a list, is {_shown(detail['input'])}; begin each of its entries with a dash"


def _too_many(_schema: Schema, _document: Any, _key: Key, detail: Any) -> str:
    context = detail["ctx"]
    return f"holds {context['actual_length']} entries, at most {context['max_length']} may be; remove some"


def _too_few(_schema: Schema, _document: Any, _key: Key, detail: Any) -> str:
    context = detail["ctx"]
    return f"holds {context['actual_length']} entries, at least {context['min_length']} must be; add some"


def _no_text(_schema: Schema, _document: Any, _key: Key, detail: Any) -> str:
    shown = _shown(detail["input"])
    return f"must be text, is {shown}; {'write some' if detail['input'] is None else 'put it in quotes'}"


def _no_number(_schema: Schema, _document: Any, _key: Key, detail: Any) -> str:
    whole = "a whole number" if detail["type"] == "int_type" else "a number"
    quoted = isinstance(detail["input"], str) and _is_number(detail["input"])
    remedy = "take away the quotes" if quoted else f"write {whole}"
    return f"must be {whole}, is {_shown(detail['input'])}; {remedy}"


def _no_switch(_schema: Schema, _document: Any, _key: Key, detail: Any) -> str:
    return f"must be true or false, is {_shown(detail['input'])}; write one of the two"


def _no_choice(_schema: Schema, _document: Any, _key: Key, detail: Any) -> str:
    return f"must be {detail['ctx']['expected']}, is {_shown(detail['input'])}; choose one"


def _no_key(_schema: Schema, _document: Any, _key: Key, _detail: Any) -> str:
    return "unknown key, and not even text; remove it"


def _limit(word: str, name: str, remedy: str) -> Callable[[Schema, Any, Key, Any], str]:
    def out_of_range(_schema: Schema, _document: Any, _key: Key, detail: Any) -> str:
        return f"must be {word} {detail['ctx'][name]:g}, is {_shown(detail['input'])}; {remedy} it"

    return out_of_range


_EXPLANATIONS: Mapping[str, Callable[[Schema, Any, Key, Any], str]] = {
    "extra_forbidden": _unknown,
    "missing": _missing,
    "invalid_key": _no_key,
    "union_tag_not_found": _kind_missing,
    "union_tag_invalid": _kind_unknown,
    "value_error": _own_error,
    "model_type": _no_mapping,
    "model_attributes_type": _no_mapping,
    "dict_type": _no_mapping,
    "list_type": _no_list,
    "tuple_type": _no_list,
    "too_long": _too_many,
    "too_short": _too_few,
    "string_type": _no_text,
    "path_type": _no_text,
    "int_type": _no_number,
    "float_type": _no_number,
    "bool_type": _no_switch,
    "literal_error": _no_choice,
    "greater_than": _limit("over", "gt", "raise"),
    "greater_than_equal": _limit("at least", "ge", "raise"),
    "less_than": _limit("under", "lt", "lower"),
    "less_than_equal": _limit("at most", "le", "lower"),
}


def _shown(value: Any) -> str:
    """A value as its author knows it; only the kind of what is long."""
    if value is None:
        return "empty"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, Mapping):
        return "a mapping"
    if isinstance(value, Sequence) and not isinstance(value, str):
        return "a list"
    return f"the text {value!r}" if isinstance(value, str) else str(value)


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _kind(node: Any) -> object:
    """The kind by which this part of the file is told apart from others; None if it has none."""
    return cast("Any", node).get("kind") if isinstance(node, Mapping) else None


def _child(node: Any, step: int | str) -> Any:
    if isinstance(node, Mapping):
        return cast("Any", node).get(step)
    if isinstance(node, Sequence) and isinstance(step, int) and step < len(cast("Any", node)):
        return cast("Any", node)[step]
    return None


def _schema_at(schema: Schema, document: Any, key: Key) -> Schema:
    """The schema of the mapping at a key, with the kind that the file says taken out of a union."""
    node = document
    for step in key:
        node = _child(node, step)
    entry = _entry_at(schema, document, key)
    chosen = entry.get("discriminator", {}).get("mapping", {}).get(_kind(node))
    return _follow(schema, {"$ref": chosen}) if chosen else entry


def _entry_at(schema: Schema, document: Any, key: Key) -> Schema:
    """The schema at a key as it stands: a union where there is one."""
    if not key:
        return schema
    above = _schema_at(schema, document, key[:-1])
    if isinstance(key[-1], int):
        return _follow(schema, above.get("items", {}))
    return _follow(schema, above.get("properties", {}).get(key[-1], {}))


def _follow(schema: Schema, entry: Schema) -> Schema:
    name = entry.get("$ref", "").removeprefix("#/$defs/")
    return cast("Schema", schema.get("$defs", {}).get(name, {})) if name else entry
