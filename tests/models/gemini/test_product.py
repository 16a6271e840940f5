"""Agents that speak with Gemini, through the whole product: HTTP in, generateContent out."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from docker_agent.messages import JSON
from tests.conftest import Serve
from tests.harness import Server
from tests.requirements import requirement
from tests.scripted.client import finish_of, text_of, usage_of
from tests.scripted.gate import Gate
from tests.scripted.gemini import GeminiServer, parts_of
from tests.scripted.gemini_parts import (
    blocked,
    call,
    call_part,
    done,
    error_event,
    exhausted,
    fail,
    overloaded,
    parts,
    say,
    think,
    too_long,
    unauthenticated,
)
from tests.scripted.heard import Model
from tests.scripted.parts import broken_event, die, hold
from tests.scripted.steps import Reply

KEY = {"GOOGLE_API_KEY": "k-secret"}
THINK = [{"type": "think"}]
ID = {"X-Conversation-Id": "my-thread-1"}
PNG = "data:image/png;base64,iVBORw0KGgo="

Start = Callable[..., Server]


@pytest.fixture
def start(serve: Serve, gemini: GeminiServer) -> Start:
    """Starts the product with an agent `root`: `start(model, "--flag", thinking_budget="low",
    agent={"toolsets": []})`."""

    def start(
        model: Model, *flags: str, agent: dict[str, Any] | None = None, **keys: object
    ) -> Server:
        entry = {"provider": "google", "model": model.name, "base_url": gemini.url, **keys}
        root = {"model": "m", "instruction": "You answer.", **(agent or {})}
        file = {"version": "9", "models": {"m": entry}, "agents": {"root": root}}
        return serve(json.dumps(file, indent=1), *flags, env=KEY)

    return start


@requirement("models:gemini:product")
def test_a_chat_is_answered_whole_and_as_a_stream(start: Start, third: Model) -> None:
    """agent-file.md §3.2.2: provider google, its key in x-goog-api-key, usage in OpenAI's words."""
    third.script(say("Hel", "lo") + done(thoughtsTokenCount=3, cachedContentTokenCount=2))
    client = start(third, temperature=0.5).client()
    body = client.chat("hi").json
    assert body["choices"][0]["message"]["content"] == "Hello"
    assert body["choices"][0]["finish_reason"] == "stop"
    assert (body["usage"]["prompt_tokens"], body["usage"]["completion_tokens"]) == (11, 10)
    assert body["usage"]["prompt_tokens_details"]["cached_tokens"] == 2
    assert body["usage"]["completion_tokens_details"]["reasoning_tokens"] == 3
    with client.stream("hi", stream_options={"include_usage": True}) as stream:
        chunks = stream.rest()
    assert (text_of(chunks), finish_of(chunks)) == ("Hello", "stop")
    usage = usage_of(chunks)
    assert usage and usage["total_tokens"] == 21
    heard = third.heard[0]
    assert heard.headers["x-goog-api-key"] == "k-secret"
    assert heard.body == {
        "contents": [{"role": "user", "parts": [{"text": "hi"}]}],
        "systemInstruction": {"parts": [{"text": "You answer."}]},
        "generationConfig": {"temperature": 0.5},
    }


@requirement("models:gemini:signatures")
def test_thinking_is_shown_and_its_signature_comes_back(start: Start, third: Model) -> None:
    """runtime.md §2.1: verbatim, with its own call; the server refuses a turn without it."""
    third.script(
        think("I should", " note it.")
        + say("One moment.")
        + call("think", {"thought": "x"}, id="g1", signature="c2lnMQ==")
        + done(),
        think("Done.") + say("42") + say("", signature="c2lnMg==") + done(),
        say("again") + done(),
    )
    server = start(
        third, "--conversations-max", "9", thinking_budget="low", agent={"toolsets": THINK}
    )
    client = server.client()
    with client.stream("hi", headers=ID) as stream:
        chunks = stream.rest()
    assert text_of(chunks) == "One moment.\n\n42"
    deltas = [one["choices"][0]["delta"] for one in chunks if one["choices"]]
    thought = "".join(delta.get("reasoning_content") or "" for delta in deltas)
    assert thought == "I should note it.\n\nDone."
    config = third.heard[0].body["generationConfig"]
    assert config == {"thinkingConfig": {"includeThoughts": True, "thinkingLevel": "LOW"}}

    _, turn, answer = third.heard[1].body["contents"]
    assert turn == {
        "role": "model",
        "parts": [
            {"text": "One moment."},
            {
                "functionCall": {"id": "g1", "name": "think", "args": {"thought": "x"}},
                "thoughtSignature": "c2lnMQ==",
            },
        ],
    }
    [response] = [part["functionResponse"] for part in answer["parts"]]
    assert (response["id"], response["name"]) == ("g1", "think")
    assert "x" in response["response"]["output"]

    assert client.chat("go on", headers=ID).content == "again"
    contents = third.heard[2].body["contents"]
    assert contents[1:3] == [turn, answer]
    assert contents[3]["parts"] == [{"text": "42"}, {"text": "", "thoughtSignature": "c2lnMg=="}]


