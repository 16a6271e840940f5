"""A model made of models: what the user said decides which of them answers.

Each rule has examples; the rule with the example most like the last user message (BM25) wins.
Source: agent-file.md §3.11, runtime.md §16.3.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Sequence

from docker_agent.events import EmitDeltas
from docker_agent.messages import Message, UserMessage, content_text
from docker_agent.models.fallback import shared_card
from docker_agent.models.port import Ask, Model, Reply

K1 = 1.2
B = 0.75
"""The usual constants of BM25: how much repetition counts, and how much length."""

MAX_QUERY = 20_000
"""Characters of a message that are looked at."""

_WORD = re.compile(r"[^\W_]+")
_COMMON = """
a an and are as at be but by can do for from had has have how i if in into is it its me my no not of
on or our so such that the their then there these they this to was we what when where which who will
with would you your
"""
_STOP_WORDS = frozenset(_COMMON.split())


def words(text: str) -> list[str]:
    """The words of a text in lower case, without those that say nothing."""
    found = _WORD.findall(text[:MAX_QUERY].lower())
    return [word for word in found if word not in _STOP_WORDS]


class Index:
    """Examples of several rules, ready to be compared with a message."""

    def __init__(self, rules: Sequence[Sequence[str]]) -> None:
        self._examples = [
            (rule, Counter(words(text))) for rule, texts in enumerate(rules) for text in texts
        ]
        self._lengths = [sum(counts.values()) for _, counts in self._examples]
        self._mean = sum(self._lengths) / len(self._lengths) if self._lengths else 0.0
        self._rarity = self._rarities()

    def _rarities(self) -> dict[str, float]:
        total = len(self._examples)
        holding = Counter(word for _, counts in self._examples for word in counts)
        return {
            word: math.log(1 + (total - number + 0.5) / (number + 0.5))
            for word, number in holding.items()
        }

    def best(self, text: str) -> int | None:
        """The number of the rule whose example is most like `text`, the first of equals; None
        when none has a word in common with it."""
        asked = {word for word in words(text) if word in self._rarity}
        best, highest = None, 0.0
        for (rule, counts), length in zip(self._examples, self._lengths, strict=True):
            score = sum(self._score(word, counts, length) for word in asked if word in counts)
            if score > highest:
                best, highest = rule, score
        return best

    def _score(self, word: str, counts: Counter[str], length: int) -> float:
        times = counts[word]
        weight = K1 * (1 - B + B * length / self._mean)
        return self._rarity[word] * times * (K1 + 1) / (times + weight)


class Router:
    """Asks the model of the rule that fits the last user message, or `otherwise` when none does.

    The message stays the same while tools run, so one question is answered by one model.
    """

    def __init__(
        self, otherwise: Model, targets: Sequence[Model], examples: Sequence[Sequence[str]]
    ) -> None:
        self._otherwise = otherwise
        self._targets = tuple(targets)
        self._index = Index(examples)
        self.card = shared_card((otherwise, *targets))

    def choose(self, messages: Sequence[Message]) -> Model:
        """The model for these messages."""
        for message in reversed(messages):
            if isinstance(message, UserMessage):
                place = self._index.best(content_text(message.content))
                return self._otherwise if place is None else self._targets[place]
        return self._otherwise

    async def reply(self, ask: Ask, emit: EmitDeltas) -> Reply:
        return await self.choose(ask.messages).reply(ask, emit)
