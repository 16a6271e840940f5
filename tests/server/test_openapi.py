"""The schema and the server agree; replies are OpenAI's. Source: chat-server.md §2, §4,
openai-wire.md."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from jsonschema import Draft202012Validator

from docker_agent.server.errors import ROWS
from docker_agent.server.openapi import ALWAYS, ANSWERED, document
from tests.conftest import Lane
from tests.requirements import requirement
from tests.scripted.client import Response
from tests.scripted.parts import call, fail, say, think, usage

JSON = dict[str, Any]
OPENAI: JSON = json.loads((Path(__file__).parent.parent / "data/openai-replies.json").read_text())
OURS: JSON = msgspec.json.decode(document())
CHAT = "/v1/chat/completions"
USER = {"role": "user", "content": "hi"}
TOOL = {"type": "function", "function": {"name": "f"}}


def problems(root: JSON, name: str, value: JSON) -> list[str]:
    """What a schema of `root` has against a value."""
    schema = {"$ref": f"#/components/schemas/{name}", "components": root["components"]}
    found = Draft202012Validator(schema).iter_errors(value)  # pyright: ignore[reportUnknownMemberType]
    return [f"{error.json_path}: {error.message}" for error in found]


def check(name: str, theirs: str, value: JSON) -> None:
    """The value fits our schema and OpenAI's."""
    assert problems(OURS, name, value) == []
    assert problems(OPENAI, theirs, value) == []


@requirement("chat:2:openapi")
def test_the_document_is_openapi_3_1() -> None:
    """chat-server.md §2: every reference leads somewhere, every schema is one."""
    assert OURS["openapi"] == "3.1.0"
    text = json.dumps(OURS)
    for pointer in {piece.split('"')[0] for piece in text.split('"$ref": "#/')[1:]}:
        place: Any = OURS
        for step in pointer.split("/"):
            place = place[step]
    for schema in OURS["components"]["schemas"].values():
        Draft202012Validator.check_schema(schema)


@requirement("chat:2:openapi", "chat:2:openapi-headers")
def test_every_error_stands_under_its_status_and_every_header_is_named(lane: Lane) -> None:
    """chat-server.md §2: every route, header and error in it."""
    said = {int(name[5:]): found for name, found in OURS["components"]["responses"].items()}
    for row in ROWS.values():
        described = said[row.status]
        assert (row.code or "a field's code") in described["description"]
        assert set(row.headers) - {"connection"} <= set(described["headers"])
    lane.model.script(say("Hi"))
    with lane.client.stream("hi") as stream:
        stream.rest()
    whole = lane.client.chat("hi")
    refused = lane.client.post(CHAT, b"{")
    transport = {"date", "content-type", "content-length", "transfer-encoding", "connection"}
    answered = set(OURS["paths"][CHAT]["post"]["responses"]["200"]["headers"])
    assert answered == {*ALWAYS, *ANSWERED}
    for headers, named in [
        (stream.headers, answered),
        (whole.headers, answered),
        (refused.headers, set(said[400]["headers"])),
    ]:
        assert set(headers) - transport - named == set()


@requirement("chat:4:json", "chat:2:openapi")
def test_whole_replies_are_openais(lane: Lane) -> None:
    """openai-wire.md §5.2: required and nullable fields are there, with and without calls."""
    lane.model.script(think("Hm.") + say("Hi") + usage(10, 5, cached=3, reasoning=2))
    reply = lane.client.chat("hi", metadata={"a": "b"}).json
    check("Completion", "CreateChatCompletionResponse", reply)
    message = reply["choices"][0]["message"]
    assert (message["refusal"], reply["choices"][0]["logprobs"]) == (None, None)
    assert "tool_calls" not in message
    lane.model.script(call("f", {"a": 1}))
    paused = lane.client.chat("hi", tools=[TOOL]).json
    check("Completion", "CreateChatCompletionResponse", paused)
    assert paused["choices"][0]["message"]["content"] is None


@requirement("chat:4:stream", "chat:2:openapi")
@pytest.mark.parametrize("with_usage", [True, False])
def test_chunks_are_openais(lane: Lane, with_usage: bool) -> None:
    """openai-wire.md §5.3: every chunk, those of calls and of usage too."""
    options = {"include_usage": True} if with_usage else None
    for script in (think("Hm.") + say("Hi", " you") + usage(), call("f", {"a": 1})):
        lane.model.script(script)
        with lane.client.stream("hi", tools=[TOOL], stream_options=options) as stream:
            chunks = stream.rest()
        assert len(chunks) > 2
        for chunk in chunks:
            check("Chunk", "CreateChatCompletionStreamResponse", chunk)
            assert ("usage" in chunk) == with_usage


