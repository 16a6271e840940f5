"""The bytes of an agent file to a tree that knows its lines, whatever is wrong with them said
clearly."""

from __future__ import annotations

import re

from docker_agent.config.compose import MarkedError
from docker_agent.config.tree import Node, Raw, Table
from docker_agent.config.yaml_text import YAMLSyntaxError, read_yaml
from docker_agent.errors import ConfigError

LARGEST = 10 * 1024 * 1024
"""Bytes of an agent file."""

_HCL_BLOCK = re.compile(r'(?:agent|model|provider|mcp|rag|metadata|permissions|toolsets)[ \t]+["{]')


def decode(data: bytes, name: str) -> Raw:
    """The top-level mapping of an agent file; `name` is what messages call it.

    YAML, of which only the first document counts, or JSON. Raises `ConfigError` for text that is
    neither, duplicate keys, circular aliases, HCL, and what is too large or nested too deep.
    """
    text = _text(data, name)
    if looks_like_hcl(name, text):
        raise ConfigError(f"{name}: HCL agent files are not supported yet; write it as YAML")
    try:
        node = _read(text)
    except YAMLSyntaxError as exc:
        raise ConfigError(f"{name}:{exc.line}:{exc.column}: {exc}") from None
    except MarkedError as exc:
        raise ConfigError(f"{name}:{exc.line}: {exc}") from None
    raw = Raw(name, "", node)
    if raw.is_null:
        return raw.with_node(Table(raw.line, {}))
    if not isinstance(node, Table):
        raise raw.error(f"is {raw.kind}; an agent file is a mapping with a key 'agents'")
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
    except YAMLSyntaxError as exc:
        if not text.lstrip().startswith(("{", "[")):
            raise
        from docker_agent.config.json_text import NotJSON, read_json

        try:
            return read_json(text)
        except NotJSON:
            raise exc from None
