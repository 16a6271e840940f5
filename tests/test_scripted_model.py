"""The scripted model server speaks as real providers do: the official SDK understands it."""

from __future__ import annotations

import socket
from collections.abc import Callable

import openai
import pytest
from openai.types.chat import ChatCompletionMessageToolCall

from tests.requirements import requirement
from tests.scripted.client import Client, finish_of, text_of, usage_of
from tests.scripted.gate import Gate
from tests.scripted.heard import Heard, Model
from tests.scripted.model import Scripted
from tests.scripted.parts import (
    answer,
    as_json,
    begin,
    broken_event,
    call,
    call_piece,
    comment,
    context_too_long,
    crlf,
    cut,
    die,
    die_after,
    endless,
    fail,
    finish,
    header,
    hold,
    huge,
    merged,
    no_done,
    no_finish,
    no_role,
    no_usage,
    paced,
    rate_limited,
    raw,
    refuse,
    say,
    stream_error,
    then_close,
    think,
    together,
    trailing,
    until_close,
    usage,
)
from tests.scripted.steps import Reply

INCLUDE = {"include_usage": True}


@pytest.fixture
def sdk(scripted: Scripted) -> openai.OpenAI:
    return openai.OpenAI(base_url=scripted.url, api_key="k", max_retries=0, timeout=20)


@pytest.fixture
def client(scripted: Scripted, model: Model) -> Client:
    return Client(port=scripted.port, agent=model.name)


@requirement("scripted:sdk")
def test_without_a_script_the_last_user_text_comes_back(sdk: openai.OpenAI, model: Model) -> None:
    """Source: the scripted server's own promise."""
    said = sdk.chat.completions.create(
        model=model.name, messages=[{"role": "user", "content": "Hello"}]
    )
    assert said.choices[0].message.content == "Hello"
    assert said.choices[0].finish_reason == "stop"
    assert said.usage is not None and said.usage.total_tokens == 18
    (heard,) = model.heard
    assert heard.text == "Hello"
    assert heard.headers["authorization"] == "Bearer k"
    assert heard.wait_finished()


@requirement("scripted:sdk")
def test_the_sdk_reads_a_stream_with_text_reasoning_and_usage(
    sdk: openai.OpenAI, model: Model
) -> None:
    """Source: the chunk shapes of the published schema; reasoning is a common extension."""
    model.script(
        think("Hm")
        + say("Hello", " world")
        + finish("length")
        + usage(25, 7, cached=3, reasoning=2)
    )
    chunks = list(
        sdk.chat.completions.create(
            model=model.name,
            messages=[{"role": "user", "content": "x"}],
            stream=True,
            stream_options={"include_usage": True},
        )
    )
    pieces = [chunk.choices[0].delta.content for chunk in chunks if chunk.choices]
    assert [piece for piece in pieces if piece] == ["Hello", " world"]
    assert chunks[1].choices[0].delta.model_extra == {"reasoning_content": "Hm"}
    assert [c.choices[0].finish_reason for c in chunks if c.choices][-1] == "length"
    assert chunks[-1].usage is not None and chunks[-1].usage.prompt_tokens_details is not None
    assert chunks[-1].usage.prompt_tokens_details.cached_tokens == 3


@requirement("scripted:sdk")
def test_the_sdk_gathers_parallel_tool_calls_in_one_answer(
    sdk: openai.OpenAI, model: Model
) -> None:
    """Source: `tool_calls` of the published schema."""
    model.script(call("shell", {"cmd": "ls"}, pieces=3) + call("think", "{}", id="c2"))
    said = sdk.chat.completions.create(model=model.name, messages=[{"role": "user", "content": ""}])
    calls = said.choices[0].message.tool_calls
    assert said.choices[0].finish_reason == "tool_calls"
    assert calls is not None
    assert isinstance(calls[0], ChatCompletionMessageToolCall)
    assert calls[0].function.arguments == '{"cmd": "ls"}'
    assert calls[1].id == "c2"


