"""What a run says while it happens: one callback, batches of small frozen values."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import msgspec

from docker_agent.messages import ToolCall, ToolResult, Usage


class TextDelta(msgspec.Struct, frozen=True, gc=False):
    """A piece of the answer."""

    text: str


class ReasoningDelta(msgspec.Struct, frozen=True, gc=False):
    """A piece of the model's thinking; never part of the answer."""

    text: str


Delta = TextDelta | ReasoningDelta
"""What a model emits. Tool calls are not among them: nobody can act on half a call, and a call
that showed nothing yet may be tried again when the connection is cut
(docs/explanation/the-ports.md)."""


class ToolStarted(msgspec.Struct, frozen=True):
    """A server tool begins to run."""

    call: ToolCall
    title: str


class ToolProgress(msgspec.Struct, frozen=True):
    """A running tool shows what it has so far."""

    call: ToolCall
    text: str


class ToolFinished(msgspec.Struct, frozen=True):
    """A server tool is done."""

    call: ToolCall
    result: ToolResult


class AgentSwitched(msgspec.Struct, frozen=True):
    """The conversation goes on with another agent (`handoff`, `force_handoff`) or a sub-agent
    begins (`transfer_task`)."""

    agent: str
    why: str


class ModelReplied(msgspec.Struct, frozen=True):
    """A model call ended well; `usage` is that call's alone."""

    model: str
    usage: Usage


Event = Delta | ToolStarted | ToolProgress | ToolFinished | AgentSwitched | ModelReplied


class Source(msgspec.Struct, frozen=True):
    """Who speaks: the run's id, how deep below the entry agent (0: its text is the answer), and
    the agent's name."""

    run: str
    depth: int
    agent: str


Emit = Callable[[Source, tuple[Event, ...]], Awaitable[None]]
"""Takes one batch of events, as one read of a socket brought them, and returns when the listener
has taken them.

Safe to call from sibling tasks; never raises because the listener has left; awaiting it is the
back-pressure.
"""

EmitDeltas = Callable[[tuple[Delta, ...]], Awaitable[None]]
"""What a model is given: the same promise, without the source."""


async def ignore(source: Source, events: tuple[Event, ...]) -> None:
    """An `Emit` for callers that want only the outcome."""
