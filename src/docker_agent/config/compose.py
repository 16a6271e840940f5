"""Parse events of YAML to our tree: anchors, merges, duplicate keys, depth and size, checked with
lines."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec
import yaml

from docker_agent.config.tree import Items, Node, Scalar, Table
from docker_agent.errors import ConfigError

MOST_DEPTH = 64
MOST_NODES = 250_000
"""Values in a file, each use of an alias counted anew."""

_TAGS_OF_PLAIN = frozenset(f"tag:yaml.org,2002:{kind}" for kind in ("null", "bool", "int", "float"))


class MarkedError(ConfigError):
    """Something wrong at a line of a file whose name is not known here."""

    def __init__(self, line: int, message: str) -> None:
        super().__init__(message)
        self.line = line


class _Anchored(msgspec.Struct, frozen=True):
    """A finished node; `size` and `height` are its values and levels, aliases inside counted
    anew."""

    node: Node
    size: int = 1
    height: int = 0


class _Frame:
    """An open list or mapping; `nodes` of a mapping are keys and values in turn."""

    __slots__ = ("anchor", "height", "is_table", "line", "nodes", "size")

    def __init__(self, line: int, anchor: str | None, *, is_table: bool) -> None:
        self.line = line
        self.anchor = anchor
        self.is_table = is_table
        self.nodes: list[Node] = []
        self.size = 1
        self.height = 1


class _Composer:
    """Builds one document. `_anchors` hold what was anchored; None while it is still open."""

    def __init__(self) -> None:
        self._frames: list[_Frame] = []
        self._anchors: dict[str, _Anchored | None] = {}
        self._count = 0
        self.root: Node | None = None

    def take(self, event: yaml.Event) -> None:
        """Add what `event` brings."""
        line = event.start_mark.line + 1
        match event:
            case yaml.ScalarEvent():
                self._add(_Anchored(_scalar(event, line)), event.anchor)
                self._grow(1, line)
            case yaml.CollectionStartEvent():
                if len(self._frames) >= MOST_DEPTH:
                    raise _too_deep(line)
                if event.anchor:
                    self._anchors[event.anchor] = None
                is_table = isinstance(event, yaml.MappingStartEvent)
                self._frames.append(_Frame(line, event.anchor, is_table=is_table))
                self._grow(1, line)
            case yaml.CollectionEndEvent():
                frame = self._frames.pop()
                done = _Anchored(_close(frame), frame.size, frame.height)
                self._add(done, frame.anchor)
            case yaml.AliasEvent():
                known = self._resolve(event.anchor, line)
                self._add(known, None)
                self._grow(known.size, line)
            case _:
                pass

    def _resolve(self, anchor: str, line: int) -> _Anchored:
        if anchor not in self._anchors:
            raise MarkedError(line, f"the alias *{anchor} has no anchor &{anchor} before it")
        known = self._anchors[anchor]
        if known is None:
            raise MarkedError(line, f"the alias *{anchor} stands inside its own anchor")
        if len(self._frames) + known.height > MOST_DEPTH:
            raise _too_deep(line)
        return known

    def _grow(self, size: int, line: int) -> None:
        self._count += size
        if self._count > MOST_NODES:
            raise MarkedError(line, f"the file has more than {MOST_NODES} values")

    def _add(self, done: _Anchored, anchor: str | None) -> None:
        if anchor:
            self._anchors[anchor] = done
        if not self._frames:
            self.root = done.node
            return
        frame = self._frames[-1]
        frame.nodes.append(done.node)
        frame.size += done.size
        frame.height = max(frame.height, done.height + 1)


def compose(events: Iterable[yaml.Event]) -> Node | None:
    """The first document of a stream of events; None when it is empty.

    Raises `MarkedError`, and whatever `events` raises.
    """
    composer = _Composer()
    for event in events:
        if isinstance(event, yaml.DocumentEndEvent):
            break
        composer.take(event)
    return composer.root


def _too_deep(line: int) -> MarkedError:
    return MarkedError(line, f"is nested more than {MOST_DEPTH} levels deep")


def _scalar(event: yaml.ScalarEvent, line: int) -> Scalar:
    plain = not event.style and event.tag is None
    return Scalar(line, event.value, plain or event.tag in _TAGS_OF_PLAIN)


def _close(frame: _Frame) -> Node:
    if not frame.is_table:
        return Items(frame.line, tuple(frame.nodes))
    pairs = iter(frame.nodes)
    return table(frame.line, zip(pairs, pairs, strict=True))


def table(line: int, pairs: Iterable[tuple[Node, Node]]) -> Table:
    """A mapping of keys and values in the order of the file, merges done.

    Raises `MarkedError` for a key that is no text, is there twice, or merges what cannot be merged.
    """
    entries: dict[str, tuple[Scalar, Node]] = {}
    merges: list[Table] = []
    merge_line = 0
    for key, value in pairs:
        if not isinstance(key, Scalar):
            raise MarkedError(key.line, "a key must be a text, not a list or a mapping")
        if key.plain and key.text == "<<":
            if merge_line:
                raise _duplicate(key, merge_line)
            merge_line = key.line
            merges = _merged(value, key.line)
        elif key.text in entries:
            raise _duplicate(key, entries[key.text][0].line)
        else:
            entries[key.text] = (key, value)
    for merged in merges:
        for name, entry in merged.entries.items():
            entries.setdefault(name, entry)
    return Table(line, entries)


def _duplicate(key: Scalar, first: int) -> MarkedError:
    return MarkedError(key.line, f"the key {key.text!r} is already defined at line {first}")


def _merged(value: Node, line: int) -> list[Table]:
    found = list(value.items) if isinstance(value, Items) else [value]
    tables = [node for node in found if isinstance(node, Table)]
    if len(tables) < len(found):
        raise MarkedError(line, "'<<' merges a mapping or a list of mappings, nothing else")
    return tables
