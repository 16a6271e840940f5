"""The loop: its limits, its ends, and what tools and models go through in it."""

from __future__ import annotations

import logging

import anyio
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from docker_agent.depth import is_too_deep
from docker_agent.errors import ToolError
from docker_agent.events import (
    EmitDeltas,
)
from docker_agent.messages import (
    JSON,
    AssistantMessage,
    ToolCall,
    ToolList,
    ToolMessage,
    ToolResult,
    ToolSpec,
    Usage,
)
from docker_agent.models.port import Ask, Reply
from docker_agent.runtime.agent import Limits
from docker_agent.runtime.loop import NO_ANSWER
from docker_agent.runtime.toolbox import Toolbox
from docker_agent.tools.port import Around, CallContext, Draft
from tests.requirements import requirement
from tests.runtime.players import (
    Actor,
    Listener,
    Tools,
    agent,
    call,
    fine,
    go,
    says,
    spoken,
    team,
)

pytestmark = pytest.mark.anyio

STOPPED = "Execution stopped after reaching the configured max_iterations limit (2)."
SPENT = "Execution stopped after reaching the limit of 3 model calls in one request."


def counted() -> list[ToolCall]:
    """Calls that differ, for models that never stop."""
    return [call("t", f"c{number}", n=number) for number in range(20)]


def restless(text: str = "") -> Actor:
    """A model that never stops calling."""
    return Actor(*(says(text, one) for one in counted()))


@requirement("runtime:3.5:iterations")
@pytest.mark.parametrize("text", ["", "Let me see."])
async def test_the_iteration_limit_is_told_as_the_answer(text: str) -> None:
    """runtime.md §3.5: the exact notice as content, and finish length."""
    model = restless(text)
    outcome = await go(team(agent("root", model, {"t": fine}, limits=Limits(max_iterations=2))))
    assert outcome.text == "\n\n".join([*[text] * 2, STOPPED] if text else [STOPPED])
    assert (outcome.finish, outcome.failure, len(model.asked)) == ("length", None, 2)
    assert outcome.conversation.messages[-1] == AssistantMessage(STOPPED, agent="root")


@requirement("runtime:3.5:iterations")
async def test_the_iterations_of_one_agent_do_not_count_for_the_next() -> None:
    """runtime.md §11.4: after a hand-off the new agent's own limit holds."""
    first = Actor((call("handoff", agent="b"),))
    second = Actor((call("t", "c2"),), "done")
    outcome = await go(
        team(
            agent("a", first, handoffs=("b",), limits=Limits(max_iterations=1)),
            agent("b", second, {"t": fine}, limits=Limits(max_iterations=2)),
        )
    )
    assert (outcome.text, outcome.finish) == ("done", "stop")


@requirement("runtime:3.5:turns")
async def test_the_turns_of_a_run_are_shared_with_sub_agents() -> None:
    """runtime.md §3.5: `--max-turns` bounds the model calls over all agents."""
    root = Actor((call("transfer_task", agent="sub", task="x"),), "never asked")
    sub = restless()
    listener = Listener()
    outcome = await go(
        team(agent("root", root, sub_agents=("sub",)), agent("sub", sub, {"t": fine})),
        listener,
        max_turns=3,
    )
    assert (outcome.text, outcome.finish) == (SPENT, "length")
    assert (len(root.asked), len(sub.asked)) == (1, 2)
    assert listener.text(1) == SPENT


@requirement("runtime:3.6:repeats")
@pytest.mark.parametrize(("repeats", "asked"), [(5, 5), (2, 2), (1, 1)])
async def test_identical_batches_in_a_row_end_the_run(repeats: int, asked: int) -> None:
    """runtime.md §3.6: keys in any order are the same call."""
    calls = [ToolCall(f"c{n}", "t", ('{"a":1,"b":2}', '{"b": 2, "a": 1}')[n % 2]) for n in range(9)]
    model = Actor(*((one,) for one in calls))
    outcome = await go(team(agent("root", model, {"t": fine}, limits=Limits(repeats=repeats))))
    assert outcome.failure is not None
    assert (outcome.failure.kind, len(model.asked)) == ("loop_detected", asked)
    assert outcome.failure.message == (
        f"Agent terminated: detected {repeats} consecutive identical calls to t."
    )
    assert (outcome.acted, outcome.usage) == (True, Usage(asked, asked))


