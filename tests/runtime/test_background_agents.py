"""Sub-agents that work beside the run that asked them. Source: runtime.md §11.6."""

from __future__ import annotations

import asyncio
import dataclasses
import re
from collections.abc import Callable, Mapping

import anyio
import anyio.lowlevel
import pytest

from docker_agent.errors import ModelError
from docker_agent.events import EmitDeltas, ModelReplied, ToolStarted
from docker_agent.hooks.port import HookInput, Verdict
from docker_agent.messages import JSON, AssistantMessage, SystemMessage, ToolCall, Usage
from docker_agent.models.port import Ask, Reply
from docker_agent.permissions import Rules, SafetyMode, parse_rule
from docker_agent.runtime.agent import Agent, Limits
from docker_agent.runtime.background_agents import MAX_KEPT, MAX_RUNNING
from docker_agent.runtime.beside import MAX_OUTPUT, Beside
from docker_agent.runtime.loop import run
from docker_agent.runtime.toolbox import Toolbox
from docker_agent.tools.background_agents import BackgroundAgentTools
from docker_agent.tools.port import CallContext
from tests.requirements import requirement
from tests.runtime.players import (
    PATIENCE,
    Acting,
    Actor,
    Listener,
    Tool,
    Tools,
    Waiting,
    agent,
    asking,
    call,
    fine,
    go,
    says,
    spoken,
    team,
)

pytestmark = pytest.mark.anyio

ID = re.compile(r"agent_task_\w+")


def boss(
    model: Actor,
    *sub_agents: str,
    tools: Mapping[str, Tool] | None = None,
    safety: SafetyMode | None = None,
    limits: Limits | None = None,
    name: str = "root",
) -> Agent:
    """An agent that has the toolset."""
    made = agent(name, model, sub_agents=sub_agents, safety=safety)
    toolsets = [BackgroundAgentTools(sub_agents), *([Tools(tools)] if tools else [])]
    return dataclasses.replace(made, toolbox=Toolbox(toolsets), limits=limits or made.limits)


def start(to: str = "sub", id: str = "c1", task: str = "Count sheep.") -> ToolCall:
    """A call of run_background_agent."""
    return call("run_background_agent", id, agent=to, task=task)


async def until(is_so: Callable[[], bool]) -> None:
    """Wait until something is so; the test has its own bound."""
    while not is_so():
        await anyio.lowlevel.checkpoint()


def then(name: str, **more: JSON) -> Acting:
    """A play: a call about the first task that was started."""

    async def play(ask: Ask, emit: EmitDeltas) -> Reply:
        return says("", call(name, "c9", task_id=first_id(ask), **more))

    return play


def first_id(ask: Ask) -> str:
    """The id of the task that the first result tells of."""
    found = ID.search("".join(getattr(message, "text", "") for message in ask.messages))
    assert found is not None
    return found[0]


@requirement("runtime:11.6:task")
async def test_a_task_runs_beside_and_its_result_is_looked_at() -> None:
    """§11.6: the texts of the results; the child sees its task alone; usage counts."""
    sub = Actor(says("Hm.", call("t")), "Seven.")
    root = Actor((start(),), then("view_background_agent", wait=10), "done")
    listener = Listener()
    of = team(boss(root, "sub"), agent("sub", sub, {"t": fine}))
    outcome = await go(of, listener, text="secret")
    assert (outcome.text, outcome.usage) == ("done", Usage(5, 5))
    started, viewed = (text for text, _ in root.results())
    id = first_id(root.asked[1])
    assert started == (
        f"Background agent task started with ID: {id}\nAgent: sub\nTask: Count sheep."
    )
    assert re.fullmatch(
        rf"Task ID: {id}\nAgent: sub\nStatus: completed\nRuntime: \d+\.\ds\n"
        r"--- Output ---\nSeven\.",
        viewed,
    )
    task = sub.asked[0].messages[0]
    assert isinstance(task, SystemMessage) and "<task>\nCount sheep.\n</task>" in task.text
    assert "secret" not in str(sub.asked[0].messages)
    said = [m.text for m in outcome.conversation.messages if isinstance(m, AssistantMessage)]
    assert said == ["", "", "done"]


