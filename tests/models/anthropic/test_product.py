"""Agents that think with Claude, through the whole product: HTTP in, the Messages API out."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.conftest import Serve
from tests.harness import Server
from tests.requirements import requirement
from tests.scripted.anthropic import Claude
from tests.scripted.anthropic_parts import overloaded, redacted, reject, sign, tokens
from tests.scripted.client import finish_of, text_of
from tests.scripted.gate import Gate
from tests.scripted.heard import Model
from tests.scripted.parts import call, die, finish, hold, say, think

KEY = "sk-ant-secret"
THINK = [{"type": "think"}]


def agent_file(claude: Claude, model: str, keys: dict[str, Any], agent: dict[str, Any]) -> str:
    """One agent whose model is a scripted Claude."""
    whole = {"provider": "anthropic", "model": model, "base_url": claude.url, **keys}
    root = {"model": "claude", "instruction": "You answer.", **agent}
    content = {"version": "9", "models": {"claude": whole}, "agents": {"root": root}}
    return json.dumps(content, indent=1)


def start(serve: Serve, claude: Claude, model: Model, **agent: object) -> Server:
    """The product in front of it."""
    text = agent_file(claude, model.name, {}, agent)
    return serve(text, env={"ANTHROPIC_API_KEY": KEY})


@requirement("models:anthropic:product")
def test_a_chat_is_answered_whole_and_as_a_stream(
    serve: Serve, claude: Claude, model: Model
) -> None:
    """agent-file.md §3.2.2: provider anthropic; usage in OpenAI's words."""
    model.script(say("Hel", "lo") + tokens(3, 4, read=5, written=6))
    server = start(serve, claude, model)
    body = server.client().chat("hi").json
    assert body["choices"][0]["message"]["content"] == "Hello"
    assert body["choices"][0]["finish_reason"] == "stop"
    assert (body["usage"]["prompt_tokens"], body["usage"]["completion_tokens"]) == (14, 4)
    with server.client().stream("hi") as stream:
        chunks = stream.rest()
    assert (text_of(chunks), finish_of(chunks)) == ("Hello", "stop")
    heard = model.heard[0]
    assert heard.headers["x-api-key"] == KEY
    assert heard.headers["anthropic-version"] == "2023-06-01"
    assert heard.body["max_tokens"] == 32_000
    mark = {"type": "ephemeral"}
    assert heard.body["system"] == [{"type": "text", "text": "You answer.", "cache_control": mark}]
    hi = {"type": "text", "text": "hi", "cache_control": mark}
    assert heard.messages == [{"role": "user", "content": [hi]}]


@requirement("models:anthropic:replay")
def test_thinking_goes_back_signed_when_a_tool_has_answered(
    serve: Serve, claude: Claude, model: Model
) -> None:
    """agent-file.md §3.2.3: assistant thinking blocks with signatures are replayed verbatim."""
    file = agent_file(
        claude, model.name, {"thinking_budget": 4096, "temperature": 0.5}, {"toolsets": THINK}
    )
    server = serve(file, env={"ANTHROPIC_API_KEY": KEY})
    model.script(
        think("Let me", " see.")
        + sign("c2lnbmF0dXJl")
        + redacted("hidden")
        + say("One moment.")
        + call("think", {"thought": "x"}, id="toolu_1", pieces=3),
        think("Done.") + sign("s2") + say("42"),
    )
    with server.client().stream("hi") as stream:
        chunks = stream.rest()
    assert text_of(chunks) == "One moment.\n\n42"
    first, second = model.heard
    assert first.body["thinking"] == {"type": "enabled", "budget_tokens": 4096}
    assert "temperature" not in first.body
    assert "interleaved-thinking-2025-05-14" in first.headers["anthropic-beta"]
    assert [tool["name"] for tool in first.body["tools"]] == ["think"]
    _, said, result = second.messages
    assert said["role"] == "assistant"
    said["content"][-1].pop("cache_control")
    assert said["content"] == [
        {"type": "thinking", "thinking": "Let me see.", "signature": "c2lnbmF0dXJl"},
        {"type": "redacted_thinking", "data": "hidden"},
        {"type": "text", "text": "One moment."},
        {"type": "tool_use", "id": "toolu_1", "name": "think", "input": {"thought": "x"}},
    ]
    assert result["role"] == "user"
    assert result["content"][0]["tool_use_id"] == "toolu_1"


