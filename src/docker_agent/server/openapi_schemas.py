"""The schemas of what travels, from the types that decode and encode, with what the types alone do
not say.

A type says what a field is. What the code checks besides (no choice but one, a tool message names
its call, a reply has all its fields) is added here, so that schema and behaviour agree.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, cast

import msgspec

from docker_agent.messages import JSON
from docker_agent.server.errors import ErrorBody
from docker_agent.server.translate import KNOWN_PARTS, MAX_STOPS
from docker_agent.server.wire import ChatRequest, Chunk, Completion, ModelList, ModelObject

Schema = dict[str, JSON]
REF = "#/components/schemas/{name}"
NULL: Schema = {"type": "null"}
INT64 = {"minimum": -(2**63), "maximum": 2**63 - 1}
_SOME_TEXT: Schema = {"type": "string", "minLength": 1}
_DROPPED = ("title", "default")
_INSTRUCTIONS = ["system", "developer", "assistant"]


class Status(msgspec.Struct):
    """What `/health` and `/ready` say when all is well."""

    status: Literal["ok", "ready"]


class About(msgspec.Struct):
    """What `/` says to clients that ask for JSON."""

    name: str
    version: str
    chat_completions: str
    models: str
    openapi: str


REPLIES = (Completion, Chunk, ModelList, ModelObject, ErrorBody, Status, About)


def schemas() -> Schema:
    """All schemas by name."""
    _, found = msgspec.json.schema_components([ChatRequest, *REPLIES], ref_template=REF)
    every: Schema = dict(found)
    _tighten_request(every)
    for kind in REPLIES:
        _require_all(kind, every)
    return every


def _tighten_request(every: Schema) -> None:
    fields = every["ChatRequest"]["properties"]
    for field in fields.values():
        field.pop("default", None)
    fields["messages"] |= {
        "minItems": 1,
        "contains": {"properties": {"role": {"not": {"enum": _INSTRUCTIONS}}}},
        "description": "At least one of them asks something: a user's, or a tool's answer.",
    }
    fields["n"] = {"enum": [1, None]}
    fields["logprobs"] = {"enum": [False, None]}
    fields["top_logprobs"] = NULL
    fields["seed"] = {"anyOf": [{"type": "integer", **INT64}, NULL]}
    for name in ("max_tokens", "max_completion_tokens"):
        fields[name] = {"anyOf": [{"type": "integer", "minimum": 1, "maximum": 2**63 - 1}, NULL]}
    stops = {"type": "array", "items": _SOME_TEXT, "maxItems": MAX_STOPS}
    fields["stop"] = {"anyOf": [_SOME_TEXT, stops, NULL]}
    fields["tool_choice"] = _tool_choice()
    every["WireMessage"] |= {
        "if": {"properties": {"role": {"const": "tool"}}},
        "then": {"properties": {"tool_call_id": _SOME_TEXT}, "required": ["tool_call_id"]},
    }
    part = {"anyOf": [*_parts(), {"type": "string"}]}
    content = every["WireMessage"]["properties"]["content"]
    content["anyOf"] = [
        {"type": "array", "items": part} if choice.get("type") == "array" else choice
        for choice in content["anyOf"]
    ]
    every["ResponseFormat"] |= {
        "if": {"properties": {"type": {"const": "json_schema"}}},
        "then": {
            "properties": {"json_schema": {"$ref": REF.format(name="JsonSchemaFormat")}},
            "required": ["json_schema"],
        },
    }
    every["WireTool"] |= {
        "if": {"properties": {"type": {"enum": ["function", None]}}},
        "then": {"properties": {"function": _function()}, "required": ["function"]},
    }


def _function() -> Schema:
    parameters = {"anyOf": [{"type": "object"}, NULL]}
    return {
        "type": "object",
        "properties": {"name": _SOME_TEXT, "parameters": parameters},
        "required": ["name"],
    }


def _tool_choice() -> Schema:
    named = {"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]}
    return {
        "anyOf": [
            {"enum": ["auto", "none", "required", None]},
            {
                "type": "object",
                "properties": {"type": {"const": "function"}, "function": named},
                "required": ["type", "function"],
            },
            {
                "type": "object",
                "properties": {"type": {"const": "allowed_tools"}},
                "required": ["type"],
            },
        ]
    }


def _parts() -> list[Schema]:
    """Each kind of part, then all others, which pass and are not looked at."""
    known = [_part(kind, names) for kind, names in KNOWN_PARTS.items()]
    names = [name for names in KNOWN_PARTS.values() for name in names]
    other = {
        "type": "object",
        "properties": {"type": {"anyOf": [{"type": "string", "not": {"enum": names}}, NULL]}},
    }
    return [*known, other]


def _part(kind: type[msgspec.Struct], names: tuple[str, ...]) -> Schema:
    (schema,), inner = msgspec.json.schema_components([kind], ref_template="{name}")
    found = _inlined(schema, inner)
    return {
        "type": "object",
        "properties": {"type": {"enum": [*names]}, **found["properties"]},
        "required": ["type", *found["required"]],
    }


def _inlined(schema: JSON, inner: Mapping[str, Any]) -> JSON:
    """A schema with the ones it refers to written out, without titles and defaults."""
    match schema:
        case {"$ref": str(name)}:
            return _inlined(inner[name], inner)
        case dict():
            pairs = cast(Schema, schema).items()
            return {key: _inlined(value, inner) for key, value in pairs if key not in _DROPPED}
        case list():
            return [_inlined(value, inner) for value in cast(list[JSON], schema)]
        case _:
            return schema


def _require_all(kind: type[msgspec.Struct], every: Schema) -> None:
    """A reply has all its fields, but for those that may be left out."""
    schema = every[kind.__name__]
    schema["required"] = [
        field.encode_name
        for field in msgspec.structs.fields(kind)
        if field.default is not msgspec.UNSET
    ]
    for field in schema["properties"].values():
        field.pop("default", None)
    for field in msgspec.structs.fields(kind):
        for inner in _structs_in(field.type):
            _require_all(inner, every)


def _structs_in(found: object) -> list[type[msgspec.Struct]]:
    if isinstance(found, type) and issubclass(found, msgspec.Struct):
        return [found]
    arguments = cast(tuple[object, ...], getattr(cast(object, found), "__args__", ()))
    return [kind for argument in arguments for kind in _structs_in(argument)]