@requirement("models:gemini:signatures")
def test_a_history_without_signatures_is_taken_too(start: Start, third: Model) -> None:
    """models/gemini_messages.py: calls a client resends were signed by nobody it knows."""
    weather: JSON = {"type": "function", "function": {"name": "weather", "parameters": {}}}
    called = {"id": "c1", "type": "function", "function": {"name": "weather", "arguments": "{}"}}
    history = [
        {"role": "user", "content": "And the weather?"},
        {"role": "assistant", "content": None, "tool_calls": [called]},
        {"role": "tool", "tool_call_id": "c1", "content": "fine"},
    ]
    third.script(say("It is fine.") + done())
    reply = start(third).client().chat(history, tools=[weather])
    assert reply.content == "It is fine."
    sent = [part for part in parts_of(third.heard[0]) if "functionCall" in part]
    assert sent[0]["thoughtSignature"] == "skip_thought_signature_validator"


@requirement("models:gemini:tools")
def test_parallel_calls_are_answered_together(start: Start, third: Model) -> None:
    """agent-file.md §3.2.3: one content with as many responses as there were calls."""
    third.script(
        parts(
            call_part("think", {"thought": "a"}, signature="c2ln"),
            call_part("think", {"thought": "b"}),
        )
        + done(),
        say("ok") + done(),
    )
    assert start(third, agent={"toolsets": THINK}).client().chat("hi").content == "ok"
    _, turn, answer = third.heard[1].body["contents"]
    ids = [part["functionCall"]["id"] for part in turn["parts"]]
    assert [part["functionResponse"]["id"] for part in answer["parts"]] == ids
    assert len(set(ids)) == 2
    assert [part.get("thoughtSignature") for part in turn["parts"]] == ["c2ln", None]
    [tool] = third.heard[0].body["tools"]
    assert [one["name"] for one in tool["functionDeclarations"]] == ["think"]


@requirement("models:gemini:tools")
def test_a_tool_that_fails_says_so_to_the_model(start: Start, second: Model) -> None:
    """models/gemini_messages.py: `error` instead of `output`."""
    second.script(call("think", {"idea": "x"}) + done(), say("sorry") + done())
    assert start(second, agent={"toolsets": THINK}).client().chat("hi").content == "sorry"
    response = second.heard[1].body["contents"][2]["parts"][0]["functionResponse"]["response"]
    assert "thought" in response["error"]


@requirement("models:gemini:tools")
def test_a_clients_tool_is_called_by_the_client(start: Start, second: Model) -> None:
    """chat-server.md §5: the call goes out with its arguments as JSON text."""
    second.script(call("weather", {"city": "Köln"}) + done())
    function = {
        "name": "weather",
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": ["string", "null"]}, "n": {"enum": [1, 2]}},
            "additionalProperties": False,
        },
    }
    tools = [{"type": "function", "function": function}]
    body = start(second).client().chat("hi", tools=tools, tool_choice="required").json
    [wanted] = body["choices"][0]["message"]["tool_calls"]
    assert json.loads(wanted["function"]["arguments"]) == {"city": "Köln"}
    assert body["choices"][0]["finish_reason"] == "tool_calls"
    heard = second.heard[0].body
    assert heard["toolConfig"] == {"functionCallingConfig": {"mode": "ANY"}}


@requirement("models:gemini:product")
def test_a_picture_goes_in(start: Start, second: Model) -> None:
    """agent-file.md §3.2.3: a data URL becomes inline data."""
    second.script(say("a cat") + done())
    content = [
        {"type": "text", "text": "what is it?"},
        {"type": "image_url", "image_url": {"url": PNG}},
    ]
    start(second).client().chat([{"role": "user", "content": content}])
    assert second.heard[0].body["contents"][0]["parts"] == [
        {"text": "what is it?"},
        {"inlineData": {"mimeType": "image/png", "data": PNG.partition(",")[2]}},
    ]


