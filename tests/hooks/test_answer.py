"""What an exit status and an output mean. Source: runtime.md §12.4."""

from __future__ import annotations

import json
from typing import Any, get_args

import pytest

from docker_agent.hooks.answer import MAX_REASON, SPEAKING, read_answer
from docker_agent.hooks.chat_messages import from_plain, plain
from docker_agent.hooks.command import encoded
from docker_agent.hooks.port import NO_VERDICT, HookEvent, HookFailed, HookInput, Verdict
from docker_agent.messages import (
    JSON,
    AssistantMessage,
    AudioPart,
    FilePart,
    ImagePart,
    Message,
    Opaque,
    SystemMessage,
    TextPart,
    ToolCall,
    ToolMessage,
    UserMessage,
)
from tests.requirements import requirement


def read(event: HookEvent, output: JSON = "", status: int = 0, errors: str = "") -> Verdict:
    """The verdict; `output` is text, or becomes JSON."""
    text = output if isinstance(output, str) else json.dumps(output)
    return read_answer(HookInput(event, "root", "/", "r"), status, text, errors)


def specific(**keys: JSON) -> dict[str, Any]:
    """Structured output of one event."""
    return {"hook_specific_output": keys}


@requirement("hooks:command:output")
def test_plain_output_is_context_where_that_means_something() -> None:
    """Nine events; elsewhere it is dropped."""
    events: tuple[HookEvent, ...] = get_args(HookEvent)
    said = {event for event in events if read(event, " some words \n") == Verdict("some words")}
    assert said == SPEAKING and len(said) == 9
    assert all(read(event, "some words") is NO_VERDICT for event in events if event not in said)


@requirement("hooks:command:output")
def test_exit_2_blocks_with_stderr() -> None:
    """What stdout says does not count then."""
    assert read("pre_tool_use", specific(permission_decision="allow"), 2, " no \n").block == "no"
    assert read("stop", "", 2).block == "no reason was given"
    long = read("stop", "", 2, "x" * (MAX_REASON + 1)).block
    assert long is not None and len(long) == MAX_REASON + 1


@requirement("hooks:command:output", "hooks:failure")
@pytest.mark.parametrize(
    ("status", "quiet"), [(1, True), (3, True), (127, False), (126, False), (-9, False)]
)
def test_other_ends_are_failures(status: int, quiet: bool) -> None:
    """Other statuses mean nothing and are told quietly; a crash or a missing program is not."""
    with pytest.raises(HookFailed) as failed:
        read("turn_start", "words", status, "why")
    assert failed.value.quiet == quiet


@requirement("hooks:command:output")
@pytest.mark.parametrize(
    ("output", "verdict"),
    [
        ({"continue": False, "stop_reason": "enough"}, Verdict(block="enough")),
        ({"continue": False}, Verdict(block="no reason was given")),
        ({"decision": "block", "reason": "bad"}, Verdict(block="bad", reason="bad")),
        ({"decision": "approve"}, Verdict()),
        ({"system_message": "look", "suppress_output": True}, Verdict(message="look")),
        (specific(additional_context="ctx"), Verdict("ctx")),
        (
            specific(permission_decision="deny", permission_decision_reason="r"),
            Verdict(decision="deny", reason="r"),
        ),
        (
            {"hookSpecificOutput": {"permissionDecision": "ask", "updatedInput": {"aB": 1}}},
            Verdict(decision="ask", arguments={"aB": 1}),
        ),
        (specific(updated_tool_response=""), Verdict(response="")),
        (specific(summary="s", metadata={"k": 1}), Verdict(summary="s", metadata={"k": 1})),
        (
            specific(updated_messages=[{"role": "user", "content": "x"}]),
            Verdict(messages=(UserMessage("x"),)),
        ),
        ({}, Verdict()),
        ({"unknown": 1, "hook_specific_output": None}, Verdict()),
    ],
)
def test_structured_output(output: dict[str, Any], verdict: Verdict) -> None:
    """The table of keys; other programs' spelling is understood."""
    assert read("pre_tool_use", output) == verdict


@requirement("hooks:command:output", "hooks:failure")
@pytest.mark.parametrize(
    "output",
    [
        '{"decision": "blo',
        '{"decision": "maybe"}',
        '{"hook_specific_output": {"permission_decision": "perhaps"}}',
        '{"hook_specific_output": {"updated_input": "text"}}',
        '{"hook_specific_output": {"updated_messages": "text"}}',
        '{"hook_specific_output": {"updated_messages": [{"role": "boss"}]}}',
        '{"hook_specific_output": {"updated_messages": []}}',
        '{"continue": "no"}',
        '{"a":' * 100_000,
    ],
)
def test_an_answer_that_cannot_be_understood_is_a_failure(output: str) -> None:
    """A guard that cannot be understood is not taken for a yes."""
    with pytest.raises(HookFailed):
        read("pre_tool_use", output)


@requirement("hooks:command:output")
def test_text_that_only_begins_like_json_is_text() -> None:
    """0 and stdout that parses; other stdout is context."""
    assert read("turn_start", "{not json}") == Verdict("{not json}")


CALL = ToolCall("c1", "shell", '{"cmd":"ls"}')
EVERY: tuple[Message, ...] = (
    SystemMessage("rules"),
    UserMessage("hi"),
    UserMessage(
        (
            TextPart("see"),
            ImagePart("data:,", "high"),
            AudioPart("AA==", "wav"),
            FilePart("f.pdf", "data:,"),
        )
    ),
    AssistantMessage("text", "thought", (CALL,), (Opaque("m", "k", "d"),), "root"),
    ToolMessage("c1", "out", is_error=True, parts=(ImagePart("data:,"),)),
    ToolMessage("c2", "out"),
)


@requirement("hooks:messages:json")
def test_messages_travel_as_json_and_back() -> None:
    """What was left alone is the very message, signatures included."""
    document = json.loads(encoded(HookInput("before_llm_call", "root", "/", "r", messages=EVERY)))
    assert [one["role"] for one in document["messages"]] == [
        "system",
        "user",
        "user",
        "assistant",
        "tool",
        "tool",
    ]
    back = from_plain(document["messages"], EVERY)
    assert all(a is b for a, b in zip(back, EVERY, strict=True))
    assert "messages" not in json.loads(encoded(HookInput("stop", "root", "/", "r")))


@requirement("hooks:messages:json")
def test_rewritten_messages_are_read() -> None:
    """A rewritten assistant message keeps its signatures when its calls are the same."""
    said = [{**plain(one), "content": "other"} for one in EVERY]
    back = from_plain(said, EVERY)
    assert back[0] == SystemMessage("other")
    assert back[3] == AssistantMessage("other", "thought", (CALL,), EVERY[3].opaque, "root")  # type: ignore[union-attr]
    assert back[4] == ToolMessage("c1", "other", is_error=True, parts=(ImagePart("data:,"),))
    assert back[2] == EVERY[2]
    fresh: list[JSON] = [
        {"role": "assistant", "content": None, "tool_calls": []},
        {"role": "developer"},
    ]
    assert from_plain(fresh, ()) == (AssistantMessage(""), SystemMessage(""))
    for bad in ({"type": "video"}, {"type": "input_audio", "input_audio": {"data": 1}}):
        with pytest.raises(HookFailed):
            from_plain([{"role": "user", "multi_content": [bad]}], ())
