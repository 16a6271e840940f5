"""One batch of tool calls: each allowed or refused, run in parallel, answered in call order."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from typing import cast

import anyio
import msgspec

from docker_agent.depth import TOO_DEEP, is_too_deep, may_be_too_deep
from docker_agent.errors import ToolError
from docker_agent.events import ToolFinished, ToolStarted
from docker_agent.messages import JSON, UNREADABLE, ToolCall, ToolMessage, ToolResult, ToolSpec
from docker_agent.permissions import Decision
from docker_agent.runtime.approval import approve, as_read, final_call, record
from docker_agent.runtime.background_agents import BackgroundAgents
from docker_agent.runtime.moments import blocked
from docker_agent.runtime.results import (
    RUNTIME_CATEGORY,
    finished,
    observed,
    progress_of,
    reader_in,
)
from docker_agent.runtime.strand import Strand
from docker_agent.runtime.toolbox import Gathered
from docker_agent.tools.port import CallContext, Toolset

log = logging.getLogger(__name__)

CALL_TIMEOUT = 120.0
"""Seconds one tool call may take, beside the request's deadline (runtime.md §3.8)."""

PARALLEL_CALLS = 8
"""Calls of one batch that run at once (runtime.md §5.2)."""

NO_OUTPUT = "(no output)"
NOT_A_TOOL = Decision(False, "unknown_tool")


def not_available(name: str) -> str:
    """What a model hears that called a tool there is not. Source: runtime.md §5.3, exact."""
    return f"Tool '{name}' is not available. You can only use the tools provided to you."


async def run_batch(strand: Strand, tools: Gathered, calls: Sequence[ToolCall]) -> list[ToolResult]:
    """Run the server's calls of one assistant message; their tool messages join the strand in call
    order.

    Calls of the client's own tools are left out: they are the client's to answer. Raises
    `RunFailed` when a hook that saw a result ends the run; the other calls end with it.
    """
    results: dict[int, ToolResult] = {}
    stops: list[str] = []
    limiter = anyio.CapacityLimiter(PARALLEL_CALLS)

    async def run_one(index: int) -> None:
        async with limiter:
            results[index], stop = await answer_call(strand, tools, calls[index])
            stop = stop or strand.script_end
            if stop is not None:
                stops.append(stop)
                group.cancel_scope.cancel()

    async with anyio.create_task_group() as group:
        for index in range(len(calls)):
            group.start_soon(run_one, index)
    if stops:
        raise blocked(stops[0])
    in_order = [results[index] for index in range(len(calls))]
    strand.messages.extend(
        ToolMessage(call.id, result.text or NO_OUTPUT, result.is_error, result.parts)
        for call, result in zip(calls, in_order, strict=True)
    )
    return in_order


async def answer_call(
    strand: Strand, tools: Gathered, call: ToolCall
) -> tuple[ToolResult, str | None]:
    """The answer to one call, and why the run must stop, if a hook says so."""
    spec, owner = tools.list.by_name.get(call.name), tools.owner(call.name)
    if spec is None or owner is None:
        record(strand, call.name, NOT_A_TOOL)
        return ToolResult(not_available(call.name), is_error=True), None
    reader = reader_in(tools)
    written, problem = parse_arguments(call.arguments)
    written = None if written is None else as_read(spec, written)
    decision, arguments = await approve(strand, spec, call, written)
    if not decision.allowed:
        refusal = ToolResult(decision.text, is_error=True)
        return await finished(strand, reader, spec, call, arguments, refusal), None
    call = final_call(call, arguments, written)
    await strand.tell(ToolStarted(call, spec.title or spec.name))
    if arguments is None:
        result = ToolResult(f"Error calling tool: {problem}", is_error=True)
    else:
        strand.ledger.changed |= not (spec.read_only or spec.harmless)
        result = await _call(strand, spec, owner, call, dict(arguments))
        strand.ledger.usage += result.usage
    result = await finished(strand, reader, spec, call, arguments, result)
    await strand.tell(ToolFinished(call, result))
    if spec.category == RUNTIME_CATEGORY:
        return result, None
    return result, await observed(strand, spec, call, arguments, result)


async def _call(
    strand: Strand, spec: ToolSpec, owner: Toolset, call: ToolCall, arguments: dict[str, JSON]
) -> ToolResult:
    ledger = strand.ledger
    limit = None if spec.keeps_time or spec.category == RUNTIME_CATEGORY else CALL_TIMEOUT
    ledger.acted = True
    timeout = asyncio.timeout(limit)
    try:
        async with timeout:
            return await owner.call(call.name, arguments, _context(strand, spec, call))
    except ToolError as exc:
        return ToolResult(f"Error calling tool: {exc}", is_error=True)
    except TimeoutError:
        if not timeout.expired():
            return ToolResult("Error calling tool: it timed out", is_error=True)
        return ToolResult(
            f"Error calling tool: it took longer than {limit:.0f} seconds and was stopped",
            is_error=True,
        )
    except Exception:
        log.exception("run %s: tool %s failed", ledger.request.id, call.name)
        return ToolResult("Error calling tool: internal error in the tool", is_error=True)


def _context(strand: Strand, spec: ToolSpec, call: ToolCall) -> CallContext:
    ledger, request = strand.ledger, strand.ledger.request
    return CallContext(
        run=request.id,
        agent=strand.agent.name,
        caller=request.caller,
        conversation_id=request.conversation_id,
        headers=request.headers,
        state=strand.draft,
        call_id=call.id,
        progress=progress_of(strand, spec, call),
        remaining=ledger.remaining,
        spawn=ledger.spawn,
        results=ledger.team.results.directory(ledger.owner),
        owner=ledger.owner,
        at_end=ledger.endings.append,
        tasks=BackgroundAgents(strand) if strand.agent.sub_agents else None,
    )


def parse_arguments(text: str) -> tuple[dict[str, JSON] | None, str]:
    """The arguments a model wrote, or None and what is wrong with them; nothing at all reads as
    `{}`."""
    if not text.strip():
        return {}, ""
    try:
        arguments = msgspec.json.decode(text)
    except UNREADABLE as exc:
        return None, f"the arguments are not valid JSON ({exc}); write one JSON object"
    if not isinstance(arguments, dict):
        return None, "the arguments must be one JSON object"
    if may_be_too_deep(text) and is_too_deep(arguments):
        return None, f"the arguments are {TOO_DEEP}"
    return cast(dict[str, JSON], arguments), ""
