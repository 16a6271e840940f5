"""Responses, requests: what of a question and of the settings goes over the wire."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from docker_agent.messages import (
    JSON,
    Format,
    Sampling,
    ToolChoice,
    ToolList,
    ToolSpec,
)
from docker_agent.models.http import open_http
from docker_agent.models.openai_responses import ResponsesSettings
from docker_agent.models.openai_responses_messages import (
    sampling_fields,
    takes_any_key,
)
from docker_agent.models.port import Ask, ModelCard
from tests.models.responses.asking import tell, told
from tests.models.talking import HI, TOOLS, Told
from tests.requirements import requirement
from tests.scripted.heard import Model
from tests.scripted.model import Scripted

pytestmark = pytest.mark.anyio

ALWAYS = {"model", "stream", "store", "input"}
HEARD_HI: JSON = {"type": "message", "role": "user", "content": "hi"}
BOTH = Sampling(
    temperature=0.0,
    top_p=0.5,
    user="u",
    safety_identifier="s",
    prompt_cache_key="p",
    service_tier="flex",
)
SAMPLINGS: dict[str, tuple[Sampling, Sampling, dict[str, JSON]]] = {
    "nothing": (Sampling(), Sampling(), {}),
    "what both APIs call alike": (
        BOTH,
        Sampling(),
        {
            "temperature": 0.0,
            "top_p": 0.5,
            "user": "u",
            "safety_identifier": "s",
            "prompt_cache_key": "p",
            "service_tier": "flex",
        },
    ),
    "the client's over the file's": (
        Sampling(temperature=0.1),
        Sampling(temperature=0.0),
        {"temperature": 0.0},
    ),
    "what this API does not have": (
        Sampling(seed=1, frequency_penalty=1.0, presence_penalty=1.0),
        Sampling(stop=("a",), logit_bias={"5": 1.5}),
        {},
    ),
    "an effort": (Sampling(), Sampling(reasoning_effort="low"), {"reasoning": {"effort": "low"}}),
    "verbosity": (
        Sampling(verbosity="low"),
        Sampling(verbosity="high"),
        {"text": {"verbosity": "high"}},
    ),
    "a client may ask for fewer tokens": (
        Sampling(max_tokens=100),
        Sampling(max_tokens=20),
        {"max_output_tokens": 20},
    ),
    "a client may not ask for more": (
        Sampling(max_tokens=100),
        Sampling(max_tokens=1000),
        {"max_output_tokens": 100},
    ),
    "never fewer than the API takes": (
        Sampling(),
        Sampling(max_tokens=1),
        {"max_output_tokens": 16},
    ),
    "parallel calls without tools": (Sampling(parallel_tool_calls=True), Sampling(), {}),
}


@requirement("models:responses:sampling")
@pytest.mark.parametrize(("declared", "asked", "fields"), SAMPLINGS.values(), ids=SAMPLINGS.keys())
async def test_sampling_is_the_clients_within_the_files(
    scripted: Scripted, model: Model, declared: Sampling, asked: Sampling, fields: dict[str, JSON]
) -> None:
    """chat-server.md §3, agent-file.md §3.2.3: only what this API has a field for."""
    await told(scripted, model, Ask(HI.messages, sampling=asked), sampling=declared)
    body = model.heard[0].body
    assert {key: value for key, value in body.items() if key not in ALWAYS} == fields
    assert (body["stream"], body["store"], body["input"]) == (True, False, [HEARD_HI])


@requirement("models:responses:sampling")
async def test_the_cap_leaves_room_in_a_known_window(scripted: Scripted, model: Model) -> None:
    """agent-file.md §3.2.3: clamped to the context window less 1024 tokens."""
    ask = Ask(HI.messages, sampling=Sampling(max_tokens=9000))
    settings = ResponsesSettings(f"{scripted.url}/responses", model.name)
    async with open_http() as http:
        for window in (4096, 100_000, 0):
            await tell(http, settings, ask, Told(), ModelCard("m", "openai", context=window))
    assert [heard.body["max_output_tokens"] for heard in model.heard] == [3072, 9000, 9000]


@requirement("models:responses:thinking")
async def test_a_model_that_thinks_is_asked_for_it(scripted: Scripted, model: Model) -> None:
    """agent-file.md §3.9: a detailed summary, also without a budget; encrypted reasoning."""
    await told(scripted, model, reasons=True)
    await told(scripted, model, reasons=True, sampling=Sampling(reasoning_effort="high"))
    await told(scripted, model)
    bare, high, other = (heard.body for heard in model.heard)
    assert bare["reasoning"] == {"summary": "detailed"}
    assert high["reasoning"] == {"summary": "detailed", "effort": "high"}
    assert bare["include"] == high["include"] == ["reasoning.encrypted_content"]
    assert not {"reasoning", "include"} & other.keys()


samplings = st.builds(
    Sampling,
    temperature=st.none() | st.floats(0, 2),
    max_tokens=st.none() | st.integers(1, 100),
    reasoning_effort=st.none() | st.just("low"),
    parallel_tool_calls=st.none() | st.booleans(),
)


@requirement("models:responses:sampling")
@given(samplings, samplings, st.integers(0, 2000), st.booleans(), st.booleans())
def test_no_null_is_sent_and_no_cap_is_raised(
    declared: Sampling, asked: Sampling, context: int, reasons: bool, tools: bool
) -> None:
    """chat-server.md §3; agent-file.md §3.2.3."""
    fields = sampling_fields(declared, asked, context=context, reasons=reasons, tools=tools)
    assert None not in fields.values()
    caps = [cap for cap in (declared.max_tokens, asked.max_tokens) if cap is not None]
    assert ("max_output_tokens" in fields) is bool(caps)
    assert fields.get("max_output_tokens", 0) <= max(16, *caps, 0)
    assert tools or "parallel_tool_calls" not in fields


@requirement("models:responses:tools")
@pytest.mark.parametrize(
    ("choice", "wired"),
    [
        (ToolChoice(), "auto"),
        (ToolChoice("none"), "none"),
        (ToolChoice("required"), "required"),
        (ToolChoice("function", "f"), {"type": "function", "name": "f"}),
    ],
)
async def test_tools_are_offered_with_a_choice(
    scripted: Scripted, model: Model, choice: ToolChoice, wired: JSON
) -> None:
    """agent-file.md §3.2.3: function tools, strict, a description always, the choice outright."""
    ask = Ask(HI.messages, TOOLS, choice)
    await told(scripted, model, ask, sampling=Sampling(parallel_tool_calls=False))
    body = model.heard[0].body
    assert body["tool_choice"] == wired
    assert body["parallel_tool_calls"] is False
    f, g = body["tools"]
    assert f == {
        "type": "function",
        "name": "f",
        "description": "Does f.",
        "parameters": {
            "type": "object",
            "properties": {"a": {"type": ["integer", "null"]}},
            "required": ["a"],
            "additionalProperties": False,
        },
        "strict": True,
    }
    assert (g["name"], g["description"], g["strict"]) == ("g", "Function g", True)


OPEN: JSON = {"type": "object", "additionalProperties": {"type": "string"}}
SCHEMAS: dict[str, tuple[JSON, bool]] = {
    "empty": ({}, True),
    "closed": ({"type": "object", "additionalProperties": False}, True),
    "open": ({"type": "object", "additionalProperties": True}, False),
    "by a schema": (OPEN, False),
    "by an empty schema": ({"additionalProperties": {}}, False),
    "in a property": ({"properties": {"a": OPEN}}, False),
    "in an item": ({"properties": {"a": {"type": "array", "items": OPEN}}}, False),
    "in a choice": ({"properties": {"a": {"anyOf": [{"type": "null"}, OPEN]}}}, False),
    "in a definition": ({"$defs": {"x": OPEN}, "properties": {"a": {"$ref": "#/$defs/x"}}}, False),
    "a property of that name": (
        {"properties": {"additionalProperties": {"type": "boolean"}}},
        True,
    ),
    "a value of that name": ({"properties": {"a": {"default": OPEN, "enum": [OPEN]}}}, True),
}


@requirement("models:responses:tools")
@pytest.mark.parametrize(("schema", "strict"), SCHEMAS.values(), ids=SCHEMAS.keys())
async def test_a_tool_is_strict_unless_it_takes_any_key(
    scripted: Scripted, model: Model, schema: JSON, strict: bool
) -> None:
    """agent-file.md §3.2.3: no true or schema-form `additionalProperties` anywhere."""
    assert takes_any_key(schema) is not strict
    await told(scripted, model, Ask(HI.messages, ToolList([ToolSpec("f", "", schema)])))
    assert model.heard[0].body["tools"][0]["strict"] is strict


@requirement("models:responses:tools")
async def test_without_tools_nothing_is_said_of_them(scripted: Scripted, model: Model) -> None:
    """agent-file.md §3.2.3: some servers refuse a choice without tools."""
    ask = Ask(HI.messages, choice=ToolChoice("required"))
    await told(scripted, model, ask, sampling=Sampling(parallel_tool_calls=True))
    assert not {"tools", "tool_choice", "parallel_tool_calls"} & model.heard[0].body.keys()


SHAPE: JSON = {"type": "object"}


@requirement("models:responses:format")
@pytest.mark.parametrize(
    ("format", "wired"),
    [
        (Format("json_object"), {"type": "json_object"}),
        (
            Format("json_schema", "n", SHAPE),
            {"type": "json_schema", "name": "n", "schema": SHAPE},
        ),
        (
            Format("json_schema", "n", SHAPE, "d", False),
            {
                "type": "json_schema",
                "name": "n",
                "schema": SHAPE,
                "description": "d",
                "strict": False,
            },
        ),
    ],
)
async def test_the_shape_of_the_answer_is_asked_for(
    scripted: Scripted, model: Model, format: Format, wired: JSON
) -> None:
    """chat-server.md §3: `response_format` is `text.format` here, beside the verbosity."""
    ask = Ask(HI.messages, format=format, sampling=Sampling(verbosity="low"))
    await told(scripted, model, ask)
    assert model.heard[0].body["text"] == {"verbosity": "low", "format": wired}
