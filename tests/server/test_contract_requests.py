"""What a request may say, and where it may go. Source: chat-server.md §2 and §3."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.conftest import Lane, Serve
from tests.harness import agent_yaml
from tests.requirements import requirement
from tests.scripted.heard import Model
from tests.scripted.model import Scripted
from tests.scripted.parts import call, say

CHAT = "/v1/chat/completions"
USER = {"role": "user", "content": "hi"}


@requirement("chat:2:model", "client:55")
@pytest.mark.parametrize("path", ["/v1/models/team/nobody", "/v1/models/a%2Fb", "/models/x/y/"])
def test_a_models_id_may_hold_slashes(lane: Lane, path: str) -> None:
    """chat-server.md §2: ids may hold `/`; unknown is 404 model_not_found, not an unknown route."""
    reply = lane.client.get(path)
    assert (reply.status, reply.error["code"]) == (404, "model_not_found")
    assert lane.client.get(f"/v1/models/{lane.agent}").json["id"] == lane.agent


@requirement("chat:2:other-v1", "client:86")
@pytest.mark.parametrize(
    ("path", "hint"),
    [
        ("/v1/responses", "Chat Completions"),
        ("/v1/responses/resp_1", "Chat Completions"),
        ("/v1/embeddings", "/v1/chat/completions"),
        ("/v1", "/v1/models"),
    ],
)
def test_other_paths_say_what_there_is(lane: Lane, path: str, hint: str) -> None:
    """chat-server.md §2: a 404 that names what this server has and what to set in clients."""
    reply = lane.client.post(path, {})
    assert (reply.status, reply.error["code"]) == (404, "not_found")
    assert hint in reply.error["message"]


@requirement("chat:2:one-error-shape", "chat:2:nosniff", "client:67")
@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("GET", "/nothing", None, 404),
        ("GET", "/v1/models/nobody", None, 404),
        ("DELETE", "/v1/models", None, 405),
        ("POST", CHAT, b"{", 400),
        ("POST", CHAT, b" " * 2_000_000, 413),
    ],
)
def test_every_error_has_the_envelope(
    lane: Lane, method: str, path: str, body: bytes | None, status: int
) -> None:
    """chat-server.md §2: all four keys, and nosniff on every response."""
    reply = lane.client.request(method, path, body)
    assert reply.status == status
    assert reply.headers["content-type"] == "application/json"
    assert reply.headers["x-content-type-options"] == "nosniff"
    assert set(reply.json) == {"error"}
    assert set(reply.json["error"]) == {"message", "type", "param", "code"}


@requirement("chat:2:x-agent", "chat:2:processing-ms")
def test_replies_name_the_agent_and_the_time(lane: Lane, scripted: Scripted) -> None:
    """chat-server.md §2: x-agent on completions, openai-processing-ms on JSON ones."""
    reply = lane.client.chat("hi")
    assert reply.headers["x-agent"] == lane.agent
    assert int(reply.headers["openai-processing-ms"]) >= 0
    with lane.client.stream("hi") as stream:
        stream.rest()
        assert stream.headers["x-agent"] == lane.agent
        assert "openai-processing-ms" not in stream.headers
    names = [model["id"] for model in lane.client.get("/v1/models").json["data"]]
    scripted.model(names[0]).forget()
    assert lane.client.chat("hi", model="gpt-4o").headers["x-agent"] == names[0]


@requirement("chat:3:content-type")
@pytest.mark.parametrize("kind", [None, "application/json; charset=utf-8", "text/plain"])
def test_the_content_type_does_not_matter(lane: Lane, kind: str | None) -> None:
    """chat-server.md §3: it may be missing or have a charset."""
    headers = f"Content-Type: {kind}\r\n" if kind else ""
    body = json.dumps({"model": lane.agent, "messages": [USER]})
    head = f"POST {CHAT} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{headers}"
    whole = f"{head}Content-Length: {len(body)}\r\n\r\n{body}"
    assert lane.client.exchange(whole.encode()).startswith(b"HTTP/1.1 200")


_SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5)
_JSON = st.recursive(
    _SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=8,
)
_PARTS = st.sampled_from(["text", "image_url", "input_audio", "file", "refusal", "x"])
_PART = st.fixed_dictionaries({"type": _PARTS}, optional={"text": _JSON, "image_url": _JSON})
_MESSAGE = st.fixed_dictionaries(
    {"role": st.sampled_from(["user", "assistant", "tool", "system", "function"])},
    optional={
        "content": st.text() | st.lists(_PART | _JSON, max_size=3) | _JSON,
        "tool_calls": _JSON,
        "tool_call_id": _JSON,
        "name": _JSON,
    },
)
_REQUEST = st.fixed_dictionaries(
    {"messages": st.lists(_MESSAGE | _JSON, max_size=4) | _JSON},
    optional=dict.fromkeys(
        (
            *("model", "temperature", "stop", "seed", "tools", "tool_choice", "response_format"),
            *("n", "max_tokens", "logit_bias", "metadata", "stream_options", "user"),
        ),
        _JSON,
    ),
)


@requirement("chat:3:never-500")
@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(request=_REQUEST)
def test_nothing_in_a_request_is_our_fault(lane: Lane, request: dict[str, Any]) -> None:
    """chat-server.md §3: 400 for what cannot be served, an answer for the rest, never a 500."""
    body = json.dumps({**request, "model": lane.agent}).encode()
    reply = lane.client.post(CHAT, body)
    assert reply.status in (200, 400), (reply.status, reply.text)


@requirement("chat:3:audio-file")
def test_audio_and_files_reach_the_model(lane: Lane) -> None:
    """chat-server.md §3: forwarded where the model's API takes them."""
    parts = [
        {"type": "text", "text": "listen"},
        {"type": "input_audio", "input_audio": {"data": "AA==", "format": "wav"}},
        {"type": "file", "file": {"filename": "a.pdf", "file_data": "data:application/pdf;,x"}},
    ]
    lane.client.chat([{"role": "user", "content": parts}])
    assert lane.model.heard[-1].messages[-1]["content"] == parts


