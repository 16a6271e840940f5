"""Chat Completions, failures: what went wrong, whether anything was shown, whether to try again."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

import anyio
import pytest

from docker_agent.errors import Kind, ModelError
from docker_agent.events import Delta
from docker_agent.models.http import open_http
from docker_agent.models.openai_chat import ChatSettings
from docker_agent.sse import MAX_EVENT
from tests.models.peer import Line, peer
from tests.models.talking import HI, Pieces, Told, tell, told
from tests.requirements import requirement
from tests.scripted.gate import Gate
from tests.scripted.heard import Model
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
    die,
    die_after,
    endless,
    fail,
    finish,
    hold,
    huge,
    no_done,
    no_finish,
    rate_limited,
    raw,
    say,
    stream_error,
    think,
    together,
)
from tests.scripted.steps import Reply

pytestmark = pytest.mark.anyio


@dataclass(frozen=True, slots=True)
class Trouble:
    """A reply that fails, and how; `text` is what was shown before."""

    script: Reply
    kind: Kind = "model_error"
    transient: bool = False
    retry_after: float | None = None
    text: str = ""
    says: str = ""


TROUBLES: dict[str, Trouble] = {
    "429": Trouble(rate_limited("7"), "model_rate_limited", retry_after=7.0),
    "429 in milliseconds": Trouble(
        fail(429, headers={"retry-after-ms": "1500", "retry-after": "9"}),
        "model_rate_limited",
        retry_after=1.5,
    ),
    "429 without a time": Trouble(rate_limited(""), "model_rate_limited"),
    "401": Trouble(fail(401, "Incorrect API key"), says="(HTTP 401): Incorrect API key"),
    "403": Trouble(fail(403)),
    "404": Trouble(fail(404, "no such model"), says="no such model"),
    "context too long": Trouble(context_too_long(), "context_length_exceeded"),
    "413": Trouble(fail(413), "context_length_exceeded"),
    "500": Trouble(fail(500), transient=True),
    "503 asks to wait": Trouble(
        fail(503, headers={"Retry-After": "2"}), transient=True, retry_after=2.0
    ),
    "529": Trouble(fail(529, "Overloaded", type="overloaded_error"), transient=True),
    "HTML from a proxy": Trouble(
        answer(502, b"<html>bad</html>", content_type="text/html"), transient=True, says="HTTP 502"
    ),
    "a redirect is not followed": Trouble(
        answer(307, b"", {"Location": "http://127.0.0.1:9/"}), says="HTTP 307"
    ),
    "an endless error body": Trouble(answer(500, b"x" * (1 << 20)), transient=True),
    "an error in the stream": Trouble(
        stream_error("it broke"), transient=True, says="error in the stream): it broke"
    ),
    "an error in the stream after text": Trouble(
        say("a", "b") + stream_error("it broke"), transient=True, text="ab"
    ),
    "an error in the same read as text": Trouble(
        together(say("a"), raw(b'data: {"error": {"message": "no"}}\n\n')) + say("b"), text="a"
    ),
    "an error of no shape": Trouble(raw(b'data: {"error": "no"}\n\n'), says="no"),
    "a rate limit in the stream": Trouble(
        stream_error("slow down", code="rate_limit_exceeded"), "model_rate_limited"
    ),
    "too long in the stream": Trouble(
        begin() + stream_error("maximum context length"), "context_length_exceeded"
    ),
    "an error as JSON": Trouble(stream_error("it broke") + as_json(), transient=True),
    "an error as JSON with 200": Trouble(
        answer(200, b'{"error": {"message": "no", "code": 503}}'), transient=True, says="no"
    ),
    "a malformed event": Trouble(broken_event(), says="malformed"),
    "a malformed event after text": Trouble(say("a") + broken_event(), text="a", says="malformed"),
    "no UTF-8": Trouble(raw(b'data: {"choices": [{"delta": {"content": "\xff"}}]}\n\n')),
    "half a surrogate pair": Trouble(
        raw(b'data: {"choices": [{"delta": {"content": "\\ud800"}}]}\n\n')
    ),
    "an event of another shape": Trouble(raw(b'data: {"choices": [{"delta": "x"}]}\n\n')),
    "an event that is no object": Trouble(raw(b"data: [1]\n\n")),
    "an event too deep": Trouble(raw(b"data: " + b'{"error":' * 50_000 + b"\n\n")),
    "JSON that is none": Trouble(answer(200, b"<html>"), says="malformed"),
    "nothing at all": Trouble(begin() + no_finish() + no_done(), transient=True),
    "only comments": Trouble(comment() + comment() + no_finish() + no_done(), transient=True),
    "a page of HTML": Trouble(
        answer(200, b"<html>log in</html>", content_type="text/html"), transient=True
    ),
    "an empty answer": Trouble(answer(200, b""), transient=True),
    "cut before the head": Trouble(die(), transient=True),
    "cut after the head": Trouble(begin() + die(), transient=True),
    "cut after text": Trouble(say("a") + die(), transient=True, text="a"),
    "cut after reasoning": Trouble(think("a") + die(), transient=True),
    "ended inside a call": Trouble(
        call_piece(0, '{"a"', id="c1", name="f") + no_finish() + no_done(),
        transient=True,
        says="ended inside a tool call",
    ),
    "ended before a call's arguments": Trouble(
        call_piece(0, id="c1", name="f") + no_finish() + no_done(), transient=True
    ),
    "cut inside a call": Trouble(
        call("f", {"a": 1}, pieces=3) + finish("tool_calls") + die_after(500), transient=True
    ),
}


@requirement("models:chat:errors")
@pytest.mark.parametrize("trouble", TROUBLES.values(), ids=TROUBLES.keys())
async def test_what_goes_wrong_is_one_error(
    scripted: Scripted, model: Model, trouble: Trouble
) -> None:
    """runtime.md §4.2: its kind, whether it may pass, how long to wait, whether text was shown."""
    model.script(trouble.script)
    heard = Told()
    with pytest.raises(ModelError) as failed:
        await told(scripted, model, into=heard)
    error = failed.value
    assert heard.text == trouble.text
    assert (error.kind, error.transient) == (trouble.kind, trouble.transient)
    assert error.retry_after == trouble.retry_after
    assert error.emitted is bool(heard.batches)
    assert trouble.says in str(error)
    assert "the-model" in str(error)


@requirement("models:chat:errors")
async def test_the_status_counts_when_its_body_is_cut() -> None:
    """runtime.md §4.2: a refusal stays one, however its page ends."""

    async def talk(line: Line) -> None:
        await line.request()
        await line.send(b"HTTP/1.1 401 No\r\nContent-Length: 900\r\n\r\n{")

    async with peer(talk) as server, open_http() as http:
        with pytest.raises(ModelError, match="HTTP 401") as failed:
            await tell(http, ChatSettings(server.url, "m"), HI, Told())
    assert not failed.value.transient


@requirement("models:chat:errors")
async def test_a_silent_provider_has_stalled() -> None:
    """runtime.md §3.8: the exact words, and no other try on this model."""

    async def talk(line: Line) -> None:
        await line.request()
        await line.left()

    async with peer(talk) as server, open_http(idle_timeout=0.1) as http:
        with pytest.raises(ModelError) as failed:
            await tell(http, ChatSettings(server.url, "m"), HI, Told())
    assert str(failed.value).startswith("model stream stalled: no data received from upstream")
    assert (failed.value.transient, failed.value.emitted) == (False, False)


@requirement("models:chat:errors")
@pytest.mark.parametrize("kind", ["text/event-stream", "application/json"])
async def test_an_answer_without_end_is_given_up(kind: str) -> None:
    """DESIGN.md §5: memory per stream stays bounded."""
    piece = b"data: " + b"x" * (1 << 20)
    heard = Told()
    pieces = Pieces([piece] * (MAX_EVENT // len(piece) + 2), {"content-type": kind})
    with pytest.raises(ModelError, match="without end") as failed:
        await tell(pieces, ChatSettings("", "m"), HI, heard)
    assert (failed.value.transient, heard.batches) == (False, [])


@requirement("models:chat:errors")
async def test_no_error_shows_the_key_or_the_address(scripted: Scripted, model: Model) -> None:
    """runtime.md §4.3: never keys, base URLs or request headers."""
    model.script(fail(401, f"key sk-secret is wrong at {scripted.url}"))
    with pytest.raises(ModelError) as failed:
        await told(scripted, model, secrets=("sk-secret",))
    assert str(failed.value).endswith("key *** is wrong at (address)")
    with pytest.raises(ModelError) as refused:
        async with open_http() as http:
            await tell(http, ChatSettings("http://127.0.0.1:1/v1", "m"), HI, Told())
    assert "127.0.0.1" not in str(refused.value)
    assert refused.value.transient


@requirement("models:chat:cancel")
@pytest.mark.parametrize("script", [hold(Gate()), begin() + hold(Gate()), endless(per_second=50)])
async def test_cancelling_a_call_is_seen_by_the_provider(
    scripted: Scripted, model: Model, script: Reply
) -> None:
    """models/port.py: the connection is closed before the cancellation propagates."""
    model.script(script)
    task = asyncio.create_task(told(scripted, model))
    heard = await model.await_heard()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await heard.await_cut()


@requirement("models:chat:cancel")
async def test_a_listener_that_fails_closes_the_connection(
    scripted: Scripted, model: Model
) -> None:
    """models/port.py: nothing is read that nobody hears."""
    model.script(endless(per_second=100))

    class Deaf(Told):
        async def hear(self, batch: tuple[Delta, ...]) -> None:
            raise RuntimeError("deaf")

    with pytest.raises(RuntimeError, match="deaf"):
        await told(scripted, model, into=Deaf())
    assert await model.heard[0].await_cut()


@requirement("design:5:back-pressure")
async def test_a_slow_listener_slows_the_provider(scripted: Scripted, model: Model) -> None:
    """DESIGN.md §5: emit is awaited before the next read."""
    model.script(huge(20 << 20))
    go_on = anyio.Event()

    class Slow(Told):
        async def hear(self, batch: tuple[Delta, ...]) -> None:
            await go_on.wait()

    task = asyncio.create_task(told(scripted, model, into=Slow()))
    heard = await model.await_heard()
    assert await heard.await_stalled()
    assert heard.written < 10 << 20
    go_on.set()
    result = await task
    assert len(result.reply.message.text) >= 20 << 20
