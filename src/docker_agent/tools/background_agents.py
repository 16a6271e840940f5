"""The background_agents toolset: sub-agents that work while the agent goes on. Source: runtime.md
§11.6."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Annotated, Any

import msgspec

from docker_agent.errors import ToolError
from docker_agent.messages import JSON, ToolList, ToolResult, ToolSpec
from docker_agent.tools.arguments import Parameters
from docker_agent.tools.port import (
    READY,
    AgentTask,
    AgentTasks,
    Around,
    CallContext,
    Scope,
    Status,
)

MAX_WAIT = 60.0
"""Seconds that one look at a task may wait for its end."""

CATEGORY = "runtime"
"""Like `transfer_task`: a sub-agent's answer is as long as it is, and a script cannot call it."""

_INSTRUCTIONS = """\
## Background Agents

`run_background_agent` gives one of your sub-agents a task and lets you go on at once. Start \
tasks that do not need each other side by side, and give each all it needs: a sub-agent sees \
neither this conversation nor the other tasks.
- `view_background_agent` shows what a task has said so far, or its result; with `wait` it waits \
for the end, which is better than asking again and again
- tasks end with your answer: look at every result you need before you give it
- use `transfer_task` instead when you need the result before anything else"""


class Given(msgspec.Struct, frozen=True):
    """What `run_background_agent` takes."""

    agent: Annotated[str, msgspec.Meta(description="The sub-agent's name.")]
    task: Annotated[str, msgspec.Meta(description="What to do, with everything needed to do it.")]
    expected_output: Annotated[
        str, msgspec.Meta(description="What the answer should look like.")
    ] = ""


class Nothing(msgspec.Struct, frozen=True):
    """What `list_background_agents` takes."""


class Which(msgspec.Struct, frozen=True):
    """What `stop_background_agent` takes."""

    task_id: Annotated[str, msgspec.Meta(description="The task's id.")]


class Seen(msgspec.Struct, frozen=True):
    """What `view_background_agent` takes."""

    task_id: Annotated[str, msgspec.Meta(description="The task's id.")]
    wait: Annotated[
        float,
        msgspec.Meta(description="Seconds to wait for its end, at most 60; 0 looks at once."),
    ] = 0.0


class BackgroundAgentTools:
    """Four tools over the tasks of one run. `sub_agents` are those of its agent."""

    scope: Scope = "run"
    name = "background_agents"

    def __init__(self, sub_agents: Sequence[str] = ()) -> None:
        specs = [
            ToolSpec(
                "run_background_agent",
                "Give a task to one of your sub-agents and go on without waiting for it.",
                _naming(_GIVEN.schema, sub_agents),
                title="Run Background Agent",
                category=CATEGORY,
                tidy=_GIVEN.tidy,
            ),
            _reading(
                "list_background_agents", "List Background Agents", "Show all tasks.", _NOTHING
            ),
            _reading(
                "view_background_agent",
                "View Background Agent",
                "Show what a task has said so far, or its result.",
                _SEEN,
            ),
            ToolSpec(
                "stop_background_agent",
                "Stop a task that is running.",
                _WHICH.schema,
                title="Stop Background Agent",
                category=CATEGORY,
                tidy=_WHICH.tidy,
            ),
        ]
        self._tools = ToolList(specs, instructions=_INSTRUCTIONS)

    @property
    def status(self) -> Status:
        return READY

    async def tools(self, around: Around) -> ToolList:
        return self._tools

    async def call(self, name: str, arguments: dict[str, JSON], context: CallContext) -> ToolResult:
        if context.tasks is None:
            raise ToolError("you have no sub-agents, so there are no tasks; do the work yourself")
        return ToolResult(await _CALLS[name](arguments, context.tasks))


async def _run(arguments: dict[str, JSON], tasks: AgentTasks) -> str:
    given = _GIVEN.read(arguments)
    for key, value in (("agent", given.agent), ("task", given.task)):
        if not value.strip():
            raise ToolError(f"argument `{key}` must not be empty")
    task = tasks.start(given.agent, given.task, given.expected_output)
    return (
        f"Background agent task started with ID: {task.id}\nAgent: {task.agent}\nTask: {given.task}"
    )


async def _list(arguments: dict[str, JSON], tasks: AgentTasks) -> str:
    return "\n".join(map(_line, tasks.all())) or "No background agent tasks."


async def _view(arguments: dict[str, JSON], tasks: AgentTasks) -> str:
    wanted = _SEEN.read(arguments)
    task = await tasks.look(wanted.task_id, min(max(wanted.wait, 0.0), MAX_WAIT))
    return (
        f"Task ID: {task.id}\nAgent: {task.agent}\nStatus: {task.status}\n"
        f"Runtime: {task.seconds:.1f}s\n--- Output ---\n{task.output or '(no output yet)'}"
    )


async def _stop(arguments: dict[str, JSON], tasks: AgentTasks) -> str:
    task = await tasks.stop(_WHICH.read(arguments).task_id)
    return f"Background agent task {task.id} stopped."


def _line(task: AgentTask) -> str:
    return (
        f"ID: {task.id} | Agent: {task.agent} | Status: {task.status} | "
        f"Runtime: {task.seconds:.1f}s"
    )


def _naming(schema: Mapping[str, JSON], names: Sequence[str]) -> Mapping[str, JSON]:
    """The schema, with the agents that may be named."""
    if not names:
        return schema
    properties = schema["properties"]
    agent = {**properties["agent"], "enum": [*names]}
    return {**schema, "properties": {**properties, "agent": agent}}


def _reading(name: str, title: str, description: str, parameters: Parameters[Any]) -> ToolSpec:
    return ToolSpec(
        name,
        description,
        parameters.schema,
        read_only=True,
        title=title,
        category=CATEGORY,
        tidy=parameters.tidy,
    )


_GIVEN = Parameters(Given)
_NOTHING = Parameters(Nothing)
_WHICH = Parameters(Which)
_SEEN = Parameters(Seen)

_CALLS: dict[str, Callable[[dict[str, JSON], AgentTasks], Awaitable[str]]] = {
    "run_background_agent": _run,
    "list_background_agents": _list,
    "view_background_agent": _view,
    "stop_background_agent": _stop,
}
