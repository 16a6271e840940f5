"""What an unquoted YAML scalar means, by the core schema of YAML 1.2."""

from __future__ import annotations

import re
from typing import TypeAlias

Value: TypeAlias = "bool | int | float | str | None"

_WORDS: dict[str, bool | float | None] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
    **dict.fromkeys((".inf", ".Inf", ".INF", "+.inf", "+.Inf", "+.INF"), float("inf")),
    **dict.fromkeys(("-.inf", "-.Inf", "-.INF"), float("-inf")),
    **dict.fromkeys((".nan", ".NaN", ".NAN"), float("nan")),
}
_NUMBER = re.compile(
    r"(?P<int>[-+]?[0-9]+)|0o(?P<oct>[0-7]+)|0x(?P<hex>[0-9a-fA-F]+)"
    r"|(?P<float>[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?)"
)
_BASES = {"int": 10, "oct": 8, "hex": 16}
_WIDEST = 20
"""Digits; whatever has more is no 64-bit integer."""


def resolve(text: str) -> Value:
    """None, a bool, an int, a float, or the text itself.

    Integers that do not fit into 64 bits become floats, and texts when even that is too small.
    Source: YAML 1.2.2 §10.3.2.
    """
    if text in _WORDS:
        return _WORDS[text]
    if text[0] not in "+-.0123456789":
        return text
    match = _NUMBER.fullmatch(text)
    if match is None:
        return text
    kind = match.lastgroup or "float"
    digits = match[kind]
    if kind == "float":
        return float(digits)
    if len(digits.lstrip("+-0")) <= _WIDEST or kind != "int":
        number = int(digits, _BASES[kind]) if len(digits) < 4000 else 1 << 64
        if -(1 << 63) <= number < 1 << 64:
            return number
    wide = float(digits) if kind == "int" else float("inf")
    return text if wide in (float("inf"), float("-inf")) else wide
