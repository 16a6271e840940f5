"""Agents of the official SDK, in both versions of the protocol. Source: runtime.md §9.10."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import msgspec
import pytest

from docker_agent.env.chain import Values
from docker_agent.messages import ToolResult
from docker_agent.tools.a2a import A2a, A2aOptions, open_agent
from docker_agent.tools.port import Draft
from docker_agent.tools.web import open_web
from tests.requirements import requirement
from tests.tools.a2a.sdk_agent import Librarian, librarian
from tests.tools.mcp.serving import served_at
from tests.tools.surroundings import around, context

pytestmark = pytest.mark.anyio

LIMIT = 20.0
PLACES = ["new", "old", "new-whole", "old-whole"]
each_place = pytest.mark.parametrize("place", PLACES)


@asynccontextmanager
async def speaking(place: str) -> AsyncGenerator[tuple[A2a, Librarian]]:
    """A toolset and the agent it speaks to."""
    agent = Librarian()
    before = asyncio.all_tasks()
    try:
        async with (
            asyncio.timeout(LIMIT),
            served_at(lambda url: librarian(url, agent)) as url,
            open_web(allow_private_ips=True) as web,
            open_agent(A2aOptions(f"{url}/{place}"), web, Values({}).get, "lib") as toolset,
        ):
            yield toolset, agent
    finally:
        # The SDK leaves the tasks of its agents to the end of the process.
        left = asyncio.all_tasks() - before
        for task in left:
            task.cancel()
        if left:
            await asyncio.wait(left, timeout=LIMIT)


async def ask(toolset: A2a, said: str, state: Draft | None = None) -> ToolResult:
    """One call."""
    return await toolset.call("lib_look_up", {"message": said}, context(state))


@requirement("a2a:versions")
@each_place
async def test_an_agent_of_the_sdk_answers(place: str) -> None:
    """§9.10: a message, or a task with news and an artifact in pieces; streamed or whole."""
    async with speaking(place) as (toolset, _):
        listing = await toolset.tools(around())
        assert [(spec.name, spec.description) for spec in listing.specs] == [
            ("lib_look_up", "Look up: Finds facts.")
        ]
        assert await ask(toolset, "say hello there") == ToolResult("hello there")
        streams = not place.endswith("whole")
        expected = "Looking. Seven sheep." if streams else "Seven sheep."
        assert (await ask(toolset, "work")).text == expected


@requirement("a2a:failed")
@each_place
async def test_a_task_that_failed_at_an_agent_of_the_sdk_is_an_error(place: str) -> None:
    """§9.10 R."""
    async with speaking(place) as (toolset, _):
        for word, why in (("fail", "No sheep."), ("reject", "Not here."), ("auth", "Who are you?")):
            result = await ask(toolset, word)
            assert result.is_error and result.text.endswith(why), word


@requirement("a2a:input")
@each_place
async def test_what_an_agent_of_the_sdk_asks_back_is_answered_in_its_task(place: str) -> None:
    """§9.10 R: contextId per conversation."""
    async with speaking(place) as (toolset, agent):
        ann, bob = Draft(), Draft()
        asked = await ask(toolset, "ask", ann)
        assert "Which sheep?" in asked.text and not asked.is_error
        assert "needs more input" in asked.text and "lib_look_up" in asked.text
        assert (await ask(toolset, "the black ones", ann)).text.endswith("the black ones")
        await ask(toolset, "say done", ann)
        await ask(toolset, "say done", bob)
        assert len(set(agent.contexts)) == 2 and len(set([*agent.contexts][:3])) == 1


@requirement("a2a:cancel")
@pytest.mark.parametrize("place", ["new", "old"])
async def test_an_agent_of_the_sdk_hears_that_nobody_waits(place: str) -> None:
    """DESIGN.md §8: cancellation frees what was started, here at the other end."""
    async with speaking(place) as (toolset, agent):
        heard = asyncio.Event()

        async def progress(text: str) -> None:
            assert text == "Looking. "
            heard.set()

        watched = msgspec.structs.replace(context(), progress=progress)
        call = asyncio.create_task(toolset.call("lib_look_up", {"message": "hang"}, watched))
        await heard.wait()
        begin = asyncio.get_running_loop().time()
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        assert asyncio.get_running_loop().time() - begin < 1
        await agent.cancelled.wait()
