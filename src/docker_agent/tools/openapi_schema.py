"""The schemas of OpenAPI documents, made small enough for a model's tool list. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import cast
from urllib.parse import unquote

from docker_agent.messages import JSON

MAX_STEPS = 32
"""References followed one after the other."""

MAX_PARTS = 100
"""Schemas that one schema is made of, as far as they are looked at."""

_TYPES: Mapping[type, str] = {bool: "boolean", int: "integer", float: "number", str: "string"}


def table(node: JSON) -> Mapping[str, JSON]:
    """A mapping as it is; an empty one in place of anything else."""
    return cast(dict[str, JSON], node) if isinstance(node, dict) else {}


def resolved(node: JSON, root: Mapping[str, JSON]) -> JSON:
    """What a node stands for: references inside the document followed; those that lead nowhere,
    out of it or in circles are nothing."""
    for _ in range(MAX_STEPS):
        reference = table(node).get("$ref")
        if not isinstance(reference, str):
            return node
        node = _at(reference, root)
    return None


def listed(node: JSON) -> list[JSON]:
    """A list as it is; an empty one in place of anything else."""
    return cast(list[JSON], node) if isinstance(node, list) else []


def body_properties(
    schema: JSON, root: Mapping[str, JSON]
) -> tuple[dict[str, JSON], frozenset[str]]:
    """The properties of an object that can be sent, those of `allOf` among them, and which of them
    are required."""
    properties: dict[str, JSON] = {}
    required: set[str] = set()
    for part in _parts(schema, root, ("allOf",)):
        required.update(map(str, listed(part.get("required"))))
        for name, each in table(part.get("properties")).items():
            if table(resolved(each, root)).get("readOnly") is not True:
                properties.setdefault(name, each)
    return properties, frozenset(required & properties.keys())


def described(schema: JSON, root: Mapping[str, JSON], description: str) -> dict[str, JSON]:
    """One argument, a level deep: the first type there is, else `string`; `enum`, `default` and
    the description; what a list holds."""
    whole = table(resolved(schema, root))
    kind = _type(whole, root) or "string"
    found: dict[str, JSON] = {"type": kind}
    text = description or whole.get("description")
    if isinstance(text, str) and text:
        found["description"] = text
    found |= {key: whole[key] for key in ("enum", "default") if whole.get(key) is not None}
    if kind == "array":
        items = table(resolved(whole.get("items"), root))
        found["items"] = {"type": _type(items, root) or "string"}
        if isinstance(items.get("enum"), list):
            found["items"]["enum"] = items["enum"]
    return found


def _type(schema: Mapping[str, JSON], root: Mapping[str, JSON]) -> str:
    """The first type of a schema that is not null; empty when it says none."""
    for part in _parts(schema, root, ("allOf", "oneOf", "anyOf")):
        declared = part.get("type")
        for each in listed(declared) or [declared]:
            if isinstance(each, str) and each != "null":
                return each
        for key, kind in (("properties", "object"), ("items", "array")):
            if key in part:
                return kind
        for value in listed(part.get("enum")):
            for python, kind in _TYPES.items():
                if isinstance(value, python):
                    return kind
    return ""


def _parts(
    schema: JSON, root: Mapping[str, JSON], keys: tuple[str, ...]
) -> Iterator[Mapping[str, JSON]]:
    """A schema and those it is made of under `keys`, each once, the nearest to the front first."""
    seen: set[int] = set()
    waiting: list[JSON] = [schema]
    while waiting and len(seen) < MAX_PARTS:
        part = table(resolved(waiting.pop(), root))
        if id(part) not in seen:
            seen.add(id(part))
            yield part
            waiting += [each for key in keys for each in listed(part.get(key))][MAX_PARTS::-1]


def _at(reference: str, root: Mapping[str, JSON]) -> JSON:
    if not reference.startswith("#/"):
        return None
    node: JSON = root
    for step in reference[2:].split("/"):
        key = unquote(step).replace("~1", "/").replace("~0", "~")
        items = listed(node)
        if items:
            node = items[int(key)] if key.isdecimal() and int(key) < len(items) else None
        else:
            node = table(node).get(key)
    return node
