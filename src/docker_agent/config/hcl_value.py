"""What HCL expressions come to, and what becomes of it: a text, a number, a part of our tree."""

from __future__ import annotations

from fractions import Fraction
from typing import TypeAlias

from docker_agent.config.compose import MarkedError
from docker_agent.config.tree import Items, Node, Scalar, Table

Value: TypeAlias = "bool | Fraction | str | list[Value] | dict[str, Value] | None"
"""Numbers are exact until they leave; an object keeps the order of its keys."""

MOST_DIGITS = 300
"""Digits of a number before the point, and of its fraction."""
_LARGEST = Fraction(10) ** MOST_DIGITS


def number(text: str, line: int) -> Fraction:
    """The number a literal means. Raises `MarkedError` for one that is too long."""
    digits, _, exponent = text.lower().partition("e")
    if len(digits) > MOST_DIGITS or len(exponent) > 4 or abs(int(exponent or "0")) > MOST_DIGITS:
        raise MarkedError(line, f"{text[:40]!r} is too large a number")
    return Fraction(text)


def bounded(value: Fraction, line: int) -> Fraction:
    """`value`, unless it outgrew every use."""
    if abs(value.numerator) > _LARGEST or value.denominator > _LARGEST:
        raise MarkedError(line, "the number is too large")
    return value


def number_text(value: Fraction) -> str:
    """A number as it is written: an integer where it is one exactly."""
    if value.denominator == 1:
        return str(value.numerator)
    return repr(value.numerator / value.denominator)


def kind(value: Value) -> str:
    """What a value is, in words for people."""
    match value:
        case None:
            return "null"
        case bool():
            return "true or false"
        case Fraction():
            return "a number"
        case str():
            return "a text"
        case list():
            return "a list"
        case dict():
            return "an object"


def as_text(value: Value, line: int) -> str:
    """A value inside a text. Raises `MarkedError` for lists, objects and null."""
    match value:
        case str():
            return value
        case bool():
            return "true" if value else "false"
        case Fraction():
            return number_text(value)
        case _:
            raise MarkedError(line, f"{kind(value)} cannot stand in a text")


def as_number(value: Value, line: int) -> Fraction:
    """A number, also one written as a text. Raises `MarkedError` for anything else."""
    if isinstance(value, Fraction):
        return value
    if isinstance(value, str):
        try:
            return number(value, line)
        except ValueError:
            pass
    raise MarkedError(line, f"{kind(value)} where a number is needed")


def as_bool(value: Value, line: int) -> bool:
    """True or false, also written as a text. Raises `MarkedError` for anything else."""
    if isinstance(value, bool):
        return value
    if value in ("true", "false"):
        return value == "true"
    raise MarkedError(line, f"{kind(value)} where true or false is needed")


def pairs(value: Value, line: int) -> list[tuple[Value, Value]]:
    """The keys and values `for` goes through: of a list its indexes, of an object in the order of
    its keys. Raises `MarkedError` for anything else."""
    if isinstance(value, list):
        return [(Fraction(index), each) for index, each in enumerate(value)]
    if isinstance(value, dict):
        return [(key, value[key]) for key in sorted(value)]
    raise MarkedError(line, f"'for' goes through a list or an object, not through {kind(value)}")


def element(value: Value, key: Value, line: int) -> Value:
    """`value[key]`. Raises `MarkedError` where there is none."""
    if isinstance(value, dict):
        name = as_text(key, line)
        if name in value:
            return value[name]
        raise MarkedError(line, f"the object has no {name!r}; it has: {', '.join(value)}")
    if isinstance(value, list):
        index = as_number(key, line)
        if index.denominator == 1 and 0 <= index < len(value):
            return value[int(index)]
        raise MarkedError(line, f"the list has {len(value)} elements, so none at {key!s:.40}")
    raise MarkedError(line, f"{kind(value)} has no elements")


def node(value: Value, line: int) -> Node:
    """A value as a part of the tree, all of it at one line."""
    match value:
        case None:
            return Scalar(line, "null", plain=True)
        case bool():
            return Scalar(line, "true" if value else "false", plain=True)
        case Fraction():
            return Scalar(line, number_text(value), plain=True)
        case str():
            return Scalar(line, value)
        case list():
            return Items(line, tuple(node(each, line) for each in value))
        case dict():
            entries = {key: (Scalar(line, key), node(each, line)) for key, each in value.items()}
            return Table(line, entries)
