"""What a file says, with the line of each thing: the tree between text and declared shapes."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any, TypeAlias

import msgspec

from docker_agent.config.scalars import Value, resolve
from docker_agent.errors import ConfigError

_PLAIN_KEY = re.compile(r"[A-Za-z0-9_/:@-]+")


class Scalar(msgspec.Struct, frozen=True, gc=False):
    """One text; `plain` when it stood without quotes or tag, so that it may mean a number."""

    line: int
    text: str
    plain: bool = False

    @property
    def value(self) -> Value:
        """None, a bool, a number or the text, by the YAML 1.2 core schema."""
        return resolve(self.text) if self.plain else self.text


class Items(msgspec.Struct, frozen=True):
    """A list."""

    line: int
    items: tuple[Node, ...]


class Table(msgspec.Struct, frozen=True):
    """A mapping in the order of the file; each entry is its key, as written, and its value."""

    line: int
    entries: Mapping[str, tuple[Scalar, Node]]


Node: TypeAlias = "Scalar | Items | Table"


class Raw(msgspec.Struct, frozen=True, eq=False):
    """A part of a file that knows where it stands: `path` is like `agents.root.toolsets[0]`."""

    file: str
    path: str
    node: Node

    def __repr__(self) -> str:
        return f"Raw({self.file}:{self.line}: {self.path})"

    @property
    def line(self) -> int:
        """The line it begins on, from 1."""
        return self.node.line

    @property
    def is_null(self) -> bool:
        """Whether it is `null`, which means absent."""
        return isinstance(self.node, Scalar) and self.node.value is None

    @property
    def kind(self) -> str:
        """What it is, in words for people: `a list`, `true or false`…"""
        match self.node:
            case Items():
                return "a list"
            case Table():
                return "a mapping"
            case Scalar() as scalar:
                return _KINDS[type(scalar.value)]

    def plain(self) -> Any:  # noqa: ANN401 - it is JSON
        """The same as plain Python data: None, bool, int, float, str, list or dict."""
        return plain(self.node)

    def error(self, message: str, *, line: int | None = None) -> ConfigError:
        """`file:line: path: message`."""
        place = f"{self.file}:{line or self.line}: " if self.file else ""
        return ConfigError(f"{place}{self.path}: {message}" if self.path else f"{place}{message}")

    def key_error(self, key: str, message: str) -> ConfigError:
        """An error at the key of a mapping, or at the mapping when it has no such key."""
        entry = self.node.entries.get(key) if isinstance(self.node, Table) else None
        line = entry[0].line if entry else self.line
        return Raw(self.file, child_path(self.path, key), self.node).error(message, line=line)

    def get(self, key: str) -> Raw | None:
        """The value under `key`; None when this is no mapping, or the key is absent or null."""
        if not isinstance(self.node, Table) or key not in self.node.entries:
            return None
        found = Raw(self.file, child_path(self.path, key), self.node.entries[key][1])
        return None if found.is_null else found

    def items(self) -> Iterator[tuple[str, Raw]]:
        """The entries of a mapping, nulls too; nothing when it is none."""
        if isinstance(self.node, Table):
            for key, (_, value) in self.node.entries.items():
                yield key, Raw(self.file, child_path(self.path, key), value)

    def key_marks(self) -> Iterator[tuple[str, Scalar]]:
        """The keys of a mapping with the place of each; nothing when it is none."""
        if isinstance(self.node, Table):
            for key, (mark, _) in self.node.entries.items():
                yield key, mark

    def children(self) -> Iterator[Raw]:
        """The values of a mapping or the elements of a list; nothing when it is neither."""
        yield from (value for _, value in self.items())
        yield from self.elements()

    def elements(self) -> Iterator[Raw]:
        """The elements of a list; nothing when it is none."""
        if isinstance(self.node, Items):
            for index, value in enumerate(self.node.items):
                yield Raw(self.file, f"{self.path}[{index}]", value)

    def with_defaults(self, other: Raw) -> Raw:
        """This mapping with the entries of `other` it does not set itself."""
        if not isinstance(self.node, Table) or not isinstance(other.node, Table):
            return self
        own = {key: entry for key, entry in self.node.entries.items() if not _is_null(entry[1])}
        return self.with_node(Table(self.line, {**other.node.entries, **own}))

    def only(self, keys: Collection[str]) -> Raw:
        """This mapping with none but `keys`."""
        return self._filtered(lambda key: key in keys)

    def without(self, *keys: str) -> Raw:
        """This mapping with all but `keys`."""
        return self._filtered(lambda key: key not in keys)

    def _filtered(self, keep: Callable[[str], bool]) -> Raw:
        if not isinstance(self.node, Table):
            return self
        kept = {key: entry for key, entry in self.node.entries.items() if keep(key)}
        return self.with_node(Table(self.line, kept))

    def with_value(self, key: str, value: Node) -> Raw:
        """This mapping with `value` under `key`."""
        if not isinstance(self.node, Table):
            return self
        entries = self.node.entries
        mark = entries[key][0] if key in entries else Scalar(value.line, key)
        return self.with_node(Table(self.line, {**entries, key: (mark, value)}))

    def with_node(self, node: Node) -> Raw:
        """Another value at the same place."""
        return Raw(self.file, self.path, node)


NOWHERE = Raw("", "", Table(0, {}))
"""The place of what no file declares."""


class Placed(msgspec.Struct, frozen=True, kw_only=True):
    """A declared thing that remembers its part of the file."""

    source: Raw = NOWHERE

    def error(self, message: str, key: str = "") -> ConfigError:
        """`file:line: path.key: message`, for something wrong with this thing or one of its
        keys."""
        if not key or not isinstance(self.source.node, Table):
            return self.source.error(message)
        found = self.source.get(key)
        return found.error(message) if found else self.source.key_error(key, message)


def child_path(path: str, key: str) -> str:
    """The path of `key` inside `path`."""
    if not _PLAIN_KEY.fullmatch(key):
        quoted = msgspec.json.encode(key).decode()
        return f"{path}[{quoted}]"
    return f"{path}.{key}" if path else key


_KINDS = {
    type(None): "null",
    bool: "true or false",
    int: "a number",
    float: "a number",
    str: "a text",
}


def _is_null(node: Node) -> bool:
    return isinstance(node, Scalar) and node.value is None


def plain(node: Node) -> Any:  # noqa: ANN401 - it is JSON
    """A part of a tree as plain Python data, its lines forgotten."""
    match node:
        case Scalar():
            return node.value
        case Items():
            return [plain(item) for item in node.items]
        case Table():
            return {key: plain(value) for key, (_, value) in node.entries.items()}
