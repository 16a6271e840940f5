"""What a run prepares for itself, and what that is of a request: the case for or against a pool.

.venv/bin/python -m benchmarks.preparing
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Callable
from contextlib import AsyncExitStack
from pathlib import Path

from docker_agent.config.tree import NOWHERE
from docker_agent.env.chain import Values
from docker_agent.events import EmitDeltas, TextDelta, ignore
from docker_agent.messages import AssistantMessage, Usage, UserMessage
from docker_agent.models.port import Ask, ModelCard, Reply
from docker_agent.runtime.agent import Agent, Team
from docker_agent.runtime.loop import advance, run
from docker_agent.runtime.request import RunRequest
from docker_agent.runtime.strand import Ledger, Strand
from docker_agent.runtime.toolbox import Toolbox
from docker_agent.tools import table as tools
from docker_agent.tools.port import Draft

ROUNDS, TIMES = 15, 1000
TOOLSETS = ("think", "todo", "filesystem", "shell")


class Quick:
    """A model that answers at once."""

    card = ModelCard("quick", "none")

    async def reply(self, ask: Ask, emit: EmitDeltas) -> Reply:
        await emit((TextDelta("Hello!"),))
        return Reply(AssistantMessage("Hello!"), "stop", Usage(1, 1))


def least(work: Callable[[], object]) -> float:
    """Microseconds of CPU of one piece of work, the least of several rounds."""

    def once() -> float:
        began = time.process_time()
        for _ in range(TIMES):
            work()
        return (time.process_time() - began) / TIMES * 1e6

    return min(once() for _ in range(ROUNDS))


async def least_run(team: Team, request: RunRequest) -> float:
    """The same for a whole run."""
    found: list[float] = []
    for _ in range(ROUNDS):
        began = time.process_time()
        for _ in range(TIMES):
            await run(team, request, ignore)
        found.append((time.process_time() - began) / TIMES * 1e6)
    return min(found)


async def main() -> None:
    """Open the tools and print the table."""
    opening = tools.Opening(Path.cwd(), Values({}))
    async with AsyncExitStack() as stack:
        opened = [
            await stack.enter_async_context(tools.TOOLSETS[name](NOWHERE, opening))
            for name in TOOLSETS
        ]
        await report(Toolbox(opened))


async def report(toolbox: Toolbox) -> None:
    """Measure an agent with these tools."""
    agent = Agent("root", Quick(), instruction="You answer.", toolbox=toolbox)
    team = Team({"root": agent}, "root", ("root",))
    request = RunRequest("r", "root", (UserMessage("Hi"),))

    def strand() -> Strand:
        return Strand(
            Ledger(team, request, ignore, advance), agent, [*request.new], "strict", Draft()
        )

    ready = strand()
    rows = [
        ("what a run makes for itself (ledger, strand, draft)", least(strand)),
        ("a whole run with a model that answers at once", await least_run(team, request)),
    ]
    began = time.process_time()
    for _ in range(TIMES):
        await agent.toolbox.gather(ready.around())
    rows.insert(1, ("its tools, listed", (time.process_time() - began) / TIMES * 1e6))
    for what, microseconds in rows:
        sys.stdout.write(f"{what:52} {microseconds:7.1f} us\n")


if __name__ == "__main__":
    asyncio.run(main())
