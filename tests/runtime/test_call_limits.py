"""How long one tool call may take, and what becomes of tools that fail. Source: runtime.md §3.8,
§5.3."""

from __future__ import annotations

import anyio
import pytest

from docker_agent.errors import ToolError
from docker_agent.events import EmitDeltas
from docker_agent.messages import JSON, ToolList, ToolResult, ToolSpec
from docker_agent.models.port import Ask, Reply
from docker_agent.runtime import calls
from docker_agent.runtime.results import MAX_CHARACTERS
from docker_agent.tools.port import CallContext
from tests.requirements import requirement
from tests.runtime.players import Actor, Tools, Waiting, agent, call, go, says, spoken, team

pytestmark = pytest.mark.anyio

SOON = 0.05
"""The limit of a call here."""


async def slow(arguments: dict[str, JSON], context: CallContext) -> str:
    """Takes longer than the limit, and ends."""
    await anyio.sleep(4 * SOON)
    return "slowly"


@requirement("runtime:3.8:call-limit")
async def test_a_call_is_stopped_at_its_limit_and_the_run_goes_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """runtime.md §3.8 R: 120 s where the tool has no limit of its own."""
    assert calls.CALL_TIMEOUT == 120
    monkeypatch.setattr(calls, "CALL_TIMEOUT", SOON)
    waiting = Waiting()
    model = Actor((call("wait"),), "done")
    assert (await go(team(agent("root", model, {"wait": waiting.tool})))).text == "done"
    [(text, is_error)] = model.results()
    assert is_error and text.startswith("Error calling tool: it took longer than")
    assert (waiting.entered, waiting.ended) == (1, 1)


@requirement("runtime:3.8:call-limit")
async def test_a_tool_that_keeps_time_itself_and_a_sub_agent_have_no_other_limit(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """runtime.md §3.8 R: runtime-managed tools have only the request's deadline."""
    monkeypatch.setattr(calls, "CALL_TIMEOUT", SOON)

    class Punctual(Tools):
        """Tools that end their own calls in time."""

        def __init__(self) -> None:
            super().__init__({"t": slow})
            self.listing = ToolList([ToolSpec("t", "", {}, keeps_time=True)])

        async def tools(self, around: object) -> ToolList:
            return self.listing

    model = Actor((call("t"),), "done")
    await go(team(agent("root", model, Punctual())))
    assert model.results() == [("slowly", False)]

    async def thinks(ask: Ask, emit: EmitDeltas) -> Reply:
        await anyio.sleep(4 * SOON)
        return await spoken(says("thought"), emit)

    lead = Actor((call("transfer_task", agent="sub", task="t"),), "done")
    of = team(agent("root", lead, sub_agents=("sub",)), agent("sub", Actor(thinks)))
    await go(of)
    assert lead.results() == [("thought", False)]


@requirement("runtime:3.8:call-limit")
@pytest.mark.parametrize(
    ("error", "text"),
    [
        (ToolError("ask somebody else"), "Error calling tool: ask somebody else"),
        (TimeoutError(), "Error calling tool: it timed out"),
        (ValueError("s3cret"), "Error calling tool: internal error in the tool"),
    ],
)
async def test_a_tool_that_fails_is_an_error_and_the_run_goes_on(
    error: Exception, text: str
) -> None:
    """runtime.md §5.3: a failing tool never ends the run, and shows nothing of its inside."""

    async def fails(arguments: dict[str, JSON], context: CallContext) -> ToolResult:
        raise error

    model = Actor((call("t"),), "done")
    assert (await go(team(agent("root", model, {"t": fails})))).text == "done"
    assert model.results() == [(text, True)]


@requirement("results:bounded")
async def test_a_result_beyond_all_bounds_is_cut_before_anyone_looks_through_it() -> None:
    """chat-server.md §6: limits on every size; whatever the tool, also a function in the server."""
    whole = MAX_CHARACTERS + 5 * 1024 * 1024

    async def endless(arguments: dict[str, JSON], context: CallContext) -> str:
        return "x" * MAX_CHARACTERS + "y" * (whole - MAX_CHARACTERS)

    model = Actor((call("t"),), "done")
    assert (await go(team(agent("root", model, {"t": endless})))).text == "done"
    [(text, is_error)] = model.results()
    assert not is_error and "y" not in text.rpartition("xxx")[0]
    assert f"[The result has {whole} characters;" in text[-200:]
