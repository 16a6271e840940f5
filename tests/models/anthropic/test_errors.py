"""The Messages API, failures: what went wrong, whether anything was shown, whether to try again."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

import pytest

from docker_agent.errors import Kind, ModelError
from docker_agent.messages import AudioPart, Sampling, UserMessage
from docker_agent.models.anthropic import AnthropicMessages
from docker_agent.models.anthropic_request import MessagesSettings
from docker_agent.models.anthropic_thinking import Thinking
from docker_agent.models.fallback import Fallback
from docker_agent.models.http import open_http
from docker_agent.models.port import Ask, ModelCard
from docker_agent.sse import MAX_EVENT
from tests.models.anthropic.asking import CARD, HI, tell, told
from tests.models.peer import Line, peer
from tests.models.talking import Pieces, Told
from tests.requirements import requirement
from tests.scripted.anthropic import Claude
from tests.scripted.anthropic_parts import overloaded, ping, reject, sign
from tests.scripted.gate import Gate
from tests.scripted.heard import Model
from tests.scripted.parts import (
    answer,
    begin,
    broken_event,
    call,
    die,
    die_after,
    hold,
    no_done,
    no_finish,
    raw,
    say,
    stream_error,
    think,
    together,
)
from tests.scripted.steps import Reply

pytestmark = pytest.mark.anyio

OVER_LIMIT = (
    "input length and `max_tokens` exceed context limit: 190000 + 32000 > 200000, "
    "decrease input length or `max_tokens` and try again"
)
TOO_LONG = "prompt is too long: 210000 tokens > 200000 maximum"


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
    "rate limit": Trouble(
        reject(429, "rate_limit_error", headers={"Retry-After": "7"}),
        "model_rate_limited",
        retry_after=7.0,
    ),
    "authentication": Trouble(
        reject(401, "authentication_error", "invalid x-api-key"), says="invalid x-api-key"
    ),
    "permission": Trouble(reject(403, "permission_error")),
    "not found": Trouble(reject(404, "not_found_error", "model: x"), says="(HTTP 404): model: x"),
    "invalid request": Trouble(reject(400, message="messages: no"), says="messages: no"),
    "prompt too long": Trouble(reject(400, message=TOO_LONG), "context_length_exceeded"),
    "no room for the answer": Trouble(reject(400, message=OVER_LIMIT), "context_length_exceeded"),
    "too large": Trouble(reject(413, "request_too_large"), "context_length_exceeded"),
    "internal": Trouble(reject(500, "api_error", "Internal server error"), transient=True),
    "overloaded": Trouble(overloaded(), transient=True, says="Overloaded"),
    "HTML from a proxy": Trouble(
        answer(502, b"<html>bad</html>", content_type="text/html"), transient=True, says="HTTP 502"
    ),
    "overloaded in the stream": Trouble(
        stream_error("Overloaded", type="overloaded_error"), transient=True, says="Overloaded"
    ),
    "overloaded after text": Trouble(
        say("a") + stream_error("Overloaded", type="overloaded_error"), transient=True, text="a"
    ),
    "an error in the same read as text": Trouble(
        together(say("a"), raw(b'data: {"type": "error", "error": {"message": "no"}}\n\n')),
        text="a",
        says="no",
    ),
    "a rate limit in the stream": Trouble(
        stream_error("slow down", type="rate_limit_error"), "model_rate_limited"
    ),
    "too long in the stream": Trouble(
        begin() + stream_error(TOO_LONG, type="invalid_request_error"), "context_length_exceeded"
    ),
    "an error as JSON with 200": Trouble(
        answer(200, b'{"type": "error", "error": {"type": "api_error", "message": "internal"}}'),
        transient=True,
        says="internal",
    ),
    "a malformed event": Trouble(broken_event(), says="malformed"),
    "a malformed event after text": Trouble(say("a") + broken_event(), text="a", says="malformed"),
    "no UTF-8": Trouble(raw(b'data: {"type": "\xff"}\n\n'), says="malformed"),
    "an event of another shape": Trouble(raw(b'data: {"type": "error", "index": "x"}\n\n')),
    "an event that is no object": Trouble(raw(b"data: [1]\n\n")),
    "JSON that is none": Trouble(answer(200, b"<html>"), says="malformed"),
    "nothing at all": Trouble(begin() + no_finish() + no_done(), transient=True),
    "only a ping": Trouble(ping() + no_finish() + no_done(), transient=True),
    "an empty answer": Trouble(answer(200, b"", content_type="text/event-stream"), transient=True),
    "cut before the head": Trouble(die(), transient=True),
    "cut before text": Trouble(begin() + die(), transient=True),
    "cut after text": Trouble(say("a") + die(), transient=True, text="a"),
    "cut after thinking": Trouble(think("a") + sign("s") + die(), transient=True),
    "cut inside a call": Trouble(call("f", {"a": 1}, pieces=3) + die_after(700), transient=True),
}


@requirement("models:anthropic:errors")
@pytest.mark.parametrize("trouble", TROUBLES.values(), ids=TROUBLES.keys())
async def test_what_goes_wrong_is_one_error(claude: Claude, model: Model, trouble: Trouble) -> None:
    """runtime.md §4.2: its kind, whether it may pass, how long to wait, whether text was shown."""
    model.script(trouble.script)
    heard = Told()
    with pytest.raises(ModelError) as failed:
        await told(claude, model, into=heard)
    error = failed.value
    assert heard.text == trouble.text
    assert (error.kind, error.transient) == (trouble.kind, trouble.transient)
    assert error.retry_after == trouble.retry_after
    assert error.emitted is bool(heard.batches)
    assert trouble.says in str(error)
    assert "the-model" in str(error)


@requirement("models:anthropic:errors")
async def test_a_stream_that_ends_inside_a_block_is_broken() -> None:
    """runtime.md §4.2: a truncated stream may be tried again while nothing was shown."""
    head = b'data: {"type": "message_start", "message": {"model": "m"}}\n\n'
    tool = (
        b'data: {"type": "content_block_start", "index": 0, '
        b'"content_block": {"type": "tool_use", "id": "c", "name": "f", "input": {}}}\n\n'
    )
    with pytest.raises(ModelError, match="ended before the answer") as failed:
        await tell(Pieces([head, tool]), MessagesSettings("", "m"), HI, Told())
    assert (failed.value.transient, failed.value.emitted) == (True, False)


@requirement("models:anthropic:errors")
@pytest.mark.parametrize("kind", ["text/event-stream", "application/json"])
async def test_an_event_without_end_is_refused(kind: str) -> None:
    """sse.py, MAX_EVENT: memory is bounded whatever a peer sends."""
    pieces = [b"data: " + b"x" * MAX_EVENT] * 2
    with pytest.raises(ModelError, match="without end"):
        await tell(Pieces(pieces, {"content-type": kind}), MessagesSettings("", "m"), HI, Told())


@requirement("chat:3:unsupported-part")
async def test_spoken_input_is_refused_before_anything_is_sent(
    claude: Claude, model: Model
) -> None:
    """chat-server.md §3: forwarded where the API takes it, else `unsupported_content_type`."""
    with pytest.raises(ModelError) as refused:
        await told(claude, model, Ask((UserMessage((AudioPart("AA", "wav"),)),)))
    assert refused.value.kind == "unsupported_content_type"
    assert model.heard == []


@requirement("models:anthropic:errors")
async def test_no_message_shows_a_key(claude: Claude, model: Model) -> None:
    """runtime.md §4.3: never a key nor an address."""
    model.script(reject(401, message=f"key sk-secret is wrong at {claude.url}"))
    with pytest.raises(ModelError) as failed:
        await told(claude, model, secrets=("sk-secret",))
    assert str(failed.value).endswith("key *** is wrong at (address)")


@requirement("models:anthropic:errors")
async def test_a_silent_provider_has_stalled() -> None:
    """runtime.md §3.8: the exact words, and no other try on this model."""

    async def talk(line: Line) -> None:
        await line.request()
        await line.left()

    async with peer(talk) as server, open_http(idle_timeout=0.1) as http:
        with pytest.raises(ModelError) as failed:
            await tell(http, MessagesSettings(server.url, "m"), HI, Told())
    assert str(failed.value).startswith("model stream stalled: no data received from upstream")
    assert not failed.value.transient


@requirement("models:anthropic:retry")
@pytest.mark.parametrize("script", [overloaded(), begin() + die(), stream_error("Overloaded")])
async def test_what_may_pass_is_tried_again(claude: Claude, model: Model, script: Reply) -> None:
    """agent-file.md §3.10: 529, a cut stream and an overload in the stream, before any text."""
    model.script(script, say("a"))
    heard = Told()
    async with open_http() as http:
        settings = MessagesSettings(f"{claude.url}/v1/messages", model.name)
        claudes = Fallback([AnthropicMessages(http, settings, CARD)], spread=lambda: 0.0)
        reply = await claudes.reply(HI, heard.hear)
    assert (reply.message.text, heard.text, len(model.heard)) == ("a", "a", 2)


@requirement("models:anthropic:cancel")
@pytest.mark.parametrize("script", [hold(Gate()), begin() + hold(Gate()), say("a") + hold(Gate())])
async def test_cancelling_a_call_is_seen_by_the_provider(
    claude: Claude, model: Model, script: Reply
) -> None:
    """models/port.py: the connection is closed before the cancellation propagates."""
    model.script(script)
    task = asyncio.create_task(told(claude, model))
    heard = await model.await_heard()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await heard.await_cut()


@requirement("models:anthropic:stream")
async def test_a_first_byte_may_be_late(claude: Claude, model: Model) -> None:
    """runtime.md §3.8: nothing but silence of five minutes ends a call."""
    gate = Gate()
    model.script(hold(gate) + say("a"))
    task = asyncio.create_task(told(claude, model))
    await gate.await_reached()
    gate.open()
    assert (await task).text == "a"


@requirement("models:anthropic:context-retry")
@pytest.mark.parametrize(
    ("refusal", "window", "asked", "shortened"),
    [
        (OVER_LIMIT, 0, None, 200_000 - 190_000 - 1024),
        (OVER_LIMIT, 195_000, None, 195_000 - 190_000 - 1024),
        (TOO_LONG, 200_000, None, 200_000 - 190_000 - 1024),
        (TOO_LONG, 191_000, None, None),
        (OVER_LIMIT, 0, 100, None),
        ("maximum context length", 0, None, None),
    ],
    ids=["said", "declared", "both", "no room", "short already", "unknown"],
)
async def test_an_answer_is_shortened_once_to_fit_the_window(
    claude: Claude,
    model: Model,
    refusal: str,
    window: int,
    asked: int | None,
    shortened: int | None,
) -> None:
    """agent-file.md §3.2.3: count tokens, clamp to what is left of the window, retry once."""
    claude.sizes[model.name] = 190_000
    model.script(reject(400, message=refusal), say("a"))
    ask = Ask(HI.messages, sampling=Sampling(max_tokens=asked))
    card = ModelCard("the-model", "anthropic", context=window)
    settings = MessagesSettings(
        f"{claude.url}/v1/messages", model.name, thinking=Thinking(tokens=16_384)
    )
    async with open_http() as http:
        if shortened is None:
            with pytest.raises(ModelError) as failed:
                await tell(http, settings, ask, Told(), card)
            assert failed.value.kind == "context_length_exceeded"
            assert len(model.heard) == 1
            return
        assert (await tell(http, settings, ask, Told(), card)).text == "a"
    first, second = (heard.body for heard in model.heard)
    assert (first["max_tokens"], second["max_tokens"]) == (32_000, shortened)
    assert "thinking" in first
    assert "thinking" not in second


@requirement("models:anthropic:context-retry")
async def test_a_second_refusal_is_final(claude: Claude, model: Model) -> None:
    """agent-file.md §3.2.3: once."""
    claude.sizes[model.name] = 190_000
    model.script(reject(400, message=OVER_LIMIT))
    with pytest.raises(ModelError) as failed:
        await told(claude, model)
    assert failed.value.kind == "context_length_exceeded"
    assert len(model.heard) == 2


@requirement("models:anthropic:context-retry")
async def test_a_question_nobody_can_count_keeps_its_refusal(claude: Claude, model: Model) -> None:
    """agent-file.md §3.2.3: without a count there is nothing to clamp to."""
    model.script(reject(400, message=OVER_LIMIT))
    with pytest.raises(ModelError, match="exceed context limit"):
        await told(claude, model)
    assert len(model.heard) == 1


@requirement("models:anthropic:context-retry")
async def test_text_that_was_shown_is_never_asked_for_again(claude: Claude, model: Model) -> None:
    """DESIGN.md §8: a call is tried again only while it has emitted nothing."""
    claude.sizes[model.name] = 190_000
    model.script(say("a") + stream_error(OVER_LIMIT + " (maximum context length)"), say("b"))
    heard = Told()
    with pytest.raises(ModelError) as failed:
        await told(claude, model, into=heard)
    assert (failed.value.kind, heard.text) == ("context_length_exceeded", "a")
    assert len(model.heard) == 1
