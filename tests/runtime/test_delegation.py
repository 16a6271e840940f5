"""Agents calling agents: who may, how deep, how many, and what each is told."""

from __future__ import annotations

import dataclasses

import pytest

from docker_agent.errors import ModelError
from docker_agent.events import AgentSwitched, EmitDeltas
from docker_agent.messages import (
    JSON,
    AssistantMessage,
    SystemMessage,
    ToolCall,
    ToolMessage,
    Usage,
    UserMessage,
)
from docker_agent.models.port import Ask, Reply
from docker_agent.permissions import NO_RULES, Rules, parse_rule
from docker_agent.runtime.agent import Limits
from docker_agent.tools.port import CallContext
from tests.requirements import requirement
from tests.runtime.players import (
    Actor,
    Listener,
    agent,
    call,
    fine,
    go,
    says,
    spoken,
    team,
)

pytestmark = pytest.mark.anyio


@requirement("runtime:11.1:transfer")
async def test_a_sub_agent_sees_its_task_and_nothing_else() -> None:
    """runtime.md §11.1: the task, the expected output, and `Please proceed.`; its last text is the
    result."""
    root = Actor(
        says(
            "",
            call("transfer_task", agent="sub", task="Count sheep.", expected_output="A number."),
        ),
        "done",
    )
    sub = Actor(says("Hm.", call("t")), "Seven.")
    listener = Listener()
    of = team(agent("root", root, sub_agents=("sub",)), agent("sub", sub, {"t": fine}))
    outcome = await go(of, listener, text="secret")
    task, proceed = sub.asked[0].messages
    assert isinstance(task, SystemMessage)
    assert "<task>\nCount sheep.\n</task>" in task.text
    assert "<expected_output>\nA number.\n</expected_output>" in task.text
    assert proceed == UserMessage("Please proceed.", implicit=True)
    assert root.results() == [("Seven.", False)]
    assert (outcome.text, outcome.usage) == ("done", Usage(4, 4))
    assert listener.text(1) == "Hm.\n\nSeven."
    switches = [event for _, event in listener.heard if isinstance(event, AgentSwitched)]
    assert switches == [AgentSwitched("sub", "transfer_task")]
    said = [m.text for m in outcome.conversation.messages if isinstance(m, AssistantMessage)]
    assert said == ["", "done"]


@requirement("runtime:11.1:targets")
@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (
            {"agent": "stranger", "task": "x"},
            "Agent root cannot transfer task to stranger: target agent not in sub-agents list. "
            "Available agent IDs are: sub, other",
        ),
        (
            {"agent": "root", "task": "x"},
            "Agent root cannot transfer task to root: target agent not in sub-agents list. "
            "Available agent IDs are: sub, other",
        ),
        ({"task": "x"}, "argument `agent` is missing; it is a text"),
        ({"agent": "sub"}, "argument `task` is missing; it is a text"),
        (
            {"agent": ["sub"], "task": "x"},
            'Agent root cannot transfer task to ["sub"]: target agent not in sub-agents list. '
            "Available agent IDs are: sub, other",
        ),
    ],
)
async def test_a_task_for_nobody_is_an_error_that_names_everybody(
    arguments: dict[str, JSON], text: str
) -> None:
    """runtime.md §11.1: the exact text; the run goes on."""
    root = Actor((call("transfer_task", **arguments),), "done")
    sub = Actor("never")
    of = team(
        agent("root", root, sub_agents=("sub", "other")), agent("sub", sub), agent("other", sub)
    )
    outcome = await go(of)
    assert (outcome.text, sub.asked) == ("done", [])
    assert root.results() == [(f"Error calling tool: {text}", True)]


@requirement("tool:arguments:tidy")
async def test_rules_see_a_task_as_it_is_handed_out() -> None:
    """runtime.md §5.4 R, §6.2: tools of the runtime go the same way as all others."""
    task = {"agent": "sub", "task": {"look": "up"}, "expected_output": None}
    rules = Rules(deny=(parse_rule('transfer_task:task={"look":*'),))
    for each, result in ((NO_RULES, "looked"), (rules, "is denied by permissions configuration.")):
        root, sub = Actor((call("transfer_task", **task),), "done"), Actor("looked")
        of = team(agent("root", root, sub_agents=("sub",)), agent("sub", sub))
        assert (await go(dataclasses.replace(of, rules=each))).text == "done"
        assert root.results()[0][0].endswith(result)
        if each is NO_RULES:
            [first, _] = sub.asked[0].messages
            assert '<task>\n{"look":"up"}\n</task>' in getattr(first, "text", "")


