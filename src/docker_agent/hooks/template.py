"""The templates of hooks: a text with `{{ .Field }}` in it, filled from what a hook is told. Pure.

Source: runtime.md §12.1: `{{ .Field }}`, `{{ toJSON .Field }}`, `{{ truncate .Field N }}`,
`{{ if .Field }}…{{ else }}…{{ end }}`; a field may be followed by names inside it, and `|` passes
a value on.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import cast

import msgspec

from docker_agent.errors import ConfigError
from docker_agent.hooks.port import HookInput
from docker_agent.messages import JSON

MAX_TEXT = 256 * 1024
"""Characters of a filled template."""

MAX_NESTED = 64
"""Conditions inside each other."""

_ACTION = re.compile(r"\{\{(-)?(.*?)(-)?\}\}", re.DOTALL)
_TERM = re.compile(r"\s*(?:(\.[A-Za-z_][\w.]*)|(\d+)|([A-Za-z]\w*)|(\|))")


class Field(msgspec.Struct, frozen=True):
    """A value of the input: the key under which JSON has it, and names inside."""

    key: str
    inside: tuple[str, ...] = ()


class Expression(msgspec.Struct, frozen=True):
    """A field, and what is done to it, in order: a function and its number."""

    field: Field
    steps: tuple[tuple[str, int], ...] = ()


class Choice(msgspec.Struct, frozen=True):
    """`if`: one part or the other."""

    condition: Expression
    then: tuple[Node, ...]
    otherwise: tuple[Node, ...] = ()


Node = str | Expression | Choice


def _known_fields() -> dict[str, str]:
    """JSON keys by their letters alone: `ToolUseID` and `tool_use_id` are the same."""
    return {
        field.encode_name.replace("_", ""): field.encode_name
        for field in msgspec.structs.fields(HookInput)
    }


_FIELDS = _known_fields()


class Template:
    """A template that was read. Raises `ConfigError` for one that cannot be."""

    def __init__(self, text: str) -> None:
        pieces = _pieces(text)
        self._nodes, rest = _block(pieces, 0, depth=0)
        if rest != len(pieces):
            raise ConfigError("the template has an {{ else }} or {{ end }} without {{ if }}")

    def fill(self, values: Mapping[str, JSON]) -> str:
        """The text for what a hook is told, as its JSON."""
        text = "".join(_filled(self._nodes, values))
        return text[:MAX_TEXT]


def _pieces(text: str) -> list[tuple[bool, str]]:
    """Texts and actions (true) in order; a `-` beside the braces takes white space away."""
    pieces: list[tuple[bool, str]] = []
    at = 0
    trim = False
    for action in _ACTION.finditer(text):
        plain = text[at : action.start()]
        plain = plain.lstrip() if trim else plain
        pieces.append((False, plain.rstrip() if action[1] else plain))
        pieces.append((True, action[2].strip()))
        at, trim = action.end(), bool(action[3])
    rest = text[at:]
    if "{{" in rest:
        raise ConfigError("the template has a {{ without }}")
    pieces.append((False, rest.lstrip() if trim else rest))
    return pieces


def _block(
    pieces: Sequence[tuple[bool, str]], at: int, *, depth: int
) -> tuple[tuple[Node, ...], int]:
    """The nodes from `at` to the `else` or `end` that ends them, and where that stands. `depth`
    counts the conditions around."""
    if depth > MAX_NESTED:
        raise ConfigError(f"the template has more than {MAX_NESTED} {{{{ if }}}} inside each other")
    nodes: list[Node] = []
    while at < len(pieces):
        is_action, text = pieces[at]
        if not is_action:
            nodes.append(text)
        elif text in ("else", "end"):
            return tuple(nodes), at
        elif text.startswith("if "):
            choice, at = _choice(pieces, at, text.removeprefix("if "), depth + 1)
            nodes.append(choice)
        elif not text.startswith("/*"):
            nodes.append(_expression(text))
        at += 1
    if depth:
        raise ConfigError("the template has an {{ if }} without {{ end }}")
    return tuple(nodes), at


def _choice(
    pieces: Sequence[tuple[bool, str]], at: int, condition: str, depth: int
) -> tuple[Choice, int]:
    then, at = _block(pieces, at + 1, depth=depth)
    otherwise: tuple[Node, ...] = ()
    if pieces[at][1] == "else":
        otherwise, at = _block(pieces, at + 1, depth=depth)
        if pieces[at][1] == "else":
            raise ConfigError("the template has two {{ else }} for one {{ if }}")
    return Choice(_expression(condition), then, otherwise), at


def _expression(text: str) -> Expression:
    """`.Field`, `function .Field 10`, `.Field | function`."""
    field: Field | None = None
    steps: list[tuple[str, int]] = []
    at = 0
    while at < len(text.rstrip()):
        term = _TERM.match(text, at)
        if term is None:
            raise ConfigError(f"the template cannot read '{{{{ {text} }}}}'")
        path, number, name, _ = term.groups()
        if path is not None and field is None:
            field = _field(path)
        elif name in ("toJSON", "truncate"):
            steps.append((name, -1))
        elif number is not None and steps and steps[-1] == ("truncate", -1):
            steps[-1] = ("truncate", int(number))
        elif term[4] is None:
            raise ConfigError(f"the template does not know '{term[0].strip()}' in '{text}'")
        at = term.end()
    if field is None or ("truncate", -1) in steps:
        raise ConfigError(f"the template cannot read '{{{{ {text} }}}}'")
    return Expression(field, tuple(steps))


def _field(path: str) -> Field:
    first, *inside = path[1:].split(".")
    key = _FIELDS.get(first.replace("_", "").lower())
    if key is None:
        raise ConfigError(f"the template asks for .{first}, which hooks are not told")
    return Field(key, tuple(inside))


def _filled(nodes: Sequence[Node], values: Mapping[str, JSON]) -> list[str]:
    texts: list[str] = []
    for node in nodes:
        match node:
            case str():
                texts.append(node)
            case Expression():
                texts.append(_text(_value(node, values)))
            case Choice(condition=condition, then=then, otherwise=otherwise):
                texts += _filled(then if _value(condition, values) else otherwise, values)
    return texts


def _value(expression: Expression, values: Mapping[str, JSON]) -> JSON:
    value: JSON = values.get(expression.field.key)
    for name in expression.field.inside:
        value = cast(dict[str, JSON], value).get(name) if isinstance(value, dict) else None
    for step, number in expression.steps:
        value = _json(value) if step == "toJSON" else _text(value)[:number]
    return value


def _text(value: JSON) -> str:
    match value:
        case None:
            return ""
        case str():
            return value
        case _:
            return _json(value)


def _json(value: JSON) -> str:
    return msgspec.json.encode(value).decode()
