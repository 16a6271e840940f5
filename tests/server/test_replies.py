"""Replies, whole and streamed, exactly as OpenAI's. Source: chat-server.md §4."""

from __future__ import annotations

import re
from typing import Any

import pytest
from openai.types.chat import ChatCompletion, ChatCompletionChunk

from tests.conftest import Lane
from tests.requirements import requirement
from tests.scripted.client import finish_of, text_of, usage_of
from tests.scripted.gate import Gate
from tests.scripted.parts import (
    call,
    finish,
    hold,
    no_usage,
    refuse,
    say,
    think,
    together,
    usage,
)


@requirement("chat:4:json")
def test_a_json_reply_is_openais_completion(lane: Lane) -> None:
    """chat-server.md §4: required-and-nullable fields present, never an empty tool_calls."""
    lane.model.script(say("Hello", " world") + usage(25, 7, cached=3, reasoning=2))
    reply = lane.client.chat("hi")
    body: dict[str, Any] = reply.json
    ChatCompletion.model_validate(body, strict=True)
    choice = body["choices"][0]
    assert choice["message"] == {"role": "assistant", "content": "Hello world", "refusal": None}
    assert (choice["finish_reason"], choice["logprobs"]) == ("stop", None)
    assert body["model"] == lane.agent
    assert body["usage"] == {
        "prompt_tokens": 25,
        "completion_tokens": 7,
        "total_tokens": 32,
        "prompt_tokens_details": {"cached_tokens": 3},
        "completion_tokens_details": {"reasoning_tokens": 2},
    }
    assert int(reply.headers["openai-processing-ms"]) >= 0
    assert reply.headers["x-agent"] == lane.agent


@requirement("chat:4:stream", "client:2", "client:4")
def test_a_stream_is_openais_chunks(lane: Lane) -> None:
    """chat-server.md §4: role first, one finish reason, [DONE] last; one id, created, model for
    all."""
    lane.model.script(say("Hello", " world"))
    with lane.client.stream("hi") as stream:
        chunks = stream.rest()
        assert stream.done and stream.complete
        assert stream.headers["content-type"].startswith("text/event-stream")
        assert stream.headers["cache-control"] == "no-cache, no-transform"
        assert stream.headers["x-accel-buffering"] == "no"
        raw = stream.raw
    for chunk in chunks:
        ChatCompletionChunk.model_validate(chunk, strict=True)
        assert "usage" not in chunk
    assert chunks[0]["choices"][0]["delta"] == {"role": "assistant", "content": ""}
    assert text_of(chunks) == "Hello world"
    reasons = [chunk["choices"][0]["finish_reason"] for chunk in chunks]
    assert reasons == [None] * (len(chunks) - 1) + ["stop"]
    assert len({(c["id"], c["created"], c["model"]) for c in chunks}) == 1
    assert not re.search(rb"^(id|event|retry):|\r", raw, re.MULTILINE)


@requirement("chat:4:stream-usage", "client:5", "client:6", "client:7", "client:8")
def test_usage_comes_last_and_only_when_asked_for(lane: Lane) -> None:
    """chat-server.md §4: the usage chunk has no choices; all other chunks then say null."""
    lane.model.script(say("Hi") + usage(10, 2))
    with lane.client.stream("hi", stream_options={"include_usage": True}) as stream:
        chunks = stream.rest()
    *others, last = chunks
    assert last["choices"] == []
    assert last["usage"]["total_tokens"] == 12
    assert all(chunk["usage"] is None for chunk in others)
    assert usage_of(chunks) == last["usage"]


@requirement("chat:4:early-role", "client:16")
def test_headers_and_role_leave_before_the_model_is_called(lane: Lane) -> None:
    """chat-server.md §4, clients.md 16: a client can stop a stream that has no text yet."""
    gate = Gate()
    lane.model.script(hold(gate) + say("late"))
    with lane.client.stream("hi") as stream:
        assert stream.status == 200
        first = stream.next()
        assert first is not None
        assert first["choices"][0]["delta"] == {"role": "assistant", "content": ""}
        gate.wait_reached()
        gate.open()
        assert text_of(stream.rest()) == "late"


@requirement("chat:4:one-write")
def test_pieces_that_arrive_together_leave_together_each_as_its_own_event(lane: Lane) -> None:
    """chat-server.md §4: pieces may share one write; each stays its own event."""
    lane.model.script(together(say("a", "b", "c", "d")))
    with lane.client.stream("hi") as stream:
        chunks = stream.rest()
        writes = [read for read in stream.reads if b'"content":"b"' in read]
    assert [c["choices"][0]["delta"].get("content") for c in chunks[1:-1]] == ["a", "b", "c", "d"]
    assert len(writes) == 1
    assert writes[0].count(b"data: ") >= 4


@requirement("chat:4:reasoning", "client:24")
@pytest.mark.parametrize("key", ["reasoning_content", "reasoning"])
def test_reasoning_stands_apart_from_the_answer(lane: Lane, key: str) -> None:
    """chat-server.md §4: reasoning_content in both modes, never in content."""
    lane.model.script(think("hmm", " ok", key=key) + say("yes"))
    message = lane.client.chat("hi").json["choices"][0]["message"]
    assert (message["reasoning_content"], message["content"]) == ("hmm ok", "yes")
    with lane.client.stream("hi") as stream:
        deltas = [chunk["choices"][0]["delta"] for chunk in stream.rest()]
    assert "".join(d.get("reasoning_content", "") for d in deltas) == "hmm ok"
    assert "".join(d.get("content", "") for d in deltas) == "yes"