@requirement("chat:2:models", "chat:2:one-error-shape")
def test_models_and_errors_are_openais(lane: Lane) -> None:
    """openai-wire.md §5.4: errors of every kind, in a stream too."""
    check("ModelList", "ListModelsResponse", lane.client.get("/v1/models").json)
    check("ModelObject", "Model", lane.client.get(f"/v1/models/{lane.agent}").json)
    for reply in _failing(lane):
        assert reply.status >= 400
        check("ErrorBody", "ErrorResponse", reply.json)
    lane.model.script(fail(400, "no"))
    with lane.client.stream("hi") as stream:
        check("ErrorBody", "ErrorResponse", stream.rest()[-1])


def _failing(lane: Lane) -> Iterator[Response]:
    client = lane.client
    yield client.post(CHAT, b"{")
    yield client.post(CHAT, {"messages": []})
    yield client.get("/v1/models/nobody")
    yield client.get("/v1/responses")
    yield client.get(CHAT)
    yield client.get("/v1/models", {"Host": "evil.example"})
    yield client.get("/v1/models", {"Origin": "https://evil.example"})
    yield client.request("POST", CHAT, b"x", {"Content-Encoding": "rot13"})
    yield client.request("POST", CHAT, b" " * 2_000_000)
    lane.model.script(fail(500, "no"))
    yield client.chat("hi")


GOOD: list[JSON] = [
    {"messages": [{"role": "whoever"}]},
    {"messages": [USER], "n": 1, "logprobs": False, "top_logprobs": None, "seed": 3.0},
    {"messages": [USER], "max_tokens": 100.0, "stop": [], "tool_choice": "none"},
    {"messages": [USER], "tools": [TOOL, {"type": "custom", "custom": {}}]},
    {"messages": [USER], "tool_choice": {"type": "allowed_tools", "allowed_tools": {}}},
    {"messages": [USER], "response_format": {"type": "text", "json_schema": None}},
    {"messages": [USER, {"role": "tool", "tool_call_id": "x", "content": None}]},
    {"messages": [{"role": "user", "content": ["a", {"type": "text", "text": "b"}]}]},
    {"messages": [{"role": "user", "content": [{"type": "new", "text": 1}, {}]}]},
    {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": "http://x"}]}]},
]
BAD: list[JSON] = [
    {},
    {"messages": []},
    {"messages": [{"role": "system", "content": "x"}, {"role": "assistant"}]},
    {"messages": [{"content": "x"}]},
    {"messages": [USER], "n": 2},
    {"messages": [USER], "logprobs": True},
    {"messages": [USER], "top_logprobs": 0},
    {"messages": [USER], "temperature": 2.1},
    {"messages": [USER], "max_tokens": 0},
    {"messages": [USER], "max_tokens": 1.5},
    {"messages": [USER], "max_tokens": 2**63, "max_completion_tokens": 1},
    {"messages": [USER], "stop": ""},
    {"messages": [USER], "stop": ["a", "b", "c", "d", "e"]},
    {"messages": [USER], "tool_choice": "sometimes"},
    {"messages": [USER], "tools": [{"type": "function"}]},
    {"messages": [USER], "tools": [{"function": {"name": "f", "parameters": []}}]},
    {"messages": [USER], "response_format": {"type": "json_schema"}},
    {"messages": [USER, {"role": "tool", "content": "x"}]},
    {"messages": [{"role": "user", "content": [{"type": "text"}]}]},
    {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": 1}]}]},
]


@requirement("chat:2:openapi", "chat:3:types")
@pytest.mark.parametrize("body", GOOD, ids=json.dumps)
def test_what_the_schema_allows_is_taken(lane: Lane, body: JSON) -> None:
    """chat-server.md §2: generated from the types that decode."""
    assert problems(OURS, "ChatRequest", body) == []
    reply = lane.client.post(CHAT, {"model": lane.agent, **body})
    assert reply.status == 200, reply.text


@requirement("chat:2:openapi", "chat:3:types")
@pytest.mark.parametrize("body", BAD, ids=json.dumps)
def test_what_the_schema_forbids_is_a_400(lane: Lane, body: JSON) -> None:
    """chat-server.md §3: types are checked: 400 with the JSON path in `param`."""
    assert problems(OURS, "ChatRequest", body)
    reply = lane.client.post(CHAT, {"model": lane.agent, **body})
    assert reply.status == 400, reply.text
    assert reply.error["param"]