@requirement("scripted:sdk")
def test_the_sdks_helper_gathers_streamed_tool_calls(sdk: openai.OpenAI, model: Model) -> None:
    """The helper adds the pieces of each call up itself."""
    model.script(say("Wait.") + call("f", {"a": 12}, id="c1", pieces=4) + call("g", id="c2"))
    with sdk.chat.completions.stream(
        model=model.name, messages=[{"role": "user", "content": ""}]
    ) as stream:
        [choice] = stream.get_final_completion().choices
    assert (choice.message.content, choice.finish_reason) == ("Wait.", "tool_calls")
    called = [(one.id, one.function.arguments) for one in choice.message.tool_calls or ()]
    assert called == [("c1", '{"a": 12}'), ("c2", "{}")]


@requirement("scripted:sdk")
@pytest.mark.parametrize(
    ("reply", "error"),
    [
        (rate_limited("7"), openai.RateLimitError),
        (fail(500, "broken"), openai.InternalServerError),
        (fail(401, "who?", code="invalid_api_key"), openai.AuthenticationError),
        (context_too_long(), openai.BadRequestError),
        (answer(200, b"<html>", content_type="application/json"), openai.APIError),
        (die(), openai.APIConnectionError),
        (die(reset=True), openai.APIConnectionError),
    ],
)
def test_the_sdk_knows_each_failure(
    sdk: openai.OpenAI, model: Model, reply: Reply, error: type[Exception]
) -> None:
    """Source: the SDK's table of errors by status."""
    model.script(reply)
    with pytest.raises((error, ValueError)) as caught:
        sdk.chat.completions.create(model=model.name, messages=[{"role": "user", "content": ""}])
    if isinstance(caught.value, openai.RateLimitError):
        assert caught.value.response.headers["retry-after"] == "7"


@requirement("scripted:sdk")
@pytest.mark.parametrize(
    ("reply", "complaint"),
    [
        (say("a") + die(), r"incomplete chunked read|Connection error|closed"),
        (say("a") + stream_error("overloaded"), r"overloaded"),
    ],
)
def test_the_sdk_sees_a_stream_that_fails_in_the_middle(
    sdk: openai.OpenAI, model: Model, reply: Reply, complaint: str
) -> None:
    """Source: the SDK raises on a cut body and on an `error` event."""
    model.script(reply)
    stream = sdk.chat.completions.create(
        model=model.name, messages=[{"role": "user", "content": ""}], stream=True
    )
    # The SDK passes its HTTP client's own error on, whose class is not part of its interface.
    with pytest.raises(Exception, match=complaint):
        list(stream)
    assert not model.heard[0].wait_cut()


@requirement("scripted:order")
def test_replies_come_in_order_and_the_last_one_repeats(client: Client, model: Model) -> None:
    """Source: the scripted server's own promise."""

    def answer_by_text(heard: Heard) -> Reply:
        return say(f"{heard.number}: {heard.text}")

    model.script(say("one"), answer_by_text)
    assert [client.chat(text).content for text in "abc"] == ["one", "1: b", "2: c"]
    assert [heard.text for heard in model.heard] == ["a", "b", "c"]


SHAPES: list[tuple[str, Reply, Callable[[bytes], bool]]] = [
    ("crlf", say("a") + crlf(), lambda raw: b"\r\n\r\ndata: [DONE]\r\n\r\n" in raw),
    ("comment", comment("ping") + say("a"), lambda raw: raw.startswith(b": ping\n\n")),
    ("no role", say("a") + no_role(), lambda raw: b'"role"' not in raw),
    ("no finish", say("a") + no_finish(), lambda raw: b'"stop"' not in raw),
    ("no done", say("a") + no_done(), lambda raw: b"[DONE]" not in raw),
    ("broken", say("a") + broken_event(), lambda raw: b'"choices": [{\n\n' in raw),
    ("raw", raw(b"data:x\n\n"), lambda raw: raw.startswith(b"data:x\n\n")),
    ("refusal", refuse("No"), lambda raw: b'{"refusal": "No"}' in raw),
    ("finish with text", finish("stop", "last"), lambda raw: b'"last"}, "logprobs"' in raw),
    ("usage with finish", usage(where="with_finish"), lambda raw: raw.count(b'"usage"') == 1),
    ("usage unasked", usage(3, 4), lambda raw: b'"usage"' not in raw),
    ("usage always", usage(3, 4, always=True), lambda raw: b'"total_tokens": 7' in raw),
    ("call without id", call("f", id=None), lambda raw: b'"index": 0, "type"' in raw),
    ("merged calls", merged(call("f"), call("g")), lambda raw: raw.count(b"tool_calls") == 3 - 1),
]


