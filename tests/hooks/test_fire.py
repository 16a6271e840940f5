"""Who is meant, in which order, and what answers come to. Source: runtime.md §12.5."""

from __future__ import annotations

import re

import anyio
import pytest

from docker_agent.hooks.fire import CUT, MAX_CONTEXT, Entry, Firing
from docker_agent.hooks.port import (
    NO_HOOKS,
    NO_VERDICT,
    Hook,
    HookEvent,
    HookFailed,
    HookInput,
    Verdict,
)
from docker_agent.messages import JSON, Usage, UserMessage
from tests.requirements import requirement

pytestmark = pytest.mark.anyio


def given(event: HookEvent, **more: JSON) -> HookInput:
    """What a hook is told."""
    return HookInput(event, "root", "/", "run_1", **more)


def saying(verdict: Verdict | Exception) -> Hook:
    """A hook that always says the same."""

    async def say(given: HookInput) -> Verdict:
        if isinstance(verdict, Exception):
            raise verdict
        return verdict

    return say


def entries(*verdicts: Verdict | Exception, **more: JSON) -> list[Entry]:
    """Hooks that say these."""
    return [Entry(saying(verdict), f"h{n}", **more) for n, verdict in enumerate(verdicts)]


async def fired(event: HookEvent, *of: Entry, **more: JSON) -> Verdict:
    """What they say together."""
    with anyio.fail_after(10):
        return await Firing({event: of}).fire(event, given(event, **more))


@requirement("hooks:merge")
async def test_hooks_of_an_event_run_at_once_and_count_in_order() -> None:
    """The first waits for the second, and its words stand first all the same."""
    second_ran = anyio.Event()

    async def first(given: HookInput) -> Verdict:
        await second_ran.wait()
        return Verdict("one", usage=Usage(1, 1))

    async def second(given: HookInput) -> Verdict:
        second_ran.set()
        return Verdict("two", usage=Usage(1, 1))

    verdict = await fired("turn_start", Entry(first), Entry(second), *entries(NO_VERDICT))
    assert (verdict.context, verdict.usage) == ("one\ntwo", Usage(2, 2))


@requirement("hooks:merge")
@pytest.mark.parametrize(
    ("verdicts", "field", "value"),
    [
        ([Verdict("x"), Verdict(block="no"), Verdict(block="never")], "block", "no"),
        (
            [Verdict(decision="allow"), Verdict(decision="ask"), Verdict(decision="deny")],
            "decision",
            "deny",
        ),
        ([Verdict(decision="allow"), Verdict(decision="ask")], "decision", "ask"),
        ([Verdict(), Verdict(decision="allow")], "decision", "allow"),
        ([Verdict(summary=""), Verdict(summary="s"), Verdict(summary="t")], "summary", "s"),
        (
            [Verdict(metadata={"a": 1, "b": 1}), Verdict(metadata={"b": 2})],
            "metadata",
            {"a": 1, "b": 2},
        ),
    ],
)
async def test_answers_come_to_one(verdicts: list[Verdict], field: str, value: JSON) -> None:
    """Any block blocks; deny, ask, allow; the first summary; metadata last wins."""
    assert getattr(await fired("permission_request", *entries(*verdicts)), field) == value


@requirement("hooks:merge")
async def test_rewriting_hooks_see_what_the_one_before_left() -> None:
    """R: arguments, messages and results go through a pipeline."""
    seen: list[JSON] = []

    def step(**more: JSON) -> Entry:
        async def rewrite(given: HookInput) -> Verdict:
            seen.append((given.tool_input, given.tool_response, given.messages))
            return Verdict(**more)

        return Entry(rewrite)

    verdict = await fired(
        "pre_tool_use",
        step(arguments={"a": 2, "b": 2}),
        step(arguments={"b": 3}),
        step(),
        tool_input={"a": 1, "c": 1},
    )
    assert [one[0] for one in seen] == [
        {"a": 1, "c": 1},
        {"a": 2, "b": 2, "c": 1},
        {"a": 2, "b": 3, "c": 1},
    ]
    assert verdict.arguments == {"a": 2, "b": 3}
    seen.clear()
    verdict = await fired("tool_response_transform", step(response="x"), step(response=""), step())
    assert [one[1] for one in seen] == ["", "x", ""]
    assert verdict.response == ""
    seen.clear()
    said = (UserMessage("new"),)
    verdict = await fired("before_llm_call", step(messages=said), step())
    assert (seen[1][2], verdict.messages) == (said, said)


