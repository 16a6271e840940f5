"""`POST /v1/chat/completions`: from bytes to a run, and from its outcome to a reply."""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Coroutine
from contextlib import AbstractAsyncContextManager
from urllib.parse import quote

from docker_agent.errors import Failure, RequestError
from docker_agent.messages import NO_TOOLS, ToolList
from docker_agent.runtime.agent import Agent, Team
from docker_agent.runtime.loop import run
from docker_agent.runtime.request import Outcome, RunRequest
from docker_agent.server.activity import ACTIVITIES, Activity, Mode
from docker_agent.server.answer import Answer, JsonAnswer, ReplyHead
from docker_agent.server.body import read_body
from docker_agent.server.conversations.ids import (
    conversation_id,
    is_side_request,
    sends_whole_history,
)
from docker_agent.server.conversations.place import Place
from docker_agent.server.errors import from_failure, from_request_error
from docker_agent.server.exchange import Exchange, Headers
from docker_agent.server.record import Record
from docker_agent.server.settings import ServerSettings
from docker_agent.server.stream import ChunkStream
from docker_agent.server.translate import client_tools_of, messages_of, overrides_of
from docker_agent.server.wire import ChatRequest, decode_request

log = logging.getLogger(__name__)

KEY_HEADERS = frozenset({"authorization", "x-api-key", "api-key"})
"""Where a client may put its key for this server."""

SHUTTING_DOWN = Failure("draining", "The server is shutting down.")
"""What a client hears whose run is cut because the server stops."""

INTERNAL = Failure("internal_error", "Something went wrong here; the server's log knows more.")
"""What a client hears after an error of ours; nobody knows what was done, so it is not retried."""


async def complete(exchange: Exchange) -> None:
    """Answer one chat request, streamed or whole; both are the same run with another `emit`.

    The order at the end matters: the turn is kept, the conversation is free again, then the client
    learns that the answer is complete. One that goes on at once must not meet its own lease.
    """
    limits = exchange.services.rate.take(exchange.caller)
    request = decode_request(await read_body(exchange))
    with exchange.services.running.enter(exchange.settings.max_concurrency):
        async with exchange.services.teams.current() as team:
            agent = choose_agent(team, request.model, exchange.settings)
            side = is_side_request(exchange.headers, request)
            asked = _run_request(exchange, request, agent, team.headers, side=side)
            answer = _answer(exchange, request, agent, asked.conversation_id, limits)
            place = exchange.services.places.find(
                exchange.caller,
                agent.name,
                asked.conversation_id,
                messages_of(request),
                whole=sends_whole_history(exchange.headers),
            )
            try:
                outcome = await _answered_run(exchange, team, asked, answer, place)
                if outcome is not None:
                    await _finish(answer, outcome)
            finally:
                await answer.stop()


def choose_agent(team: Team, model: str | None, settings: ServerSettings) -> Agent:
    """The agent a request means: the one it names, else the pinned or the default one.

    Raises `RequestError` of kind `model_not_found` for an unknown name under `--strict-models`.
    """
    visible = (settings.entry,) if settings.entry else team.listed
    name = settings.aliases.get(model or "", model)
    if name and name in visible:
        return team.agents[name]
    if name and settings.strict_models:
        known = ", ".join(visible)
        text = f"The model '{model}' does not exist; this server has: {known}."
        raise RequestError("model_not_found", text, param="model")
    return team.agents[settings.entry or team.default]


def _run_request(
    exchange: Exchange, request: ChatRequest, agent: Agent, headers: frozenset[str], *, side: bool
) -> RunRequest:
    settings = exchange.settings
    kept = settings.conversations_max > 0 and not side
    return RunRequest(
        id=exchange.request_id,
        entry=agent.name,
        new=(),
        conversation_id=conversation_id(exchange.headers) if kept else None,
        caller=_caller(exchange.caller, request.user),
        overrides=overrides_of(request),
        client_tools=_offered(client_tools_of(request), settings.client_tools),
        tools_off=side,
        safety=settings.safety,
        headers=_passed_on(exchange, headers) if headers else {},
        deadline=asyncio.get_running_loop().time() + settings.request_timeout,
        max_turns=settings.max_turns,
        whole=not request.stream,
    )


