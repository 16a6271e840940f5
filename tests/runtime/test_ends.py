"""How runs end before they are done: deadlines, cancellation, and what they had started."""

from __future__ import annotations

import asyncio
import logging
from math import inf

import anyio
import pytest

from docker_agent.errors import ModelError
from docker_agent.events import Event, Source
from docker_agent.messages import JSON, ToolCall, ToolList, ToolMessage, ToolSpec, Usage
from docker_agent.runtime.agent import Team
from docker_agent.runtime.loop import run
from docker_agent.runtime.request import Outcome, RunRequest
from docker_agent.tools.port import CallContext
from tests.requirements import requirement
from tests.runtime.players import (
    PATIENCE,
    Actor,
    Listener,
    Waiting,
    agent,
    asking,
    call,
    go,
    says,
    team,
)

pytestmark = pytest.mark.anyio


def soon() -> float:
    """A deadline, in the loop's time."""
    return asyncio.get_running_loop().time() + 0.05


async def cancelled(of: Team, *waits: Waiting) -> None:
    """Run, wait until everybody waits, and cancel."""
    task: asyncio.Task[Outcome] = asyncio.create_task(run(of, asking(of), Listener()))
    with anyio.fail_after(PATIENCE):
        for waiting in waits:
            await waiting.begun.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task


@requirement("runtime:3.8:deadline")
async def test_a_deadline_stops_a_tool() -> None:
    """runtime.md §3.8: the request's timeout covers tools; what was done is known."""
    waiting = Waiting()
    model = Actor(says("One.", call("w"), call("w", "c2")))
    outcome = await go(team(agent("root", model, {"w": waiting.tool})), deadline=soon())
    assert outcome.failure is not None
    assert outcome.failure.kind == "timeout"
    assert "--request-timeout" in outcome.failure.message
    assert (outcome.acted, outcome.usage, outcome.text) == (True, Usage(1, 1), "One.")
    assert (waiting.entered, waiting.ended) == (2, 2)
    assert outcome.conversation.turns == ()


@requirement("runtime:3.8:deadline")
async def test_a_deadline_stops_a_model() -> None:
    """runtime.md §3.8: the model's stream is closed."""
    waiting = Waiting()
    outcome = await go(team(agent("root", Actor(waiting.model))), deadline=soon())
    assert outcome.failure is not None
    assert (outcome.failure.kind, outcome.acted, waiting.ended) == ("timeout", False, 1)


@requirement("runtime:3.8:deadline")
async def test_a_deadline_stops_a_sub_agent_and_the_tools_beside_it() -> None:
    """runtime.md §3.8: runs inside the run have only this limit."""
    child, beside = Waiting(), Waiting()
    root = Actor((call("transfer_task", agent="sub", task="x"), call("w", "c2")))
    of = team(
        agent("root", root, {"w": beside.tool}, sub_agents=("sub",)),
        agent("sub", Actor(child.model)),
    )
    outcome = await go(of, deadline=soon())
    assert outcome.failure is not None
    assert (outcome.failure.kind, child.ended, beside.ended) == ("timeout", 1, 1)


@requirement("runtime:3.8:deadline")
async def test_a_deadline_that_has_passed_asks_nobody_for_long() -> None:
    """runtime.md §3.8: a run without time is a timeout."""
    waiting = Waiting()
    outcome = await go(team(agent("root", Actor(waiting.model))), deadline=0.0)
    assert outcome.failure is not None
    assert outcome.failure.kind == "timeout"
    assert waiting.entered == waiting.ended


@requirement("runtime:3.8:deadline")
async def test_models_and_tools_know_how_long_they_have() -> None:
    """tools/port.py and models/port.py: the deadline is told, infinite without one."""
    seen: list[float] = []

    async def tool(arguments: dict[str, JSON], context: CallContext) -> str:
        seen.append(context.remaining())
        return ""

    model = Actor((call("t"),), "done")
    of = team(agent("root", model, {"t": tool}))
    deadline = asyncio.get_running_loop().time() + 100
    await go(of, deadline=deadline)
    assert 0 < seen[0] <= 100
    assert model.asked[0].deadline == deadline
    await go(team(agent("root", Actor((call("t"),), "done"), {"t": tool})))
    assert seen[1] == inf


@requirement("runtime:3.8:cancel")
async def test_cancelling_stops_all_tools_of_a_batch() -> None:
    """runtime.md §3.8: running tools are cancelled, and have ended when the run has."""
    one, two = Waiting(), Waiting()
    model = Actor((call("one"), call("two", "c2")))
    await cancelled(team(agent("root", model, {"one": one.tool, "two": two.tool})), one, two)
    assert (one.ended, two.ended) == (1, 1)