@requirement("runtime:11.6:unheard")
async def test_what_a_task_says_is_told_to_nobody_but_what_it_does_is() -> None:
    """§11.6 R: its text never enters the client's stream, nor that of agents below it."""
    below = Actor("deep words")
    sub = Actor(
        says("Hm.", call("transfer_task", agent="below", task="x", expected_output="")),
        says("Ha.", call("t")),
        "Seven.",
    )
    root = Actor((start(),), then("view_background_agent", wait=10), "done")
    listener = Listener()
    of = team(
        boss(root, "sub"),
        agent("sub", sub, {"t": fine}, sub_agents=("below",)),
        agent("below", below),
    )
    await go(of, listener)
    assert [listener.text(depth) for depth in range(4)] == ["done", "", "", ""]
    told = [(s.agent, e.call.name) for s, e in listener.heard if isinstance(e, ToolStarted)]
    assert ("sub", "t") in told
    replied = [s.agent for s, e in listener.heard if isinstance(e, ModelReplied)]
    assert sorted(replied) == ["below", "root", "root", "root", "sub", "sub", "sub"]


@requirement("runtime:11.6:task")
async def test_a_look_at_once_shows_what_was_said_so_far() -> None:
    """§11.6: live text, and a list with id, agent, status and time."""
    waiting = Waiting()
    sub = Actor(says("So far.", call("w")), "never")

    async def later(ask: Ask, emit: EmitDeltas) -> Reply:
        await waiting.begun.wait()
        id = first_id(ask)
        return says(
            "",
            call("view_background_agent", "c2", task_id=id),
            call("list_background_agents", "c3"),
        )

    root = Actor((start(),), later, "done")
    of = team(boss(root, "sub"), agent("sub", sub, {"w": waiting.tool}))
    await go(of)
    _, viewed, listed = (text for text, _ in root.results())
    assert "Status: running" in viewed and viewed.endswith("--- Output ---\nSo far.")
    id = first_id(root.asked[1])
    assert re.fullmatch(rf"ID: {id} \| Agent: sub \| Status: running \| Runtime: \d+\.\ds", listed)
    assert waiting.ended == 1


@requirement("runtime:11.6:stop")
async def test_a_task_can_be_stopped_with_all_it_has_started() -> None:
    """§11.6: the exact text; it does not run any more, and cannot be stopped twice."""
    waiting = Waiting()
    at_stop: list[int] = []

    async def stop(ask: Ask, emit: EmitDeltas) -> Reply:
        await waiting.begun.wait()
        return says("", call("stop_background_agent", "c2", task_id=first_id(ask)))

    async def again(ask: Ask, emit: EmitDeltas) -> Reply:
        at_stop.append(waiting.ended)
        return await stop(ask, emit)

    root = Actor((start(),), stop, again, then("view_background_agent"), "done")
    sub = Actor(says("Begun.", call("w")))
    of = team(boss(root, "sub"), agent("sub", sub, {"w": waiting.tool}))
    await go(of)
    id = first_id(root.asked[1])
    _, stopped, twice, viewed = root.results()
    assert stopped == (f"Background agent task {id} stopped.", False)
    assert twice == (
        f"Error calling tool: task {id} is not running; its status is stopped",
        True,
    )
    assert "Status: stopped" in viewed[0] and viewed[0].endswith("Begun.")
    assert at_stop == [1]


@requirement("runtime:11.6:errors")
@pytest.mark.parametrize(
    ("made", "text"),
    [
        (call("run_background_agent", agent="", task="x"), "argument `agent` must not be empty"),
        (call("run_background_agent", agent="sub", task=" "), "argument `task` must not be empty"),
        (
            call("run_background_agent", agent="root", task="x"),
            "Agent root cannot run background agent to root: target agent not in sub-agents list. "
            "Available agent IDs are: sub",
        ),
        (call("view_background_agent", task_id="t"), "task not found: t"),
        (call("stop_background_agent", task_id="t"), "task not found: t"),
    ],
)
async def test_what_is_wrong_is_told_to_the_model(made: ToolCall, text: str) -> None:
    """§11.6: empty agent or task, not a sub-agent, no such task."""
    root = Actor((made,), "done")
    outcome = await go(team(boss(root, "sub"), agent("sub", Actor("never"))))
    assert (outcome.text, root.results()) == ("done", [(f"Error calling tool: {text}", True)])


@requirement("runtime:11.6:errors")
async def test_an_agent_without_sub_agents_is_told_so() -> None:
    """§11.6: nobody can be asked."""
    root = Actor((start(), call("list_background_agents", "c2")), "done")
    await go(team(boss(root)))
    assert [is_error for _, is_error in root.results()] == [True, True]
    assert "you have no sub-agents" in root.results()[0][0]


@requirement("runtime:11.6:errors")
async def test_a_task_that_fails_is_told_when_it_is_looked_at() -> None:
    """§11.6 and §11.1 step 5: the run goes on; the task's error is its output."""
    root = Actor((start(),), then("view_background_agent", wait=10), "done")
    sub = Actor(ModelError("model_error", "out of order"))
    outcome = await go(team(boss(root, "sub"), agent("sub", sub)))
    assert outcome.failure is None
    viewed = root.results()[1][0]
    assert "Status: failed" in viewed and viewed.endswith("out of order")