@requirement("scripted:shapes")
@pytest.mark.parametrize(
    ("reply", "right"), [row[1:] for row in SHAPES], ids=[r[0] for r in SHAPES]
)
def test_a_stream_has_the_scripted_shape(
    client: Client, model: Model, reply: Reply, right: Callable[[bytes], bool]
) -> None:
    """Source: habits of providers, as the scripted parts describe them."""
    model.script(reply)
    with client.stream("x") as stream:
        assert right(stream.read_to_end()), stream.raw


@requirement("scripted:shapes")
def test_pieces_of_parallel_calls_may_take_turns(client: Client, model: Model) -> None:
    """Source: providers stream parallel calls by `index`."""
    model.script(
        call_piece(0, id="a", name="f")
        + call_piece(1, id="b", name="g")
        + call_piece(0, "{}")
        + call_piece(1, "{}")
    )
    with client.stream("x") as stream:
        chunks = stream.rest()
    assert finish_of(chunks) == "tool_calls"
    (message,) = [choice["message"] for choice in client.chat("x").json["choices"]]
    assert [(c["id"], c["function"]) for c in message["tool_calls"]] == [
        ("a", {"arguments": "{}", "name": "f"}),
        ("b", {"arguments": "{}", "name": "g"}),
    ]


@requirement("scripted:writes")
def test_each_event_is_a_write_unless_told_otherwise(client: Client, model: Model) -> None:
    """Source: the scripted server's own promise; a write is one HTTP chunk."""
    model.script(say("a", "b") + together(say("c"), say("d")))
    with client.stream("x") as stream:
        chunks = stream.rest()
    assert text_of(chunks) == "abcd"
    assert [read.count(b"data: ") for read in stream.reads] == [1, 1, 1, 2, 1, 1]
    model.script(say("é") + cut(1))
    with client.stream("x") as stream:
        assert text_of(stream.rest()) == "é"
    assert {len(read) for read in stream.reads} == {1}


@requirement("scripted:writes")
@pytest.mark.parametrize("stream", [True, False])
def test_the_usual_answers_hold_in_both_modes(client: Client, model: Model, stream: bool) -> None:
    """Source: stream and JSON are two forms of one answer."""
    model.script(paced(1000, say("a", "b")) + header("x-request-id", "r1") + no_usage())
    if stream:
        with client.stream("x", stream_options=INCLUDE) as answered:
            chunks = answered.rest()
        assert (text_of(chunks), usage_of(chunks)) == ("ab", None)
        assert answered.done and answered.complete
        assert answered.headers["x-request-id"] == "r1"
    else:
        whole = client.chat("x")
        assert whole.content == "ab"
        assert "usage" not in whole.json
        assert whole.headers["x-request-id"] == "r1"


@requirement("scripted:gates")
def test_a_gate_holds_the_reply_until_it_opens(client: Client, model: Model) -> None:
    """Source: the scripted server's own promise."""
    gate = Gate()
    model.script(say("a") + hold(gate) + say("b"))
    with client.stream("x") as stream:
        assert stream.next_text() == "a"
        gate.wait_reached()
        assert not model.heard[0].over.is_set()
        gate.open()
        assert stream.next_text() == "b"
        assert stream.next_text() is None


@requirement("scripted:gates")
def test_a_reply_may_begin_long_before_its_first_word(client: Client, model: Model) -> None:
    """Source: providers send status and headers before they think."""
    gate = Gate()
    model.script(begin() + hold(gate) + say("a"))
    with client.stream("x") as stream:
        assert stream.status == 200
        gate.open()
        assert text_of(stream.rest()) == "a"


@requirement("scripted:cut")
@pytest.mark.parametrize("reset", [False, True])
def test_the_server_notices_a_peer_that_hangs_up(client: Client, model: Model, reset: bool) -> None:
    """Source: the scripted server's own promise."""
    gate = Gate()
    model.script(say("a") + hold(gate) + say("b"), endless(per_second=100), endless())
    for _ in range(3):
        with client.stream("x") as stream:
            assert stream.next_text() in {"a", "word "}
            stream.hang_up(reset=reset)
    for heard in model.heard:
        assert heard.wait_cut()
        assert not heard.wait_finished()