@requirement("runtime:11.4:targets")
@pytest.mark.parametrize(
    ("handoffs", "text"),
    [
        (("b",), "Available agent IDs are: b"),
        ((), "No agents are configured in this list."),
    ],
)
async def test_a_hand_off_to_nobody_is_an_error_that_names_everybody(
    handoffs: tuple[str, ...], text: str
) -> None:
    """runtime.md §11.4: the exact text; the same agent goes on."""
    first = Actor((call("handoff", agent="c"),), "still me")
    of = team(
        agent("a", first, handoffs=handoffs, sub_agents=("b",)),
        agent("b", Actor("never")),
        agent("c", Actor("never")),
    )
    outcome = await go(of)
    assert (outcome.text, outcome.active) == ("still me", "a")
    if handoffs:
        wanted = f"Agent a cannot hand off to c: target agent not in handoffs list. {text}"
        assert first.results() == [(f"Error calling tool: {wanted}", True)]
    else:
        assert first.results()[0][0].startswith("Tool 'handoff' is not available.")


@requirement("runtime:11.4:handoff")
async def test_the_new_agent_is_told_and_sees_everything() -> None:
    """runtime.md §11.4: who handed off, who it is, where it may go; its own prompt and tools."""
    first = Actor(says("Wait.", call("handoff", agent="b")))
    second = Actor("Hello.")
    a = agent("a", first, handoffs=("b",), instruction="I am a.")
    b = agent("b", second, handoffs=("a",), instruction="I am b.")
    outcome = await go(team(a, b))
    assert (outcome.text, outcome.active) == ("Wait.\n\nHello.", "b")
    [asked] = second.asked
    systems = [m.text for m in asked.messages if isinstance(m, SystemMessage)]
    assert systems[-1] == "I am b."
    assert not any("I am a." in text for text in systems)
    [(notice, is_error)] = second.results()
    assert not is_error
    for word in ("agent a ", "you are b", "You may hand over to: a."):
        assert word in notice
    said = [m.agent for m in outcome.conversation.messages if isinstance(m, AssistantMessage)]
    assert said == ["a", "b"]


@requirement("runtime:11.1:limits")
async def test_sub_agents_nest_eight_deep() -> None:
    """runtime.md §11.1: depth at most 8; the deepest does the task itself."""
    depth = 0

    async def play(ask: Ask, emit: EmitDeltas) -> Reply:
        nonlocal depth
        last = ask.messages[-1]
        if isinstance(last, ToolMessage):
            return await spoken(says(last.text), emit)
        depth += 1
        return says("", transfer("b" if depth % 2 else "a", f"c{depth}"))

    model = Actor(play)
    a, b = agent("a", model, sub_agents=("b",)), agent("b", model, sub_agents=("a",))
    outcome = await go(team(a, b))
    wanted = "agents are already nested 8 deep; do the task yourself"
    assert outcome.text == f"Error calling tool: {wanted}"
    assert depth == 9


@requirement("runtime:11.1:limits")
async def test_a_request_hands_out_fifty_tasks() -> None:
    """runtime.md §11.1: at most 50 sub-sessions a request, over all batches."""
    sub = Actor("ok")
    root = Actor(
        tuple(transfer("sub", f"a{number}") for number in range(30)),
        tuple(transfer("sub", f"b{number}") for number in range(30)),
        "done",
    )
    of = team(agent("root", root, sub_agents=("sub",)), agent("sub", sub))
    outcome = await go(of, max_turns=1000)
    assert (outcome.text, len(sub.asked)) == ("done", 50)
    results = root.results()
    assert len(results) == 60
    assert results[:50] == [("ok", False)] * 50
    assert {text for text, is_error in results[50:] if is_error} == {
        "Error calling tool: this request has already handed out 50 tasks; do the task yourself"
    }


