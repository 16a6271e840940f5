"""Chat Completions, requests: what of a question and of the settings goes over the wire."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from docker_agent.messages import (
    JSON,
    AssistantMessage,
    AudioPart,
    FilePart,
    Format,
    ImagePart,
    Message,
    Opaque,
    Sampling,
    SystemMessage,
    TextPart,
    ToolCall,
    ToolChoice,
    ToolMessage,
    UserMessage,
)
from docker_agent.models.openai_messages import openai_messages, sampling_fields
from docker_agent.models.port import Ask
from tests.models.talking import HI, TOOLS, told
from tests.requirements import requirement
from tests.scripted.heard import Model
from tests.scripted.model import Scripted

pytestmark = pytest.mark.anyio

MESSAGES: dict[str, tuple[Message, list[JSON]]] = {
    "system": (SystemMessage("be"), [{"role": "system", "content": "be"}]),
    "user": (UserMessage("hi"), [{"role": "user", "content": "hi"}]),
    "named": (UserMessage("hi", name="ann"), [{"role": "user", "content": "hi", "name": "ann"}]),
    "written by us": (UserMessage("go", implicit=True), [{"role": "user", "content": "go"}]),
    "parts": (
        UserMessage(
            (
                TextPart("see"),
                ImagePart("data:image/png;base64,AA", "low"),
                ImagePart("https://a.test/b.png"),
                AudioPart("AA", "wav"),
                FilePart("a.pdf", "data:application/pdf;base64,AA"),
                FilePart(file_id="file-1"),
            )
        ),
        [
            {
                "role": "user",
                "content": [
                    {"type": "text", "text": "see"},
                    {
                        "type": "image_url",
                        "image_url": {"url": "data:image/png;base64,AA", "detail": "low"},
                    },
                    {"type": "image_url", "image_url": {"url": "https://a.test/b.png"}},
                    {"type": "input_audio", "input_audio": {"data": "AA", "format": "wav"}},
                    {
                        "type": "file",
                        "file": {
                            "filename": "a.pdf",
                            "file_data": "data:application/pdf;base64,AA",
                        },
                    },
                    {"type": "file", "file": {"file_id": "file-1"}},
                ],
            }
        ],
    ),
    "assistant": (
        AssistantMessage("a", reasoning="hidden", opaque=(Opaque("x", "y", "z"),), agent="root"),
        [{"role": "assistant", "content": "a"}],
    ),
    "assistant that said nothing": (AssistantMessage("", reasoning="hm"), []),
    "assistant with a call": (
        AssistantMessage("", calls=(ToolCall("c1", "f", '{"a": 1}'), ToolCall("c2", "g", ""))),
        [
            {
                "role": "assistant",
                "content": None,
                "tool_calls": [
                    {
                        "id": "c1",
                        "type": "function",
                        "function": {"name": "f", "arguments": '{"a": 1}'},
                    },
                    {"id": "c2", "type": "function", "function": {"name": "g", "arguments": "{}"}},
                ],
            }
        ],
    ),
    "tool": (
        ToolMessage("c1", "4", is_error=True),
        [{"role": "tool", "tool_call_id": "c1", "content": "4"}],
    ),
    "tool with a picture": (
        ToolMessage("c1", "see below", parts=(ImagePart("data:x"),)),
        [
            {"role": "tool", "tool_call_id": "c1", "content": "see below"},
            {
                "role": "user",
                "content": [
                    {"type": "text", "text": "Attached content of the tool result above:"},
                    {"type": "image_url", "image_url": {"url": "data:x"}},
                ],
            },
        ],
    ),
}


@requirement("models:chat:messages")
@pytest.mark.parametrize(("message", "wired"), MESSAGES.values(), ids=MESSAGES.keys())
async def test_every_kind_of_message_has_its_form(
    scripted: Scripted, model: Model, message: Message, wired: list[JSON]
) -> None:
    """agent-file.md §3.2.3: empty assistant messages are left out, pictures follow their result."""
    await told(scripted, model, Ask((message, *HI.messages)))
    assert model.heard[0].messages == [*wired, {"role": "user", "content": "hi"}]


@requirement("models:chat:merge")
def test_neighbours_of_one_role_are_merged_for_strict_templates() -> None:
    """agent-file.md §3.2.1: system and user messages, joined by a line break; nothing else."""
    picture = UserMessage((TextPart("p"),))
    messages = (
        SystemMessage("s1"),
        SystemMessage("s2"),
        UserMessage("u1", name="ann"),
        UserMessage("u2"),
        AssistantMessage("a1"),
        AssistantMessage("a2"),
        UserMessage("u3"),
        picture,
        UserMessage("u4"),
        UserMessage("u5"),
    )
    merged = openai_messages(messages, merge=True)
    assert [(one["role"], one["content"]) for one in merged] == [
        ("system", "s1\ns2"),
        ("user", "u1\nu2"),
        ("assistant", "a1"),
        ("assistant", "a2"),
        ("user", "u3"),
        ("user", [{"type": "text", "text": "p"}]),
        ("user", "u4\nu5"),
    ]
    assert len(openai_messages(messages, merge=False)) == len(messages)


SAMPLINGS: dict[str, tuple[Sampling, Sampling, dict[str, JSON]]] = {
    "nothing": (Sampling(), Sampling(), {}),
    "the file's": (
        Sampling(temperature=0.0, top_p=0.5, seed=0, frequency_penalty=0.0),
        Sampling(),
        {"temperature": 0.0, "top_p": 0.5, "seed": 0, "frequency_penalty": 0.0},
    ),
    "the client's over the file's": (
        Sampling(temperature=0.1, presence_penalty=1.0),
        Sampling(temperature=0.0, stop=("a", "b")),
        {"temperature": 0.0, "presence_penalty": 1.0, "stop": ["a", "b"]},
    ),
    "all a client may ask": (
        Sampling(),
        Sampling(
            reasoning_effort="low",
            verbosity="high",
            logit_bias={"5": 1.5},
            user="u",
            safety_identifier="s",
            prompt_cache_key="p",
            service_tier="flex",
        ),
        {
            "reasoning_effort": "low",
            "verbosity": "high",
            "logit_bias": {"5": 1.5},
            "user": "u",
            "safety_identifier": "s",
            "prompt_cache_key": "p",
            "service_tier": "flex",
        },
    ),
    "a client may ask for fewer tokens": (
        Sampling(max_tokens=100),
        Sampling(max_tokens=10),
        {"max_tokens": 10},
    ),
    "a client may not ask for more": (
        Sampling(max_tokens=100),
        Sampling(max_tokens=1000),
        {"max_tokens": 100},
    ),
    "tokens of a client alone": (Sampling(), Sampling(max_tokens=7), {"max_tokens": 7}),
    "parallel calls without tools": (Sampling(parallel_tool_calls=True), Sampling(), {}),
}


@requirement("models:chat:sampling")
@pytest.mark.parametrize(("declared", "asked", "fields"), SAMPLINGS.values(), ids=SAMPLINGS.keys())
async def test_sampling_is_the_clients_within_the_files(
    scripted: Scripted, model: Model, declared: Sampling, asked: Sampling, fields: dict[str, JSON]
) -> None:
    """chat-server.md §3: applied within the limits of the agent file."""
    await told(scripted, model, Ask(HI.messages, sampling=asked), sampling=declared)
    body = model.heard[0].body
    always = {"model", "stream", "stream_options", "messages"}
    assert {key: value for key, value in body.items() if key not in always} == fields


samplings = st.builds(
    Sampling,
    temperature=st.none() | st.floats(0, 2),
    max_tokens=st.none() | st.integers(1, 100),
    seed=st.none() | st.integers(0, 9),
    parallel_tool_calls=st.none() | st.booleans(),
)


@requirement("models:chat:sampling")
@given(samplings, samplings, st.booleans(), st.booleans())
def test_no_null_is_sent_and_no_cap_is_raised(
    declared: Sampling, asked: Sampling, newer: bool, tools: bool
) -> None:
    """chat-server.md §3; agent-file.md §3.2.3."""
    name = "max_completion_tokens" if newer else "max_tokens"
    fields = sampling_fields(declared, asked, output_field=name, tools=tools)
    assert None not in fields.values()
    assert {"max_tokens", "max_completion_tokens"} & fields.keys() <= {name}
    caps = [cap for cap in (declared.max_tokens, asked.max_tokens) if cap is not None]
    assert fields.get(name) == (min(caps) if caps else None)
    assert tools or "parallel_tool_calls" not in fields


@requirement("models:chat:sampling")
async def test_newer_models_have_another_name_for_the_cap(scripted: Scripted, model: Model) -> None:
    """agent-file.md §3.2.3: `max_completion_tokens` for the Responses set."""
    ask = Ask(HI.messages, sampling=Sampling(max_tokens=5))
    await told(scripted, model, ask, output_field="max_completion_tokens")
    assert model.heard[0].body["max_completion_tokens"] == 5
    assert "max_tokens" not in model.heard[0].body


@requirement("models:chat:tools")
@pytest.mark.parametrize(
    ("choice", "wired"),
    [
        (ToolChoice(), "auto"),
        (ToolChoice("none"), "none"),
        (ToolChoice("required"), "required"),
        (ToolChoice("function", "f"), {"type": "function", "function": {"name": "f"}}),
    ],
)
async def test_tools_are_offered_with_a_choice(
    scripted: Scripted, model: Model, choice: ToolChoice, wired: JSON
) -> None:
    """agent-file.md §3.2.3: function tools, a description always, the choice said outright."""
    ask = Ask(HI.messages, TOOLS, choice)
    await told(scripted, model, ask, sampling=Sampling(parallel_tool_calls=False))
    body = model.heard[0].body
    assert body["tool_choice"] == wired
    assert body["parallel_tool_calls"] is False
    assert [tool["type"] for tool in body["tools"]] == ["function", "function"]
    assert [tool["function"]["name"] for tool in body["tools"]] == ["f", "g"]
    assert [tool["function"]["description"] for tool in body["tools"]] == ["Does f.", "Function g"]
    assert body["tools"][0]["function"]["parameters"] == {
        "type": "object",
        "properties": {"a": {"type": ["integer", "null"]}},
        "required": ["a"],
        "additionalProperties": False,
    }


@requirement("models:chat:tools")
async def test_without_tools_nothing_is_said_of_them(scripted: Scripted, model: Model) -> None:
    """agent-file.md §3.2.3: some servers refuse a choice without tools."""
    ask = Ask(HI.messages, choice=ToolChoice("required"))
    await told(scripted, model, ask, sampling=Sampling(parallel_tool_calls=True))
    assert not {"tools", "tool_choice", "parallel_tool_calls"} & model.heard[0].body.keys()


@requirement("models:chat:format")
@pytest.mark.parametrize(
    ("format", "wired"),
    [
        (Format("json_object"), {"type": "json_object"}),
        (
            Format("json_schema", "n", {"type": "object"}),
            {"type": "json_schema", "json_schema": {"name": "n", "schema": {"type": "object"}}},
        ),
        (
            Format("json_schema", "n", {"type": "object"}, "d", False),
            {
                "type": "json_schema",
                "json_schema": {
                    "name": "n",
                    "schema": {"type": "object"},
                    "description": "d",
                    "strict": False,
                },
            },
        ),
    ],
)
async def test_the_shape_of_the_answer_is_asked_for(
    scripted: Scripted, model: Model, format: Format, wired: JSON
) -> None:
    """chat-server.md §3: `response_format`; a schema goes as the client wrote it."""
    await told(scripted, model, Ask(HI.messages, format=format))
    assert model.heard[0].body["response_format"] == wired


@requirement("models:chat:settings")
async def test_settings_reach_the_provider(scripted: Scripted, model: Model) -> None:
    """agent-file.md §3.2.1: usage is asked for unless the file says no; headers and extras go."""
    await told(scripted, model, headers={"Authorization": "Bearer k", "X-A": "b"})
    body, headers = model.heard[0].body, model.heard[0].headers
    assert body["stream_options"] == {"include_usage": True}
    assert (headers["authorization"], headers["x-a"]) == ("Bearer k", "b")
    assert headers["content-type"] == "application/json"
    result = await told(scripted, model, track_usage=False, extra={"top_k": 5}, merge=True)
    assert model.heard[1].body["top_k"] == 5
    assert "stream_options" not in model.heard[1].body
    assert result.reply.usage.prompt == 0
