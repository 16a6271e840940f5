"""The loop: ask, run what the model asked for, ask again, until it asks for nothing. One
coroutine per run."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine
from typing import Literal

import anyio

from docker_agent.errors import Failure
from docker_agent.events import AgentSwitched, Emit
from docker_agent.messages import (
    AssistantMessage,
    ToolCall,
    ToolMessage,
    Turn,
    UserMessage,
    shown_digest,
)
from docker_agent.permissions import strictest
from docker_agent.runtime import limits, moments
from docker_agent.runtime.agent import Team
from docker_agent.runtime.calls import answer_call, run_batch
from docker_agent.runtime.delegation import PROCEED, Delegation
from docker_agent.runtime.request import Outcome, RunRequest
from docker_agent.runtime.shaped import settle_shape
from docker_agent.runtime.strand import BLANK_LINE, Ledger, RunFailed, Strand
from docker_agent.runtime.toolbox import NOTHING, Gathered
from docker_agent.runtime.turn import ask_once, say
from docker_agent.tools.port import Draft

log = logging.getLogger(__name__)

NO_ANSWER = "The agent finished without an answer."
"""A successful answer is never empty (chat-server.md §4): some clients ask again for ever."""

ENDING_SECONDS = 2.0
"""How long a run waits for what ends with it."""


async def run(team: Team, request: RunRequest, emit: Emit) -> Outcome:
    """Run the entry agent on what is new until it is done, telling `emit` on the way.

    Returns what it came to; a failure is a value there. Raises only cancellation: whatever the run
    started has ended then.
    """
    ledger = Ledger(team, request, emit, advance)
    strand = _entry_strand(ledger)
    failure = None
    well = False
    timeout = asyncio.timeout_at(request.deadline)
    try:
        async with timeout:
            if request.conversation_id is not None:
                await team.results.touch(ledger.owner)
            await _answer(strand)
            if not _pending(strand, request) and not any(text.strip() for text in strand.texts):
                await say(strand, NO_ANSWER)
        well = True
    except RunFailed as exc:
        failure = exc.failure
    except TimeoutError:
        if not timeout.expired():
            raise
        failure = Failure(
            "timeout", "the request took longer than the server allows (--request-timeout)"
        )
    finally:
        if ledger.kept and request.conversation_id is None:
            await team.results.forget(ledger.owner)
        if ledger.tasks:
            await _end_tasks(ledger)
        if ledger.endings:
            await _tell_end(ledger, well=well)
    return _outcome(strand, failure)


async def _answer(strand: Strand) -> None:
    """The whole answer of a run, from the agent's cache when it was given before."""
    caching, request = strand.agent.caching, strand.ledger.request
    if caching is None or request.tools_off:
        await advance(strand)
        return
    agent, state = strand.agent.name, strand.draft.entries()
    key = caching.key(request, agent, strand.messages)
    kept = await caching.answers.get(key)
    if kept is not None:
        await _told(strand, _say_again(strand, kept))
        return
    await advance(strand)
    text = BLANK_LINE.join(strand.texts)
    whole = strand.finish == "stop" and strand.agent.name == agent
    if whole and text.strip() and not strand.ledger.changed and strand.draft.entries() == state:
        await caching.answers.put(key, text)


async def _say_again(strand: Strand, text: str) -> None:
    await say(strand, text)
    await moments.answered(strand)
    await moments.waits(strand, "answered")


async def advance(strand: Strand) -> None:
    """Take turns until this strand's agent, and whoever it hands off to, asks for nothing more.

    Raises `RunFailed`. Ends early when calls wait for the client.
    """
    await _told(strand, _take_turns(strand))


async def _told(strand: Strand, work: Coroutine[object, object, None]) -> None:
    """Do the work of a strand, with what its hooks are told before and after. Raises
    `RunFailed`."""
    reason: Literal["stream_ended", "error", "canceled"] = "canceled"
    try:
        try:
            await moments.begin(strand)
        except BaseException:
            work.close()
            raise
        await work
        reason = "stream_ended"
    except RunFailed as exc:
        reason = "error"
        await moments.failed(strand, exc.failure)
        raise
    finally:
        await moments.end(strand, reason)


async def _take_turns(strand: Strand) -> None:
    delegation = _delegation(strand)
    while True:
        if notice := _spent(strand):
            strand.finish = "length"
            await moments.limit_reached(strand, notice)
            await say(strand, notice)
            return
        async with moments.Turning(strand) as turn:
            tools = await _gather(strand, delegation)
            reply = await ask_once(strand, tools)
            calls = reply.message.calls
            over = bool(calls) and await _act(strand, tools, calls)
            target = strand.next_agent or ("" if calls else strand.agent.force_handoff)
            forced = bool(target) and not strand.next_agent
            if not (calls or target):
                await settle_shape(strand, tools)
            if not calls:
                await moments.answered(strand)
            turn.reason = _turn_reason(over=over or not calls, forced=forced)
        if target:
            await _switch(strand, target, forced=forced)
            delegation = _delegation(strand)
        if over or not (calls or target):
            await moments.waits(strand, "client_tools" if over else "answered")
            return
        if target:
            await moments.begin(strand)


