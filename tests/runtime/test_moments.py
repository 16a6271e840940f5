"""The moments of a run, and what follows from what hooks say. Source: runtime.md §3, §6.2, §12."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Mapping

import anyio
import anyio.lowlevel
import pytest

from docker_agent.hooks.fire import Entry, Firing
from docker_agent.hooks.port import HookEvent, HookInput, Hooks, Verdict
from docker_agent.hooks.redaction import Redaction
from docker_agent.messages import (
    JSON,
    AssistantMessage,
    SystemMessage,
    ToolCall,
    ToolList,
    ToolMessage,
    ToolResult,
    ToolSpec,
    UserMessage,
)
from docker_agent.permissions import NO_RULES, Rules, SafetyMode, parse_rule
from docker_agent.runtime import moments
from docker_agent.runtime.loop import advance, run
from docker_agent.runtime.request import RunRequest
from docker_agent.runtime.strand import Ledger, Strand
from docker_agent.runtime.summaries import Compaction
from docker_agent.tools.port import Around, CallContext, Draft
from tests.requirements import requirement
from tests.runtime.players import (
    PATIENCE,
    Actor,
    Listener,
    Tools,
    Waiting,
    agent,
    asking,
    call,
    fine,
    go,
    says,
    team,
)

pytestmark = pytest.mark.anyio

TOKEN = "ghp_" + "a1B2" * 9


class Ears:
    """Hooks that remember what they are told, and say what a table has for the event."""

    def __init__(
        self,
        *events: HookEvent,
        redaction: Redaction | None = None,
        table: Mapping[str, Verdict] | None = None,
        **says: Verdict,
    ) -> None:
        self.told: list[HookInput] = []
        self._says = {**says, **(table or {})}
        every = dict.fromkeys((*events, *self._says))
        self.hooks: Hooks = Firing(
            {event: [Entry(self.hear)] for event in every},  # type: ignore[misc]
            redaction or Redaction(),
        )

    async def hear(self, given: HookInput) -> Verdict:
        """As a hook, which takes its time."""
        await anyio.lowlevel.checkpoint()
        self.told.append(given)
        return self._says.get(given.event, Verdict())

    def of(self, event: HookEvent) -> list[HookInput]:
        """What was told of one event."""
        return [one for one in self.told if one.event == event]


@requirement("hooks:turn-end")
async def test_the_end_of_a_turn_is_told_once_on_every_path() -> None:
    """runtime.md §3.3: with its reason."""
    waiting = Waiting()

    async def reasons(*plays: object, **more: JSON) -> list[str]:
        ears = Ears("turn_end")
        root = agent("root", Actor(*plays), {"t": fine, "wait": waiting.tool}, hooks=ears.hooks)  # type: ignore[arg-type]
        await go(team(root), **more)
        return [one.reason for one in ears.of("turn_end")]

    assert await reasons((call("t"),), "done") == ["continue", "normal"]
    assert (await reasons((call("t"),)))[-2:] == ["continue", "loop_detected"]
    theirs = ToolList([ToolSpec("ask", "", {})])
    assert await reasons((call("ask"),), client_tools=theirs) == ["normal"]

    ears = Ears("turn_end", before_llm_call=Verdict(block="no"))
    await go(team(agent("root", Actor("x"), hooks=ears.hooks)))
    assert [one.reason for one in ears.of("turn_end")] == ["hook_blocked"]

    ears = Ears("turn_end")
    chain = team(
        agent("root", Actor("a"), hooks=ears.hooks, force_handoff="next"),
        agent("next", Actor("b"), hooks=ears.hooks),
    )
    await go(chain)
    assert [one.reason for one in ears.of("turn_end")] == ["force_handoff", "normal"]


@requirement("hooks:turn-end", "hooks:command:cancel")
async def test_a_cancelled_run_says_its_last_words_within_bounds() -> None:
    """runtime.md §3.8: turn_end and session_end come, and hold nothing up."""
    ears, waiting, slow = Ears(), Waiting(), Waiting()

    async def hangs(given: HookInput) -> Verdict:
        await slow.wait()
        return Verdict()

    both = Firing(
        {
            "turn_end": [Entry(ears.hear), Entry(hangs)],
            "session_end": [Entry(ears.hear)],
        }
    )
    of = team(agent("root", Actor(waiting.model), hooks=both))
    with anyio.fail_after(PATIENCE):
        async with anyio.create_task_group() as group:
            group.start_soon(run, of, asking(of), Listener())
            await waiting.begun.wait()
            group.cancel_scope.cancel()
    assert [(one.event, one.reason) for one in ears.told] == [
        ("turn_end", "canceled"),
        ("session_end", "canceled"),
    ]
    assert slow.ended == 1


@requirement("hooks:prompt")
async def test_what_the_user_says_is_heard_once_and_answered_for_the_whole_run() -> None:
    """runtime.md §3.2: not for tool results of the client, which are no prompt."""
    ears = Ears(user_prompt_submit=Verdict("be kind"))
    model = Actor((call("t"),), "done")
    of = team(agent("root", model, {"t": fine}, hooks=ears.hooks))
    outcome = await go(of, new=(AssistantMessage("old"), UserMessage("one"), UserMessage("two")))
    assert [one.prompt for one in ears.told] == ["one\ntwo"]
    for ask in model.asked:
        assert SystemMessage("be kind", passing=True) in ask.messages
    assert SystemMessage("be kind", passing=True) not in outcome.conversation.messages
    ears.told.clear()
    first = agent("root", Actor("a"), hooks=ears.hooks, force_handoff="next")
    await go(team(first, agent("next", Actor("b"), hooks=ears.hooks)))
    assert [(one.agent, one.prompt) for one in ears.told] == [("root", "go")]
    ears.told.clear()
    answer = (UserMessage("x"), AssistantMessage(calls=(call("c"),)), ToolMessage("c1", "r"))
    await go(of, new=answer)
    assert ears.told == []


@requirement("hooks:messages")
async def test_messages_may_be_replaced_for_one_call() -> None:
    """runtime.md §12.2: what is kept stays as it was."""
    ears = Ears(before_llm_call=Verdict(messages=(UserMessage("other"),)))
    model = Actor("done")
    outcome = await go(team(agent("root", model, hooks=ears.hooks)))
    assert model.asked[0].messages == (UserMessage("other"),)
    assert outcome.conversation.messages[0] == UserMessage("go")


@requirement("hooks:post-tool")
async def test_words_after_a_tool_stand_in_the_next_prompt_only() -> None:
    """runtime.md §12.2, R: a transient system message."""
    ears = Ears(post_tool_use=Verdict("mind the gap"))
    model = Actor((call("t"),), (call("t", "c2", n=1),), "done")
    of = team(agent("root", model, {"t": fine}, hooks=ears.hooks))
    await go(of)
    counts = [
        ask.messages.count(SystemMessage("mind the gap", passing=True)) for ask in model.asked
    ]
    assert counts == [0, 1, 1]
    assert [one.tool_response for one in ears.told] == ["fine", "fine"]


@requirement("hooks:post-tool")
async def test_a_hook_that_saw_a_result_ends_the_run_and_the_siblings() -> None:
    """runtime.md §5.2: the run stops as hook_blocked."""
    waiting = Waiting()
    ears = Ears("on_error", post_tool_use=Verdict(block="enough"))

    async def quick(arguments: dict[str, JSON], context: CallContext) -> str:
        await waiting.begun.wait()
        return "q"

    model = Actor((call("slow", "c1"), call("quick", "c2")), "never")
    tools = {"slow": waiting.tool, "quick": quick}
    outcome = await go(team(agent("root", model, tools, hooks=ears.hooks)))
    assert outcome.failure is not None and outcome.acted
    assert (outcome.failure.kind, outcome.failure.message) == ("hook_blocked", "enough")
    assert (waiting.ended, len(model.asked)) == (1, 1)
    assert [one.reason for one in ears.of("on_error")] == ["hook_blocked"]


@requirement("hooks:teams")
async def test_switches_and_children_are_told() -> None:
    """runtime.md §11.1, §11.4: to the agent that hands over or gave the task."""
    events: tuple[HookEvent, ...] = ("on_agent_switch", "subagent_stop", "session_start")
    ears, other = Ears(*events), Ears(*events)
    root = Actor(
        (call("transfer_task", agent="child", task="t", expected_output=""),),
        (call("handoff", "c2", agent="next"),),
    )
    of = team(
        agent("root", root, hooks=ears.hooks, sub_agents=("child",), handoffs=("next",)),
        agent("child", Actor("42"), hooks=other.hooks),
        agent("next", Actor("bye"), hooks=other.hooks),
    )
    await go(of)
    switches = [
        (one.agent_switch_kind, one.from_agent, one.to_agent) for one in ears.of("on_agent_switch")
    ]
    assert switches == [
        ("transfer_task", "root", "child"),
        ("transfer_task_return", "child", "root"),
        ("handoff", "root", "next"),
    ]
    [ended] = ears.of("subagent_stop")
    assert (ended.from_agent, ended.stop_response, ended.tool_error) == ("child", "42", False)
    begun = [(one.agent, one.session, one.parent_session) for one in other.of("session_start")]
    assert begun == [("child", "r1/1", "r1"), ("next", "r1", "")]


@requirement("hooks:compaction")
async def test_a_compaction_may_be_stopped_or_written_by_a_hook() -> None:
    """runtime.md §7.2: what whoever compacts asks for."""

    def strand(ears: Ears) -> Strand:
        of = team(agent("root", Actor("x"), hooks=ears.hooks))
        request = RunRequest("r1", "root", ())
        ledger = Ledger(of, request, Listener(), advance)
        return Strand(ledger, of.agents["root"], [], "autonomous", Draft())

    ears = Ears(pre_compact=Verdict("keep names"), before_compaction=Verdict(summary="short"))
    verdict = await moments.before_compaction(strand(ears), "auto", input_tokens=9, context_limit=5)
    assert (verdict.context, verdict.summary, verdict.block) == ("keep names", "short", None)
    assert [(one.source, one.input_tokens, one.context_limit) for one in ears.told] == [
        ("auto", 9, 5)
    ] * 2
    for event in ("pre_compact", "before_compaction"):
        veto = await moments.before_compaction(
            strand(Ears(table={event: Verdict(block="no")})), "auto"
        )
        assert veto.block == "no"
    ears = Ears("after_compaction")
    await moments.after_compaction(strand(ears), "auto", "short")
    assert ears.told[0].summary == "short"


async def decided(
    ears: Ears,
    *,
    mode: SafetyMode = "autonomous",
    rules: Rules = NO_RULES,
    wrote: ToolCall | None = None,
) -> tuple[str, list[dict[str, JSON]]]:
    """What the model was told of its call to `t`, and the arguments with which it ran."""
    ran: list[dict[str, JSON]] = []

    async def tool(arguments: dict[str, JSON], context: CallContext) -> str:
        ran.append(arguments)
        return "ran"

    model = Actor((wrote or call("t", cmd="ls"),), "done")
    await go(team(agent("root", model, {"t": tool}, hooks=ears.hooks), rules=rules), safety=mode)
    [(text, _)] = model.results()
    return text, ran


def rules(**kinds: str) -> Rules:
    """One rule of each kind."""
    return Rules(**{kind: (parse_rule(pattern),) for kind, pattern in kinds.items()})


DENY = Verdict(decision="deny", reason="r")
ALLOW = Verdict(decision="allow")


@requirement("hooks:order")
@pytest.mark.parametrize(
    ("says", "mode", "rule", "source"),
    [
        ({"pre_tool_use": ALLOW}, "autonomous", {"deny": "t"}, "team_permissions_deny"),
        ({"pre_tool_use": DENY}, "autonomous", {"allow": "t"}, "pre_tool_use_hook_deny"),
        ({"pre_tool_use": Verdict(decision="ask")}, "autonomous", {}, "pre_tool_use_hook_deny"),
        ({"pre_tool_use": Verdict()}, "strict", {"allow": "t"}, "team_permissions_allow"),
        ({"pre_tool_use": ALLOW}, "autonomous", {"ask": "t"}, "team_permissions_ask"),
        ({"permission_request": ALLOW}, "autonomous", {"ask": "t"}, "team_permissions_ask"),
        ({"pre_tool_use": ALLOW}, "restricted", {}, "mode_restricted"),
        ({"permission_request": ALLOW}, "restricted", {}, "mode_restricted"),
        ({"permission_request": DENY}, "autonomous", {}, "mode_autonomous"),
    ],
)
async def test_calls_are_decided_in_one_order(
    says: Mapping[str, Verdict],
    mode: SafetyMode,
    rule: Mapping[str, str],
    source: str,
) -> None:
    """runtime.md §6.2: deny, hooks, allow, ask, mode."""
    ears = Ears("on_tool_approval_decision", table=says)
    await decided(ears, mode=mode, rules=rules(**rule))
    [told] = ears.of("on_tool_approval_decision")
    assert told.approval_source == source
    hooked = [one.event for one in ears.told if one.event == "pre_tool_use"]
    assert hooked == ([] if "deny" in rule or "pre_tool_use" not in says else ["pre_tool_use"])


@requirement("hooks:approve")
@pytest.mark.parametrize("mode", ["balanced", "strict"])
async def test_a_hook_may_answer_what_would_be_asked(mode: SafetyMode) -> None:
    """runtime.md §6.2 step 6: nobody else can be asked."""
    for ears, text in (
        (Ears(permission_request=ALLOW), "ran"),
        (Ears(pre_tool_use=ALLOW), "ran"),
        (Ears(pre_tool_use=ALLOW, permission_request=DENY), "permission_request hook. Reason: r"),
        (Ears(permission_request=Verdict()), f"safety mode '{mode}'"),
        (Ears("stop"), f"safety mode '{mode}'"),
    ):
        told, _ = await decided(ears, mode=mode)
        assert text in told


@requirement("hooks:rewrite")
async def test_rewritten_arguments_are_what_runs_and_what_is_checked() -> None:
    """runtime.md §6.2 step 2: through the deny rules once more; unreadable ones stay so."""
    ears = Ears("post_tool_use", pre_tool_use=Verdict(arguments={"cmd": "rm"}))
    assert await decided(ears) == ("ran", [{"cmd": "rm"}])
    assert ears.of("post_tool_use")[0].tool_input == {"cmd": "rm"}
    _, ran = await decided(ears, wrote=call("t", cmd="ls", keep=1))
    assert ran == [{"cmd": "rm", "keep": 1}]
    text, ran = await decided(ears, rules=rules(deny="t:cmd=rm*"))
    assert (text, ran) == ("Tool 't' is denied by permissions configuration.", [])
    text, ran = await decided(ears, wrote=ToolCall("c1", "t", "{"))
    assert text.startswith("Error calling tool: the arguments") and ran == []


@requirement("hooks:audit")
async def test_every_verdict_is_a_line(caplog: pytest.LogCaptureFixture) -> None:
    """runtime.md §6.1: allowed, refused, and names that no tool has."""
    with caplog.at_level(logging.INFO, "docker_agent.audit"):
        await decided(Ears(pre_tool_use=DENY))
        await decided(Ears("stop"))
        await decided(Ears("stop"), wrote=call("nope"))
    assert [
        record.getMessage().removeprefix("run r1 agent root tool ") for record in caplog.records
    ] == [
        "t: refused (pre_tool_use_hook_deny)",
        "t: allowed (mode_autonomous)",
        "nope: refused (unknown_tool)",
    ]
    levels = [record.levelno for record in caplog.records]
    assert levels == [logging.WARNING, logging.INFO, logging.WARNING]


EVERYWHERE = Redaction(in_arguments=True, in_messages=True, in_results=True)


@requirement("secrets:everywhere", "runtime:20.2:redacted")
async def test_secrets_are_seen_by_no_tool_no_model_and_no_listener() -> None:
    """runtime.md §12.6, §20.2 row 28: arguments, results, shown output, messages."""
    ears = Ears("tool_response_transform", "post_tool_use", "pre_tool_use", redaction=EVERYWHERE)
    got: list[dict[str, JSON]] = []

    async def tool(arguments: dict[str, JSON], context: CallContext) -> ToolResult:
        got.append(arguments)
        await context.progress(f"working with {TOKEN}\n")
        return ToolResult(f"it is {TOKEN}", structured={"deep": [TOKEN]})

    plain, heard = Ears("stop", redaction=EVERYWHERE), ""
    for hooks in (ears.hooks, plain.hooks):
        model, listener = Actor((call("t", key=TOKEN, n=1),), "done"), Listener()
        of = team(agent("root", model, {"t": tool}, hooks=hooks))
        outcome = await go(of, listener, new=(UserMessage(f"use {TOKEN}"),))
        assert outcome.failure is None
        heard += repr(listener.heard)
        assert TOKEN not in repr([ask.messages for ask in model.asked])
        assert model.results()[0][0] == "it is [REDACTED]"
    assert got == [{"key": "[REDACTED]", "n": 1}] * 2
    assert TOKEN not in heard and "working with [REDACTED]" in heard
    assert TOKEN not in repr([(one.tool_input, one.tool_response) for one in ears.told])


@requirement("secrets:everywhere")
async def test_output_is_not_shown_before_a_hook_saw_the_whole() -> None:
    """runtime.md §5.5: a rewritten result was never shown unwritten; a blocked one is withheld."""

    async def tool(arguments: dict[str, JSON], context: CallContext) -> str:
        await context.progress("raw\n")
        return "raw"

    for verdict, text in (
        (Verdict(response="cooked"), "cooked"),
        (Verdict(block="no"), "withheld"),
    ):
        ears, listener = Ears(tool_response_transform=verdict), Listener()
        model = Actor((call("t"),), "done")
        await go(team(agent("root", model, {"t": tool}, hooks=ears.hooks)), listener)
        assert "raw" not in repr(listener.heard)
        assert text in model.results()[0][0]


@requirement("hooks:merge")
async def test_what_a_hook_spends_counts() -> None:
    """runtime.md §3.9: hooks of type model are part of the run's usage."""
    reply = says("done")
    ears = Ears(turn_start=Verdict(usage=reply.usage))
    outcome = await go(team(agent("root", Actor(reply), hooks=ears.hooks)))
    assert outcome.usage == reply.usage + reply.usage