def _passed_on(exchange: Exchange, names: frozenset[str]) -> dict[str, str]:
    """The headers that the agent file names. Those that may hold a key of this server are nobody
    else's business once there is one."""
    if exchange.services.keys.any:
        names -= KEY_HEADERS
    return {name: value for name in names if (value := exchange.header(name.encode()))}


def _caller(holder: str, user: str | None) -> str:
    """Who asks: the key's holder, divided by the request's `user`; no holder's name has a line
    break, so no two pairs read alike."""
    return f"{holder}\n{user}" if user else holder


def _offered(tools: ToolList, names: frozenset[str] | None) -> ToolList:
    if names is None or not tools:
        return tools
    kept = [spec for spec in tools.specs if spec.name in names]
    return ToolList(kept) if kept else NO_TOOLS


def _answer(
    exchange: Exchange,
    request: ChatRequest,
    agent: Agent,
    conversation: str | None,
    limits: Headers,
) -> Answer:
    headers = [(b"x-agent", _header_text(agent.name)), *limits]
    if conversation:
        headers.append((b"x-conversation-id", _header_text(conversation)))
    head = ReplyHead(
        id=f"chatcmpl-{random.getrandbits(96):024x}",
        created=int(time.time()),
        model=request.model or agent.name,
        headers=headers,
    )
    streams = bool(request.stream)
    record = exchange.record = Record(agent.name, stream=streams, conversation=conversation)
    if not streams:
        return JsonAnswer(exchange, head, record, request.metadata)
    options = request.stream_options
    return ChunkStream(
        exchange, head, record, include_usage=bool(options and options.include_usage)
    )


async def _answered_run(
    exchange: Exchange,
    team: Team,
    asked: RunRequest,
    answer: Answer,
    finding: AbstractAsyncContextManager[Place],
) -> Outcome | None:
    """The outcome, kept if it is to be kept; None when there is nobody to tell, or all is told."""
    opened = acted = False
    try:
        async with finding as place:
            await answer.open()
            opened = True
            asked = place.fill(asked)
            activity = _activity(exchange.settings.tool_events, answer)
            emit = activity.emit if activity else answer.emit
            outcome = await _watched(exchange, run(team, asked, emit))
            if outcome is not None and outcome.failure is None:
                if activity:
                    outcome = activity.outcome(outcome, asked.new)
                acted = outcome.acted
                outcome = await place.keep(outcome)
            return outcome
    except RequestError as exc:
        if not opened:
            raise
        await answer.fail(from_request_error(exc, acted=acted))
    except asyncio.CancelledError:
        await answer.fail(from_failure(SHUTTING_DOWN, acted=False))
        raise
    except Exception:
        log.exception("run %s failed", asked.id)
        await answer.fail(from_failure(INTERNAL, acted=True))
    return None


def _activity(mode: Mode, answer: Answer) -> Activity | None:
    return None if mode == "off" else ACTIVITIES[mode](answer.emit)


async def _finish(answer: Answer, outcome: Outcome) -> None:
    if outcome.failure is not None:
        await answer.fail(from_failure(outcome.failure, acted=outcome.acted))
    else:
        await answer.close(outcome)


async def _watched(
    exchange: Exchange, running: Coroutine[object, object, Outcome]
) -> Outcome | None:
    """Run while the client is there; None when it has left, and with it everything it started.

    With `--on-disconnect finish` the run ends all the same, and its turn is kept.
    """
    if exchange.settings.finish_alone:
        return await running
    work = asyncio.current_task()
    gone = False

    def cancel() -> None:
        nonlocal gone
        if not exchange.finished and work is not None:
            gone = True
            work.cancel()

    stop = exchange.when_left(cancel)
    try:
        return await running
    except asyncio.CancelledError:
        if not gone or work is None:
            raise
        work.uncancel()
        exchange.left_early()
        log.info("request %s: the client left", exchange.request_id)
        return None
    finally:
        stop()


def _header_text(name: str) -> bytes:
    """A name as a header value; what HTTP cannot carry is percent-encoded."""
    if name.isalnum() and name.isascii():
        return name.encode()
    return quote(name, safe=" !#$&'()*+,/:;=?@[]-_.~").encode()