@requirement("chat:4:finish-reasons")
@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("stop", "stop"),
        ("length", "length"),
        ("content_filter", "content_filter"),
        ("eos", "stop"),
    ],
)
def test_finish_reasons_are_openais(lane: Lane, said: str, expected: str) -> None:
    """chat-server.md §4: stop, length, tool_calls or content_filter, nothing else."""
    lane.model.script(say("x") + finish(said))
    assert lane.client.chat("hi").json["choices"][0]["finish_reason"] == expected
    with lane.client.stream("hi") as stream:
        assert finish_of(stream.rest()) == expected


@requirement("chat:4:refusal")
def test_a_refusal_is_an_answer_that_was_filtered(lane: Lane) -> None:
    """chat-server.md §4: a refusal is content_filter; its words are not lost."""
    lane.model.script(refuse("I will not.") + finish("stop"))
    body = lane.client.chat("hi").json
    assert body["choices"][0]["finish_reason"] == "content_filter"
    assert body["choices"][0]["message"]["content"] == "I will not."


@requirement("chat:4:last-chunk-text")
def test_text_that_shares_a_chunk_with_the_finish_reason_is_not_lost(lane: Lane) -> None:
    """runtime.md §4.1: content before finish; usage after the finish chunk counts."""
    lane.model.script(say("almost") + finish("stop", text=" done") + usage(5, 6, where="after"))
    body = lane.client.chat("hi").json
    assert body["choices"][0]["message"]["content"] == "almost done"
    assert body["usage"]["total_tokens"] == 11


@requirement("chat:4:never-empty", "client:83")
def test_a_successful_answer_is_never_empty(lane: Lane) -> None:
    """chat-server.md §4, clients.md 83: some clients ask again for ever otherwise."""
    lane.model.script(say("") + finish("stop"))
    text = lane.client.chat("hi").json["choices"][0]["message"]["content"]
    assert text.strip()
    with lane.client.stream("hi") as stream:
        assert text_of(stream.rest()) == text


@requirement("chat:4:usage-missing")
def test_a_model_that_counts_no_tokens_gives_zeros(lane: Lane) -> None:
    """chat-server.md §4: all three numbers are present."""
    lane.model.script(say("x") + no_usage())
    usage_now = lane.client.chat("hi").json["usage"]
    assert usage_now["prompt_tokens"] == usage_now["total_tokens"] == 0


@requirement("chat:4:model-echo")
def test_the_reply_names_the_model_the_request_named(lane: Lane) -> None:
    """chat-server.md §4: `model` echoes the request's; x-agent tells who really answered."""
    reply = lane.client.chat("hi", model="gpt-4o")
    assert reply.json["model"] == "gpt-4o"
    assert reply.headers["x-agent"] == "root"


@requirement("chat:3:client-tools", "client:33", "client:34")
def test_a_call_for_the_clients_tool_is_the_clients_to_answer(lane: Lane) -> None:
    """chat-server.md §3: the run pauses with tool_calls; the resent history resumes it."""
    tool = {"type": "function", "function": {"name": "weather", "parameters": {"type": "object"}}}
    lane.model.script(call("weather", {"city": "Rome"}, id="c9"), say("sunny"))
    paused = lane.client.chat("weather?", tools=[tool]).json["choices"][0]
    assert paused["finish_reason"] == "tool_calls"
    assert paused["message"]["content"] is None
    [asked] = paused["message"]["tool_calls"]
    assert (asked["id"], asked["type"], asked["function"]["name"]) == ("c9", "function", "weather")
    history = [
        {"role": "user", "content": "weather?"},
        paused["message"],
        {"role": "tool", "tool_call_id": "c9", "content": "22 degrees"},
    ]
    done = lane.client.chat(history, tools=[tool]).json["choices"][0]
    assert (done["finish_reason"], done["message"]["content"]) == ("stop", "sunny")
    roles = [message["role"] for message in lane.model.heard[-1].messages]
    assert roles == ["system", "user", "assistant", "tool"]


@requirement("chat:3:client-tools")
def test_a_streamed_call_for_the_clients_tool_has_an_index(lane: Lane) -> None:
    """clients.md 31: integer index, id, type and name in the delta; finish reason tool_calls."""
    tool = {"type": "function", "function": {"name": "weather"}}
    lane.model.script(call("weather", {"city": "Rome"}, id="c9"))
    with lane.client.stream("weather?", tools=[tool]) as stream:
        chunks = stream.rest()
    assert finish_of(chunks) == "tool_calls"
    [piece] = [p for c in chunks for p in c["choices"][0]["delta"].get("tool_calls", [])]
    assert (piece["index"], piece["id"], piece["type"]) == (0, "c9", "function")
    assert piece["function"] == {"name": "weather", "arguments": '{"city": "Rome"}'}
