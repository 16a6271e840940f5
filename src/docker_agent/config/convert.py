"""Strict conversion of a part of a file into a declared Struct: every error says file, line, path
and what would be right."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from itertools import islice
from types import MappingProxyType, UnionType
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin

import msgspec

from docker_agent.config import readers
from docker_agent.config.marks import BY_NAME, DERIVED, DURATION, ONE_OR_MANY, REST, Word
from docker_agent.config.tree import Items, Placed, Raw, Scalar, Table, child_path
from docker_agent.errors import ConfigError

Shape = TypeVar("Shape", bound=msgspec.Struct)
Reader = Callable[[Raw], Any]
"""Gives the value that a part of a file stands for; raises `ConfigError`."""

MOST_ERRORS = 10
"""Lines of complaint that one error holds."""
_ALIKE = 0.65
"""How much alike two words must be for one to be meant by the other, of 1: `retry` is meant as
`retries`, `budgets` not as `agents`."""
_ELSEWHERE = MappingProxyType({"headers": ("provider_opts", "http_headers")})
"""Keys that are looked for beside a mapping in which they stand under another name."""
_FEW_KEYS = 14


def convert(raw: Raw, shape: type[Shape]) -> Shape:
    """`raw` as a `shape`; null and absent keys take its defaults.

    A scalar is accepted where a text is expected, and is its text as written; a text is no number
    and no bool; a single value is no list. Fields may be annotated with the marks of
    `config.marks` and with `msgspec.Meta` bounds. Raises `ConfigError` with one line for each of
    the first problems.
    """
    result = _struct_reader(shape)(raw)
    assert isinstance(result, shape)
    return result


def convert_as(raw: Raw, hint: Any) -> Any:  # noqa: ANN401 - any hint a field may have
    """`raw` as a field of type `hint` would read it."""
    return reader(hint)(raw)


def together(problems: Iterable[ConfigError]) -> ConfigError:
    """One error that says the first of all of them, a line each."""
    every = (text for problem in problems for text in problem.problems)
    first = tuple(islice(every, MOST_ERRORS))
    return ConfigError("\n".join(first), problems=first)


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """`; did you mean 'shell'?`, or nothing when no known word is close."""
    close = difflib.get_close_matches(word, list(known), n=1, cutoff=_ALIKE)
    return f"; did you mean {close[0]!r}?" if close else ""


@cache
def reader(hint: Any) -> Reader:  # noqa: ANN401 - any hint a field may have
    """What reads values of type `hint`."""
    origin = get_origin(hint)
    if origin is Annotated:
        return _annotated_reader(*get_args(hint))
    if origin in (Union, UnionType):
        return _union_reader(get_args(hint))
    if origin is tuple:
        return _tuple_reader(reader(get_args(hint)[0]))
    if origin is Literal:
        return readers.word_reader(get_args(hint))
    if isinstance(hint, type) and issubclass(hint, msgspec.Struct):
        return _identity if hint is Raw else _struct_reader(hint)
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return _mapping_reader(get_args(hint)[1])
    return readers.SCALARS[hint]


def _identity(raw: Raw) -> Raw:
    return raw


def _annotated_reader(hint: Any, *marks: object) -> Reader:  # noqa: ANN401 - as `reader`
    if BY_NAME in marks:
        return _named_reader(get_args(hint)[0])
    read = readers.duration if DURATION in marks else reader(hint)
    if ONE_OR_MANY in marks:
        read = _one_or_many(read)
    for mark in marks:
        if isinstance(mark, msgspec.Meta):
            read = readers.bounded(read, mark)
        elif isinstance(mark, Word):
            read = readers.checked_text(mark.read)
    return read


def _one_or_many(many: Reader) -> Reader:
    def read(raw: Raw) -> Any:  # noqa: ANN401 - as `reader`
        if isinstance(raw.node, Table):
            return many(raw.with_node(Items(raw.line, (raw.node,))))
        return many(raw)

    return read


def _tuple_reader(element: Reader) -> Reader:
    def read(raw: Raw) -> tuple[Any, ...]:
        if not isinstance(raw.node, Items):
            raise raw.error(f"is {raw.kind}; a list is expected")
        found: list[Any] = []
        problems: list[ConfigError] = []
        for item in raw.elements():
            if len(problems) >= MOST_ERRORS:
                break
            try:
                if item.is_null:
                    raise item.error("is empty; leave it out")
                found.append(element(item))
            except ConfigError as exc:
                problems.append(exc)
        if problems:
            raise together(problems)
        return tuple(found)

    return read


def _mapping_reader(hint: Any) -> Reader:  # noqa: ANN401 - as `reader`
    element = reader(hint)
    fills_null = isinstance(hint, type) and issubclass(hint, msgspec.Struct) and hint is not Raw

    def read(raw: Raw) -> dict[str, Any]:
        if not isinstance(raw.node, Table):
            raise raw.error(f"is {raw.kind}; a mapping is expected")
        found: dict[str, Any] = {}
        problems: list[ConfigError] = []
        for key, value in raw.items():
            if len(problems) >= MOST_ERRORS:
                break
            try:
                if not value.is_null:
                    found[key] = element(value)
                elif fills_null:
                    found[key] = element(value.with_node(Table(value.line, {})))
            except ConfigError as exc:
                problems.append(exc)
        if problems:
            raise together(problems)
        return found

    return read


def _named_reader(shape: type[msgspec.Struct]) -> Reader:
    read_all = _mapping_reader(shape)

    def read(raw: Raw) -> tuple[msgspec.Struct, ...]:
        if isinstance(raw.node, Table):
            for key, _ in raw.node.entries.values():
                if not isinstance(key.value, str):
                    text = (
                        f"{key.text!r} is no name; agent names must be texts, so put it in quotes"
                    )
                    raise raw.error(text, line=key.line)
        found = read_all(raw)
        return tuple(msgspec.structs.replace(each, name=name) for name, each in found.items())

    return read


def _union_reader(hints: tuple[Any, ...]) -> Reader:
    members = [hint for hint in hints if hint is not type(None)]
    if len(members) == 1:
        return reader(members[0])
    by_kind: dict[type, list[tuple[Any, Reader]]] = {Scalar: [], Items: [], Table: []}
    for hint in members:
        by_kind[_node_kind(hint)].append((_bare(hint), reader(hint)))
    scalars = dict(by_kind[Scalar])
    others = {kind: found[0][1] for kind, found in by_kind.items() if found and kind is not Scalar}
    words = [readers.WORDS[hint] for hint in scalars]
    words += [{Items: "a list", Table: "a mapping"}[kind] for kind in others]

    def read(raw: Raw) -> Any:  # noqa: ANN401 - as `reader`
        if isinstance(raw.node, Scalar):
            value = type(raw.node.value)
            for hint in (value, float if value is int else value, str):
                if hint in scalars:
                    return scalars[hint](raw)
        elif type(raw.node) in others:
            return others[type(raw.node)](raw)
        raise raw.error(f"is {raw.kind}; {' or '.join(words)} is expected")

    return read


def _bare(hint: Any) -> Any:  # noqa: ANN401 - as `reader`
    hint = get_args(hint)[0] if get_origin(hint) is Annotated else hint
    return str if get_origin(hint) is Literal else hint


def _node_kind(hint: Any) -> type:  # noqa: ANN401 - as `reader`
    bare = _bare(hint)
    if bare in readers.SCALARS:
        return Scalar
    return Items if get_origin(bare) is tuple else Table


class _Fields:
    """What a Struct declares, as the keys of a mapping."""

    def __init__(self, shape: type[msgspec.Struct]) -> None:
        self.readers: dict[str, tuple[str, Reader]] = {}
        self.required: list[str] = []
        self.rest = ""
        for field in msgspec.structs.fields(shape):
            marks = get_args(field.type)[1:] if get_origin(field.type) is Annotated else ()
            if REST in marks:
                self.rest = field.name
            elif DERIVED not in marks and not (
                issubclass(shape, Placed) and field.name == "source"
            ):
                self.readers[field.encode_name] = (field.name, reader(field.type))
                if field.required:
                    self.required.append(field.encode_name)

    def unknown(self, raw: Raw, key: str, line: int) -> ConfigError:
        hint = did_you_mean(key, self.readers)
        inside, name = _ELSEWHERE.get(key, ("", ""))
        if inside in self.readers:
            hint = f"; did you mean '{inside}.{name}'?"
        elif not hint and len(self.readers) <= _FEW_KEYS:
            hint = f"; the keys here are {', '.join(self.readers)}"
        return raw.error(f"unknown key {key!r}{hint}", line=line)


@cache
def _struct_reader(shape: type[msgspec.Struct]) -> Reader:
    fields = _Fields(shape)
    placed = issubclass(shape, Placed)

    def read(raw: Raw) -> msgspec.Struct:
        if not isinstance(raw.node, Table):
            raise raw.error(f"is {raw.kind}; a mapping is expected")
        values: dict[str, Any] = {"source": raw} if placed else {}
        problems: list[ConfigError] = []
        rest: dict[str, Any] = {}
        for key, (mark, node) in raw.node.entries.items():
            if len(problems) >= MOST_ERRORS:
                break
            if key not in fields.readers:
                if fields.rest:
                    rest[key] = (mark, node)
                else:
                    problems.append(fields.unknown(raw, key, mark.line))
                continue
            name, read_value = fields.readers[key]
            value = Raw(raw.file, child_path(raw.path, key), node)
            try:
                if not value.is_null:
                    values[name] = read_value(value)
            except ConfigError as exc:
                problems.append(exc)
        missing = [key for key in fields.required if raw.get(key) is None]
        problems += [raw.error(f"the key {key!r} is missing") for key in missing]
        if problems:
            raise together(problems)
        if fields.rest:
            values[fields.rest] = raw.with_node(Table(raw.line, rest))
        return shape(**values)

    return read
