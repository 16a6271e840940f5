"""What becomes of a tool's answer before anyone sees it: secrets out, hooks, then its size.

Source: runtime.md §5.5, §5.6, §12.5: one after the other, redaction first and size last.
"""

from __future__ import annotations

import msgspec

from docker_agent.events import ToolProgress
from docker_agent.messages import ToolCall, ToolResult, ToolSpec
from docker_agent.runtime import moments
from docker_agent.runtime.approval import Arguments, about
from docker_agent.runtime.strand import Strand
from docker_agent.runtime.toolbox import Gathered
from docker_agent.tools.port import Progress

MAX_CHARACTERS = 10_000_000
"""Of one result, whatever tool it is of: looking through more would hold up other requests."""

RUNTIME_CATEGORY = "runtime"
"""Tools that are runs of their own (`transfer_task`): a sub-agent's answer is as long as it is."""


def reader_in(tools: Gathered) -> str:
    """The tool with which a model can read files; empty when it has none."""
    for spec in tools.list.specs:
        if spec.category == "filesystem" and spec.name.endswith("read_file"):
            return spec.name
    return ""


async def finished(
    strand: Strand,
    reader: str,
    spec: ToolSpec,
    call: ToolCall,
    arguments: Arguments,
    result: ToolResult,
) -> ToolResult:
    """The result as models, clients and stores may have it; `reader` is the tool that reads
    files."""
    hooks = strand.agent.hooks
    text = await hooks.redaction.result(sendable(bounded(result.text)))
    if hooks.has("tool_response_transform", spec.name):
        verdict = await moments.fire(
            strand,
            "tool_response_transform",
            **about(spec, call, arguments),
            tool_response=text,
            tool_error=result.is_error,
        )
        if verdict.block is not None:
            return ToolResult(f"The result was withheld by a hook: {verdict.block}", is_error=True)
        text = text if verdict.response is None else verdict.response
    if spec.category != RUNTIME_CATEGORY:
        ledger = strand.ledger
        fitting = await ledger.team.results.fit(ledger.owner, text, reader)
        ledger.kept |= fitting is not text
        text = fitting
    if text is result.text and result.structured is None:
        return result
    structured = hooks.redaction.structured(result.structured)
    return msgspec.structs.replace(result, text=text, structured=structured)


def bounded(text: str) -> str:
    """The text, or as much of it as anyone looks at and what it would be in all."""
    if len(text) <= MAX_CHARACTERS:
        return text
    return (
        f"{text[:MAX_CHARACTERS]}\n[The result has {len(text)} characters; what follows the first "
        f"{MAX_CHARACTERS} was dropped. Ask for less at a time.]"
    )


def sendable(text: str) -> str:
    """The text as UTF-8 can carry it: half a surrogate pair becomes `?`."""
    if text.isascii():
        return text
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-8", "replace").decode()
    return text


async def observed(
    strand: Strand, spec: ToolSpec, call: ToolCall, arguments: Arguments, result: ToolResult
) -> str | None:
    """Tell `post_tool_use`; returns why the run must stop, None to go on. What hooks add is for the
    next model call."""
    if not strand.agent.hooks.has("post_tool_use", spec.name):
        return None
    verdict = await moments.fire(
        strand,
        "post_tool_use",
        **about(spec, call, arguments),
        tool_response=result.text,
        tool_error=result.is_error,
    )
    if verdict.context:
        strand.notes.append(verdict.context)
    return verdict.block


def progress_of(strand: Strand, spec: ToolSpec, call: ToolCall) -> Progress:
    """Shows what a running tool has so far, without secrets; nothing where a hook must see the
    whole first."""
    hooks = strand.agent.hooks

    async def nothing(text: str) -> None:
        return None

    if hooks.has("tool_response_transform", spec.name):
        return nothing
    clean = hooks.redaction.stream()

    async def progress(text: str) -> None:
        if shown := clean(text):
            await strand.tell(ToolProgress(call, shown))

    return progress