@requirement("runtime:11.6:limits")
async def test_twenty_tasks_run_at_once() -> None:
    """§11.6: 20 running; one more is an error, until one has ended."""
    waiting = Waiting()

    async def more(ask: Ask, emit: EmitDeltas) -> Reply:
        await until(lambda: waiting.entered == MAX_RUNNING)
        return says("", call("stop_background_agent", "s", task_id=first_id(ask)))

    root = Actor(
        tuple(start(id=f"c{number}") for number in range(MAX_RUNNING + 1)),
        more,
        (start(id="again"),),
        "done",
    )
    sub = Actor(waiting.model)
    await go(team(boss(root, "sub"), agent("sub", sub)), max_turns=1000)
    refused = [text for text, is_error in root.results() if is_error]
    assert refused == [
        "Error calling tool: 20 tasks are running already; wait for one, or stop one"
    ]
    assert not root.results()[-1][1]
    assert waiting.ended == waiting.entered


@requirement("runtime:11.6:limits")
async def test_a_request_has_a_hundred_tasks() -> None:
    """§11.6: 100 kept."""

    async def batch(ask: Ask, emit: EmitDeltas) -> Reply:
        begun = 20 * (len(root.asked) - 1)
        await until(lambda: len(sub.asked) >= min(begun, MAX_KEPT))
        return says("", *(start(id=f"c{begun + number}", task=f"{begun}") for number in range(20)))

    sub = Actor("ok")
    root = Actor(*[batch] * 6, "done")
    await go(team(boss(root, "sub"), agent("sub", sub)), max_turns=1000)
    refused = [text for text, is_error in root.results() if is_error]
    assert len(sub.asked) == MAX_KEPT
    assert set(refused) == {
        "Error calling tool: this request has already started 100 tasks; do the task yourself"
    }


@requirement("runtime:11.6:limits")
def test_ten_megabytes_of_output_are_kept() -> None:
    """§5.7: the head, and a word that there was more."""
    record = Beside("t", "sub", clock=lambda: 1.0)
    for _ in range(30):
        record.hear("x" * 1_000_000)
    seen = record.seen()
    assert seen.output.startswith("x" * 1000)
    assert MAX_OUTPUT <= len(seen.output) < MAX_OUTPUT + 200
    record.hear("more")
    record.end("completed", "y" * (MAX_OUTPUT + 5))
    assert MAX_OUTPUT < len(record.seen().output) < MAX_OUTPUT + 200
    assert record.seen().output.endswith("was dropped.]")
    assert not record.pieces


@requirement("runtime:11.6:end")
@pytest.mark.parametrize("how", ["answer", "failure", "deadline", "cancelled"])
async def test_tasks_end_with_the_run(how: str) -> None:
    """§11.6 R: however the run ends, and with the tools that they run."""
    waiting, held = Waiting(), Waiting()

    async def end(ask: Ask, emit: EmitDeltas) -> Reply:
        await waiting.begun.wait()
        if how == "failure":
            raise ModelError("model_error", "broken")
        if how in ("deadline", "cancelled"):
            await held.wait()
        return await spoken(says("done"), emit)

    root = Actor((start(),), end)
    sub = Actor((call("w"),))
    of = team(boss(root, "sub"), agent("sub", sub, {"w": waiting.tool}))
    deadline = asyncio.get_running_loop().time() + 1.0 if how == "deadline" else None
    task = asyncio.create_task(run(of, asking(of, deadline=deadline), Listener()))
    with anyio.fail_after(PATIENCE):
        await waiting.begun.wait()
        if how == "cancelled":
            await held.begun.wait()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
        else:
            outcome = await task
            kinds = {"failure": "model_error", "deadline": "timeout"}
            assert (outcome.failure.kind if outcome.failure else None) == kinds.get(how)
            assert outcome.usage == Usage(2 + (how == "answer"), 2 + (how == "answer"))
    assert waiting.ended == 1


@requirement("runtime:11.6:polling")
async def test_looking_again_and_again_is_no_loop() -> None:
    """§3.6: batches of these looks alone neither count nor reset."""
    waiting = Waiting()
    looks = then("view_background_agent")
    root = Actor((start(),), *[looks] * 8, (call("list_background_agents"),), "done")
    sub = Actor(waiting.model)
    outcome = await go(team(boss(root, "sub", limits=Limits(repeats=2)), agent("sub", sub)))
    assert (outcome.text, outcome.failure) == ("done", None)