@requirement("runtime:3.6:repeats")
@pytest.mark.parametrize(
    ("plays", "repeats"),
    [
        ([call("t", "c1", a=1), call("t", "c2", a=2)] * 4, 2),
        ([ToolCall("c", "t", "broken {"), ToolCall("d", "t", "broken ["), call("t")], 2),
        ([call("view_background_agent", f"c{n}") for n in range(9)], 2),
        ([call("t", f"c{n}") for n in range(9)], 0),
    ],
    ids=["others between", "broken ones differ", "polling", "no limit"],
)
async def test_other_batches_do_not(plays: list[ToolCall], repeats: int) -> None:
    """runtime.md §3.6: another batch counts anew; polling tools are invisible; 0 is no limit."""
    model = Actor(*((one,) for one in plays), "done")
    tools = {"t": fine, "view_background_agent": fine}
    outcome = await go(team(agent("root", model, tools, limits=Limits(repeats=repeats))))
    assert outcome.text == "done"


@requirement("runtime:5.3:errors")
async def test_what_goes_wrong_in_a_tool_is_told_to_the_model(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """runtime.md §5.3: a failing tool never ends the run; faults of ours go to the log alone."""

    async def sorry(arguments: dict[str, JSON], context: CallContext) -> str:
        raise ToolError("no such file")

    async def faulty(arguments: dict[str, JSON], context: CallContext) -> str:
        raise ZeroDivisionError("secret detail")

    async def slow(arguments: dict[str, JSON], context: CallContext) -> str:
        raise TimeoutError

    async def silent(arguments: dict[str, JSON], context: CallContext) -> str:
        return ""

    tools = {"sorry": sorry, "faulty": faulty, "slow": slow, "silent": silent}
    calls = [*tools, "missing", "broken", "list", "empty", "deep"]
    deep = '{"a":' * 300 + "1" + "}" * 300
    written = {"broken": '{"a', "list": "[1]", "empty": " ", "deep": deep}
    model = Actor(
        tuple(
            ToolCall(name, "silent" if name in written else name, written.get(name, "{}"))
            for name in calls
        ),
        "done",
    )
    with caplog.at_level(logging.ERROR, "docker_agent"):
        outcome = await go(team(agent("root", model, tools)))
    assert outcome.text == "done"
    results = dict(zip(calls, model.results(), strict=True))
    broken, _ = results.pop("broken")
    assert broken.startswith("Error calling tool: the arguments are not valid JSON")
    assert results == {
        "sorry": ("Error calling tool: no such file", True),
        "faulty": ("Error calling tool: internal error in the tool", True),
        "slow": ("Error calling tool: it timed out", True),
        "silent": ("(no output)", False),
        "missing": (
            "Tool 'missing' is not available. You can only use the tools provided to you.",
            True,
        ),
        "list": ("Error calling tool: the arguments must be one JSON object", True),
        "empty": ("(no output)", False),
        "deep": ("Error calling tool: the arguments are nested deeper than 128 levels", True),
    }
    [fault] = caplog.records
    assert fault.getMessage() == "run r1: tool faulty failed"
    assert fault.exc_info is not None


@requirement("runtime:5.2:batch")
async def test_results_stand_in_the_order_of_the_calls() -> None:
    """runtime.md §5.2: whoever is done first; at most eight at once."""
    inside = most = 0
    full = anyio.Event()
    order: list[str] = []

    async def tool(arguments: dict[str, JSON], context: CallContext) -> str:
        nonlocal inside, most
        inside += 1
        most = max(most, inside)
        if inside == 8:
            full.set()
        await full.wait()
        for _ in range(20 - int(context.call_id)):
            await anyio.lowlevel.checkpoint()
        order.append(context.call_id)
        inside -= 1
        return context.call_id

    model = Actor(tuple(call("t", str(number)) for number in range(12)), "done")
    outcome = await go(team(agent("root", model, {"t": tool})))
    assert (outcome.text, most) == ("done", 8)
    assert [text for text, _ in model.results()] == [str(number) for number in range(12)]
    assert order != sorted(order, key=int)


@requirement("runtime:5.2:end-run")
async def test_a_tool_may_end_the_run() -> None:
    """tools/port.py, ToolResult: `end_run` stops after this batch; the next turn goes on."""

    async def leave(arguments: dict[str, JSON], context: CallContext) -> ToolResult:
        return ToolResult("bye", end_run=True)

    model = Actor(says("Going.", call("leave")), "Back.")
    of = team(agent("root", model, {"leave": leave}))
    outcome = await go(of)
    assert (outcome.text, outcome.finish, outcome.pending) == ("Going.", "stop", ())
    assert outcome.conversation.messages[-1] == ToolMessage("c1", "bye")
    again = await go(of, conversation=outcome.conversation)
    assert again.text == "Back."
    assert [type(one).__name__ for one in model.asked[1].messages] == [
        "UserMessage",
        "AssistantMessage",
        "ToolMessage",
        "UserMessage",
    ]


@requirement("runtime:5.2:end-run")
async def test_a_run_that_a_tool_ended_without_words_still_answers() -> None:
    """chat-server.md §4: a successful answer is never empty."""

    async def leave(arguments: dict[str, JSON], context: CallContext) -> ToolResult:
        return ToolResult("bye", end_run=True)

    outcome = await go(team(agent("root", Actor((call("leave"),)), {"leave": leave})))
    assert (outcome.text, outcome.finish) == (NO_ANSWER, "stop")


@requirement("runtime:4.1:finish")
async def test_calls_of_a_refused_answer_are_dropped() -> None:
    """runtime.md §4.1: finish refusal drops all collected calls, and the run stops."""
    ran: list[str] = []

    async def tool(arguments: dict[str, JSON], context: CallContext) -> str:
        ran.append("t")
        return ""

    model = Actor(says("No.", call("t"), finish="content_filter"))
    outcome = await go(team(agent("root", model, {"t": tool})))
    assert (outcome.text, outcome.finish, ran) == ("No.", "content_filter", [])
    assert outcome.conversation.messages[-1] == AssistantMessage("No.", agent="root")


@requirement("runtime:4.1:finish")
async def test_calls_of_an_answer_that_was_too_long_still_run() -> None:
    """runtime.md §4.1: cut arguments fail as invalid JSON, and the model is told."""
    cut = Reply(AssistantMessage("", calls=(ToolCall("c1", "t", '{"a'),)), "length", Usage(1, 1))
    model = Actor(cut, "Sorry.")
    outcome = await go(team(agent("root", model, {"t": fine})))
    assert (outcome.text, outcome.finish) == ("Sorry.", "stop")
    assert model.results()[0][1] is True


@requirement("runtime:4.1:finish")
@pytest.mark.parametrize("finish", ["stop", "tool_calls", "length", "content_filter"])
@pytest.mark.parametrize("text", ["", " \n"])
async def test_an_answer_of_nothing_becomes_words(finish: str, text: str) -> None:
    """chat-server.md §4: never empty text, whatever the model's finish says."""
    outcome = await go(team(agent("root", Actor(says(text, finish=finish)))))
    assert (outcome.text.strip(), outcome.pending) == (NO_ANSWER, ())


texts = st.lists(st.sampled_from(["", " ", "\n", "a", "Hello", " world", "\n\n", "é"]), max_size=4)
turns = st.lists(st.tuples(texts, st.sampled_from(["t", "handoff", "both"])), max_size=6)


@requirement("runtime:text-law")
@settings(deadline=None)
@given(turns, texts, st.booleans(), st.integers(0, 4))
async def test_what_was_streamed_is_the_answer(
    script: list[tuple[list[str], str]], last: list[str], forced: bool, limit: int
) -> None:
    """chat-server.md §4: all depth-0 text, a blank line between turns, identical in both modes."""
    plays = iter(
        [(pieces, _acts(kind, number)) for number, (pieces, kind) in enumerate(script)]
        + [(last, ())] * 3
    )

    async def play(ask: Ask, emit: EmitDeltas) -> Reply:
        pieces, calls = next(plays)
        return await spoken(says("".join(pieces), *calls), emit, pieces)

    model = Actor(play)
    limits = Limits(max_iterations=limit, repeats=0)
    listener = Listener()
    outcome = await go(
        team(
            agent("a", model, {"t": fine}, limits=limits, handoffs=("b",)),
            agent(
                "b",
                model,
                {"t": fine},
                limits=limits,
                handoffs=("a",),
                force_handoff="c" if forced else None,
            ),
            agent("c", model, {"t": fine}, limits=limits, handoffs=("a",)),
        ),
        listener,
    )
    assert outcome.text.strip()
    said = [one.text for one in outcome.conversation.messages if isinstance(one, AssistantMessage)]
    kept = "\n\n".join(text for text in said if text.strip())
    assert kept.split() == outcome.text.split()


def _acts(kind: str, number: int) -> tuple[ToolCall, ...]:
    own = call("t", f"t{number}", n=number)
    away = call("handoff", f"h{number}", agent="b" if number % 2 == 0 else "a")
    return {"t": (own,), "handoff": (away,), "both": (own, away)}[kind]


@requirement("json:depth")
async def test_a_tool_whose_schema_is_nested_too_deeply_is_left_out(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """depth.py: whoever offers it, and with one warning; its neighbours stay."""
    deep: JSON = {}
    while not is_too_deep(deep):
        deep = {"items": deep}

    class Two(Tools):
        """A good tool and a deep one."""

        async def tools(self, around: Around) -> ToolList:
            return ToolList([ToolSpec("deep", "", deep), ToolSpec("fine", "", {})])

    toolbox = Toolbox([Two({"fine": fine})])
    for _ in range(2):
        around = Around("root", "", None, {}, Draft())
        assert list((await toolbox.gather(around)).list.by_name) == ["fine"]
    told = "tool deep of tools is left out: its schema is nested deeper than 128 levels"
    assert [record.getMessage() for record in caplog.records] == [told]
