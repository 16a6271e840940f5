"""What a model call is shown: blocks, limits, and a history every provider accepts."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from docker_agent.messages import (
    AssistantMessage,
    ImagePart,
    Message,
    Opaque,
    SystemMessage,
    TextPart,
    ToolCall,
    ToolMessage,
    UserMessage,
)
from docker_agent.runtime.agent import Limits
from docker_agent.runtime.prompt import (
    MIDDLE_OMITTED,
    balance,
    clean_history,
    cut_middle,
    system_blocks,
    task_message,
)
from tests.requirements import requirement
from tests.runtime.players import Actor, agent


def said(*ids: str, text: str = "", arguments: str = "{}") -> AssistantMessage:
    """An assistant message with calls."""
    return AssistantMessage(text, calls=tuple(ToolCall(id, "t", arguments) for id in ids))


def got(id: str, text: str = "r") -> ToolMessage:
    """A result."""
    return ToolMessage(id, text)


def none(id: str) -> ToolMessage:
    """What stands for a result that never came."""
    return ToolMessage(id, "No result provided", is_error=True)


U, A, S = UserMessage("u"), AssistantMessage("a"), SystemMessage("s")

BALANCES: dict[str, tuple[list[Message], list[Message]]] = {
    "nothing": ([], []),
    "no calls": ([U, A, U], [U, A, U]),
    "answered": ([said("1"), got("1"), A], [said("1"), got("1"), A]),
    "in another order": (
        [said("1", "2"), got("2", "b"), got("1", "a")],
        [said("1", "2"), got("1", "a"), got("2", "b")],
    ),
    "one missing": ([said("1", "2"), got("2"), U], [said("1", "2"), none("1"), got("2"), U]),
    "none at the end": ([said("1")], [said("1"), none("1")]),
    "none before the user": ([said("1"), U], [said("1"), none("1"), U]),
    "an orphan": ([U, got("1"), A], [U, A]),
    "an orphan at the start": ([got("1"), U], [U]),
    "of no call of this turn": ([said("1"), got("1"), got("9")], [said("1"), got("1")]),
    "twice": ([said("1"), got("1", "a"), got("1", "b")], [said("1"), got("1", "a")]),
    "too late": ([said("1"), U, got("1")], [said("1"), none("1"), U]),
    "the same id in two turns": (
        [said("1"), got("1", "a"), said("1"), got("1", "b")],
        [said("1"), got("1", "a"), said("1"), got("1", "b")],
    ),
}


@requirement("runtime:3.4:balance")
@pytest.mark.parametrize(("given_messages", "balanced"), BALANCES.values(), ids=BALANCES.keys())
def test_every_call_is_answered_right_after_its_message(
    given_messages: list[Message], balanced: list[Message]
) -> None:
    """runtime.md §3.4: missing results are made up, orphans and duplicates dropped."""
    assert balance(given_messages) == balanced
    assert clean_history(given_messages, Limits()) == balanced


ids = st.sampled_from("1234")
messages: st.SearchStrategy[Message] = st.one_of(
    st.just(U),
    st.just(A),
    st.just(S),
    st.lists(ids, min_size=1, max_size=3, unique=True).map(lambda drawn: said(*drawn)),
    ids.map(got),
)


@requirement("runtime:3.4:balance")
@given(st.lists(messages, max_size=15))
def test_any_history_becomes_one_that_providers_accept(history: list[Message]) -> None:
    """runtime.md §3.4: each call answered exactly once right after it, and nothing else lost."""
    balanced = balance(history)
    assert balance(balanced) == balanced
    others = [one for one in history if not isinstance(one, ToolMessage)]
    assert [one for one in balanced if not isinstance(one, ToolMessage)] == others
    expected: list[str] = []
    for message in balanced:
        if isinstance(message, ToolMessage):
            assert expected, "an orphan"
            assert message.call_id == expected.pop(0)
            continue
        assert not expected, "an unanswered call"
        if isinstance(message, AssistantMessage):
            expected = [call.id for call in message.calls]
    assert not expected


@requirement("runtime:3.4:blanks")
@pytest.mark.parametrize(
    ("message", "kept"),
    [
        (SystemMessage(" \n"), False),
        (UserMessage(""), False),
        (UserMessage(" \t\n"), False),
        (UserMessage(()), False),
        (UserMessage((ImagePart("data:x"),)), True),
        (UserMessage((TextPart("a"),)), True),
        (AssistantMessage(" "), False),
        (AssistantMessage("", reasoning="hm"), False),
        (AssistantMessage("", opaque=(Opaque("m", "k", "d"),)), True),
        (AssistantMessage("a"), True),
        (UserMessage("0"), True),
    ],
)
def test_blank_messages_are_left_out(message: Message, kept: bool) -> None:
    """agent-file.md §4.4: only blank text, no calls and no parts."""
    assert clean_history([message], Limits()) == ([message] if kept else [])


@requirement("runtime:3.4:blanks")
def test_a_call_without_words_and_an_empty_result_stay() -> None:
    """agent-file.md §4.4: calls and tool messages are never blank."""
    history: list[Message] = [said("1", text=" "), got("1", "")]
    assert clean_history(history, Limits()) == history


@requirement("runtime:3.4:history")
@pytest.mark.parametrize(
    ("history", "limit", "kept"),
    [
        ([U, A, U, A, U], 0, [U, A, U, A, U]),
        ([U, A, U, A, U], 5, [U, A, U, A, U]),
        ([U, A, U, A, U], 4, [U, U, A, U]),
        ([U, A, U, A, U], 3, [U, U, U]),
        ([U, A, U, A, U], 1, [U, U, U]),
        ([U, S, A, U], 2, [S, U, U]),
        ([U, S, A, U], 3, [U, S, A, U]),
        ([said("1"), got("1"), U, A], 2, [U, A]),
        ([said("1"), got("1"), U, A], 3, [U, A]),
        ([said("1"), got("1"), said("2"), got("2"), U], 3, [said("2"), got("2"), U]),
    ],
)
def test_old_messages_go_but_never_what_the_user_said(
    history: list[Message], limit: int, kept: list[Message]
) -> None:
    """agent-file.md §4.4: the oldest that are not the user's; results go with their calls; system
    messages first."""
    assert clean_history(history, Limits(history_items=limit)) == kept


@requirement("runtime:3.4:history")
@given(st.lists(messages, max_size=15), st.integers(1, 10))
def test_any_limit_keeps_users_and_systems(history: list[Message], limit: int) -> None:
    """agent-file.md §4.4: no more messages than allowed, unless the user said them."""
    kept = clean_history(history, Limits(history_items=limit))
    count = Counter(type(one) for one in kept)
    assert count[UserMessage] == sum(isinstance(one, UserMessage) for one in history)
    assert count[SystemMessage] == sum(isinstance(one, SystemMessage) for one in history)
    real = [one for one in kept if not isinstance(one, SystemMessage) and one != none_of(one)]
    assert len(real) <= max(limit, count[UserMessage])


def none_of(message: Message) -> Message | None:
    """The made-up result in place of this message."""
    return none(message.call_id) if isinstance(message, ToolMessage) else None


@requirement("runtime:3.4:old-tools")
@pytest.mark.parametrize(
    ("tokens", "kept"),
    [
        (0, [("xxxx" * 10, "yyyy" * 10), ("xxxx" * 10, "yyyy" * 10)]),
        (1000, [("xxxx" * 10, "yyyy" * 10), ("xxxx" * 10, "yyyy" * 10)]),
        (40, [("xxxx" * 10, "yyyy" * 10), ("xxxx" * 10, "yyyy" * 10)]),
        (39, [("{}", "yyyy" * 10), ("xxxx" * 10, "yyyy" * 10)]),
        (29, [("{}", "[content truncated]"), ("xxxx" * 10, "yyyy" * 10)]),
        (19, [("{}", "[content truncated]"), ("{}", "yyyy" * 10)]),
        (9, [("{}", "[content truncated]"), ("{}", "[content truncated]")]),
    ],
)
def test_old_tool_payload_is_forgotten_from_the_oldest_on(
    tokens: int, kept: list[tuple[str, str]]
) -> None:
    """runtime.md §3.4: newest first, four characters a token, the exact words."""
    history: list[Message] = [U]
    for id in ("1", "2"):
        history += [said(id, arguments="xxxx" * 10), got(id, "yyyy" * 10)]
    shown = clean_history([*history, U], Limits(old_tool_tokens=tokens))
    calls = [one.calls[0].arguments for one in shown if isinstance(one, AssistantMessage)]
    results = [one.text for one in shown if isinstance(one, ToolMessage)]
    assert list(zip(calls, results, strict=True)) == kept
    assert len(shown) == 6


@requirement("runtime:3.4:old-tools")
def test_pictures_of_forgotten_results_go_too() -> None:
    """runtime.md §3.4: the content is replaced, not only its text."""
    picture = ToolMessage("1", "x" * 40, parts=(ImagePart("data:x"),))
    shown = clean_history([said("1"), picture], Limits(old_tool_tokens=1))
    assert shown[1] == ToolMessage("1", "[content truncated]")


@requirement("runtime:3.4:result-cap")
@pytest.mark.parametrize(
    ("text", "limit", "cut"),
    [
        ("abc", 3, "abc"),
        ("abcd", 3, "..."),
        ("abcd", 2, ""),
        ("x" * 99, 46, "..."),
        ("x" * 99, 47, MIDDLE_OMITTED),
        ("a" + "x" * 99, 48, "a" + MIDDLE_OMITTED),
        ("a" + "x" * 99 + "b", 49, "a" + MIDDLE_OMITTED + "b"),
        ("ab" + "x" * 99 + "c", 50, "ab" + MIDDLE_OMITTED + "c"),
        ("", 0, ""),
        ("a", 0, ""),
    ],
)
def test_a_long_result_loses_its_middle(text: str, limit: int, cut: str) -> None:
    """runtime.md §3.4: head, the exact marker, tail; `...`, then nothing, when it does not fit."""
    assert MIDDLE_OMITTED == "\n[...tool result truncated: middle omitted...]\n"
    assert len(MIDDLE_OMITTED) == 47
    assert cut_middle(text, limit) == cut


@requirement("runtime:3.4:result-cap")
@given(st.text(), st.integers(0, 100))
def test_a_cut_result_is_never_longer_than_allowed(text: str, limit: int) -> None:
    """runtime.md §3.4: N tokens of four characters."""
    cut = cut_middle(text, limit)
    assert len(cut) <= max(limit, 0)
    assert cut == text or len(text) > limit


@requirement("runtime:3.4:result-cap")
def test_the_cap_is_for_results_alone() -> None:
    """agent-file.md §4.4: `max_tool_result_tokens`."""
    history: list[Message] = [UserMessage("u" * 900), said("1"), got("1", "r" * 900)]
    user, call, result = clean_history(history, Limits(result_tokens=20))
    assert (user, call) == (history[0], history[1])
    assert isinstance(result, ToolMessage)
    assert len(result.text) == 80
    assert MIDDLE_OMITTED in result.text


@requirement("runtime:prompt-blocks")
def test_the_blocks_of_a_prompt_stand_in_their_order() -> None:
    """agent-file.md §4.1 and §4.2: team, hand-offs, instruction, toolsets, contexts; no blanks."""
    model = Actor("x")
    root = agent("root", model, sub_agents=("b", "c"), handoffs=("c",), instruction="Be root.")
    others = {name: agent(name, model) for name in "bc"}
    blocks = system_blocks(root, others, ["tools", " "], ["", "session", "turn"])
    texts = [block.text for block in blocks if isinstance(block, SystemMessage)]
    assert texts[2:] == ["Be root.", "tools", "session", "turn"]
    group, away = texts[:2]
    assert "Name: b | Description: \nName: c | Description: \n" in group
    for word in ("b, c", "transfer_task", "absolute path", "neither this conversation"):
        assert word in group
    assert "Name: c | Description: \n" in away
    assert "Name: b" not in away
    for word in ("handoff", "Do not talk about handing over"):
        assert word in away


@requirement("runtime:prompt-blocks")
def test_a_task_is_told_with_its_expected_output_if_any() -> None:
    """agent-file.md §4.2c: tags, and a rule about paths."""
    with_output = task_message("Do.", " A number. ")
    assert "<task>\nDo.\n</task>" in with_output
    assert "<expected_output>\nA number.\n</expected_output>" in with_output
    assert "Absolute paths" in with_output
    assert "expected_output" not in task_message("Do.", "  ")
