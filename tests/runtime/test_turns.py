"""One turn: what hooks, rules and clients have to say in it, and what a run tells of it."""

from __future__ import annotations

import logging

import pytest

from docker_agent.errors import ModelError
from docker_agent.events import (
    ModelReplied,
    ReasoningDelta,
    TextDelta,
    ToolFinished,
    ToolProgress,
    ToolStarted,
)
from docker_agent.hooks.fire import Entry, Firing
from docker_agent.hooks.port import HookInput, Verdict
from docker_agent.messages import (
    JSON,
    Format,
    Sampling,
    SystemMessage,
    ToolChoice,
    ToolList,
    ToolResult,
    ToolSpec,
    Usage,
)
from docker_agent.permissions import Rules, parse_rule
from docker_agent.runtime.request import Overrides
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
    team,
)

pytestmark = pytest.mark.anyio


@requirement("runtime:4:failure")
async def test_a_model_that_fails_ends_the_run_with_its_error() -> None:
    """DESIGN.md §1: failure is a value; what was used and done survives it."""
    broken = ModelError("model_rate_limited", "slow down", retry_after=7.0)
    model = Actor(says("One.", call("t")), broken)
    of = team(agent("root", model, {"t": fine}))
    outcome = await go(of)
    assert outcome.failure is not None
    assert outcome.failure.kind == "model_rate_limited"
    assert (outcome.failure.message, outcome.failure.retry_after) == ("slow down", 7.0)
    assert (outcome.usage, outcome.acted, outcome.text) == (Usage(1, 1), True, "One.")
    assert outcome.conversation.turns == ()


@requirement("runtime:hooks")
@pytest.mark.parametrize("event", ["session_start", "turn_start"])
async def test_a_hook_may_stop_a_run_before_the_model_is_asked(event: str) -> None:
    """runtime.md §3.2 and §3.3: block ends it with hook_blocked."""

    async def block(given: HookInput) -> Verdict:
        assert (given.agent, given.run, given.event) == ("root", "r1", event)
        return Verdict(block="not today")

    model = Actor("never")
    hooks = Firing({event: [Entry(block)]})  # type: ignore[dict-item]
    outcome = await go(team(agent("root", model, hooks=hooks)))
    assert outcome.failure is not None
    assert (outcome.failure.kind, outcome.failure.message) == ("hook_blocked", "not today")
    assert model.asked == []


@requirement("runtime:hooks")
async def test_contexts_are_asked_for_once_a_run_and_once_a_call() -> None:
    """runtime.md §3.2 and §3.3: session_start per run, turn_start per model call; never stored."""
    fired: list[str] = []

    async def context(given: HookInput) -> Verdict:
        fired.append(given.event)
        return Verdict(f"{given.event} {len(fired)}")

    model = Actor((call("t"),), "done")
    hooks = Firing({"session_start": [Entry(context)], "turn_start": [Entry(context)]})
    outcome = await go(team(agent("root", model, {"t": fine}, hooks=hooks)))
    assert fired == ["session_start", "turn_start", "turn_start"]
    shown = [[m.text for m in ask.messages if isinstance(m, SystemMessage)] for ask in model.asked]
    assert shown == [["session_start 1", "turn_start 2"], ["session_start 1", "turn_start 3"]]
    assert not any(isinstance(one, SystemMessage) for one in outcome.conversation.messages)


@requirement("runtime:permissions")
async def test_a_refused_call_does_not_run_and_the_model_is_told(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """runtime.md §6.2: deny rules and modes hold for every call, and the audit line says why."""
    ran: list[str] = []

    async def tool(arguments: dict[str, JSON], context: CallContext) -> str:
        ran.append(context.call_id)
        return "ran"

    rules = Rules(deny=(parse_rule("t:path=/etc/*"),))
    model = Actor(
        (call("t", "c1", path="/etc/passwd"), call("t", "c2", path="/tmp/x")),
        "done",
    )
    with caplog.at_level(logging.INFO, "docker_agent.audit"):
        outcome = await go(team(agent("root", model, {"t": tool}), rules=rules))
    assert (outcome.text, ran) == ("done", ["c2"])
    assert model.results() == [
        ("Tool 't' is denied by permissions configuration.", True),
        ("ran", False),
    ]
    assert sorted(record.getMessage() for record in caplog.records) == [
        "run r1 agent root tool t: allowed (mode_autonomous)",
        "run r1 agent root tool t: refused (team_permissions_deny)",
    ]
    strict = await go(team(agent("root", Actor((call("t"),), "no"), {"t": tool})), safety="strict")
    assert (strict.text, strict.acted, ran) == ("no", False, ["c2"])


@requirement("runtime:overrides")
async def test_what_a_client_asked_holds_for_the_entry_agent_alone() -> None:
    """chat-server.md §3: sampling and tools for the entry agent, the choice for the first call."""
    root = Actor((call("transfer_task", agent="sub", task="x"),), "done")
    sub = Actor("result")
    of = team(agent("root", root, {"t": fine}, sub_agents=("sub",)), agent("sub", sub))
    wanted = Overrides(Sampling(temperature=0.5), Format("json_object"), ToolChoice("required"))
    clients = ToolList([ToolSpec("theirs", "", {})])
    await go(of, overrides=wanted, client_tools=clients)
    first, second = root.asked
    assert (first.sampling.temperature, first.choice.mode) == (0.5, "required")
    assert (second.sampling.temperature, second.choice.mode) == (0.5, "auto")
    assert first.format == second.format == Format("json_object")
    assert [spec.name for spec in first.tools.specs] == ["t", "transfer_task", "theirs"]
    [child] = sub.asked
    assert (child.sampling, child.format, child.choice.mode) == (Sampling(), None, "auto")
    assert not child.tools


@requirement("runtime:events")
async def test_a_run_tells_what_happens_in_its_order() -> None:
    """runtime.md §3.10: who speaks, which tools run, what each call cost."""

    async def tool(arguments: dict[str, JSON], context: CallContext) -> str:
        await context.progress("half")
        return "done"

    model = Actor(says("Hm.", call("t"), reasoning="think"), says("Yes.", reasoning="again"))
    listener = Listener()
    outcome = await go(team(agent("root", model, {"t": tool})), listener)
    one, result = call("t"), ToolResult("done")
    assert [event for _, event in listener.heard] == [
        ReasoningDelta("think"),
        TextDelta("Hm."),
        ModelReplied("", Usage(1, 1)),
        ToolStarted(one, "t"),
        ToolProgress(one, "half"),
        ToolFinished(one, result),
        ReasoningDelta("\n\nagain"),
        TextDelta("\n\nYes."),
        ModelReplied("", Usage(1, 1)),
    ]
    assert {(source.run, source.depth, source.agent) for source, _ in listener.heard} == {
        ("r1", 0, "root")
    }
    assert (outcome.reasoning, outcome.usage) == ("think\n\nagain", Usage(2, 2))
