"""A reply as one JSON object, and what both kinds of reply share. Source: chat-server.md §4."""

from __future__ import annotations

import time
from collections.abc import Mapping

import msgspec

from docker_agent.messages import Usage
from docker_agent.runtime.request import Outcome
from docker_agent.server.exchange import Exchange, Headers
from docker_agent.server.wire import (
    CalledFunction,
    CalledTool,
    Completion,
    CompletionChoice,
    CompletionDetails,
    CompletionMessage,
    PromptDetails,
    WireUsage,
)


class ReplyHead(msgspec.Struct, frozen=True):
    """What every chunk and the JSON reply say alike. `created` is seconds since 1970."""

    id: str
    created: int
    model: str
    headers: Headers = ()


def wire_usage(usage: Usage) -> WireUsage:
    """Usage in OpenAI's words."""
    return WireUsage(
        usage.prompt,
        usage.completion,
        usage.prompt + usage.completion,
        PromptDetails(usage.cached),
        CompletionDetails(usage.reasoning),
    )


def completion(head: ReplyHead, outcome: Outcome, metadata: Mapping[str, str] | None) -> Completion:
    """The JSON reply of a run that ended well."""
    message = CompletionMessage(content=outcome.text or None if outcome.pending else outcome.text)
    if outcome.reasoning:
        message.reasoning_content = outcome.reasoning
    if outcome.pending:
        message.tool_calls = [
            CalledTool(id=call.id, function=CalledFunction(call.name, call.arguments or "{}"))
            for call in outcome.pending
        ]
    reply = Completion(
        id=head.id,
        created=head.created,
        model=head.model,
        choices=[CompletionChoice(message=message, finish_reason=outcome.finish)],
        usage=wire_usage(outcome.usage),
    )
    if metadata:
        reply.metadata = dict(metadata)
    return reply


async def send_completion(
    exchange: Exchange, head: ReplyHead, outcome: Outcome, metadata: Mapping[str, str] | None
) -> None:
    """Send the JSON reply."""
    body = msgspec.json.encode(completion(head, outcome, metadata))
    milliseconds = int((time.monotonic() - exchange.started) * 1000)
    headers = (
        (b"content-type", b"application/json"),
        (b"openai-processing-ms", str(milliseconds).encode()),
        *head.headers,
    )
    await exchange.respond(200, body, headers)
