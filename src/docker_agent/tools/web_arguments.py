"""From the arguments a model wrote to parts of an HTTP request, by a schema that a file declares.
Pure."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import cast
from urllib.parse import quote

import msgspec

from docker_agent.errors import ToolError
from docker_agent.messages import JSON
from docker_agent.tools.arguments import from_json

_ZEROS: Mapping[str, JSON] = {"string": "", "integer": 0, "number": 0, "boolean": False}


def checked(schema: Mapping[str, JSON], arguments: Mapping[str, JSON]) -> dict[str, JSON]:
    """The arguments that `schema` (type object) knows, with slips that models make repaired: a
    number or list written as text, one value where a list belongs, null.

    Raises `ToolError` that names the argument and shows its line of the schema.
    Source: runtime.md §5.4.
    """
    properties: Mapping[str, Mapping[str, JSON]] = schema.get("properties", {})
    required: Sequence[str] = schema.get("required", ())
    found: dict[str, JSON] = {}
    for name, wanted in properties.items():
        line = f'expected ({"required" if name in required else "optional"}): "{name}": '
        line += json.dumps(wanted, ensure_ascii=False)
        value = arguments.get(name)
        if value is None and name not in required:
            continue
        if name not in arguments:
            raise ToolError(f"argument `{name}` is missing; {line}")
        value = _repaired(value, wanted)
        problem = _problem(value, wanted)
        if problem:
            raise ToolError(f"argument `{name}`: {problem}; {line}")
        found[name] = value
    return found


def tidied(schema: Mapping[str, JSON], arguments: Mapping[str, JSON]) -> dict[str, JSON]:
    """The arguments with the slips repaired that `checked` repairs, for those who judge a call
    before it runs. What does not fit stays as it is, and so do unknown keys."""
    properties: Mapping[str, Mapping[str, JSON]] = schema.get("properties", {})
    required: Sequence[str] = schema.get("required", ())
    found = dict(arguments)
    for name in properties.keys() & found.keys():
        if found[name] is None and name not in required:
            del found[name]
            continue
        with suppress(RecursionError):
            found[name] = _repaired(found[name], properties[name])
    return found


def as_text(value: JSON) -> str:
    """A value as it stands in an address or a header: texts as they are, lists and objects as
    JSON."""
    match value:
        case str():
            return value
        case None:
            return ""
        case _:
            return msgspec.json.encode(value).decode()


def in_path(name: str, value: JSON) -> str:
    """A value as one part of a path, percent-encoded.

    Raises `ToolError` for `.` and `..`, which would lead elsewhere.
    """
    text = as_text(value)
    if text in (".", ".."):
        raise ToolError(f"argument `{name}`: '{text}' cannot be part of an address")
    return quote(text, safe="")


def query_string(pairs: Iterator[tuple[str, str]]) -> str:
    """Names and values as a query, percent-encoded."""
    return "&".join(f"{quote(name, safe='')}={quote(text, safe='')}" for name, text in pairs)


def query_pairs(values: Mapping[str, JSON]) -> Iterator[tuple[str, str]]:
    """Values as parts of a query; a list gives its name to each element."""
    for name, value in values.items():
        for each in cast(list[JSON], value) if isinstance(value, list) else (value,):
            yield name, as_text(each)


def with_query(url: str, query: str) -> str:
    """An address with more in its query; a fragment is left out."""
    url = url.partition("#")[0]
    if not query:
        return url
    separator = "" if url.endswith(("?", "&")) else "&" if "?" in url else "?"
    return f"{url}{separator}{query}"


def _types(wanted: Mapping[str, JSON]) -> tuple[str, ...]:
    match wanted.get("type"):
        case str(one):
            return (one,)
        case [*several]:
            return tuple(str(each) for each in several)
        case _:
            return ()


def _repaired(value: JSON, wanted: Mapping[str, JSON]) -> JSON:
    types = _types(wanted)
    if isinstance(value, float) and value.is_integer() and "integer" in types:
        return int(value)
    if not types or _fits_any(value, types):
        return value
    kind = next(each for each in types if each != "null") if types != ("null",) else "null"
    if value is None:
        return _ZEROS.get(kind)
    if kind == "string":
        return as_text(value)
    if isinstance(value, str):
        try:
            parsed: JSON = from_json(value)
        except (ValueError, RecursionError):
            parsed = value
        if _fits(parsed, kind):
            return parsed
    return [value] if kind == "array" else value


def _problem(value: JSON, wanted: Mapping[str, JSON]) -> str:
    types = _types(wanted)
    if types and not _fits_any(value, types):
        return f"it must be of type {' or '.join(types)}"
    allowed = wanted.get("enum")
    if isinstance(allowed, list) and value not in cast(list[JSON], allowed):
        return f"it must be one of {json.dumps(allowed, ensure_ascii=False)}"
    return ""


def _fits_any(value: JSON, types: Sequence[str]) -> bool:
    return any(_fits(value, kind) for kind in types)


def _fits(value: JSON, kind: str) -> bool:
    return _KINDS.get(kind, lambda _: True)(value)


_KINDS: Mapping[str, Callable[[JSON], bool]] = {
    "string": lambda value: isinstance(value, str),
    "integer": lambda value: isinstance(value, int) and not isinstance(value, bool),
    "number": lambda value: isinstance(value, int | float) and not isinstance(value, bool),
    "boolean": lambda value: isinstance(value, bool),
    "array": lambda value: isinstance(value, list),
    "object": lambda value: isinstance(value, dict),
    "null": lambda value: value is None,
}