@requirement("chat:3:file-limits")
def test_a_client_asks_within_the_files_limits(
    scripted: Scripted, serve: Serve, model: Model
) -> None:
    """chat-server.md §3: the file's cap stands, its other values are defaults."""
    declared = {"root": {"max_tokens": 100, "temperature": 0.5, "top_p": 0.9}}
    client = serve(agent_yaml(scripted.url, model.name, models=declared)).client()
    for asked, expected in [(None, 100), (10, 10), (5000, 100)]:
        client.chat("hi", max_tokens=asked, temperature=1.5)
        body = model.heard[-1].body
        assert (body["max_tokens"], body["temperature"], body["top_p"]) == (expected, 1.5, 0.9)


@requirement("chat:3:metadata", "client:48")
def test_metadata_is_echoed(lane: Lane) -> None:
    """chat-server.md §3: metadata (echoed)."""
    assert lane.client.chat("hi", metadata={"trace": "7"}).json["metadata"] == {"trace": "7"}
    assert "metadata" not in lane.client.chat("hi").json


@requirement("chat:3:own-tool-wins")
def test_the_agents_own_tool_wins(scripted: Scripted, serve: Serve, model: Model) -> None:
    """chat-server.md §3: own tools of the agent win on a name clash."""
    agent = {"model": model.name, "toolsets": [{"type": "think"}]}
    server = serve(agent_yaml(scripted.url, {"root": agent}))
    tools = [{"type": "function", "function": {"name": name}} for name in ("think", "weather")]
    model.script(call("think", {"thought": "hm"}), say("done"))
    reply = server.client().chat("hi", tools=tools)
    assert reply.content == "done"
    assert sorted(model.heard[0].tool_names) == ["think", "weather"]
    [told] = [m["content"] for m in model.heard[-1].messages if m["role"] == "tool"]
    assert "hm" in told


@requirement("chat:3:old-tool-messages")
def test_tool_messages_before_a_later_question_are_history(lane: Lane) -> None:
    """chat-server.md §3: plain history; nothing is run again, nothing is expired."""
    asked = {"id": "c1", "type": "function", "function": {"name": "weather", "arguments": "{}"}}
    history = [
        USER,
        {"role": "assistant", "content": None, "tool_calls": [asked]},
        {"role": "tool", "tool_call_id": "c1", "content": "sunny"},
        {"role": "assistant", "content": "It is sunny."},
        {"role": "user", "content": "and tomorrow?"},
    ]
    assert lane.client.chat(history).content == "and tomorrow?"
    assert [m["role"] for m in lane.model.heard[-1].messages] == [
        *("system", "user", "assistant", "tool", "assistant", "user")
    ]
