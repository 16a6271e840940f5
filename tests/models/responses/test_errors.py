"""Responses, failures: what went wrong, whether anything was shown, whether to try again."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

import pytest

from docker_agent.errors import Kind, ModelError
from docker_agent.events import Delta
from docker_agent.messages import AudioPart, UserMessage
from docker_agent.models.http import open_http
from docker_agent.models.openai_responses import ResponsesSettings
from docker_agent.models.port import Ask
from docker_agent.sse import MAX_EVENT
from tests.models.peer import Line, peer
from tests.models.responses.asking import tell, told
from tests.models.responses.cases import ended, event
from tests.models.talking import HI, Pieces, Told
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
    comment,
    context_too_long,
    die,
    die_after,
    endless,
    fail,
    hold,
    no_finish,
    rate_limited,
    raw,
    say,
    stream_error,
    think,
    together,
)
from tests.scripted.responses import failed
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
    "401": Trouble(fail(401, "Incorrect API key"), says="(HTTP 401): Incorrect API key"),
    "404": Trouble(fail(404, "no such model"), says="no such model"),
    "context too long": Trouble(context_too_long(), "context_length_exceeded"),
    "500": Trouble(fail(500), transient=True),
    "503 asks to wait": Trouble(
        fail(503, headers={"Retry-After": "2"}), transient=True, retry_after=2.0
    ),
    "529": Trouble(fail(529, "Overloaded", type="overloaded_error"), transient=True),
    "HTML from a proxy": Trouble(
        answer(502, b"<html>bad</html>", content_type="text/html"), transient=True, says="HTTP 502"
    ),
    "an error in the stream": Trouble(
        stream_error("boom", code="server_error"),
        transient=True,
        says="error in the stream): boom",
    ),
    "an error in the stream after text": Trouble(
        say("a", "b") + stream_error("boom", code="server_error"), transient=True, text="ab"
    ),
    "an error in an error": Trouble(
        event("error", error={"message": "slow down", "code": "rate_limit_exceeded"}),
        "model_rate_limited",
        says="slow down",
    ),
    "an error in Chat Completions' shape": Trouble(
        raw(b'data: {"error": {"message": "no", "code": 503}}\n\n'), transient=True, says="no"
    ),
    "an error in the same read as text": Trouble(
        together(say("a"), event("error", message="no")) + say("b"), text="a"
    ),
    "a failed response": Trouble(failed("server_error", "it broke"), transient=True, says="broke"),
    "a failed response after text": Trouble(
        say("a") + failed("invalid_prompt", "not this"), text="a", says="not this"
    ),
    "a failed response that was too long": Trouble(
        failed("context_length_exceeded", "Your input exceeds the context window"),
        "context_length_exceeded",
    ),
    "a failed response that was too much": Trouble(
        failed("rate_limit_exceeded", "slow down"), "model_rate_limited"
    ),
    "a failed response without a word": Trouble(
        event("response.failed", response={"status": "failed", "error": None}) + no_finish()
    ),
    "a failed response as JSON": Trouble(
        say("a") + failed("server_error", "it broke") + as_json(), transient=True
    ),
    "an error as JSON with 200": Trouble(answer(200, b'{"error": {"message": "no"}}'), says="no"),
    "a response that has not begun": Trouble(
        answer(200, b'{"status": "queued", "output": []}'), transient=True, says="no answer"
    ),
    "JSON of another kind": Trouble(
        answer(200, b'{"choices": []}'), transient=True, says="no answer"
    ),
    "JSON that is none": Trouble(answer(200, b"<html>"), says="malformed"),
    "a malformed event": Trouble(broken_event(), says="malformed"),
    "a malformed event after text": Trouble(say("a") + broken_event(), text="a", says="malformed"),
    "a known kind in another shape": Trouble(
        event("response.output_text.delta", delta={"a": 1}), says="malformed"
    ),
    "no UTF-8": Trouble(raw(b'data: {"type": "response.output_text.delta", "delta": "\xff"}\n\n')),
    "an event that is no object": Trouble(raw(b"data: [1]\n\n"), says="malformed"),
    "an event too deep": Trouble(raw(b"data: " + b'{"error":' * 50_000 + b"\n\n")),
    "nothing at all": Trouble(begin() + no_finish(), transient=True),
    "only comments": Trouble(comment() + comment() + no_finish(), transient=True),
    "an empty answer": Trouble(answer(200, b"", content_type="text/html"), transient=True),
    "an end inside a call": Trouble(
        event(
            "response.output_item.added",
            output_index=0,
            item={"type": "function_call", "call_id": "c1", "name": "f"},
        )
        + event("response.function_call_arguments.delta", output_index=0, delta='{"a"')
        + no_finish(),
        transient=True,
        says="inside a tool call",
    ),
    "cut before the head": Trouble(die(), transient=True),
    "cut after the head": Trouble(begin() + die(), transient=True),
    "cut after text": Trouble(say("a") + die(), transient=True, text="a"),
    "cut after reasoning": Trouble(think("a") + die(), transient=True),
    "cut inside a call": Trouble(call("f", {"a": 1}, pieces=3) + die_after(1900), transient=True),
}


@requirement("models:responses:errors")
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


@requirement("models:responses:errors")
async def test_the_status_counts_when_its_body_is_cut() -> None:
    """runtime.md §4.2: a refusal stays one, however its page ends."""

    async def talk(line: Line) -> None:
        await line.request()
        await line.send(b"HTTP/1.1 401 No\r\nContent-Length: 900\r\n\r\n{")

    async with peer(talk) as server, open_http() as http:
        with pytest.raises(ModelError, match="HTTP 401") as failed:
            await tell(http, ResponsesSettings(server.url, "m"), HI, Told())
    assert not failed.value.transient


@requirement("models:responses:errors")
async def test_a_silent_provider_has_stalled() -> None:
    """runtime.md §3.8: the exact words, and no other try on this model."""

    async def talk(line: Line) -> None:
        await line.request()
        await line.left()

    async with peer(talk) as server, open_http(idle_timeout=0.1) as http:
        with pytest.raises(ModelError) as failed:
            await tell(http, ResponsesSettings(server.url, "m"), HI, Told())
    assert str(failed.value).startswith("model stream stalled: no data received from upstream")
    assert (failed.value.transient, failed.value.emitted) == (False, False)


@requirement("models:responses:errors")
@pytest.mark.parametrize("kind", ["text/event-stream", "application/json"])
async def test_an_answer_without_end_is_given_up(kind: str) -> None:
    """DESIGN.md §5: memory per stream stays bounded."""
    piece = b"data: " + b"x" * (1 << 20)
    heard = Told()
    pieces = Pieces([piece] * (MAX_EVENT // len(piece) + 2), {"content-type": kind})
    with pytest.raises(ModelError, match="without end") as failed:
        await tell(pieces, ResponsesSettings("", "m"), HI, heard)
    assert (failed.value.transient, heard.batches) == (False, [])


@requirement("models:responses:errors")
async def test_no_error_shows_the_key_or_the_address(scripted: Scripted, model: Model) -> None:
    """runtime.md §4.3: never keys, base URLs or request headers."""
    model.script(
        fail(401, f"key sk-secret is wrong at {scripted.url}"),
        failed("invalid_prompt", "key sk-secret"),
    )
    for ending in ("key *** is wrong at (address)", "key ***"):
        with pytest.raises(ModelError) as refused:
            await told(scripted, model, secrets=("sk-secret",))
        assert str(refused.value).endswith(ending)


@requirement("models:responses:errors", "chat:3:unsupported-part")
async def test_spoken_input_is_refused_before_anything_is_sent(
    scripted: Scripted, model: Model
) -> None:
    """chat-server.md §3: forwarded where the API takes it, else `unsupported_content_type`."""
    with pytest.raises(ModelError) as refused:
        await told(scripted, model, Ask((UserMessage((AudioPart("AA", "wav"),)),)))
    assert refused.value.kind == "unsupported_content_type"
    assert model.heard == []


@requirement("models:responses:cancel")
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


@requirement("models:responses:cancel")
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


@requirement("models:responses:errors")
async def test_nothing_after_the_end_counts(scripted: Scripted, model: Model) -> None:
    """agent-file.md §3.10: an answer that ended well stays one."""
    model.script(together(say("a"), ended(), say("b"), broken_event()) + die())
    assert (await told(scripted, model)).text == "a"