@requirement("runtime:11.1:errors")
@pytest.mark.parametrize(
    ("play", "text"),
    [
        (ModelError("model_error", "out of order"), "Error calling tool: out of order"),
        ((call("t"),), "Error calling tool: Agent terminated: detected 2 consecutive identical"),
    ],
)
async def test_what_ends_a_sub_agent_is_a_tool_error(
    play: ModelError | tuple[ToolCall, ...], text: str
) -> None:
    """runtime.md §11.1 step 5: the parent can still answer."""
    root = Actor((transfer("sub"),), "I could not.")
    sub = agent("sub", Actor(play), {"t": fine}, limits=Limits(repeats=2))
    outcome = await go(team(agent("root", root, sub_agents=("sub",)), sub))
    assert (outcome.text, outcome.failure) == ("I could not.", None)
    [(found, is_error)] = root.results()
    assert found.startswith(text)
    assert is_error


@requirement("runtime:11.1:errors")
async def test_a_sub_agent_that_says_nothing_has_no_output() -> None:
    """runtime.md §5.3: an empty result is `(no output)`."""
    root = Actor((transfer("sub"),), "done")
    await go(team(agent("root", root, sub_agents=("sub",)), agent("sub", Actor(""))))
    assert root.results() == [("(no output)", False)]


@requirement("runtime:11.1:safety")
async def test_a_sub_agent_runs_in_the_strictest_of_both_modes() -> None:
    """runtime.md §6.4: its own mode and its caller's."""
    ran: list[str] = []

    async def tool(arguments: dict[str, JSON], context: CallContext) -> str:
        ran.append(context.agent)
        return "ran"

    careful = Actor((call("t"),), "refused")
    bold = Actor((call("t"),), "done")
    root = Actor((transfer("careful", "c1"), transfer("bold", "c2")), (call("t", "c3"),), "done")
    of = team(
        agent("root", root, {"t": tool}, sub_agents=("careful", "bold")),
        agent("careful", careful, {"t": tool}, safety="restricted"),
        agent("bold", bold, {"t": tool}),
    )
    await go(of)
    assert sorted(ran) == ["bold", "root"]
    assert careful.results()[0][1] is True
    ran.clear()
    again = Actor((transfer("bold"),), "done")
    strict = team(
        agent("root", again, sub_agents=("bold",), safety="restricted"),
        agent("bold", Actor((call("t"),), "refused"), {"t": tool}),
    )
    assert (await go(strict)).text == "done"
    assert ran == []


@requirement("runtime:11.4:handoff")
async def test_a_sub_agent_may_hand_its_task_over() -> None:
    """runtime.md §11.4: inside its own sub-session; the parent hears the last one."""
    root = Actor((transfer("b"),), "done")
    first = Actor((call("handoff", agent="c"),))
    second = Actor("from c")
    of = team(
        agent("root", root, sub_agents=("b",)),
        agent("b", first, handoffs=("c",)),
        agent("c", second),
    )
    outcome = await go(of)
    assert (outcome.text, outcome.active) == ("done", "root")
    assert root.results() == [("from c", False)]


@requirement("runtime:11.5:force")
async def test_a_pipeline_of_agents_speaks_stage_after_stage() -> None:
    """runtime.md §11.5: at a natural stop, after an implicit user message; one answer."""
    listener = Listener()
    last = Actor("three")
    outcome = await go(
        team(
            agent("a", Actor(says("", call("t")), "one"), {"t": fine}, force_handoff="b"),
            agent("b", Actor("two"), force_handoff="c"),
            agent("c", last),
        ),
        listener,
    )
    assert (outcome.text, outcome.active) == ("one\n\ntwo\n\nthree", "c")
    implicit = [m for m in outcome.conversation.messages if isinstance(m, UserMessage)]
    assert [m.implicit for m in implicit] == [False, True, True]
    switches = [event for _, event in listener.heard if isinstance(event, AgentSwitched)]
    assert [switch.why for switch in switches] == ["force_handoff", "force_handoff"]


def transfer(to: str, id: str = "c1") -> ToolCall:
    """A call of transfer_task."""
    return call("transfer_task", id, agent=to, task="x", expected_output="")
