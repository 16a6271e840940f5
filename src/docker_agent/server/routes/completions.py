"""`POST /v1/chat/completions`: from bytes to a run, and from its outcome to a reply."""

from __future__ import annotations

import asyncio
import logging
import random
import time
from urllib.parse import quote

from docker_agent.errors import Failure
from docker_agent.events import Emit, ignore
from docker_agent.runtime.agent import Agent, Team
from docker_agent.runtime.loop import run
from docker_agent.runtime.request import Outcome, RunRequest
from docker_agent.server.answer import ReplyHead, send_completion
from docker_agent.server.body import read_body
from docker_agent.server.errors import from_failure
from docker_agent.server.exchange import Exchange
from docker_agent.server.stream import ChunkStream
from docker_agent.server.translate import client_tools_of, messages_of, overrides_of
from docker_agent.server.wire import ChatRequest, decode_request

log = logging.getLogger(__name__)

SHUTTING_DOWN = from_failure(Failure("draining", "The server is shutting down."), acted=False)
"""What a client hears whose run is cut because the server stops."""

INTERNAL = from_failure(
    Failure("internal_error", "Something went wrong here; the server's log knows more."),
    acted=True,
)
"""What a client hears after an error of ours; nobody knows what was done, so it is not retried."""


async def complete(exchange: Exchange) -> None:
    """Answer one chat request, streamed or whole; both are the same run with another `emit`."""
    request = decode_request(await read_body(exchange))
    async with exchange.teams.current() as team:
        agent = choose_agent(team, request.model, exchange.settings.entry)
        asked = _run_request(exchange, request, agent)
        head = ReplyHead(
            id=f"chatcmpl-{random.getrandbits(96):024x}",
            created=int(time.time()),
            model=request.model or agent.name,
            headers=((b"x-agent", _header_text(agent.name)),),
        )
        if request.stream:
            await _stream(exchange, team, asked, head, request)
        else:
            await _whole(exchange, team, asked, head, request)


def choose_agent(team: Team, model: str | None, pinned: str | None) -> Agent:
    """The agent a request means: the one it names, else the pinned or the default one."""
    if model and model in team.listed and (pinned is None or model == pinned):
        return team.agents[model]
    return team.agents[pinned or team.default]


def _run_request(exchange: Exchange, request: ChatRequest, agent: Agent) -> RunRequest:
    settings = exchange.settings
    return RunRequest(
        id=exchange.request_id,
        entry=agent.name,
        new=messages_of(request),
        caller=f"{exchange.caller}/{request.user}" if request.user else exchange.caller,
        overrides=overrides_of(request),
        client_tools=client_tools_of(request),
        safety=settings.safety,
        deadline=asyncio.get_running_loop().time() + settings.request_timeout,
        max_turns=settings.max_turns,
    )


async def _stream(
    exchange: Exchange, team: Team, asked: RunRequest, head: ReplyHead, request: ChatRequest
) -> None:
    options = request.stream_options
    include_usage = bool(options and options.include_usage)
    stream = ChunkStream(exchange, head, include_usage=include_usage)
    try:
        await stream.open()
        outcome = await _run(exchange, team, asked, stream.emit)
        if outcome is None:
            return
        if outcome.failure is not None:
            await stream.fail(from_failure(outcome.failure, acted=outcome.acted))
        else:
            await stream.close(outcome)
    except asyncio.CancelledError:
        await stream.fail(SHUTTING_DOWN)
        raise
    except Exception:
        log.exception("run %s failed", asked.id)
        await stream.fail(INTERNAL)
    finally:
        await stream.stop()


async def _whole(
    exchange: Exchange, team: Team, asked: RunRequest, head: ReplyHead, request: ChatRequest
) -> None:
    try:
        outcome = await _run(exchange, team, asked, ignore)
    except asyncio.CancelledError:
        await exchange.fail(SHUTTING_DOWN)
        raise
    if outcome is None:
        return
    if outcome.failure is not None:
        await exchange.fail(from_failure(outcome.failure, acted=outcome.acted))
    else:
        await send_completion(exchange, head, outcome, request.metadata)


async def _run(exchange: Exchange, team: Team, asked: RunRequest, emit: Emit) -> Outcome | None:
    """Run while the client is there; None when it has left, and with it everything it started."""
    work = asyncio.current_task()
    watcher = asyncio.create_task(exchange.left())
    gone = False

    def cancel(done: asyncio.Task[None]) -> None:
        nonlocal gone
        if not done.cancelled() and not exchange.finished and work is not None:
            gone = True
            work.cancel()

    watcher.add_done_callback(cancel)
    try:
        return await run(team, asked, emit)
    except asyncio.CancelledError:
        if not gone or work is None:
            raise
        work.uncancel()
        exchange.finished = True
        log.info("run %s: the client left", asked.id)
        return None
    finally:
        watcher.remove_done_callback(cancel)
        watcher.cancel()


def _header_text(name: str) -> bytes:
    """An agent's name as a header value; what HTTP cannot carry is percent-encoded."""
    return quote(name, safe=" !#$&'()*+,/:;=?@[]-_.~").encode()
