"""Tool schemas as Gemini's API reads them."""

from __future__ import annotations

import copy

import pytest
from hypothesis import given
from hypothesis import strategies as st

from docker_agent.messages import JSON
from docker_agent.models.gemini_schema import MAX_NODES, gemini_schema
from tests.requirements import requirement
from tests.scripted.gemini_rules import SCHEMA, TYPES

PROPERTIES: dict[str, tuple[JSON, JSON]] = {
    "plain": ({"type": "integer", "minimum": 1}, {"type": "integer", "minimum": 1}),
    "a list of types": (
        {"type": ["null", "integer", "string"]},
        {"type": "integer", "nullable": True},
    ),
    "a list of one type": ({"type": ["string"]}, {"type": "string"}),
    "null alone": ({"type": "null"}, {"type": "string", "nullable": True}),
    "enum": ({"enum": ["a", "b"]}, {"type": "string", "enum": ["a", "b"]}),
    "enum of numbers": (
        {"type": "integer", "enum": [1, 2]},
        {"type": "string", "enum": ["1", "2"]},
    ),
    "enum with null": (
        {"type": ["string", "null"], "enum": ["a", None, ""]},
        {"type": "string", "enum": ["a"], "nullable": True},
    ),
    "enum of nothing": ({"type": "string", "enum": []}, {"type": "string"}),
    "enum of booleans": ({"type": "boolean", "enum": [True]}, {"type": "boolean"}),
    "const": ({"const": "a"}, {"type": "string", "enum": ["a"]}),
    "unknown keys": (
        {
            "type": "string",
            "description": "d",
            "examples": ["x"],
            "exclusiveMinimum": 1,
            "$comment": "c",
            "format": "uuid",
        },
        {"type": "string", "description": "d"},
    ),
    "a format it knows": (
        {"type": "string", "format": "date-time"},
        {"type": "string", "format": "date-time"},
    ),
    "no type": ({}, {"type": "string"}),
    "true": (True, {"type": "string"}),
    "array": (
        {"type": "array", "items": {"type": ["integer", "null"]}, "maxItems": 2},
        {"type": "array", "items": {"type": "integer", "nullable": True}, "maxItems": 2},
    ),
    "array of anything": (
        {"type": "array", "items": True},
        {"type": "array", "items": {"type": "string"}},
    ),
    "a list without a type": (
        {"items": {"type": "number"}},
        {"type": "array", "items": {"type": "number"}},
    ),
    "object": (
        {
            "type": "object",
            "properties": {"b": {"type": "string"}, "a": {"type": "string"}},
            "required": ["c", "a"],
            "additionalProperties": False,
        },
        {
            "type": "object",
            "properties": {"b": {"type": "string"}, "a": {"type": "string"}},
            "required": ["a"],
        },
    ),
    "an object of anything": (
        {"type": "object", "additionalProperties": {"type": "string"}},
        {"type": "object"},
    ),
    "an option": (
        {"anyOf": [{"type": "integer"}, {"type": "null"}], "description": "d"},
        {"type": "integer", "nullable": True, "description": "d"},
    ),
    "options": (
        {"oneOf": [{"type": "integer"}, {"type": "string"}, {"type": "null"}]},
        {"anyOf": [{"type": "integer"}, {"type": "string"}], "nullable": True},
    ),
    "all of": (
        {
            "allOf": [
                {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]},
                {"properties": {"b": {"type": "string"}}, "required": ["b"]},
            ]
        },
        {
            "type": "object",
            "properties": {"a": {"type": "string"}, "b": {"type": "string"}},
            "required": ["a", "b"],
        },
    ),
    "a reference": (
        {"$ref": "#/$defs/named", "description": "d"},
        {"type": "integer", "description": "d"},
    ),
    "a reference to nothing": ({"$ref": "#/$defs/none"}, {"type": "string"}),
    "a circle": (
        {"$ref": "#/$defs/tree"},
        {
            "type": "object",
            "properties": {"next": {"type": "array", "items": {"type": "object"}}},
        },
    ),
    "a reference to itself": ({"$ref": "#/$defs/self"}, {"type": "string"}),
}
DEFINITIONS: JSON = {
    "named": {"type": "integer", "description": "other"},
    "tree": {
        "type": "object",
        "properties": {"next": {"type": "array", "items": {"$ref": "#/$defs/tree"}}},
    },
    "self": {"$ref": "#/$defs/self"},
}


