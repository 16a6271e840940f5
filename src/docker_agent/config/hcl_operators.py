"""The operators of HCL."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from fractions import Fraction
from types import MappingProxyType

from docker_agent.config.compose import MarkedError
from docker_agent.config.hcl_value import Value, as_bool, as_number, bounded

_ARITHMETIC: Mapping[str, Callable[[Fraction, Fraction], Fraction]] = MappingProxyType(
    {
        "+": lambda left, right: left + right,
        "-": lambda left, right: left - right,
        "*": lambda left, right: left * right,
        "/": lambda left, right: left / right,
        "%": lambda left, right: left - right * int(left / right),
    }
)
_ORDER: Mapping[str, Callable[[Fraction, Fraction], bool]] = MappingProxyType(
    {"<": operator.lt, ">": operator.gt, "<=": operator.le, ">=": operator.ge}
)


def binary(symbol: str, left: Value, right: Callable[[], Value], line: int) -> Value:
    """`left symbol right`; the right side of `&&` and `||` is only asked for when it matters.

    Raises `MarkedError` for kinds that do not go together.
    """
    if symbol in ("&&", "||"):
        known = as_bool(left, line)
        return known if known == (symbol == "||") else as_bool(right(), line)
    other = right()
    if symbol in ("==", "!="):
        same = type(left) is type(other) and left == other
        return same == (symbol == "==")
    first, second = as_number(left, line), as_number(other, line)
    if symbol in _ORDER:
        return _ORDER[symbol](first, second)
    if symbol in "/%" and not second:
        raise MarkedError(line, "a division by zero")
    return bounded(_ARITHMETIC[symbol](first, second), line)


def negated(symbol: str, value: Value, line: int) -> Value:
    """`-value` or `!value`. Raises `MarkedError` for another kind."""
    return not as_bool(value, line) if symbol == "!" else -as_number(value, line)
