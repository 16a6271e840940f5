"""JSON objects in TOON (Token-Oriented Object Notation): the same data in fewer tokens. Pure.

Written after version 3 of the format's specification (github.com/toon-format/spec): two blanks of
indentation, commas between values.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import cast

from docker_agent.messages import JSON

_INDENT = "  "
_PLAIN_KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_.]*")
_NUMBER = re.compile(r"-?[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")
_NEEDS_QUOTES = re.compile(r'[:"\\\[\]{},\x00-\x1f]')
_WORDS = ("true", "false", "null")
_ESCAPES = str.maketrans({"\\": "\\\\", '"': '\\"', "\n": "\\n", "\r": "\\r", "\t": "\\t"})


def encode(value: dict[str, JSON]) -> str:
    """A JSON object as TOON, without a final line break."""
    return "\n".join(_fields(value, 0))


def _fields(value: dict[str, JSON], depth: int) -> Iterator[str]:
    for key, each in value.items():
        yield from _field(_key(key), each, depth)


def _field(key: str, value: JSON, depth: int, lead: str = "") -> Iterator[str]:
    """One field; `lead` is what stands before the key of a list item's first field."""
    start = f"{_INDENT * depth}{lead}{key}"
    below = depth + 1 + bool(lead)
    if isinstance(value, dict):
        yield f"{start}:"
        yield from _fields(cast(dict[str, JSON], value), below)
    elif isinstance(value, list):
        yield from _array(start, cast(list[JSON], value), below)
    else:
        yield f"{start}: {_primitive(value)}"


def _array(start: str, items: Sequence[JSON], depth: int) -> Iterator[str]:
    head = f"{start}[{len(items)}]"
    if not any(isinstance(item, dict | list) for item in items):
        joined = ",".join(_primitive(item) for item in items)
        yield f"{head}: {joined}" if items else f"{head}:"
    elif columns := _columns(items):
        yield f"{head}{{{','.join(_key(column) for column in columns)}}}:"
        for row in cast(Sequence[dict[str, JSON]], items):
            cells = ",".join(_primitive(row[column]) for column in columns)
            yield f"{_INDENT * depth}{cells}"
    else:
        yield f"{head}:"
        for item in items:
            yield from _item(item, depth)


def _columns(items: Sequence[JSON]) -> tuple[str, ...]:
    """The keys that all items have, when they are objects of the same keys and of plain values."""
    first = items[0]
    if not isinstance(first, dict) or not first:
        return ()
    keys = cast(dict[str, JSON], first).keys()
    for item in items:
        if not isinstance(item, dict):
            return ()
        row = cast(dict[str, JSON], item)
        if row.keys() != keys or any(isinstance(each, dict | list) for each in row.values()):
            return ()
    return tuple(keys)


def _item(item: JSON, depth: int) -> Iterator[str]:
    start = f"{_INDENT * depth}-"
    if isinstance(item, list):
        yield from _array(f"{start} ", cast(list[JSON], item), depth + 1)
    elif not isinstance(item, dict):
        yield f"{start} {_primitive(item)}"
    elif not item:
        yield start
    else:
        (key, first), *rest = cast(dict[str, JSON], item).items()
        yield from _field(_key(key), first, depth, "- ")
        for key, value in rest:
            yield from _field(_key(key), value, depth + 1)


def _key(key: str) -> str:
    return key if _PLAIN_KEY.fullmatch(key) else _quoted(key)


def _primitive(value: JSON) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return "true" if value else "false"
        case str():
            return _quoted(value) if _ambiguous(value) else value
        case float():
            return _number(value)
        case _:
            return str(value)


def _number(value: float) -> str:
    if not math.isfinite(value):
        return "null"
    if value == int(value):
        return str(int(value))
    return format(Decimal(repr(value)), "f")


def _ambiguous(text: str) -> bool:
    """Whether a text would read as something else without quotes."""
    return (
        not text
        or text != text.strip()
        or text in _WORDS
        or text.startswith("-")
        or _NUMBER.fullmatch(text) is not None
        or _NEEDS_QUOTES.search(text) is not None
    )


def _quoted(text: str) -> str:
    return f'"{text.translate(_ESCAPES)}"'