@requirement("models:gemini:format")
def test_an_agent_is_held_to_its_format(start: Start, third: Model) -> None:
    """agent-file.md §2.4: responseMimeType and the JSON schema, beside tools too."""
    schema = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
    third.script(say('{"n": 1}') + done())
    agent = {"structured_output": {"name": "n", "schema": schema}, "toolsets": THINK}
    assert start(third, agent=agent).client().chat("hi").content == '{"n": 1}'
    config = third.heard[0].body["generationConfig"]
    assert config == {"responseMimeType": "application/json", "responseJsonSchema": schema}


@requirement("models:gemini:product")
@pytest.mark.parametrize(
    ("reply", "text", "finish"),
    [
        (say("cut o") + done("MAX_TOKENS"), "cut o", "length"),
        (say("I ") + done("SAFETY"), "I ", "content_filter"),
        (blocked(), "", "content_filter"),
    ],
)
def test_why_it_ended_is_told(
    start: Start, second: Model, reply: Reply, text: str, finish: str
) -> None:
    """runtime.md §4.1: length and refusals are no errors."""
    second.script(reply)
    with start(second).client().stream("hi") as stream:
        chunks = stream.rest()
    assert text_of(chunks).startswith(text)
    assert finish_of(chunks) == finish


@requirement("models:gemini:retry")
@pytest.mark.parametrize(
    "trouble",
    [
        overloaded(),
        error_event(503, "The model is overloaded.", "UNAVAILABLE"),
        die(),
        done("MALFORMED_FUNCTION_CALL"),
        exhausted("0.05s"),
        fail(400, "Please ensure that the number of function response parts is equal to ..."),
    ],
)
def test_what_passes_is_tried_again(start: Start, second: Model, trouble: Reply) -> None:
    """agent-file.md §3.10: the client sees nothing of it."""
    second.script(trouble, say("there") + done())
    assert start(second).client().chat("hi").content == "there"
    assert len(second.heard) == 2


@requirement("models:gemini:retry")
@pytest.mark.parametrize(
    ("trouble", "status", "code"),
    [
        (exhausted("90s"), 429, "model_rate_limited"),
        (unauthenticated(), 502, "model_error"),
        (too_long(), 400, "context_length_exceeded"),
        (broken_event(), 502, "model_error"),
    ],
)
def test_what_lasts_is_an_error(
    start: Start, second: Model, trouble: Reply, status: int, code: str
) -> None:
    """chat-server.md §4: each kind with its status; no key and no address in the text."""
    second.script(trouble)
    reply = start(second).client().chat("hi")
    assert (reply.status, reply.error["code"]) == (status, code)
    assert "k-secret" not in reply.text
    assert "127.0.0.1" not in reply.text
    assert len(second.heard) == 1


@requirement("models:gemini:retry")
@pytest.mark.parametrize("end", [die(), error_event(503, "no", "UNAVAILABLE")])
def test_a_stream_that_breaks_after_text_is_not_tried_again(
    start: Start, second: Model, end: Reply
) -> None:
    """DESIGN.md §8: a call that has shown something is never repeated."""
    second.script(say("Hel") + end)
    with start(second).client().stream("hi") as stream:
        chunks = stream.rest()
    assert text_of(chunks) == "Hel"
    assert chunks[-1]["error"]["code"] == "model_error"
    assert len(second.heard) == 1


@requirement("models:gemini:cancel")
def test_a_client_that_leaves_stops_the_model(start: Start, second: Model) -> None:
    """chat-server.md §6: seen by the provider as a cut connection."""
    second.script(say("Hel") + hold(Gate()))
    with start(second).client().stream("hi") as stream:
        assert stream.next_text() == "Hel"
        stream.hang_up()
    assert second.heard[0].wait_cut()


@requirement("models:gemini:product")
def test_a_slow_first_byte_is_waited_for(start: Start, second: Model) -> None:
    """agent-file.md §3.10: no total timeout on model calls."""
    gate = Gate()
    second.script(hold(gate) + say("at last") + done())
    with start(second).client().stream("hi") as stream:
        gate.wait_reached()
        gate.open()
        assert text_of(stream.rest()) == "at last"


@requirement("models:gemini:settings")
def test_auto_finds_a_google_key(serve: Serve) -> None:
    """agent-file.md §3.3: GEMINI_API_KEY alone is enough to start."""
    file = json.dumps({"version": "9", "agents": {"root": {"model": "auto"}}}, indent=1)
    server = serve(file, env={"GEMINI_API_KEY": "k"})
    assert server.client().get("/v1/models").json["data"][0]["id"] == "root"
