"""Strict reading of single values: texts, numbers, bools, words, durations, and their bounds."""

from __future__ import annotations

import difflib
import math
import operator
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

import msgspec

from docker_agent.config.durations import parse_file_duration
from docker_agent.config.tree import Raw, Scalar
from docker_agent.errors import ConfigError

_LONGEST_QUOTE = 60


def quote(raw: Raw) -> str:
    """A scalar as people would point at it; the kind of anything else."""
    if not isinstance(raw.node, Scalar):
        return raw.kind
    text = raw.node.text
    if not raw.node.plain or isinstance(raw.node.value, str):
        text = repr(text)
    return text if len(text) <= _LONGEST_QUOTE else f"{text[:_LONGEST_QUOTE]}…"


def expected(raw: Raw, what: str) -> ConfigError:
    """`'abc' is a text; a whole number is expected`."""
    if not isinstance(raw.node, Scalar) or raw.is_null:
        return raw.error(f"is {raw.kind}; {what} is expected")
    return raw.error(f"{quote(raw)} is {raw.kind}; {what} is expected")


def text(raw: Raw) -> str:
    """A scalar as it was written."""
    if not isinstance(raw.node, Scalar) or raw.is_null:
        raise expected(raw, "a text")
    return raw.node.text


def flag(raw: Raw) -> bool:
    """`true` or `false`, unquoted."""
    value = raw.node.value if isinstance(raw.node, Scalar) else None
    if not isinstance(value, bool):
        raise expected(raw, "true or false")
    return value


def whole_number(raw: Raw) -> int:
    """A whole number, unquoted; `1e3` is one too."""
    value = raw.node.value if isinstance(raw.node, Scalar) else None
    if isinstance(value, float) and value.is_integer() and abs(value) < 1 << 53:
        return int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        raise expected(raw, "a whole number")
    if not -(1 << 63) <= value < 1 << 63:
        raise raw.error(f"{quote(raw)} is too large")
    return value


def number(raw: Raw) -> float:
    """A finite number, unquoted."""
    value = raw.node.value if isinstance(raw.node, Scalar) else None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise expected(raw, "a number")
    if not math.isfinite(value):
        raise raw.error(f"{quote(raw)} is no finite number")
    return float(value)


def anything(raw: Raw) -> Any:  # noqa: ANN401 - it is JSON
    """Plain Python data."""
    return raw.plain()


def duration(raw: Raw) -> float:
    """Seconds."""
    if not isinstance(raw.node, Scalar) or isinstance(raw.node.value, bool):
        raise expected(raw, "a duration such as 30s")
    try:
        return parse_file_duration(raw.node.text)
    except ConfigError as exc:
        raise raw.error(str(exc)) from None


def word_reader(words: Sequence[str]) -> Callable[[Raw], str]:
    """Reads one of `words`."""
    shown = [word for word in words if word]

    def read(raw: Raw) -> str:
        found = text(raw)
        if found in words:
            return found
        close = difflib.get_close_matches(found, shown, n=1)
        hint = f"did you mean {close[0]!r}?" if close else f"use one of {', '.join(shown)}"
        raise raw.error(f"{quote(raw)} is not possible here; {hint}")

    return read


def checked_text(check: Callable[[str], str]) -> Callable[[Raw], str]:
    """Reads a text that passes `check`."""

    def read(raw: Raw) -> str:
        try:
            return check(text(raw))
        except ConfigError as exc:
            message = str(exc)
        raise raw.error(message)

    return read


def bounded(read: Callable[[Raw], Any], meta: msgspec.Meta) -> Callable[[Raw], Any]:
    """Reads what `read` does, if it is inside the bounds of `meta`."""
    bounds: list[tuple[float | None, Callable[[float, float], bool], str]] = [
        (meta.ge, operator.ge, "at least"),
        (meta.gt, operator.gt, "above"),
        (meta.le, operator.le, "at most"),
        (meta.lt, operator.lt, "below"),
    ]
    held = [(bound, holds, words) for bound, holds, words in bounds if bound is not None]
    rule = " and ".join(f"{words} {bound}" for bound, _, words in held)

    def read_bounded(raw: Raw) -> Any:  # noqa: ANN401 - as `read`
        value = read(raw)
        if not all(holds(value, bound) for bound, holds, _ in held):
            raise raw.error(f"must be {rule}, got {quote(raw)}")
        return value

    return read_bounded


SCALARS: Mapping[Any, Callable[[Raw], Any]] = MappingProxyType(
    {
        str: text,
        bool: flag,
        int: whole_number,
        float: number,
        Any: anything,
        object: anything,
    }
)
WORDS: Mapping[Any, str] = MappingProxyType(
    {str: "a text", bool: "true or false", int: "a whole number", float: "a number"}
)
