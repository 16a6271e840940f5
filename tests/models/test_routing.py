"""Which model a router asks. Source: agent-file.md §3.11."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from docker_agent.events import EmitDeltas
from docker_agent.messages import (
    AssistantMessage,
    ImagePart,
    Message,
    SystemMessage,
    TextPart,
    ToolMessage,
    UserMessage,
)
from docker_agent.models.port import Ask, ModelCard, Reply
from docker_agent.models.routing import Index, Router, words
from tests.models.talking import Told
from tests.requirements import requirement

RULES = [
    ["hello there", "good morning", "hi, how are you"],
    ["fix this bug", "write a function in Python", "review the code"],
    ["summarize this text"],
]


class Named:
    """A model that says its name."""

    def __init__(self, name: str, context: int = 0) -> None:
        self.card = ModelCard(name, "named", context)

    async def reply(self, ask: Ask, emit: EmitDeltas) -> Reply:
        return Reply(AssistantMessage(self.card.name))


def router() -> Router:
    """Three rules and the model for the rest."""
    names = ("greeter", "coder", "writer")
    return Router(Named("rest"), [Named(name) for name in names], RULES)


@requirement("models:routing")
@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("Hello there!", 0),
        ("GOOD morning", 0),
        ("Can you fix this Python function?", 1),
        ("please summarize", 2),
        ("what is the of and", None),
        ("", None),
        ("quantum chromodynamics", None),
        ("hellothere", None),
    ],
)
def test_the_rule_with_the_example_most_alike_wins(text: str, rule: int | None) -> None:
    """agent-file.md §11, 14: "hello there" is rule 1, stop words alone the fallback."""
    assert Index(RULES).best(text) == rule


@requirement("models:routing")
def test_the_first_of_equals_wins() -> None:
    """agent-file.md §3.11: first on ties."""
    assert Index([["alpha"], ["beta"], ["alpha"]]).best("alpha") == 0
    assert Index([["a rare word"], ["common common"], ["common"]]).best("common rare") == 0
    assert Index([]).best("x") is None
    assert Index([[], ["the"]]).best("the") is None


@requirement("models:routing")
@given(st.lists(st.lists(st.text(max_size=30), max_size=3), max_size=4), st.text(max_size=50))
def test_any_text_finds_a_rule_or_none(rules: list[list[str]], text: str) -> None:
    """A law: a winner shares a word with the message; without one in common nobody wins."""
    best = Index(rules).best(text)
    asked = set(words(text))
    shared = [asked & {word for one in rule for word in words(one)} for rule in rules]
    assert (best is None) == (not any(shared))
    assert best is None or shared[best]


@requirement("models:routing")
@pytest.mark.anyio
async def test_the_last_user_message_decides_also_while_tools_run() -> None:
    """runtime.md §16.3 R: decided once per user message."""
    history: list[Message] = [SystemMessage("summarize"), UserMessage("hello there")]
    picture = ImagePart("https://x.test/a.png")
    for said, name in (
        (UserMessage((TextPart("fix "), picture, TextPart("this bug"))), "coder"),
        (AssistantMessage("summarize"), "coder"),
        (ToolMessage("c", "good morning"), "coder"),
        (UserMessage("good morning"), "greeter"),
        (UserMessage("42"), "rest"),
    ):
        history.append(said)
        reply = await router().reply(Ask(tuple(history)), Told().hear)
        assert reply.message.text == name
    assert (await router().reply(Ask(()), Told().hear)).message.text == "rest"


@requirement("models:routing")
def test_a_router_has_the_smallest_window_of_its_models() -> None:
    """Nobody knows yet who will answer, so all must be able to."""
    made = Router(Named("rest", 100), [Named("small", 10)], [["x"]])
    assert (made.card.name, made.card.context) == ("rest", 10)