@requirement("hooks:merge")
async def test_a_refusal_ends_the_pipeline() -> None:
    """What is refused needs no further look."""
    after = Entry(saying(AssertionError("ran")))
    for no in (Verdict(block="no"), Verdict(decision="deny"), Verdict(decision="ask")):
        verdict = await fired("pre_tool_use", *entries(no), after)
        assert verdict.refusal is not None


@requirement("hooks:matcher")
async def test_a_matcher_fits_the_whole_name() -> None:
    """runtime.md §12.1: anchored, case-sensitive; none is every tool."""
    hooks = Firing(
        {
            "pre_tool_use": [
                Entry(saying(Verdict("shell")), matcher=re.compile("shell|write_.*")),
                Entry(saying(Verdict("all"))),
            ],
            "post_tool_use": [Entry(saying(Verdict()), matcher=re.compile("think"))],
        }
    )
    said = {
        name: (await hooks.fire("pre_tool_use", given("pre_tool_use", tool_name=name))).context
        for name in ("shell", "shells", "Shell", "write_file", "my_shell")
    }
    assert {name for name, text in said.items() if "shell" in text} == {"shell", "write_file"}
    assert hooks.has("post_tool_use", "think") and not hooks.has("post_tool_use", "shell")
    assert not hooks.has("stop")


@requirement("hooks:matcher")
async def test_equal_hooks_run_once() -> None:
    """runtime.md §12.5: two matchers that both fit, or the same line twice."""
    ran: list[str] = []

    async def hook(given: HookInput) -> Verdict:
        ran.append(given.event)
        return NO_VERDICT

    same = [Entry(hook, key=("command", "x")), Entry(hook, key=("command", "x"))]
    await fired("stop", *same, Entry(hook, key=("command", "y")), Entry(hook), Entry(hook))
    assert len(ran) == 4


@requirement("hooks:failure")
@pytest.mark.parametrize("problem", [HookFailed("is broken"), RuntimeError("bug"), TimeoutError()])
@pytest.mark.parametrize(
    ("event", "on_error", "blocks"),
    [
        ("pre_tool_use", "", True),
        ("pre_tool_use", "ignore", True),
        ("turn_start", "", False),
        ("turn_start", "warn", False),
        ("turn_start", "ignore", False),
        ("turn_start", "block", True),
        ("tool_response_transform", "block", True),
    ],
)
async def test_a_failure_means_what_on_error_says(
    event: HookEvent, on_error: str, blocks: bool, problem: Exception
) -> None:
    """runtime.md §12.1: pre_tool_use always blocks."""
    verdict = await fired(event, *entries(problem, on_error=on_error))
    assert (verdict.block is not None) == blocks


@requirement("hooks:failure")
async def test_a_hook_has_its_time() -> None:
    """runtime.md §20.2 row 21."""
    ended = anyio.Event()

    async def hangs(given: HookInput) -> Verdict:
        try:
            await anyio.sleep_forever()
        finally:
            ended.set()
        return NO_VERDICT

    assert (await fired("turn_start", Entry(hangs, seconds=0.01))).block is None
    assert ended.is_set()
    assert (await fired("pre_tool_use", Entry(hangs, seconds=0.01))).block is not None


@requirement("hooks:failure")
async def test_what_a_hook_says_is_bounded(caplog: pytest.LogCaptureFixture) -> None:
    """A prompt is not drowned; a reason and a message to the log hold no secrets."""
    token = "ghp_" + "a1B2" * 9
    long = await fired("turn_start", *entries(Verdict("x" * (MAX_CONTEXT + 1))))
    assert len(long.context) == MAX_CONTEXT + len(CUT)
    said = await fired("stop", *entries(Verdict(block=token, message=f"saw {token}")))
    assert said.block == "[REDACTED]"
    assert "saw [REDACTED]" in caplog.text and token not in caplog.text


@requirement("hooks:untrusted")
async def test_what_an_untrusted_hook_allows_does_not_count() -> None:
    """chat-server.md §6: a file from elsewhere may tighten the mode, never loosen it."""
    allow, deny = Verdict(decision="allow"), Verdict(decision="deny")
    assert (await fired("permission_request", *entries(allow, untrusted=True))).decision is None
    assert (await fired("permission_request", *entries(deny, untrusted=True))).decision == "deny"
    assert (await fired("permission_request", *entries(allow))).decision == "allow"


@requirement("hooks:events")
async def test_an_agent_without_hooks_fires_nothing() -> None:
    """The port's default."""
    assert not NO_HOOKS.has("stop")
    assert await NO_HOOKS.fire("stop", given("stop")) is NO_VERDICT
    assert await Firing({}).fire("stop", given("stop")) is NO_VERDICT