def _turn_reason(*, over: bool, forced: bool) -> moments.TurnEnd:
    if forced:
        return "force_handoff"
    return "normal" if over else "continue"


def _spent(strand: Strand) -> str | None:
    limit, turns = strand.agent.limits.max_iterations, strand.ledger.request.max_turns
    if limit and strand.iterations >= limit:
        return limits.stop_notice(limit)
    return limits.turns_notice(turns) if strand.ledger.turns >= turns else None


async def _act(strand: Strand, tools: Gathered, calls: tuple[ToolCall, ...]) -> bool:
    """Run the batch; true when the strand ends here: a tool ended the run, or the client must
    answer first."""
    own = tuple(call for call in calls if not _is_clients(tools, call))
    results = await run_batch(strand, tools, own) if own else []
    if len(own) < len(calls):
        strand.finish = "tool_calls"
        return True
    strand.next_model = next((each.next_model for each in results if each.next_model), None)
    if any(result.end_run for result in results):
        strand.finish = "stop"
        return True
    if problem := strand.repeats.see(calls):
        raise RunFailed(Failure("loop_detected", problem))
    return False


async def _switch(strand: Strand, target: str, *, forced: bool) -> None:
    strand.next_agent = None
    agent = strand.ledger.team.agents[target]
    kind = "force_handoff" if forced else "handoff"
    await moments.switched(strand, kind, strand.agent, agent)
    strand.become(agent)
    strand.mode = strictest(strand.mode, agent.safety)
    if forced:
        strand.messages.append(UserMessage(PROCEED, implicit=True))
    await strand.tell(AgentSwitched(target, kind))


def _delegation(strand: Strand) -> Delegation | None:
    agent = strand.agent
    forks = agent.forks and not strand.in_skill
    return Delegation(strand, advance) if agent.sub_agents or agent.handoffs or forks else None


async def _gather(strand: Strand, delegation: Delegation | None) -> Gathered:
    if strand.ledger.request.tools_off:
        return NOTHING
    tools = await strand.agent.toolbox.gather(strand.around(), delegation)
    if strand.agent.code_mode is not None:
        tools = strand.agent.code_mode.fold(strand, tools, answer_call)
    client_tools = strand.ledger.request.client_tools
    return tools.beside(client_tools) if client_tools and strand.is_entry else tools


def _is_clients(tools: Gathered, call: ToolCall) -> bool:
    return tools.owner(call.name) is None and call.name in tools.list.by_name


def _entry_strand(ledger: Ledger) -> Strand:
    team, request = ledger.team, ledger.request
    last = request.conversation.last
    agent = team.agents[last.agent if last and last.agent in team.agents else request.entry]
    return Strand(
        ledger,
        agent,
        [*request.conversation.messages, *request.new],
        strictest(request.safety, agent.safety),
        Draft(last.state if last else None),
        summary=last.summary if last else None,
    )


def _pending(strand: Strand, request: RunRequest) -> tuple[ToolCall, ...]:
    if strand.finish != "tool_calls":
        return ()
    answered: set[str] = set()
    for message in reversed(strand.messages):
        match message:
            case ToolMessage(call_id=call_id):
                answered.add(call_id)
            case AssistantMessage(calls=calls):
                return tuple(call for call in calls if call.id not in answered)
            case _:
                pass
    return ()


def _outcome(strand: Strand, failure: Failure | None) -> Outcome:
    request, ledger = strand.ledger.request, strand.ledger
    text = BLANK_LINE.join(strand.texts)
    added = tuple(strand.messages[len(request.conversation.messages) :])
    conversation = request.conversation
    if failure is None:
        digest = shown_digest(request.new, text) if request.keep else ""
        turn = Turn(added, strand.agent.name, digest, strand.draft.entries(), strand.summary)
        conversation = conversation.followed_by(turn)
    return Outcome(
        conversation=conversation,
        text=text,
        finish=strand.finish,
        usage=ledger.usage,
        active=strand.agent.name,
        reasoning=BLANK_LINE.join(strand.reasonings),
        pending=() if failure else _pending(strand, request),
        acted=ledger.acted,
        failure=failure,
    )


async def _end_tasks(ledger: Ledger) -> None:
    tasks = list(ledger.tasks)
    for task in tasks:
        task.cancel()
    for result in await asyncio.gather(*tasks, return_exceptions=True):
        if isinstance(result, Exception):
            log.error("run %s: background work failed", ledger.request.id, exc_info=result)


async def _tell_end(ledger: Ledger, *, well: bool) -> None:
    with anyio.move_on_after(ENDING_SECONDS, shield=True):
        told = [ending(well) for ending in ledger.endings]
        for result in await asyncio.gather(*told, return_exceptions=True):
            if isinstance(result, Exception):
                log.error("run %s: what ends with it failed", ledger.request.id, exc_info=result)
