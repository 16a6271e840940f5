"""Models, tools and listeners that play what a test wrote: the ports, implemented in some lines."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field

import anyio

from docker_agent.errors import ModelError
from docker_agent.events import EmitDeltas, Event, ReasoningDelta, Source, TextDelta
from docker_agent.hooks.port import NO_HOOKS, Hooks
from docker_agent.messages import (
    JSON,
    AssistantMessage,
    ToolCall,
    ToolList,
    ToolMessage,
    ToolResult,
    ToolSpec,
    Usage,
    UserMessage,
)
from docker_agent.models.port import Ask, ModelCard, Reply
from docker_agent.permissions import NO_RULES, Rules, SafetyMode
from docker_agent.runtime.agent import NO_LIMITS, Agent, Limits, Team
from docker_agent.runtime.loop import run
from docker_agent.runtime.request import Outcome, RunRequest
from docker_agent.runtime.toolbox import NO_TOOLBOX, Toolbox
from docker_agent.tools.port import READY, Around, CallContext, Scope, Status

PATIENCE = 10.0
"""Seconds a run may take in a test."""

Acting = Callable[[Ask, EmitDeltas], Awaitable[Reply]]
Play = str | Reply | ModelError | tuple[ToolCall, ...] | Acting
"""What a model does with one question: text, a whole reply, an error, calls, or as it likes."""


def call(name: str, id: str = "c1", /, **arguments: JSON) -> ToolCall:
    """A tool call."""
    return ToolCall(id, name, json.dumps(arguments))


def says(text: str, *calls: ToolCall, **more: JSON) -> Reply:
    """A reply of text, then calls."""
    finish = more.pop("finish", "tool_calls" if calls else "stop")
    return Reply(AssistantMessage(text, calls=calls, **more), finish, Usage(1, 1))


class Actor:
    """A model that plays a list, one entry a call, the last one again and again.

    Texts and calls are replies; errors are raised; functions do as they like.
    """

    card = ModelCard("actor", "test")

    def __init__(self, *plays: Play) -> None:
        self._plays = plays
        self.asked: list[Ask] = []

    async def reply(self, ask: Ask, emit: EmitDeltas) -> Reply:
        play = self._plays[min(len(self.asked), len(self._plays) - 1)]
        self.asked.append(ask)
        match play:
            case ModelError():
                raise play
            case str():
                return await spoken(says(play), emit)
            case tuple():
                return await spoken(says("", *play), emit)
            case Reply():
                return await spoken(play, emit)
            case _:
                return await play(ask, emit)

    def results(self, place: int = -1) -> list[tuple[str, bool]]:
        """Texts of the tool messages the model saw in one of its calls, and whether errors."""
        messages = self.asked[place].messages
        return [(one.text, one.is_error) for one in messages if isinstance(one, ToolMessage)]


async def spoken(reply: Reply, emit: EmitDeltas, pieces: Sequence[str] | None = None) -> Reply:
    """The reply, its deltas told before; the text in `pieces`."""
    message = reply.message
    if message.reasoning:
        await emit((ReasoningDelta(message.reasoning),))
    for piece in pieces if pieces is not None else ([message.text] if message.text else []):
        await emit((TextDelta(piece),))
    return reply


Tool = Callable[[dict[str, JSON], CallContext], Awaitable["str | ToolResult"]]


class Tools:
    """A toolset of functions."""

    scope: Scope = "conversation"
    status: Status = READY
    name = "tools"

    def __init__(self, table: Mapping[str, Tool]) -> None:
        self.table = table
        self._listing = ToolList([ToolSpec(name, "", {}) for name in table])

    async def tools(self, around: Around) -> ToolList:
        return self._listing

    async def call(self, name: str, arguments: dict[str, JSON], context: CallContext) -> ToolResult:
        found = await self.table[name](arguments, context)
        return ToolResult(found) if isinstance(found, str) else found


async def fine(arguments: dict[str, JSON], context: CallContext) -> str:
    """A tool that does nothing."""
    return "fine"


@dataclass(slots=True)
class Waiting:
    """A tool, or a model, that waits for ever: `begun` when somebody waits, `ended` counts those
    that were cancelled."""

    begun: anyio.Event = field(default_factory=anyio.Event)
    entered: int = 0
    ended: int = 0

    async def wait(self) -> None:
        """Wait to be cancelled."""
        self.entered += 1
        self.begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            self.ended += 1

    async def tool(self, arguments: dict[str, JSON], context: CallContext) -> str:
        """As a tool."""
        await self.wait()
        return ""

    async def model(self, ask: Ask, emit: EmitDeltas) -> Reply:
        """As a play of an `Actor`."""
        await self.wait()
        return says("")


def agent(
    name: str,
    model: Actor,
    tools: Mapping[str, Tool] | Tools | None = None,
    *,
    limits: Limits = NO_LIMITS,
    hooks: Hooks = NO_HOOKS,
    sub_agents: tuple[str, ...] = (),
    handoffs: tuple[str, ...] = (),
    force_handoff: str | None = None,
    instruction: str = "",
    safety: SafetyMode | None = None,
) -> Agent:
    """One agent."""
    toolset = tools if isinstance(tools, Tools) or tools is None else Tools(tools)
    return Agent(
        name,
        model,
        toolbox=NO_TOOLBOX if toolset is None else Toolbox([toolset]),
        limits=limits,
        hooks=hooks,
        sub_agents=sub_agents,
        handoffs=handoffs,
        force_handoff=force_handoff,
        instruction=instruction,
        safety=safety,
    )


def team(*agents: Agent, rules: Rules = NO_RULES) -> Team:
    """A team; the first agent answers."""
    by_name = {one.name: one for one in agents}
    return Team(by_name, agents[0].name, tuple(by_name), rules)


@dataclass(slots=True)
class Listener:
    """An `emit` that remembers."""

    heard: list[tuple[Source, Event]] = field(default_factory=list[tuple[Source, Event]])

    async def __call__(self, source: Source, events: tuple[Event, ...]) -> None:
        self.heard.extend((source, event) for event in events)

    def text(self, depth: int = 0) -> str:
        """All text of one depth."""
        return "".join(
            event.text
            for source, event in self.heard
            if source.depth == depth and isinstance(event, TextDelta)
        )


def asking(of: Team, text: str = "go", **fields: JSON) -> RunRequest:
    """A request to the team's default agent."""
    new = fields.pop("new", (UserMessage(text),))
    return RunRequest("r1", of.default, new, **fields)


async def go(of: Team, listener: Listener | None = None, **fields: JSON) -> Outcome:
    """One run; the text told while it went on is the outcome's."""
    listener = listener or Listener()
    with anyio.fail_after(PATIENCE):
        outcome = await run(of, asking(of, **fields), listener)
    if outcome.failure is None:
        assert listener.text() == outcome.text
    return outcome
