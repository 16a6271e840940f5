"""Tool schemas as OpenAI's API wants them: cases, and the law for any schema."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import cast

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from docker_agent.messages import JSON
from docker_agent.models.json_schema import normalized
from tests.requirements import requirement

EMPTY: dict[str, JSON] = {
    "type": "object",
    "properties": {},
    "required": [],
    "additionalProperties": False,
}


ITEMS_UNKNOWN = {"type": "object"}
"""What the items of an array are said to be that says nothing of them."""


def closed(properties: dict[str, JSON], **more: JSON) -> dict[str, JSON]:
    """An object schema as it must be."""
    return {
        "type": "object",
        "properties": properties,
        "required": sorted(properties),
        "additionalProperties": False,
        **more,
    }


def optional(schema: JSON) -> dict[str, JSON]:
    """Parameters with one optional property `a`."""
    return {"properties": {"a": schema}}


CASES: dict[str, tuple[dict[str, JSON], dict[str, JSON]]] = {
    "nothing": ({}, EMPTY),
    "a type that is no object": ({"type": "string"}, EMPTY),
    "required and optional": (
        {"properties": {"b": {"type": "string"}, "a": {"type": "integer"}}, "required": ["b"]},
        closed({"b": {"type": "string"}, "a": {"type": ["integer", "null"]}}),
    ),
    "nullable already": (
        optional({"type": ["string", "null"]}),
        closed({"a": {"type": ["string", "null"]}}),
    ),
    "null alone": (optional({"type": "null"}), closed({"a": {"type": "null"}})),
    "several types": (
        optional({"type": ["string", "integer"]}),
        closed({"a": {"type": ["string", "integer", "null"]}}),
    ),
    "an enum": (
        optional({"type": "string", "enum": ["x"]}),
        closed({"a": {"type": ["string", "null"], "enum": ["x", None]}}),
    ),
    "an enum without type": (
        optional({"enum": ["x"]}),
        closed({"a": {"anyOf": [{"enum": ["x"]}, {"type": "null"}]}}),
    ),
    "a reference": (
        optional({"$ref": "#/$defs/x"}),
        closed({"a": {"anyOf": [{"$ref": "#/$defs/x"}, {"type": "null"}]}}),
    ),
    "no type": (
        {**optional({"description": "d"}), "required": ["a"]},
        closed({"a": {"type": "object", "description": "d", "additionalProperties": False}}),
    ),
    "format goes": (
        {**optional({"type": "string", "format": "uri"}), "required": ["a"]},
        closed({"a": {"type": "string"}}),
    ),
    "a property called format": (
        {"properties": {"format": {"type": "string"}}, "required": ["format"]},
        closed({"format": {"type": "string"}}),
    ),
    "an array without items": (
        {**optional({"type": "array"}), "required": ["a"]},
        closed(
            {"a": {"type": "array", "items": {"type": "object"}}},
        ),
    ),
    "an open object": ({"additionalProperties": True}, EMPTY),
    "a map": (
        {**optional({"additionalProperties": {"type": "string"}}), "required": ["a"]},
        closed({"a": {"type": "object", "additionalProperties": {"type": "string"}}}),
    ),
    "objects inside": (
        {
            "properties": {"a": {"type": "array", "items": optional({"type": "string"})}},
            "required": ["a"],
        },
        closed({"a": {"type": "array", "items": closed({"a": {"type": ["string", "null"]}})}}),
    ),
    "choices": (
        {**optional({"anyOf": [{"type": "string"}, {"properties": {}}]}), "required": ["a"]},
        closed({"a": {"anyOf": [{"type": "string"}, {**EMPTY}]}}),
    ),
    "definitions": (
        {"$defs": {"x": {"properties": {"b": {"type": "string"}}}}},
        {**EMPTY, "$defs": {"x": closed({"b": {"type": ["string", "null"]}})}},
    ),
    "required nobody has": ({"required": ["b", 7, ["c"]]}, EMPTY),
    "required beside those there are": (
        {**optional({"type": "string"}), "required": ["a", "b", ["c"]]},
        closed({"a": {"type": "string"}}),
    ),
    "malformed parts stay": (
        {"properties": {"a": True}, "required": "a"},
        closed({"a": True}),
    ),
}


@requirement("models:schema:cases")
@pytest.mark.parametrize(("schema", "wanted"), CASES.values(), ids=CASES.keys())
def test_a_schema_is_written_as_openai_wants_it(
    schema: dict[str, JSON], wanted: dict[str, JSON]
) -> None:
    """agent-file.md §3.2.3: closed, all required, formerly optional ones nullable."""
    before = copy.deepcopy(schema)
    assert normalized(schema) == wanted
    assert schema == before


names = st.sampled_from(["a", "b", "format", "type", "items", "properties"])
leaves: st.SearchStrategy[JSON] = st.sampled_from(
    [
        {"type": "string"},
        {"type": "string", "format": "date"},
        {"type": "integer", "minimum": 0},
        {"type": ["string", "null"]},
        {"type": "string", "enum": ["x", "y"]},
        {"type": "array"},
        {"description": "anything"},
        {"const": 1},
        {"type": "boolean", "default": True},
    ]
)
openness = st.sampled_from([None, True, False])


def an_object(
    properties: dict[str, JSON], required: list[str], more: bool | None
) -> dict[str, JSON]:
    """An object schema."""
    schema: dict[str, JSON] = {
        "type": "object",
        "properties": properties,
        "required": [name for name in required if name in properties],
    }
    return schema if more is None else {**schema, "additionalProperties": more}


def objects_of(inner: st.SearchStrategy[JSON]) -> st.SearchStrategy[dict[str, JSON]]:
    """Object schemas whose properties are `inner`."""
    properties = st.dictionaries(names, inner, max_size=3)
    return st.builds(an_object, properties, st.lists(names, unique=True, max_size=4), openness)


def schemas_of(inner: st.SearchStrategy[JSON]) -> st.SearchStrategy[JSON]:
    """Schemas of every kind around `inner`."""

    def array(items: JSON) -> JSON:
        return {"type": "array", "items": items}

    def choice(options: list[JSON]) -> JSON:
        return {"anyOf": options}

    def table(values: JSON) -> JSON:
        return {"type": "object", "additionalProperties": values}

    return st.one_of(
        objects_of(inner),
        inner.map(array),
        st.lists(inner, min_size=1, max_size=2).map(choice),
        inner.map(table),
    )


schemas: st.SearchStrategy[JSON] = st.recursive(leaves, schemas_of, max_leaves=8)


@requirement("models:schema:law")
@settings(deadline=None)
@given(objects_of(schemas))
def test_every_object_is_closed_and_requires_all_it_has(schema: dict[str, JSON]) -> None:
    """agent-file.md §3.2.3: at every depth; the given schema is not changed."""
    before = copy.deepcopy(schema)
    result = normalized(schema)
    assert schema == before
    for node in _nodes(result):
        kind = node.get("type")
        if kind in ("object", ["object", "null"]) and node != ITEMS_UNKNOWN:
            more = node["additionalProperties"]
            assert more is False or isinstance(more, dict)
            assert node.get("required", []) == sorted(node.get("properties", {}))
        if kind in ("array", ["array", "null"]):
            assert isinstance(node["items"], dict)
        assert "format" not in node
    jsonschema.Draft202012Validator.check_schema(result)


@requirement("models:schema:law")
@settings(deadline=None)
@given(st.dictionaries(st.sampled_from("abc"), leaves, max_size=3), st.sets(st.sampled_from("abc")))
def test_an_absent_argument_may_be_sent_as_null(
    properties: dict[str, JSON], required: set[str]
) -> None:
    """agent-file.md §3.2.3: what was optional stays possible to leave open."""
    known = sorted(required & properties.keys())
    result = normalized({"type": "object", "properties": properties, "required": known})
    for name in properties.keys() - required:
        jsonschema.validate(None, result["properties"][name])


def _nodes(schema: JSON) -> Iterator[dict[str, JSON]]:
    """All schemas in a schema."""
    if isinstance(schema, dict):
        node = cast(dict[str, JSON], schema)
        yield node
        for key in ("items", "additionalProperties"):
            yield from _nodes(node.get(key))
        for inner in (*node.get("properties", {}).values(), *node.get("anyOf", [])):
            yield from _nodes(inner)
