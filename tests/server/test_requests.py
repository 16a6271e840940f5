"""Requests are read generously and checked strictly. Source: chat-server.md §3."""

from __future__ import annotations

import gzip
import zlib
from typing import Any

import pytest

from tests.conftest import Lane
from tests.requirements import requirement

USER = {"role": "user", "content": "hi"}


def heard(lane: Lane) -> dict[str, Any]:
    return lane.model.heard[-1].body


@requirement("chat:3:generous", "client:42", "client:43")
@pytest.mark.parametrize(
    "more",
    [
        {"chat_id": "x", "features": {"a": [1]}, "x_more": None},
        dict.fromkeys(
            [
                "stream",
                "stream_options",
                "temperature",
                "top_p",
                "max_tokens",
                "stop",
                "seed",
                "tools",
                "tool_choice",
                "response_format",
                "user",
                "metadata",
                "n",
                "logprobs",
                "logit_bias",
            ]
        ),
        {"n": 1, "logprobs": False, "functions": [], "modalities": ["text"], "store": True},
        {"stream": False, "stream_options": {"include_usage": True, "include_obfuscation": False}},
    ],
)
def test_what_nobody_needs_is_ignored_and_null_equals_absent(
    lane: Lane, more: dict[str, Any]
) -> None:
    """chat-server.md §3: unknown keys pass; null equals absent for every optional field."""
    reply = lane.client.request(
        "POST", "/v1/chat/completions", {"model": lane.agent, "messages": [USER], **more}
    )
    assert reply.status == 200, reply.text


@requirement("chat:3:roles", "client:36", "client:37")
def test_roles_are_read_as_clients_mean_them(lane: Lane) -> None:
    """chat-server.md §3: developer is an instruction, unknown roles are the user's."""
    lane.client.chat(
        [
            {"role": "developer", "content": "Be brief."},
            {"role": "alien", "content": "hello"},
            {"role": "assistant", "content": None},
            {"role": "assistant", "content": [{"type": "text", "text": "one"}]},
            {
                "role": "user",
                "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}],
            },
        ]
    )
    sent = [(m["role"], m["content"]) for m in heard(lane)["messages"]]
    assert sent == [
        ("system", "You answer.\nBe brief."),
        ("user", "hello"),
        ("assistant", "one"),
        ("user", "ab"),
    ]


@requirement("chat:3:parts", "client:39")
def test_parts_reach_the_model_and_unknown_ones_pass(lane: Lane) -> None:
    """chat-server.md §3: image_url as object or bare string; unknown parts are ignored."""
    lane.client.chat(
        [
            {
                "role": "user",
                "content": [
                    {"type": "text", "text": "what is this?"},
                    {"type": "image_url", "image_url": "https://example.com/a.png"},
                    {
                        "type": "image_url",
                        "image_url": {"url": "data:image/png;base64,AA==", "detail": "low"},
                    },
                    {"type": "hologram", "hologram": {"text": 7}},
                ],
            }
        ]
    )
    assert heard(lane)["messages"][-1]["content"] == [
        {"type": "text", "text": "what is this?"},
        {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}},
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA==", "detail": "low"}},
    ]


@requirement("chat:3:sampling", "client:35")
def test_sampling_reaches_the_model(lane: Lane) -> None:
    """chat-server.md §3: applied to the entry agent's model calls."""
    asked: dict[str, Any] = {
        "temperature": 0.25,
        "top_p": 0,
        "stop": ["END"],
        "seed": 7,
        "frequency_penalty": -1,
        "presence_penalty": 1.5,
        "reasoning_effort": "low",
        "verbosity": "low",
        "logit_bias": {"50256": -100},
        "user": "ann",
        "safety_identifier": "s",
        "prompt_cache_key": "k",
        "service_tier": "flex",
    }
    lane.client.chat("hi", max_tokens=9, max_completion_tokens=5, **asked)
    body = heard(lane)
    assert {key: body[key] for key in asked} == asked
    assert body["max_tokens"] == 5
    assert "max_completion_tokens" not in body


@requirement("chat:3:response-format", "client:47")
def test_the_response_format_reaches_the_model(lane: Lane) -> None:
    """chat-server.md §3: json_object and json_schema; text is the default."""
    schema = {"type": "object", "properties": {"a": {"type": "integer"}}}
    wanted = {
        "type": "json_schema",
        "json_schema": {"name": "n", "schema": schema, "strict": True},
    }
    lane.client.chat("hi", response_format=wanted)
    assert heard(lane)["response_format"] == wanted
    lane.client.chat("hi", response_format={"type": "json_object"})
    assert heard(lane)["response_format"] == {"type": "json_object"}
    lane.client.chat("hi", response_format={"type": "text"})
    assert "response_format" not in heard(lane)