@requirement("runtime:3.8:cancel")
async def test_cancelling_stops_the_model() -> None:
    """runtime.md §3.8: the model's stream is closed."""
    waiting = Waiting()
    await cancelled(team(agent("root", Actor(waiting.model))), waiting)
    assert waiting.ended == 1


@requirement("runtime:3.8:cancel")
async def test_cancelling_stops_sub_agents_at_every_depth() -> None:
    """runtime.md §3.8 and §11.1: the tool of a sub-agent's sub-agent, and the model of another."""
    deep, beside = Waiting(), Waiting()
    root = Actor(
        (
            call("transfer_task", agent="sub", task="x"),
            call("transfer_task", "c2", agent="other", task="y"),
        )
    )
    of = team(
        agent("root", root, sub_agents=("sub", "other")),
        agent("sub", Actor((call("transfer_task", agent="leaf", task="z"),)), sub_agents=("leaf",)),
        agent("leaf", Actor((call("w"),)), {"w": deep.tool}),
        agent("other", Actor(beside.model)),
    )
    await cancelled(of, deep, beside)
    assert (deep.ended, beside.ended) == (1, 1)


@requirement("runtime:3.8:cancel")
async def test_cancelling_stops_a_run_whose_listener_does_not_take_more() -> None:
    """events.py, Emit: awaiting it is the back-pressure; it can be cancelled."""
    stuck = Waiting()

    async def listener(source: Source, events: tuple[Event, ...]) -> None:
        await stuck.wait()

    of = team(agent("root", Actor("Hello")))
    task = asyncio.create_task(run(of, asking(of), listener))
    with anyio.fail_after(PATIENCE):
        await stuck.begun.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    assert stuck.ended == 1


@requirement("runtime:spawn")
async def test_work_that_a_tool_started_ends_with_the_run() -> None:
    """tools/port.py: `spawn` starts work that the run cancels when it ends."""
    work, other = Waiting(), Waiting()
    done: list[str] = []

    async def short() -> None:
        done.append("short")

    async def start(arguments: dict[str, JSON], context: CallContext) -> str:
        context.spawn(work.wait())
        context.spawn(short())
        await work.begun.wait()
        return "started"

    of = team(agent("root", Actor((call("start"),), "done"), {"start": start}))
    outcome = await go(of)
    assert (outcome.text, work.ended, done) == ("done", 1, ["short"])

    async def start_and_wait(arguments: dict[str, JSON], context: CallContext) -> str:
        context.spawn(other.wait())
        await asyncio.Event().wait()
        return ""

    model = Actor((call("start"),))
    await cancelled(team(agent("root", model, {"start": start_and_wait})), other)
    assert other.ended == 1


@requirement("runtime:spawn")
async def test_faults_of_work_that_a_tool_started_go_to_the_log(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """STYLE.md, Async: tasks have an owner that waits for them; the run itself goes well."""

    async def fault() -> None:
        raise ZeroDivisionError

    async def start(arguments: dict[str, JSON], context: CallContext) -> str:
        context.spawn(fault())
        await anyio.lowlevel.checkpoint()
        return "started"

    of = team(agent("root", Actor((call("start"),), "done"), {"start": start}))
    with caplog.at_level(logging.ERROR, "docker_agent"):
        outcome = await go(of)
    assert outcome.failure is None
    assert [record.getMessage() for record in caplog.records] == ["run r1: background work failed"]


@requirement("runtime:spawn")
async def test_work_of_a_failed_run_ends_too() -> None:
    """runtime/loop.py: whatever the run started has ended when it returns."""
    work = Waiting()

    async def start(arguments: dict[str, JSON], context: CallContext) -> str:
        context.spawn(work.wait())
        await work.begun.wait()
        return "started"

    model = Actor((call("start"),), ModelError("model_error", "down"))
    outcome = await go(team(agent("root", model, {"start": start})))
    assert outcome.failure is not None
    assert work.ended == 1


@requirement("runtime:pending")
async def test_a_hand_off_beside_a_clients_call_is_kept() -> None:
    """runtime.md §11.4: the answer to the paused turn goes to the agent that was told so."""
    first = Actor((call("handoff", agent="b"), call("theirs", "c2")))
    second = Actor("b here")
    of = team(agent("a", first, handoffs=("b",)), agent("b", second))
    clients = ToolList([ToolSpec("theirs", "", {})])
    paused = await go(of, client_tools=clients)
    assert (paused.active, paused.finish) == ("b", "tool_calls")
    assert paused.pending == (ToolCall("c2", "theirs", "{}"),)
    answered = RunRequest(
        "r2", "a", (ToolMessage("c2", "yours"),), paused.conversation, client_tools=clients
    )
    resumed = await run(of, answered, Listener())
    assert resumed.text == "b here"
    assert second.results()[1] == ("yours", False)
