"""The bytes of an agent file to a tree that knows its lines, whatever is wrong with them said
clearly."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from docker_agent.config.beside import LARGEST, read_beside
from docker_agent.config.compose import MarkedError
from docker_agent.config.excerpt import BadSyntax
from docker_agent.config.tree import Node, Raw, Table
from docker_agent.config.yaml_text import read_yaml
from docker_agent.errors import ConfigError

Touched = Callable[[Path], None]


def unwatched(path: Path) -> None:
    """Nobody wants to know."""


_ASSIGNMENT = re.compile(r"^[a-z_]+[ \t]*=", re.MULTILINE)
_HCL_BLOCK = re.compile(r'(?:agent|model|provider|mcp|rag|metadata|permissions|toolsets)[ \t]+["{]')


def decode(
    data: bytes, name: str, directory: Path | None = None, touched: Touched = unwatched
) -> Raw:
    """The top-level mapping of an agent file; `name` is what messages call it, `directory` where
    it lies, None when that is not on this machine. `touched` is told of files that are read beside.

    YAML, of which only the first document counts, JSON or HCL. Raises `ConfigError` for text that
    is none of them, duplicate keys, circular aliases, and what is too large or nested too deep.
    """
    text = _text(data, name)
    try:
        node = _read_hcl(text, directory, touched) if looks_like_hcl(name, text) else _read(text)
    except BadSyntax as exc:
        raise ConfigError(f"{name}:{exc.line}:{exc.column}: {exc}") from None
    except MarkedError as exc:
        raise ConfigError(f"{name}:{exc.line}: {exc}") from None
    raw = Raw(name, "", node)
    if raw.is_null:
        return raw.with_node(Table(raw.line, {}))
    if not isinstance(node, Table):
        hint = " (HCL? name it .hcl)" if _ASSIGNMENT.search(text) else ""
        raise raw.error(f"is {raw.kind}; an agent file is a mapping with a key 'agents'{hint}")
    return raw


def looks_like_hcl(name: str, text: str) -> bool:
    """Whether a file is HCL, by its name or its first line. Source: agent-file.md §1.1."""
    if name.lower().endswith(".hcl"):
        return True
    for line in text.split("\n"):
        stripped = line.strip()
        if stripped and not stripped.startswith(("#", "//")):
            return not stripped.endswith(":") and _HCL_BLOCK.match(stripped) is not None
    return False


def _read_hcl(text: str, directory: Path | None, touched: Touched) -> Node:
    from docker_agent.config.hcl_text import read_hcl

    def read_file(path: str) -> str:
        if directory is not None and "\0" not in path:
            touched(directory / path)
        return read_beside(path, directory)

    return read_hcl(text, read_file)


def _text(data: bytes, name: str) -> str:
    if len(data) > LARGEST:
        raise ConfigError(f"{name}: the file has {len(data)} bytes; at most {LARGEST} are allowed")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as exc:
        line = data.count(b"\n", 0, exc.start) + 1
        byte = f"0x{data[exc.start]:02x}"
        raise ConfigError(
            f"{name}:{line}: the file is no UTF-8 text (byte {byte}); save it as UTF-8"
        ) from None
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _read(text: str) -> Node:
    try:
        return read_yaml(text) or Table(1, {})
    except BadSyntax as exc:
        if not text.lstrip().startswith(("{", "[")):
            raise
        from docker_agent.config.json_text import NotJSON, read_json

        try:
            return read_json(text)
        except NotJSON:
            raise exc from None