@requirement("chat:3:tool-choice")
def test_the_tool_choice_holds_for_the_first_call(lane: Lane) -> None:
    """chat-server.md §3: tool_choice for the first model call of the run, then auto."""
    tool = {"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}
    choice = {"type": "function", "function": {"name": "f"}}
    lane.client.chat("hi", tools=[tool], tool_choice=choice)
    assert heard(lane)["tool_choice"] == choice


@requirement("chat:3:types", "client:53")
@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"messages": "hi"}, "messages"),
        ({}, "messages"),
        ({"messages": []}, "messages"),
        ({"messages": [{"content": "hi"}]}, "messages[0].role"),
        ({"messages": [USER, {"role": "user", "content": 5}]}, "messages[1].content"),
        (
            {"messages": [{"role": "user", "content": [{"type": "text", "text": 1}]}]},
            "messages[0].content[0].text",
        ),
        (
            {"messages": [{"role": "user", "content": [{"type": "image_url"}]}]},
            "messages[0].content[0].image_url",
        ),
        ({"messages": [USER], "temperature": 2.5}, "temperature"),
        ({"messages": [USER], "temperature": "hot"}, "temperature"),
        ({"messages": [USER], "top_p": -0.1}, "top_p"),
        ({"messages": [USER], "max_tokens": 0}, "max_tokens"),
        ({"messages": [USER], "stop": ["a", ""]}, "stop"),
        ({"messages": [USER], "stop": list("abcde")}, "stop"),
        ({"messages": [USER], "n": 2}, "n"),
        ({"messages": [USER], "logprobs": True}, "logprobs"),
        ({"messages": [USER], "top_logprobs": 0}, "top_logprobs"),
        ({"messages": [USER], "seed": 2**70}, "seed"),
        ({"messages": [USER], "stream": "yes"}, "stream"),
        ({"messages": [USER], "response_format": {"type": "xml"}}, "response_format.type"),
        (
            {"messages": [USER], "response_format": {"type": "json_schema"}},
            "response_format.json_schema",
        ),
        ({"messages": [USER], "tool_choice": "maybe"}, "tool_choice"),
        ({"messages": [USER], "tools": [{"type": "function"}]}, "tools[0].function.name"),
        ({"messages": [{"role": "tool", "content": "x"}]}, "messages[0].tool_call_id"),
    ],
)
def test_a_wrong_type_is_a_400_that_names_the_path(
    lane: Lane, body: dict[str, Any], param: str
) -> None:
    """chat-server.md §3: 400 with the JSON path in `param`, not 422, never a 500."""
    reply = lane.client.request("POST", "/v1/chat/completions", {"model": lane.agent, **body})
    assert reply.status == 400, reply.text
    error = reply.json["error"]
    assert set(error) == {"message", "type", "param", "code"}
    assert (error["type"], error["param"]) == ("invalid_request_error", param)
    assert error["code"]
    assert lane.model.heard == []


@requirement("chat:3:no-user")
def test_somebody_must_ask_something(lane: Lane) -> None:
    """chat-server.md §3: no user message and no tool result is a 400 with these words."""
    reply = lane.client.chat([{"role": "system", "content": "x"}])
    assert (reply.status, reply.json["error"]["message"]) == (400, "no user message provided")


@requirement("chat:3:json")
@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b"nul", b'{"messages": [' + b"[" * 5000, b"\xff\xfe", b'"x"']
)
def test_what_is_no_chat_request_is_a_400(lane: Lane, body: bytes) -> None:
    """chat-server.md §3: nothing in a request may ever cause a 500."""
    reply = lane.client.request("POST", "/v1/chat/completions", body)
    assert reply.status == 400
    assert reply.json["error"]["type"] == "invalid_request_error"


