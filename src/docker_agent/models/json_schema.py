"""Tool schemas as OpenAI's API wants them. Pure. Source: agent-file.md §3.2.3, runtime.md §8.5."""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

from docker_agent.messages import JSON

_SUB_SCHEMAS = ("items", "additionalProperties", "not", "if", "then", "else")
_SCHEMA_LISTS = ("anyOf", "oneOf", "allOf", "prefixItems")
_SCHEMA_MAPS = ("properties", "$defs", "definitions", "patternProperties")
_SHAPES = ("$ref", "enum", "const", "anyOf", "oneOf", "allOf", "not")


def normalized(schema: Mapping[str, JSON]) -> dict[str, JSON]:
    """The schema of a tool's parameters with every object closed and every property required.

    Formerly optional properties become nullable, nodes without a type objects, arrays without items
    arrays of objects; `format` goes. The given schema is not changed.
    """
    top = _node({**schema, "type": "object"})
    top.setdefault("properties", {})
    top.setdefault("required", [])
    return top


def _node(schema: Mapping[str, JSON]) -> dict[str, JSON]:
    node: dict[str, JSON] = {
        key: _part(key, value) for key, value in schema.items() if key != "format"
    }
    if "type" not in node and not any(shape in node for shape in _SHAPES):
        node["type"] = "object"
    if _is_type(node, "array") and not isinstance(node.get("items"), dict):
        node["items"] = {"type": "object"}
    if _is_type(node, "object"):
        _close(node, schema)
    return node


def _part(key: str, value: JSON) -> JSON:
    if key in _SUB_SCHEMAS and isinstance(value, dict):
        return _node(cast(dict[str, JSON], value)) if value else {}
    if key in _SCHEMA_LISTS and isinstance(value, list):
        return [
            _node(cast(dict[str, JSON], item)) if isinstance(item, dict) else item
            for item in cast(list[JSON], value)
        ]
    if key in _SCHEMA_MAPS and isinstance(value, dict):
        entries = cast(dict[str, JSON], value).items()
        return {
            name: _node(cast(dict[str, JSON], item)) if isinstance(item, dict) else item
            for name, item in entries
        }
    return value


def _close(node: dict[str, JSON], schema: Mapping[str, JSON]) -> None:
    if not isinstance(node.get("additionalProperties"), dict):
        node["additionalProperties"] = False
    properties = node.get("properties")
    if not isinstance(properties, dict):
        node.pop("required", None)
        return
    required = schema.get("required")
    listed = cast(list[JSON], required) if isinstance(required, list) else []
    known = {name for name in listed if isinstance(name, str)}
    named = cast(dict[str, JSON], properties)
    node["properties"] = {
        name: item
        if name in known or not isinstance(item, dict)
        else _nullable(cast(dict[str, JSON], item))
        for name, item in named.items()
    }
    node["required"] = sorted(named)


def _nullable(node: dict[str, JSON]) -> dict[str, JSON]:
    match node.get("type"):
        case "null":
            return node
        case str() as name:
            changed = {**node, "type": [name, "null"]}
        case list():
            listed = cast(list[str], node["type"])
            changed = {**node, "type": listed if "null" in listed else [*listed, "null"]}
        case _:
            return {"anyOf": [node, {"type": "null"}]}
    if isinstance(node.get("enum"), list) and None not in node["enum"]:
        changed["enum"] = [*node["enum"], None]
    return changed


def _is_type(node: Mapping[str, JSON], name: str) -> bool:
    kind = node.get("type")
    return kind == name or (isinstance(kind, list) and name in cast(list[JSON], kind))