@requirement("scripted:cut")
def test_an_answer_that_was_read_is_not_cut(client: Client, model: Model) -> None:
    """Source: the scripted server's own promise."""
    client.chat("x")
    assert not model.heard[0].wait_cut()
    assert model.heard[0].finished


@requirement("scripted:cut")
def test_a_peer_that_stops_reading_stops_the_writing(client: Client, model: Model) -> None:
    """Source: the scripted server's own promise; kernels hold a few megabytes."""
    model.script(huge(50 << 20))
    with client.stream("x") as stream:
        assert stream.next_text()
        heard = model.wait_heard()
        assert heard.wait_stalled()
        assert heard.written < 20 << 20
    assert heard.wait_cut()


@requirement("scripted:death")
@pytest.mark.parametrize("reset", [False, True])
def test_the_server_dies_after_the_scripted_bytes(
    client: Client, model: Model, reset: bool
) -> None:
    """Source: the scripted server's own promise."""
    model.script(say("abc") + die_after(33, reset=reset))
    with client.stream("x") as stream:
        assert stream.next() is None
        assert not stream.complete
        assert len(stream.raw) == 33
    model.script(say("abc") + die(reset=reset))
    with client.stream("x") as stream:
        assert text_of(stream.rest()) == "abc"
        assert not stream.complete and not stream.done


@requirement("scripted:connections")
def test_a_connection_serves_many_requests_until_told_otherwise(
    scripted: Scripted, model: Model
) -> None:
    """Source: keep-alive of HTTP/1.1."""
    model.script(say("a"), say("b"), say("c") + then_close(), say("d"))
    with openai.OpenAI(base_url=scripted.url, api_key="k", max_retries=3) as sdk:
        for _ in range(4):
            sdk.chat.completions.create(
                model=model.name, messages=[{"role": "user", "content": ""}]
            )
    one, two, three, four = (heard.connection for heard in model.heard)
    assert one == two == three != four


@requirement("scripted:connections")
def test_bodies_end_in_odd_ways_when_told_so(client: Client, model: Model) -> None:
    """Source: HTTP/1.0 servers, and servers that forget to end a stream."""
    model.script(say("a") + until_close(), say("b") + trailing(), say("c") + as_json())
    with client.stream("x") as stream:
        assert (text_of(stream.rest()), stream.complete) == ("a", True)
        assert "transfer-encoding" not in stream.headers
    with client.stream("x") as stream:
        while not stream.done:
            stream.read()
    assert model.heard[1].wait_cut()
    assert client.chat("x", stream=True).content == "c"


@requirement("scripted:connections")
def test_the_server_reads_chunked_requests_and_lists_its_models(
    scripted: Scripted, client: Client, model: Model
) -> None:
    """Source: HTTP/1.1; `GET /models` of the published API."""
    body = b'{"model": "%s", "messages": [{"role": "user", "content": "hi"}]}' % model.name.encode()
    request = (
        b"POST /any/prefix/chat/completions HTTP/1.1\r\n"
        b"Host: x\r\nTransfer-Encoding: chunked\r\n\r\n"
        b"5\r\n%s\r\n%x\r\n%s\r\n0\r\n\r\n" % (body[:5], len(body) - 5, body[5:])
    )
    with client.connect() as connection:
        connection.sendall(request)
        assert b'"hi"' in connection.recv(1 << 16)
        connection.shutdown(socket.SHUT_WR)
    assert model.heard[0].raw == body
    names = [entry["id"] for entry in client.get("/v1/models").json["data"]]
    assert model.name in names
    assert client.get("/nothing").status == 404
    assert "GET /v1/models" in scripted.visits


@requirement("scripted:gates")
@pytest.mark.anyio
async def test_coroutines_wait_without_blocking(client: Client, model: Model) -> None:
    """Source: the scripted server's own promise."""
    gate = Gate()
    model.script(begin() + hold(gate))
    with client.stream("x") as stream:
        heard = await model.await_heard()
        await gate.await_reached()
        stream.hang_up()
        assert await heard.await_cut()
