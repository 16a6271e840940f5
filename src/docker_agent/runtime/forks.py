"""Skills that work for themselves: `run_skill` gives one a task, in a conversation of its own.
Source: runtime.md §13.3."""

from __future__ import annotations

import dataclasses
from collections.abc import Awaitable, Callable

from docker_agent.errors import ToolError
from docker_agent.messages import SystemMessage, UserMessage
from docker_agent.runtime.agent import Agent, Fork
from docker_agent.runtime.strand import Strand

Answer = Callable[[Strand], Awaitable[str]]


async def run_fork(strand: Strand, name: str, task: str, answer: Answer) -> str:
    """The final text of the skill `name` at work on `task`; `answer` runs a child strand.

    Raises `ToolError`.
    """
    forks = strand.agent.forks
    if name not in forks:
        raise ToolError(f"there is no skill '{name}' to run; there are: {', '.join(forks)}")
    fork = forks[name]
    body = await fork.body()
    child = Strand(
        strand.ledger,
        forked(strand.agent, fork),
        [SystemMessage(f'<skill name="{name}">\n{body}\n</skill>'), UserMessage(task)],
        strand.mode,
        strand.draft,
        depth=strand.depth + 1,
        session=f"{strand.session}/{strand.ledger.children}",
        parent_session=strand.session,
        in_skill=True,
        listener=strand.listener,
    )
    return await answer(child)


def forked(agent: Agent, fork: Fork) -> Agent:
    """The same agent at work for a skill: its tools, its model, and nobody to hand over to."""
    return dataclasses.replace(
        agent,
        model=fork.model or agent.model,
        choices={} if fork.model else agent.choices,
        toolbox=fork.toolbox,
        handoffs=(),
        force_handoff=None,
        format=None,
        caching=None,
    )
