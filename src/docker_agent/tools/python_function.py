"""A plain typed Python function as a tool: its schema comes from the hints, its words from the
docstring."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Annotated, Any, TypeVar, get_args, get_origin, get_type_hints

import msgspec
from msgspec import UNSET

from docker_agent.errors import ConfigError
from docker_agent.messages import JSON, ToolSpec
from docker_agent.tools.arguments import Parameters
from docker_agent.tools.port import CallContext

Function = Callable[..., Any]
"""Sync or async; answers with text, with anything JSON can say, or with a `ToolResult`."""

MAX_NAME = 64
"""Characters of a tool's name that providers accept."""

_HINTS = "__docker_agent_hints__"
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,63}")
_SECTION = re.compile(r"^(?:Args|Arguments|Parameters):?\s*$")
_OTHER_SECTION = re.compile(r"^[A-Z][A-Za-z ]*:\s*$|^-{3,}\s*$")
_GOOGLE = re.compile(r"^\s+\*{0,2}(\w+)\s*(?:\([^)]*\))?:\s*(.+)$")
_SPHINX = re.compile(r"^\s*:param\s+(?:[\w.\[\], |]+\s+)?(\w+):\s*(.+)$")
_PLAIN = (bool, int, float, str)

Tool = TypeVar("Tool", bound=Function)


class Hints(msgspec.Struct, frozen=True):
    """What the author of a function says of it; None: as the function is called, and unknown."""

    name: str | None = None
    read_only: bool = False
    destructive: bool = False


def hints(
    *, name: str | None = None, read_only: bool = False, destructive: bool = False
) -> Callable[[Tool], Tool]:
    """Say more of a function than its signature does: another `name` for models, that it only
    reads (then it runs in every safety mode but `strict`), or that it destroys."""

    def mark(function: Tool) -> Tool:
        setattr(function, _HINTS, Hints(name, read_only, destructive))
        return function

    return mark


class PythonTool:
    """One function as a tool. `takes_context` names the parameter that is given the `CallContext`:
    the one annotated so; models do not see it.

    Raises `ConfigError` for a signature that no model could fill.
    """

    def __init__(self, function: Function) -> None:
        self.function = function
        self._said: Hints = getattr(function, _HINTS, Hints())
        self.name = self._said.name or getattr(function, "__name__", "")
        if not _NAME.fullmatch(self.name):
            raise ConfigError(f"{self.name!r} is no name for a tool; use letters, digits, _ and -")
        self.takes_context = ""
        shape = self._shape()
        try:
            self._parameters = Parameters(shape)
        except TypeError as exc:
            raise ConfigError(
                f"{self.name}(): a type hint cannot be told to a model: {exc}"
            ) from exc
        self.spec = ToolSpec(
            self.name,
            _told(inspect.getdoc(function) or "") or f"Call {self.name}.",
            self._parameters.schema,
            read_only=self._said.read_only,
            destructive=self._said.destructive,
            open_world=True,
            category="python",
            keeps_time=True,
            tidy=self._parameters.tidy,
        )

    def arguments(self, written: Mapping[str, JSON], context: CallContext) -> dict[str, Any]:
        """What the function is called with. Raises `ToolError` that names the argument."""
        filled = self._parameters.read(written)
        found = {
            name: value
            for name in filled.__struct_fields__
            if (value := getattr(filled, name)) is not UNSET
        }
        return {**found, self.takes_context: context} if self.takes_context else found

    def _shape(self) -> type[msgspec.Struct]:
        function = self.function
        try:
            annotated = get_type_hints(function, include_extras=True)
        except Exception as exc:
            raise ConfigError(f"{self.name}(): a type hint cannot be read: {exc}") from exc
        words = dict(_parameter_words(inspect.getdoc(function) or ""))
        fields: list[tuple[str, Any] | tuple[str, Any, Any]] = []
        for parameter in inspect.signature(function).parameters.values():
            hint = annotated.get(parameter.name, Any)
            if hint is CallContext:
                self.takes_context = parameter.name
                continue
            if parameter.kind not in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY):
                raise ConfigError(
                    f"{self.name}(): '{parameter}' has no name of its own; give each parameter one"
                )
            hint = _with_words(hint, words.get(parameter.name, ""))
            if parameter.default is parameter.empty:
                fields.append((parameter.name, hint))
            elif parameter.default is None or isinstance(parameter.default, _PLAIN):
                fields.append((parameter.name, hint, parameter.default))
            else:
                fields.append((parameter.name, hint | msgspec.UnsetType, UNSET))
        required = [field for field in fields if len(field) == 2]
        rest = [field for field in fields if len(field) == 3]
        return msgspec.defstruct("Arguments", [*required, *rest], frozen=True, kw_only=True)


def _with_words(hint: Any, words: str) -> Any:  # noqa: ANN401 - any hint a parameter may have
    """The hint with a description: that of the docstring, or a plain text among its annotations."""
    described = any(
        isinstance(each, msgspec.Meta) and each.description
        for each in getattr(hint, "__metadata__", ())
    )
    if get_origin(hint) is Annotated:
        inner, *rest = get_args(hint)
        texts = [each for each in rest if isinstance(each, str)]
        metas = [each for each in rest if isinstance(each, msgspec.Meta)]
        words = words or " ".join(texts)
        hint = inner
        for meta in metas:
            hint = Annotated[hint, meta]
    if words and not described:
        return Annotated[hint, msgspec.Meta(description=words)]
    return hint


def _told(doc: str) -> str:
    """A docstring without its list of parameters."""
    kept: list[str] = []
    inside = False
    for line in doc.splitlines():
        if _SECTION.match(line):
            inside = True
        elif inside and _OTHER_SECTION.match(line) and not line.startswith("-"):
            inside = False
            kept.append(line)
        elif not inside and not _SPHINX.match(line):
            kept.append(line)
    return "\n".join(kept).strip()


def _parameter_words(doc: str) -> Iterator[tuple[str, str]]:
    """What a docstring says of each parameter: `name: words` below `Args:`, or `:param name:`."""
    inside = False
    for line in doc.splitlines():
        if found := _SPHINX.match(line):
            yield found[1], found[2].strip()
        elif _SECTION.match(line):
            inside = True
        elif inside and (found := _GOOGLE.match(line)):
            yield found[1], found[2].strip()
