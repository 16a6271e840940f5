"""What a run's outcome is written with: the port both kinds of reply share, and the JSON reply.

Source: chat-server.md §4.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Protocol

import msgspec

from docker_agent.events import ReasoningDelta, Source, TextDelta
from docker_agent.messages import ToolCall, Usage
from docker_agent.runtime.request import Outcome
from docker_agent.server.activity import Shown, ShownCall
from docker_agent.server.errors import HttpError
from docker_agent.server.exchange import Exchange, Headers
from docker_agent.server.record import Record
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


class Answer(Protocol):
    """A reply under way. A run is the same whichever it is; only `emit` differs."""

    async def open(self) -> None:
        """Before the run."""
        ...

    async def emit(self, source: Source, events: tuple[Shown, ...]) -> None:
        """While it runs: an `Emit`."""
        ...

    async def close(self, outcome: Outcome) -> None:
        """After a run that ended well."""
        ...

    async def fail(self, error: HttpError) -> None:
        """Instead of `close`, when something went wrong."""
        ...

    async def stop(self) -> None:
        """Last of all, in every case; lets go of whatever is left."""
        ...


class ReplyHead(msgspec.Struct, frozen=True):
    """What every chunk and the JSON reply say alike. `created` is seconds since 1970."""

    id: str
    created: int
    model: str
    headers: Headers = ()


class JsonAnswer:
    """The whole reply as one JSON object."""

    __slots__ = ("_calls", "_exchange", "_head", "_metadata", "_record", "_silent")

    def __init__(
        self,
        exchange: Exchange,
        head: ReplyHead,
        record: Record,
        metadata: Mapping[str, str] | None,
    ) -> None:
        self._exchange = exchange
        self._head = head
        self._metadata = metadata
        self._calls: list[ToolCall] = []
        self._record = record
        self._silent = True

    async def open(self) -> None:
        """Nothing leaves before the outcome is known."""

    async def emit(self, source: Source, events: tuple[Shown, ...]) -> None:
        """The outcome holds all that is needed, but for calls that are to be seen."""
        first = events[0]
        if isinstance(first, TextDelta | ReasoningDelta):
            if self._silent and not source.depth:
                self._silent = False
                self._record.heard()
        elif isinstance(first, ShownCall):
            self._calls.append(first.call)
        else:
            self._record.note(source, events)

    async def close(self, outcome: Outcome) -> None:
        body = msgspec.json.encode(completion(self._head, outcome, self._metadata, self._calls))
        milliseconds = int((time.monotonic() - self._exchange.started) * 1000)
        headers = (
            (b"content-type", b"application/json"),
            (b"openai-processing-ms", str(milliseconds).encode()),
            *self._head.headers,
            *self._cost(outcome.usage),
        )
        await self._exchange.respond(200, body, headers)

    def _cost(self, usage: Usage) -> Headers:
        if usage.cost is None or not self._exchange.settings.tell_cost:
            return ()
        return ((b"x-cost-usd", f"{usage.cost:.6f}".encode()),)

    async def fail(self, error: HttpError) -> None:
        error.headers.extend(self._head.headers)
        await self._exchange.fail(error)

    async def stop(self) -> None:
        """There is nothing to let go of."""


def wire_usage(usage: Usage) -> WireUsage:
    """Usage in OpenAI's words."""
    return WireUsage(
        usage.prompt,
        usage.completion,
        usage.prompt + usage.completion,
        PromptDetails(usage.cached),
        CompletionDetails(usage.reasoning),
    )


def completion(
    head: ReplyHead,
    outcome: Outcome,
    metadata: Mapping[str, str] | None,
    shown: Sequence[ToolCall] = (),
) -> Completion:
    """The JSON reply of a run that ended well.

    `shown` are calls the server has run itself; a client with work of its own is not shown them.
    """
    text = outcome.text or None if outcome.pending else outcome.text
    message = CompletionMessage(content=text)
    if outcome.reasoning:
        message.reasoning_content = outcome.reasoning
    if calls := outcome.pending or shown:
        message.tool_calls = [
            CalledTool(id=call.id, function=CalledFunction(call.name, call.arguments or "{}"))
            for call in calls
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