@requirement("chat:3:encodings")
@pytest.mark.parametrize("encoding", ["gzip", "deflate", "raw-deflate", "identity"])
def test_compressed_bodies_are_read(lane: Lane, encoding: str) -> None:
    """chat-server.md §3: gzip and deflate bodies are decoded; a BOM passes."""
    plain = b'\xef\xbb\xbf{"model": "%s", "messages": [{"role": "user", "content": "hi"}]}' % (
        lane.agent.encode()
    )
    squeezer = zlib.compressobj(wbits=-15)
    bodies = {
        "gzip": gzip.compress(plain),
        "deflate": zlib.compress(plain),
        "raw-deflate": squeezer.compress(plain) + squeezer.flush(),
        "identity": plain,
    }
    name = encoding.removeprefix("raw-")
    reply = lane.client.request(
        "POST", "/v1/chat/completions", bodies[encoding], {"Content-Encoding": name}
    )
    assert reply.status == 200, reply.text


@requirement("chat:3:encodings")
def test_an_unknown_encoding_is_a_415(lane: Lane) -> None:
    """chat-server.md §3: unknown encoding 415."""
    reply = lane.client.request("POST", "/v1/chat/completions", b"x", {"Content-Encoding": "rot13"})
    assert (reply.status, reply.error["code"]) == (415, "unsupported_encoding")


@requirement("chat:1:max-request-size", "client:52")
def test_a_body_that_is_too_large_is_a_413_that_names_the_flag(lane: Lane) -> None:
    """chat-server.md §1: counts the decoded body, also compressed; bomb-safe."""
    plain = b" " * (2 * 1024 * 1024)
    for body, headers in [(plain, {}), (gzip.compress(plain), {"Content-Encoding": "gzip"})]:
        reply = lane.client.request("POST", "/v1/chat/completions", body, headers)
        assert (reply.status, reply.error["code"]) == (413, "request_too_large")
        assert "--max-request-size" in reply.error["message"]


@requirement("chat:3:history", "runtime:20.2:no-result")
def test_calls_of_the_history_are_kept_when_their_answers_follow(lane: Lane) -> None:
    """chat-server.md §3: assistant tool_calls are kept when their tool messages follow, else
    dropped."""

    def asked(id: str) -> dict[str, Any]:
        function = {"name": "f", "arguments": "{}"}
        return {"id": id, "type": "function", "function": function}

    lane.client.chat(
        [
            USER,
            {"role": "assistant", "tool_calls": [asked("a"), asked("b")]},
            {"role": "tool", "tool_call_id": "b", "content": [{"type": "text", "text": "B"}]},
            {"role": "tool", "tool_call_id": "stray", "content": "?"},
            {"role": "assistant", "content": "so", "tool_calls": [asked("c")]},
            USER,
        ]
    )
    sent = heard(lane)["messages"]
    assert [m["role"] for m in sent] == [
        "system",
        "user",
        "assistant",
        "tool",
        "tool",
        "assistant",
        "user",
    ]
    assert [(m["tool_call_id"], m["content"]) for m in sent if m["role"] == "tool"] == [
        ("a", "No result provided"),
        ("b", "B"),
    ]
    assert "tool_calls" not in sent[5]


@requirement("chat:1:max-request-size")
def test_a_chunked_body_is_counted_while_it_comes(lane: Lane) -> None:
    """chat-server.md §1: a chunked body without a length is cut off at the limit."""
    head = (
        b"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\n"
        b"Transfer-Encoding: chunked\r\n\r\n"
    )
    chunk = b"%x\r\n%s\r\n" % (65536, b" " * 65536)
    with lane.client.connect() as connection:
        connection.sendall(head)
        for _ in range(20):
            connection.sendall(chunk)
        answer = connection.recv(1 << 16)
    assert answer.startswith(b"HTTP/1.1 413")


@requirement("json:depth")
@pytest.mark.parametrize("depth", [129, 300, 450, 900])
def test_a_schema_that_is_nested_too_deeply_is_a_400(lane: Lane, depth: int) -> None:
    """depth.py: also one that was read, but could not be written again further down."""
    schema: dict[str, Any] = {"type": "string"}
    for _ in range(depth - 1):
        schema = {"items": schema}
    tool = {"type": "function", "function": {"name": "f", "parameters": schema}}
    shape = {"type": "json_schema", "json_schema": {"name": "n", "schema": schema}}
    fields: dict[str, tuple[str, object]] = {
        "tools[0].function.parameters": ("tools", [tool]),
        "response_format.json_schema.schema": ("response_format", shape),
    }
    for param, (field, value) in fields.items():
        body = {"model": lane.agent, "messages": [USER], field: value}
        reply = lane.client.request("POST", "/v1/chat/completions", body)
        error = reply.json["error"]
        assert (reply.status, error["param"]) == (400, param)
        assert "nested deeper than 128 levels" in error["message"]
    assert lane.model.heard == []