@requirement("hooks:order")
async def test_rules_and_hooks_see_arguments_as_the_tool_reads_them() -> None:
    """runtime.md §5.4, R: an alias hides nothing from a guard."""
    ears = Ears("pre_tool_use")
    ran: list[dict[str, JSON]] = []

    class Aliased(Tools):
        """A tool whose `cmd` may be called `command`."""

        async def tools(self, around: Around) -> ToolList:
            def tidy(arguments: Mapping[str, JSON]) -> Mapping[str, JSON]:
                return {"cmd": arguments.get("command", arguments.get("cmd"))}

            return ToolList([ToolSpec("t", "", {}, tidy=tidy)])

    async def tool(arguments: dict[str, JSON], context: CallContext) -> str:
        ran.append(arguments)
        return "ran"

    model = Actor((call("t", command="ls"), call("t", "c2", command="rm")), "done")
    of = team(
        agent("root", model, Aliased({"t": tool}), hooks=ears.hooks), rules=rules(deny="t:cmd=rm")
    )
    await go(of)
    assert [one.tool_input for one in ears.told] == [{"cmd": "ls"}]
    assert ran == [{"cmd": "ls"}]


@requirement("hooks:compaction")
async def test_a_compaction_asks_the_hooks() -> None:
    """runtime.md §7.2: no model writes what a hook forbids or writes itself."""
    long = tuple(
        message
        for number in range(8)
        for message in (UserMessage(f"{number} {'x' * 3500}"), AssistantMessage("a"))
    )
    for ears, wrote, shown in (
        (Ears("after_compaction", before_compaction=Verdict(block="no")), 0, ""),
        (Ears("after_compaction", before_compaction=Verdict(summary="by hand")), 0, "by hand"),
        (Ears("after_compaction", pre_compact=Verdict("keep names")), 1, "by model"),
    ):
        writer, model = Actor("by model"), Actor("done")
        root = agent("root", model, hooks=ears.hooks)
        small = dataclasses.replace(root, compaction=Compaction(writer, 4000, 0.9))
        await go(team(small), new=(*long, UserMessage("and now?")))
        assert len(writer.asked) == wrote
        assert not wrote or SystemMessage("keep names") in writer.asked[0].messages
        assert [one.summary for one in ears.of("after_compaction")] == ([shown] if shown else [])
        assert (f"Session Summary: {shown}" in repr(model.asked[0].messages)) == bool(shown)