@requirement("models:anthropic:product")
def test_parallel_calls_and_errors_are_answered_together(
    serve: Serve, claude: Claude, model: Model
) -> None:
    """agent-file.md §3.2.3: consecutive tool results form one user message."""
    server = start(serve, claude, model, toolsets=THINK)
    model.script(
        call("think", {"thought": "x"}, id="c1")
        + call("nope", {}, id="c2")
        + call("think", '{"thought":', id="c3"),
        say("ok"),
    )
    assert server.client().chat("hi").content == "ok"
    results = model.heard[1].messages[-1]["content"]
    assert [(one["tool_use_id"], one.get("is_error", False)) for one in results] == [
        ("c1", False),
        ("c2", True),
        ("c3", True),
    ]
    assert "'nope' is not available" in results[1]["content"]


@requirement("models:anthropic:product")
def test_pictures_and_shapes_reach_the_model(serve: Serve, claude: Claude, model: Model) -> None:
    """chat-server.md §3: image parts and response_format, in the words of this API."""
    server = start(serve, claude, model)
    model.script(say('{"a": 1}'))
    picture = {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo="}}
    schema = {
        "type": "object",
        "properties": {"a": {"type": "integer"}},
        "required": ["a"],
        "additionalProperties": False,
    }
    shape = {"type": "json_schema", "json_schema": {"name": "n", "schema": schema}}
    content = [{"type": "text", "text": "see"}, picture]
    reply = server.client().chat(
        [{"role": "user", "content": content}], response_format=shape, max_tokens=99
    )
    assert reply.content == '{"a": 1}'
    body = model.heard[0].body
    sent = body["messages"][0]["content"][1]
    assert sent["source"] == {
        "type": "base64",
        "media_type": "image/png",
        "data": "iVBORw0KGgo=",
    }
    assert body["output_config"]["format"] == {"type": "json_schema", "schema": schema}
    assert "structured-outputs-2025-11-13" in model.heard[0].headers["anthropic-beta"]
    assert body["max_tokens"] == 99


@requirement("models:anthropic:product")
@pytest.mark.parametrize(
    ("reason", "shown"),
    [("max_tokens", "length"), ("refusal", "content_filter"), ("stop_sequence", "stop")],
)
def test_clients_are_told_why_it_ended(
    serve: Serve, claude: Claude, model: Model, reason: str, shown: str
) -> None:
    """agent-file.md §3.2.3: a refusal is a warning, no failure."""
    server = start(serve, claude, model)
    model.script(say("a") + finish(reason))
    choice = server.client().chat("hi").json["choices"][0]
    assert (choice["message"]["content"], choice["finish_reason"]) == ("a", shown)
    assert ("refused to answer" in server.log) is (reason == "refusal")


@requirement("models:anthropic:product")
def test_failures_of_the_api_are_failures_of_the_model(
    serve: Serve, claude: Claude, model: Model
) -> None:
    """chat-server.md §4: 529 is tried again, a rate limit and a bad key are told; no key shows."""
    server = start(serve, claude, model)
    model.script(overloaded(), die(), say("a"))
    assert server.client().chat("hi").content == "a"
    assert len(model.heard) == 3
    model.script(reject(429, "rate_limit_error", "slow down", {"Retry-After": "600"}))
    limited = server.client().chat("hi")
    assert (limited.status, limited.error["code"]) == (429, "model_rate_limited")
    model.script(reject(401, "authentication_error", f"invalid x-api-key {KEY}"))
    denied = server.client().chat("hi")
    assert denied.status == 502
    assert "invalid x-api-key ***" in denied.error["message"]
    assert KEY not in server.log
    model.script(reject(400, message="prompt is too long: 9 tokens > 8 maximum"))
    long = server.client().chat("hi")
    assert (long.status, long.error["code"]) == (400, "context_length_exceeded")


@requirement("models:anthropic:cancel")
def test_a_client_that_leaves_stops_the_model(serve: Serve, claude: Claude, model: Model) -> None:
    """runtime.md §3.8: the provider's stream is closed."""
    server = start(serve, claude, model)
    model.script(say("a") + hold(Gate()))
    with server.client().stream("hi") as stream:
        assert stream.next_text() == "a"
        stream.hang_up()
    assert model.wait_heard().wait_cut()


@requirement("models:anthropic:key")
def test_a_definition_names_the_key_of_its_models(
    serve: Serve, claude: Claude, model: Model
) -> None:
    """agent-file.md §2.8.1: token_key of a provider whose type is anthropic."""
    content = {
        "version": "9",
        "providers": {
            "house": {"provider": "anthropic", "base_url": claude.url, "token_key": "HOUSE_KEY"}
        },
        "models": {"claude": {"provider": "house", "model": model.name}},
        "agents": {"root": {"model": "claude", "instruction": "You answer."}},
    }
    server = serve(json.dumps(content, indent=1), env={"HOUSE_KEY": "h"})
    assert server.client().chat("hi").content == "hi"
    assert model.heard[0].headers["x-api-key"] == "h"