@requirement("runtime:11.6:safety")
async def test_a_task_runs_in_the_strictest_of_both_modes_and_under_the_rules() -> None:
    """§6.4: its own mode and its caller's; §6.2: deny rules hold for its calls too."""
    ran: list[str] = []

    async def tool(arguments: dict[str, JSON], context: CallContext) -> str:
        ran.append(context.agent)
        return "ran"

    careful, bold = Actor((call("t"),), "x"), Actor((call("t"), call("no", "c2")), "x")

    async def settle(ask: Ask, emit: EmitDeltas) -> Reply:
        await until(lambda: len(bold.asked) == 2)
        return await spoken(says("done"), emit)

    root = Actor(
        (start("careful", "c1"),),
        then("view_background_agent", wait=10),
        (start("bold", "c2"),),
        settle,
    )
    of = team(
        boss(root, "careful", "bold"),
        agent("careful", careful, {"t": tool}, safety="restricted"),
        agent("bold", bold, {"t": tool, "no": tool}),
        rules=Rules(deny=(parse_rule("no"),)),
    )
    await go(of)
    assert ran == ["bold"]
    assert careful.results()[0][1] is True
    assert [is_error for _, is_error in bold.results()] == [False, True]


@requirement("runtime:11.6:safety")
async def test_a_restricted_agent_starts_none() -> None:
    """§6.4: background agents are refused under `restricted`; looking is allowed."""
    root = Actor((start(), call("list_background_agents", "c2")), "done")
    of = team(boss(root, "sub", safety="restricted"), agent("sub", Actor("never")))
    await go(of)
    refused, listed = root.results()
    assert refused[1] and "safety mode 'restricted'" in refused[0]
    assert listed == ("No background agent tasks.", False)


@requirement("runtime:11.6:depth")
async def test_tasks_nest_eight_deep() -> None:
    """§11.1 R: depth at most 8, beside the run as well."""

    async def play(ask: Ask, emit: EmitDeltas) -> Reply:
        last = getattr(ask.messages[-1], "text", "")
        if last.startswith("Background agent task started"):
            return says("", call("view_background_agent", "v", task_id=first_id(ask), wait=10))
        if "--- Output ---" in last:
            return await spoken(says(last.rpartition("--- Output ---\n")[2]), emit)
        if last.startswith("Error"):
            return await spoken(says(last), emit)
        return says("", start("b"))

    a, b = boss(Actor(play), "b"), boss(Actor(play), "b", name="b")
    outcome = await go(team(a, b), max_turns=1000)
    assert outcome.text == (
        "Error calling tool: agents are already nested 8 deep; do the task yourself"
    )


@requirement("runtime:11.6:hooks")
async def test_the_end_of_a_task_is_told_to_the_agent_that_gave_it() -> None:
    """§11.1 step 6: `subagent_stop` of the parent's executor."""
    heard: list[HookInput] = []

    class Ears:
        """Hooks that hear the ends of sub-agents."""

        redaction = agent("x", Actor("")).hooks.redaction

        def has(self, event: str, tool: str = "") -> bool:
            return event == "subagent_stop"

        async def fire(self, event: str, input: HookInput) -> Verdict:
            heard.append(input)
            return Verdict()

    root = Actor((start(),), then("view_background_agent", wait=10), "done")
    made = dataclasses.replace(boss(root, "sub"), hooks=Ears())
    await go(team(made, agent("sub", Actor("Seven."))))
    assert [(one.from_agent, one.stop_response) for one in heard] == [("sub", "Seven.")]


@requirement("runtime:11.6:runs")
async def test_two_runs_at_once_see_their_own_tasks_alone() -> None:
    """§1.3: run scope."""
    waiting = Waiting()
    seen: dict[str, str] = {}

    async def play(ask: Ask, emit: EmitDeltas) -> Reply:
        texts = [getattr(message, "text", "") for message in ask.messages]
        mine = "ann" if any("ann" in str(m) for m in ask.messages) else "bob"
        if texts[-1].startswith("ID:"):
            seen[mine] = texts[-1]
            return await spoken(says("done"), emit)
        if texts[-1].startswith("Background"):
            await until(lambda: waiting.entered == 2)
            return says("", call("list_background_agents"))
        return says("", start(task=mine))

    sub = Actor(waiting.model)
    of = team(boss(Actor(play), "sub"), agent("sub", sub))
    with anyio.fail_after(PATIENCE):
        await asyncio.gather(*(run(of, asking(of, name), Listener()) for name in ("ann", "bob")))
    assert set(seen) == {"ann", "bob"}
    assert all(len(listed.splitlines()) == 1 for listed in seen.values())