@requirement("models:gemini:schema")
@pytest.mark.parametrize(("given", "wanted"), PROPERTIES.values(), ids=PROPERTIES.keys())
def test_a_property_becomes_one_the_api_knows(given: JSON, wanted: JSON) -> None:
    """agent-file.md §3.2.3: the first type that is not null, values of enums as texts."""
    schema: JSON = {"type": "object", "properties": {"p": given}, "$defs": DEFINITIONS}
    before = copy.deepcopy(schema)
    assert gemini_schema(schema) == {"type": "object", "properties": {"p": wanted}}
    assert schema == before


@requirement("models:gemini:schema")
@pytest.mark.parametrize("schema", [{}, {"type": "object"}, {"type": "object", "properties": {}}])
def test_a_tool_without_parameters_declares_none(schema: JSON) -> None:
    """models/gemini_schema.py: the API refuses objects without properties here."""
    assert gemini_schema(schema) is None


@requirement("models:gemini:schema")
def test_references_that_multiply_come_to_an_end() -> None:
    """models/gemini_schema.py: a small schema may not become a huge one."""
    definitions: JSON = {
        f"d{level}": {
            "type": "object",
            "properties": {name: {"$ref": f"#/$defs/d{level + 1}"} for name in "ab"},
        }
        for level in range(40)
    }
    schema = gemini_schema(
        {"properties": {"p": {"$ref": "#/$defs/d0"}}, "$defs": definitions, "type": "object"}
    )
    assert schema is not None
    assert _count(schema) <= 2 * MAX_NODES


def _count(schema: JSON) -> int:
    properties: dict[str, JSON] = schema.get("properties", {})
    return 1 + sum(_count(one) for one in properties.values())


kinds = st.sampled_from([*TYPES, "null", "any", 3, None, ["string", "null"], ["null"], []])
leaves: st.SearchStrategy[JSON] = st.one_of(st.none(), st.booleans(), st.text(max_size=3))
schemas: st.SearchStrategy[JSON] = st.recursive(
    leaves,
    lambda inner: st.fixed_dictionaries(
        {},
        optional={
            "type": kinds,
            "enum": st.one_of(leaves, st.lists(st.one_of(leaves, st.integers()), max_size=3)),
            "const": leaves,
            "items": inner,
            "properties": st.dictionaries(st.sampled_from("ab"), inner, max_size=2),
            "required": st.one_of(leaves, st.lists(leaves, max_size=2)),
            "anyOf": st.lists(inner, max_size=3),
            "allOf": st.lists(inner, max_size=2),
            "$ref": st.sampled_from(["#/$defs/a", "#/$defs/b", "", 3]),
            "format": leaves,
            "additionalProperties": inner,
        },
    ),
    max_leaves=12,
)


@requirement("models:gemini:schema")
@given(schemas, st.dictionaries(st.sampled_from("ab"), schemas, max_size=2))
def test_whatever_comes_in_the_api_can_read_it(schema: JSON, definitions: JSON) -> None:
    """models/gemini_schema.py: one unknown key and the whole request is refused."""
    found = gemini_schema({"properties": {"p": schema}, "$defs": definitions})
    assert found is not None
    _check(found)


def _check(schema: JSON) -> None:
    assert set(schema) <= SCHEMA
    if "anyOf" not in schema:
        assert schema["type"] in TYPES
    assert all(isinstance(value, str) and value for value in schema.get("enum", []))
    assert "enum" not in schema or schema["type"] == "string"
    assert schema.get("type") != "array" or "items" in schema
    properties = schema.get("properties", {})
    assert set(schema.get("required", [])) <= set(properties)
    items = [schema["items"]] if "items" in schema else []
    for one in (*properties.values(), *schema.get("anyOf", []), *items):
        _check(one)
