"""Long histories: when they are summarized, what stays, and what a summary is asked for."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Sequence

import anyio
import pytest

from docker_agent.errors import ModelError
from docker_agent.messages import (
    EMPTY_CONVERSATION,
    AssistantMessage,
    Conversation,
    FilePart,
    ImagePart,
    Message,
    Summary,
    SystemMessage,
    TextPart,
    ToolMessage,
    Usage,
    UserMessage,
)
from docker_agent.modalities import LEFT_OUT
from docker_agent.models.port import ModelCard, Reply
from docker_agent.runtime.agent import Agent, Limits
from docker_agent.runtime.loop import run
from docker_agent.runtime.prompt import clean_history
from docker_agent.runtime.request import Outcome, RunRequest
from docker_agent.runtime.summaries import (
    Compaction,
    Fill,
    Summaries,
    estimate,
    shown,
    tail_start,
)
from tests.requirements import requirement
from tests.runtime.players import PATIENCE, Actor, Listener, agent, call, fine, says, team

pytestmark = pytest.mark.anyio

LONG = "x" * 3500
"""A message of about 1,000 tokens."""

OVERFLOW = ModelError("context_length_exceeded", "model m failed: prompt is too long")


def writer(*texts: str) -> Actor:
    """A model that writes summaries."""
    return Actor(*(texts or ("They spoke of x.",)))


def short_of_room(model: Actor, compaction: Compaction) -> Agent:
    """An agent whose histories are summarized."""
    return dataclasses.replace(agent("root", model, {"t": fine}), compaction=compaction)


def history(turns: int, text: str = LONG) -> tuple[Message, ...]:
    """What a client sends again: so many turns, then a question."""
    told = [
        message
        for turn in range(turns)
        for message in (UserMessage(f"q{turn} {text}"), AssistantMessage(f"a{turn}"))
    ]
    return (*told, UserMessage("and now?"))


def texts(messages: Sequence[Message]) -> list[str]:
    """The first letters of each."""
    found = (m.content if isinstance(m, UserMessage) else m.text for m in messages)
    return [str(text)[:40] for text in found]


async def asking(
    of: Agent,
    messages: Sequence[Message],
    conversation: Conversation = EMPTY_CONVERSATION,
    caller: str = "",
) -> Outcome:
    """One run on these messages."""
    request = RunRequest("r1", of.name, tuple(messages), conversation, caller=caller)
    listener = Listener()
    with anyio.fail_after(PATIENCE):
        outcome = await run(team(of), request, listener)
    assert outcome.failure is not None or listener.text() == outcome.text
    return outcome


@requirement("runtime:7.1:threshold", "runtime:7.2:summary")
async def test_a_long_history_is_summarized_before_the_model_is_asked() -> None:
    """runtime.md §7.1 and §7.2: above 0.9 of the window; instructions of the request stay."""
    model, scribe = Actor("fine"), writer()
    root = short_of_room(model, Compaction(scribe, window=10_000))
    outcome = await asking(root, (SystemMessage("be brief"), *history(12)))
    assert outcome.text == "fine"
    assert len(model.asked) == len(scribe.asked) == 1
    shown_to_it = texts(model.asked[0].messages)
    assert shown_to_it[:2] == ["be brief", "Session Summary: They spoke of x."]
    assert shown_to_it[-1] == "and now?"
    assert estimate(model.asked[0].messages) < 3_000
    asked = scribe.asked[0]
    assert (asked.tools.specs, asked.format, asked.sampling.max_tokens) == ((), None, 2_500)
    assert "be brief" not in texts(asked.messages)
    assert estimate(asked.messages) <= 7_500
    assert outcome.usage == Usage(2, 2)


@requirement("runtime:7.1:threshold")
@pytest.mark.parametrize(
    ("window", "threshold", "summaries"),
    [(0, 0.9, 0), (100_000, 0.9, 0), (100_000, 0.1, 1), (10_000, 1.0, 1)],
)
async def test_a_history_that_fits_stays(window: int, threshold: float, summaries: int) -> None:
    """runtime.md §7.1: without a known window nothing is done before a model refuses."""
    model, scribe = Actor("fine"), writer()
    await asking(short_of_room(model, Compaction(scribe, window, threshold)), history(12))
    assert len(scribe.asked) == summaries


@requirement("runtime:7.1:threshold")
async def test_what_the_last_call_cost_counts_more_than_an_estimate() -> None:
    """runtime.md §7.1: input and output of the last call, and what came after it."""
    costly = Reply(says("", call("t")).message, "tool_calls", Usage(9_000, 100))
    model, scribe = Actor(costly, "done"), writer()
    outcome = await asking(short_of_room(model, Compaction(scribe, 10_000)), history(2))
    assert (outcome.text, len(scribe.asked)) == ("done", 1)
    assert texts(model.asked[1].messages)[0] == "Session Summary: They spoke of x."
    assert [m for m in model.asked[1].messages if isinstance(m, ToolMessage)] != []


@requirement("runtime:7.1:overflow")
async def test_a_history_that_a_model_refuses_is_summarized_and_sent_again() -> None:
    """runtime.md §20.2 row 23: one compaction, retry, answer."""
    model = Actor(OVERFLOW, "They spoke of x.", "fine")
    outcome = await asking(short_of_room(model, Compaction(model)), history(12))
    assert (outcome.text, len(model.asked), outcome.failure) == ("fine", 3, None)
    assert "Session Summary: They spoke of x." in texts(model.asked[2].messages)


@requirement("runtime:7.1:overflow")
@pytest.mark.parametrize(
    ("plays", "asked"),
    [
        ((OVERFLOW, "summary", OVERFLOW, "never"), 3),
        ((ModelError("context_length_exceeded", "m failed: image exceeds 5 MB"), "never"), 1),
        ((ModelError("context_length_exceeded", "too long", emitted=True), "never"), 1),
        ((ModelError("model_error", "down"), "never"), 1),
    ],
    ids=["again", "an image", "after words", "another error"],
)
async def test_a_refusal_that_no_summary_mends_is_told(
    plays: tuple[str | ModelError, ...], asked: int
) -> None:
    """runtime.md §7.1: at most one attempt in a row, then the error surfaces."""
    model = Actor(*plays)
    outcome = await asking(short_of_room(model, Compaction(model)), history(12))
    assert outcome.failure is not None
    assert (len(model.asked), outcome.conversation.turns) == (asked, ())


@requirement("runtime:7.1:overflow")
async def test_a_single_question_that_is_too_long_is_refused() -> None:
    """runtime.md §7.2: what the user asks now is not summarized away."""
    model = Actor(OVERFLOW, "never")
    outcome = await asking(short_of_room(model, Compaction(model)), (UserMessage(LONG * 9),))
    assert outcome.failure is not None
    assert (outcome.failure.kind, len(model.asked)) == ("context_length_exceeded", 1)


@requirement("runtime:7.1:overflow")
async def test_without_compaction_a_refusal_is_told() -> None:
    """agent-file.md §4.5: `session_compaction: false`."""
    model = Actor(OVERFLOW, "never")
    outcome = await asking(agent("root", model), history(12))
    assert outcome.failure is not None
    assert (outcome.failure.kind, len(model.asked)) == ("context_length_exceeded", 1)


@requirement("runtime:7.2:kept")
async def test_a_summary_is_kept_with_its_turn() -> None:
    """DESIGN.md §1: the next turn of the conversation starts from the summary; all messages stay
    in the conversation."""
    model, scribe = Actor("fine"), writer()
    root = short_of_room(model, Compaction(scribe, 10_000))
    first = await asking(root, history(12))
    last = first.conversation.last
    assert last is not None and last.summary is not None
    assert last.summary.text == "They spoke of x."
    assert first.conversation.messages[: len(history(12))] == history(12)
    second = await asking(root, (UserMessage("go on"),), first.conversation)
    assert len(scribe.asked) == 1
    shown_then = texts(model.asked[1].messages)
    assert shown_then[0] == "Session Summary: They spoke of x."
    assert shown_then[-3:] == ["and now?", "fine", "go on"]
    assert second.conversation.turns[-1].summary == last.summary


@requirement("runtime:7.2:kept")
async def test_a_failed_turn_leaves_no_summary() -> None:
    """DESIGN.md §1: state becomes true after success."""
    model = Actor(ModelError("model_error", "down"))
    failed = await asking(short_of_room(model, Compaction(writer(), 10_000)), history(12))
    assert failed.failure is not None
    assert failed.conversation == EMPTY_CONVERSATION


@requirement("runtime:7.2:summary")
async def test_a_second_summary_is_told_the_first() -> None:
    """runtime.md §7.2: the previous summary stands first."""
    model, scribe = Actor("fine"), writer("one", "two")
    root = short_of_room(model, Compaction(scribe, 10_000))
    first = await asking(root, history(12))
    second = await asking(root, history(12), first.conversation)
    assert texts(scribe.asked[1].messages)[1] == "Session Summary: one"
    assert texts(model.asked[1].messages)[0] == "Session Summary: two"
    assert second.conversation.turns[-1].summary is not None


@requirement("runtime:7.2:summary")
async def test_calls_and_results_are_told_to_the_writer_as_text() -> None:
    """runtime.md §7.2: the writer has no tools, and some providers refuse calls without them."""
    told = (
        UserMessage((TextPart("look"), ImagePart("data:x"))),
        AssistantMessage("", calls=(call("t", "c1", path="a"),)),
        ToolMessage("c1", "found it", is_error=True),
        *history(12),
    )
    scribe = writer()
    await asking(short_of_room(Actor("fine"), Compaction(scribe, 100_000, 0.1)), told)
    asked = scribe.asked[0].messages
    assert all(isinstance(one, SystemMessage | UserMessage | AssistantMessage) for one in asked)
    assert not any(one.calls for one in asked if isinstance(one, AssistantMessage))
    assert texts(asked)[1:4] == [
        "look\n[1 attachments]",
        '[called t with {"path": "a"}]',
        "[error of a tool]\nfound it",
    ]


@requirement("runtime:7.2:failed")
@pytest.mark.parametrize("play", ["", "  ", ModelError("model_error", "down")])
async def test_a_summary_that_cannot_be_written_ends_nothing(play: str | ModelError) -> None:
    """runtime.md §7.2 steps 5: an empty text changes nothing, an error is for the log."""
    model = Actor("fine")
    root = short_of_room(model, Compaction(Actor(play), 10_000))
    outcome = await asking(root, history(12))
    assert outcome.text == "fine"
    assert len(model.asked[0].messages) == len(history(12))
    assert outcome.conversation.turns[0].summary is None


@requirement("runtime:7.3:resent")
async def test_a_resent_history_is_not_summarized_again() -> None:
    """runtime.md §7.3: clients send everything with each request; another caller is another
    matter."""
    model, scribe = Actor("fine"), writer()
    root = short_of_room(model, Compaction(scribe, 10_000))
    await asking(root, history(12), caller="ann")
    again = (*history(12), AssistantMessage("fine"), UserMessage("more"))
    await asking(root, again, caller="ann")
    assert len(scribe.asked) == 1
    assert texts(model.asked[1].messages)[0] == "Session Summary: They spoke of x."
    assert texts(model.asked[1].messages)[-1] == "more"
    await asking(root, again, caller="bob")
    assert len(scribe.asked) == 2
    await asking(root, (UserMessage("other"), *again), caller="ann")
    assert len(scribe.asked) == 3


@requirement("runtime:7.3:resent")
def test_remembered_summaries_are_bounded_in_number_and_time() -> None:
    """runtime.md §7.3: LRU and TTL."""
    now = 0.0
    kept = Summaries(2, 10.0, lambda: now)
    for name in "abc":
        kept.keep("me", [UserMessage(name)], name)
    found = [kept.find("me", [UserMessage(name), UserMessage("x")]) for name in "abc"]
    assert [one and (one.text, one.kept_from) for one in found] == [None, ("b", 1), ("c", 1)]
    now = 11.0
    assert kept.find("me", [UserMessage("c")]) is None


@requirement("runtime:7.2:summary")
@pytest.mark.parametrize(
    ("messages", "budget", "start"),
    [
        ("uaua", 1e9, 0),
        ("uaua", 0, 3),
        ("uaua", 10, 2),
        ("uacr", 0, 2),
        ("uacru", 0, 4),
        ("uacrrr", 1, 2),
        ("su", 0, 1),
        ("u", 0, 0),
    ],
)
def test_the_tail_is_cut_between_turns(messages: str, budget: float, start: int) -> None:
    """runtime.md §7.2 step 2: at a user or assistant boundary, never inside a pair."""
    made: dict[str, Message] = {
        "u": UserMessage(""),
        "a": AssistantMessage(""),
        "c": AssistantMessage("", calls=(call("t"),)),
        "r": ToolMessage("c1", ""),
        "s": SystemMessage(""),
    }
    assert tail_start([made[letter] for letter in messages], 0, budget) == start


@requirement("runtime:7.1:threshold")
def test_estimates_are_corrected_by_what_calls_cost() -> None:
    """runtime.md §7.1: 3.5 characters, 5 a message, 1500 an attachment; clamped to 0.75 and 2."""
    told = [UserMessage("x" * 3500)]
    assert estimate(told) == 1005
    assert estimate([UserMessage((ImagePart("d"), TextPart("x" * 7)))]) == 1507
    assert Fill().size(told, told) == 1005
    assert Fill().after(told, 5000, 10, 1).ratio == 2.0
    assert Fill().after(told, 600, 10, 1).ratio == 0.75
    assert Fill().after(told, 511, 10, 1).ratio == 1.0
    after = Fill().after(told, 1005, 10, 1)
    assert after.size([*told, *told], ()) == 1015 + 1005
    assert after.after(told, 0, 0, 1).size(told, told) == 1005


@requirement("runtime:7.2:summary")
def test_num_history_items_keeps_the_summary() -> None:
    """runtime.md §3.4: user and system messages are protected."""
    told = [UserMessage("q"), AssistantMessage("a"), AssistantMessage("b"), UserMessage("now")]
    seen = shown(told, Summary("s", 1))
    kept = clean_history(seen, Limits(history_items=2))
    assert texts(kept) == ["Session Summary: s", "now"]


@requirement("runtime:3.3:modalities")
def test_a_model_gets_no_attachments_it_does_not_take() -> None:
    """runtime.md §3.3 step 15: the text stays."""
    picture, paper = ImagePart("data:x"), FilePart("a.pdf", "data:y")
    both = UserMessage((TextPart("see"), picture, paper))
    result = ToolMessage("c1", "shot", parts=(picture,))
    called = AssistantMessage("", calls=(call("t"),))
    told = [both, called, result, UserMessage((picture,))]

    def seen(card: ModelCard) -> list[Message]:
        return clean_history(told, Limits(), card)

    assert seen(ModelCard("m", "p")) == told
    assert seen(ModelCard("m", "p", image=True, document=True)) == told
    assert seen(ModelCard("m", "p", image=False)) == [
        UserMessage((TextPart("see"), paper)),
        called,
        ToolMessage("c1", "shot"),
        UserMessage((TextPart(LEFT_OUT),)),
    ]
    assert seen(ModelCard("m", "p", image=True, document=False))[0] == UserMessage(
        (TextPart("see"), picture)
    )


async def test_a_summary_is_told_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    """runtime.md §3.10: an operator sees that it happened, and nothing of what was said."""
    with caplog.at_level(logging.INFO):
        await asking(short_of_room(Actor("fine"), Compaction(writer(), 10_000)), history(12))
    [line] = [record.message for record in caplog.records if "summary" in record.message]
    assert line.startswith("run r1 agent root: ") and "spoke" not in line
