"""Gemini, failures: what went wrong, whether anything was shown, whether to try again."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

import pytest

from docker_agent.errors import Kind, ModelError
from docker_agent.events import Delta
from docker_agent.models.gemini_config import GeminiSettings
from docker_agent.models.http import open_http
from docker_agent.sse import MAX_EVENT
from tests.models.gemini.asking import HI, tell, told
from tests.models.peer import Line, peer
from tests.models.talking import Pieces, Told
from tests.requirements import requirement
from tests.scripted.gate import Gate
from tests.scripted.gemini import GeminiServer
from tests.scripted.gemini_parts import (
    bare_error,
    call,
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
from tests.scripted.parts import answer, begin, broken_event, comment, die, hold, raw, together
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
    "429 with its delay": Trouble(exhausted("34s"), "model_rate_limited", retry_after=34.0),
    "429 with part of a second": Trouble(exhausted("0.5s"), "model_rate_limited", retry_after=0.5),
    "429 without a time": Trouble(exhausted(""), "model_rate_limited"),
    "429 with a time that is none": Trouble(exhausted("soon"), "model_rate_limited"),
    "429 in a list": Trouble(
        answer(429, b'[{"error": {"code": 429, "details": [{"retryDelay": "2s"}]}}]'),
        "model_rate_limited",
        retry_after=2.0,
    ),
    "the header wins": Trouble(
        fail(429, "slow down", "RESOURCE_EXHAUSTED", headers={"Retry-After": "3"}),
        "model_rate_limited",
        retry_after=3.0,
    ),
    "401": Trouble(unauthenticated(), says="(HTTP 401): Request had invalid"),
    "403": Trouble(fail(403, "no", "PERMISSION_DENIED")),
    "a wrong key": Trouble(fail(400, "API key not valid."), says="API key not valid."),
    "404": Trouble(fail(404, "no such model", "NOT_FOUND"), says="no such model"),
    "too long": Trouble(too_long(), "context_length_exceeded"),
    "500": Trouble(fail(500, "no", "INTERNAL"), transient=True),
    "503": Trouble(overloaded(), transient=True, says="overloaded"),
    "504": Trouble(fail(504, "no", "DEADLINE_EXCEEDED"), transient=True),
    "response parts": Trouble(
        fail(400, "Please ensure that the number of function response parts is equal to ..."),
        transient=True,
    ),
    "HTML from a proxy": Trouble(
        answer(502, b"<html>bad</html>", content_type="text/html"), transient=True, says="HTTP 502"
    ),
    "an error in the stream": Trouble(
        error_event(503, "overloaded", "UNAVAILABLE"), transient=True, says="overloaded"
    ),
    "an error in the stream after text": Trouble(
        say("a") + error_event(500, "it broke", "INTERNAL"), transient=True, text="a"
    ),
    "an error beside text in one read": Trouble(
        together(say("a"), error_event(400, "no", "INVALID_ARGUMENT")) + say("b"), text="a"
    ),
    "a rate limit in the stream": Trouble(
        error_event(429, "slow down", "RESOURCE_EXHAUSTED"), "model_rate_limited"
    ),
    "too long in the stream": Trouble(
        error_event(400, "The input token count exceeds", "INVALID_ARGUMENT"),
        "context_length_exceeded",
    ),
    "a bare error": Trouble(bare_error(503, "overloaded", "UNAVAILABLE"), transient=True),
    "a bare error after text": Trouble(
        say("a", "data: b") + bare_error(500, "it broke", "INTERNAL"),
        transient=True,
        text="adata: b",
        says="it broke",
    ),
    "an error as JSON with 200": Trouble(
        answer(200, b'{"error": {"message": "no", "code": 503}}'), transient=True, says="no"
    ),
    "a malformed call": Trouble(
        done("MALFORMED_FUNCTION_CALL"), transient=True, says="MALFORMED_FUNCTION_CALL"
    ),
    "a malformed call after text": Trouble(
        say("a")
        + parts(reason="MALFORMED_FUNCTION_CALL", finishMessage="Malformed: k-secret f(\n1"),
        transient=True,
        text="a",
        says="Malformed: *** f( 1",
    ),
    "a call of no tool": Trouble(done("UNEXPECTED_TOOL_CALL"), transient=True),
    "a missing signature": Trouble(done("MISSING_THOUGHT_SIGNATURE")),
    "a malformed event": Trouble(broken_event(), says="malformed"),
    "a malformed event after text": Trouble(say("a") + broken_event(), text="a", says="malformed"),
    "no UTF-8": Trouble(
        raw(b'data: {"candidates": [{"content": {"parts": [{"text": "\xff"}]}}]}\n\n')
    ),
    "an event of another shape": Trouble(raw(b'data: {"candidates": [{"content": "x"}]}\n\n')),
    "arguments that are no object": Trouble(
        raw(
            b'data: {"candidates": [{"content": {"parts": [{"functionCall": {"name": "f",'
            b' "args": [1]}}]}}]}\n\n'
        )
    ),
    "an event that is no object": Trouble(raw(b"data: [1]\n\n")),
    "JSON that is none": Trouble(answer(200, b"<html>"), says="malformed"),
    "nothing at all": Trouble(begin(), transient=True),
    "only comments": Trouble(comment() + comment(), transient=True),
    "an empty list": Trouble(answer(200, b"[]"), transient=True),
    "a page of HTML": Trouble(
        answer(200, b"<html>log in</html>", content_type="text/html"), transient=True
    ),
    "cut before the head": Trouble(die(), transient=True),
    "cut after the head": Trouble(begin() + die(), transient=True),
    "cut after text": Trouble(say("a") + die(), transient=True, text="a"),
    "cut after thoughts": Trouble(think("a") + die(), transient=True),
    "cut after a call": Trouble(call("f") + die(), transient=True),
}


@requirement("models:gemini:errors")
@pytest.mark.parametrize("trouble", TROUBLES.values(), ids=TROUBLES.keys())
async def test_what_goes_wrong_is_one_error(
    gemini: GeminiServer, second: Model, trouble: Trouble
) -> None:
    """runtime.md §4.2: its kind, whether it may pass, how long to wait, whether text was shown."""
    second.script(trouble.script)
    heard = Told()
    with pytest.raises(ModelError) as failed:
        await told(gemini, second, into=heard)
    error = failed.value
    assert heard.text == trouble.text
    assert (error.kind, error.transient) == (trouble.kind, trouble.transient)
    assert error.retry_after == trouble.retry_after
    assert error.emitted is bool(heard.batches)
    assert trouble.says in str(error)
    assert "the-model" in str(error)


@requirement("models:gemini:errors")
async def test_a_silent_provider_has_stalled() -> None:
    """runtime.md §3.8: the exact words, and no other try on this model."""

    async def talk(line: Line) -> None:
        await line.request()
        await line.left()

    async with peer(talk) as server, open_http(idle_timeout=0.1) as http:
        with pytest.raises(ModelError) as failed:
            await tell(http, GeminiSettings(server.url, "m"), HI, Told())
    assert str(failed.value).startswith("model stream stalled: no data received from upstream")
    assert (failed.value.transient, failed.value.emitted) == (False, False)


@requirement("models:gemini:errors")
@pytest.mark.parametrize("kind", ["text/event-stream", "application/json"])
async def test_an_answer_without_end_is_given_up(kind: str) -> None:
    """DESIGN.md §5: memory per stream stays bounded."""
    piece = b"data: " + b"x" * (1 << 20)
    pieces = Pieces([piece] * (MAX_EVENT // len(piece) + 2), {"content-type": kind})
    with pytest.raises(ModelError, match="without end") as failed:
        await tell(pieces, GeminiSettings("", "m"), HI, Told())
    assert not failed.value.transient


@requirement("models:gemini:errors")
async def test_no_error_shows_the_key_or_the_address(gemini: GeminiServer, second: Model) -> None:
    """runtime.md §4.3: never keys, base URLs or request headers."""
    second.script(fail(401, f"key k-secret is wrong at {gemini.url}", "UNAUTHENTICATED"))
    with pytest.raises(ModelError) as failed:
        await told(gemini, second)
    assert str(failed.value).endswith("key *** is wrong at (address)")


@requirement("models:gemini:cancel")
@pytest.mark.parametrize("script", [hold(Gate()), begin() + hold(Gate()), say("a") + hold(Gate())])
async def test_cancelling_a_call_is_seen_by_the_provider(
    gemini: GeminiServer, second: Model, script: Reply
) -> None:
    """models/port.py: the connection is closed before the cancellation propagates."""
    second.script(script)
    task = asyncio.create_task(told(gemini, second))
    heard = await second.await_heard()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await heard.await_cut()


@requirement("models:gemini:cancel")
async def test_a_listener_that_fails_closes_the_connection(
    gemini: GeminiServer, second: Model
) -> None:
    """models/port.py: nothing is read that nobody hears."""
    second.script(say("a") + hold(Gate()))

    class Deaf(Told):
        async def hear(self, batch: tuple[Delta, ...]) -> None:
            raise RuntimeError("deaf")

    with pytest.raises(RuntimeError, match="deaf"):
        await told(gemini, second, into=Deaf())
    assert await second.heard[0].await_cut()
