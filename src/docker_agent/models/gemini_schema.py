"""Tool schemas as Gemini's API reads them: a part of OpenAPI's. Pure.

Source: agent-file.md §3.2.3; https://ai.google.dev/api/caching#Schema. One unknown key, or one
number among the values of an enum, and the API refuses the whole request.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import cast

import msgspec

from docker_agent.messages import JSON

MAX_NODES = 5_000
"""Levels and properties of one schema that are written out; references may multiply."""

_KEPT = (
    "title",
    "description",
    "default",
    "minItems",
    "maxItems",
    "minProperties",
    "maxProperties",
    "minLength",
    "maxLength",
    "minimum",
    "maximum",
    "pattern",
)
_FORMATS: Mapping[str, tuple[str, ...]] = {
    "string": ("date-time",),
    "number": ("float", "double"),
    "integer": ("int32", "int64"),
}
_COUNTABLE = ("string", "number", "integer")
_TYPES = ("string", "number", "integer", "boolean", "array", "object")


def gemini_schema(schema: Mapping[str, JSON]) -> dict[str, JSON] | None:
    """The schema of a tool's parameters; None when it takes none. The given one is not changed.

    A list of types becomes its first that is not null, and nullable; values of enums become texts;
    references are put in place; what the API does not know is dropped.
    """
    definitions = {**_map(schema.get("definitions")), **_map(schema.get("$defs"))}
    node = _Reader(definitions).node({**schema, "type": "object"}, ())
    return node if node.get("properties") else None


class _Reader:
    """One schema, with the definitions its references name."""

    def __init__(self, definitions: Mapping[str, JSON]) -> None:
        self._definitions = definitions
        self._left = MAX_NODES

    def node(self, given: Mapping[str, JSON], above: tuple[str, ...]) -> dict[str, JSON]:
        """One level and all below it. `above` are the references it stands in; what leads back to
        one of them is any object."""
        self._left -= 1
        if self._left < 0 or _target(given) in above:
            return {"type": "object"}
        schema, above = self._whole(given, above)
        node = {key: schema[key] for key in _KEPT if schema.get(key) is not None}
        names, nullable = _types(schema)
        every = _maps(schema.get("anyOf")) or _maps(schema.get("oneOf"))
        options = [option for option in every if option.get("type") != "null"]
        if len(options) == 1 and not names:
            node = {**self.node(options[0], above), **node}
        elif options and not names:
            node["anyOf"] = [self.node(option, above) for option in options]
        else:
            self._fill(node, schema, names[0] if names else _guess(schema), above)
        if nullable or len(options) < len(every):
            node["nullable"] = True
        return node

    def _whole(
        self, schema: Mapping[str, JSON], above: tuple[str, ...]
    ) -> tuple[dict[str, JSON], tuple[str, ...]]:
        """The schema with its reference and its `allOf` merged in, and the references used."""
        merged: dict[str, JSON] = {}
        name = _target(schema)
        parts = _maps(schema.get("allOf"))
        if name and name not in above:
            above = (*above, name)
            parts = [_map(self._definitions.get(name)), *parts]
        for part in parts:
            inner, above = self._whole(part, above)
            _merge(merged, inner)
        _merge(merged, {key: schema[key] for key in schema if key not in ("$ref", "allOf")})
        return merged, above

    def _fill(
        self,
        node: dict[str, JSON],
        schema: Mapping[str, JSON],
        name: str,
        above: tuple[str, ...],
    ) -> None:
        """What belongs to a node of the type `name`."""
        node["type"] = name
        values = [schema["const"]] if "const" in schema else schema.get("enum")
        if isinstance(values, list) and name in _COUNTABLE:
            _enumerate(node, cast(list[JSON], values))
        if schema.get("format") in _FORMATS.get(node["type"], ()):
            node["format"] = schema["format"]
        if name == "array":
            items = _map(schema.get("items"))
            node["items"] = self.node(items, above) if items else {"type": "string"}
        if name == "object":
            properties = {
                key: self.node(_map(value), above)
                for key, value in _map(schema.get("properties")).items()
            }
            required = schema.get("required")
            listed = cast(list[JSON], required) if isinstance(required, list) else []
            if properties:
                node["properties"] = properties
            if known := [key for key in properties if key in listed]:
                node["required"] = known


def _target(schema: Mapping[str, JSON]) -> str:
    """The name of the definition a schema refers to; empty without one."""
    reference = schema.get("$ref")
    return reference.rpartition("/")[2] if isinstance(reference, str) else ""


def _merge(into: dict[str, JSON], more: Mapping[str, JSON]) -> None:
    """Lay one schema over another; both keep their properties and what they require."""
    for key, value in more.items():
        if key == "properties":
            value = {**_map(into.get(key)), **_map(value)}
        elif key == "required" and isinstance(value, list) and isinstance(into.get(key), list):
            value = [*into[key], *cast(list[JSON], value)]
        into[key] = value


def _types(schema: Mapping[str, JSON]) -> tuple[list[str], bool]:
    """The types a schema names, without null, and whether null is among them."""
    given = schema.get("type")
    listed: Sequence[JSON] = cast(list[JSON], given) if isinstance(given, list) else [given]
    named = [name for name in listed if name in _TYPES]
    return named, "null" in listed or schema.get("nullable") is True


def _guess(schema: Mapping[str, JSON]) -> str:
    """The type of a schema that names none."""
    if "properties" in schema:
        return "object"
    if "items" in schema:
        return "array"
    return "string"


def _enumerate(node: dict[str, JSON], values: Sequence[JSON]) -> None:
    """Write down the values of an enum; the API takes texts alone, and refuses empty ones."""
    if None in values:
        node["nullable"] = True
    texts = [_text(value) for value in values if value is not None and value != ""]
    if texts:
        node["type"] = "string"
        node["enum"] = texts


def _text(value: JSON) -> str:
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()


def _map(value: JSON) -> Mapping[str, JSON]:
    return cast(dict[str, JSON], value) if isinstance(value, dict) else {}


def _maps(value: JSON) -> list[Mapping[str, JSON]]:
    listed = cast(list[JSON], value) if isinstance(value, list) else []
    return [_map(one) for one in listed if isinstance(one, dict)]
