"""HCL text to our tree: blocks become the mappings and lists that YAML would have. Source:
agent-file.md §1.2."""

from __future__ import annotations

from types import MappingProxyType

from lark import Token, Tree

from docker_agent.config.compose import MOST_DEPTH, MarkedError
from docker_agent.config.hcl_expression import (
    ReadFile,
    Reading,
    Scope,
    already_defined,
)
from docker_agent.config.hcl_grammar import first_token, parse, parts
from docker_agent.config.tree import Items, Node, Scalar, Table

_MAPS = MappingProxyType(
    {
        "agent": "agents",
        "model": "models",
        "provider": "providers",
        "mcp": "mcps",
        "command": "commands",
        "skill": "skills",
        "rag": "rag",
        "shell": "shell",
        "toolsets": "toolsets",
    }
)
"""Blocks with a label, and the mapping they are entries of."""
_LISTS = MappingProxyType(
    {
        "hook": "hooks",
        "strategy": "strategies",
        **{
            name: name
            for name in (
                *("post_edit", "routing", "pre_tool_use", "post_tool_use", "session_start"),
                *("session_end", "permission_request", "tool_response_transform"),
            )
        },
    }
)
"""Blocks without a label, and the list they are elements of."""
_SINGLE = frozenset(
    (
        *("permissions", "metadata", "hooks", "fallback", "cache", "structured_output", "skills"),
        *("lifecycle", "remote", "oauth", "api_config", "rag_config", "thinking_budget"),
        *("task_budget", "defer", "fusion", "reranking", "chunking", "database"),
    )
)
"""Blocks without a label that stand once."""


def read_hcl(text: str, read_file: ReadFile) -> Node:
    """The tree of an HCL file. `read_file` answers `file(path)`.

    Raises `BadSyntax` with an excerpt, and `MarkedError` for what is wrong with blocks and
    expressions.
    """
    (body,) = parts(parse(text))
    reading = Reading(read_file)
    return _Body(Scope(reading, text), body, 0).table(1)


class _Body:
    """What stands between two braces, as a mapping under way."""

    def __init__(self, scope: Scope, tree: Tree[Token], depth: int) -> None:
        self._scope = scope
        self._tree = tree
        self._depth = depth
        self._entries: dict[str, tuple[Scalar, Node]] = {}
        self._maps: dict[str, dict[str, tuple[Scalar, Node]]] = {}
        self._lists: dict[str, list[Node]] = {}
        self._lines: dict[str, int] = {}

    def table(self, line: int) -> Table:
        """The mapping."""
        if self._depth > MOST_DEPTH // 2:
            raise MarkedError(line, f"blocks are nested more than {MOST_DEPTH // 2} levels deep")
        for each in parts(self._tree):
            if each.data == "attribute":
                name, value = parts(each)
                key, at = first_token(name), self._scope.line(each)
                self._claim(key, at)
                self._entries[key] = (Scalar(at, key), self._scope.node(value))
            else:
                self._block(each)
        for key, entries in self._maps.items():
            at = self._lines[key]
            self._entries[key] = (Scalar(at, key), Table(at, entries))
        for key, nodes in self._lists.items():
            at = self._lines[key]
            self._entries[key] = (Scalar(at, key), Items(at, tuple(nodes)))
        return Table(line, self._entries)

    def _block(self, tree: Tree[Token]) -> None:
        head, *labels, body = parts(tree)
        name, line = first_token(head), self._scope.line(tree)
        texts = [self._label(label) for label in labels]
        _check_labels(name, len(texts), line)
        inside = _Body(self._scope, body, self._depth + 1).table(line)
        if name == "toolset":
            self._append("toolsets", _typed(inside, texts[0], line))
        elif name in _LISTS:
            self._append(_LISTS[name], inside)
        elif texts:
            self._add(_MAPS.get(name, name), texts[0], inside)
        else:
            self._claim(name, line)
            self._entries[name] = (Scalar(line, name), inside)

    def _label(self, tree: Tree[Token]) -> str:
        if tree.data != "string":
            return first_token(tree)
        found = self._scope.quoted(tree)
        if any(part.kind != "text" for part in found):
            raise MarkedError(self._scope.line(tree), "a label is a plain text, without ${ }")
        return "".join(part.text for part in found)

    def _claim(self, key: str, line: int) -> None:
        """Note that `key` is set at `line`. Raises `MarkedError` when it was already."""
        if key in self._lines:
            raise already_defined(line, key, self._lines[key])
        self._lines[key] = line

    def _add(self, key: str, name: str, value: Table) -> None:
        """An entry of the mapping `key`."""
        if key not in self._maps:
            self._claim(key, value.line)
        entries = self._maps.setdefault(key, {})
        if name in entries:
            raise already_defined(value.line, name, entries[name][0].line)
        entries[name] = (Scalar(value.line, name), value)

    def _append(self, key: str, value: Table) -> None:
        """An element of the list `key`."""
        if key not in self._lists:
            self._claim(key, value.line)
        self._lists.setdefault(key, []).append(value)


def _check_labels(name: str, count: int, line: int) -> None:
    if name == "toolset" or name in _MAPS:
        if count != 1:
            raise MarkedError(line, f'{name!r} takes one label: {name} "name" {{ … }}')
    elif count and (name in _LISTS or name in _SINGLE):
        raise MarkedError(line, f"{name!r} takes no label: {name} {{ … }}")
    elif count > 1:
        raise MarkedError(line, f"{name!r} has {count} labels; a block has at most one")


def _typed(toolset: Table, label: str, line: int) -> Table:
    if "type" in toolset.entries:
        raise already_defined(toolset.entries["type"][0].line, "type", line)
    return Table(line, {"type": (Scalar(line, "type"), Scalar(line, label)), **toolset.entries})
