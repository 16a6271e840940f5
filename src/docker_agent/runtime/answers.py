"""Answers that an agent gave before, given again without asking a model. Source: runtime.md §16.2.

The key holds everything an answer may depend on: the agent as it is configured, who asks, with
which wishes, and the whole conversation. Answers of runs that changed anything are not kept.
"""

from __future__ import annotations

import hashlib
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import msgspec

from docker_agent.messages import (
    AssistantMessage,
    Message,
    SystemMessage,
    TextPart,
    ToolMessage,
    UserMessage,
)
from docker_agent.runtime.request import RunRequest

MAX_ANSWERS = 1_000
"""Answers that one agent's cache keeps, the longest unused going first."""

ANSWER_SECONDS = 86_400.0
"""How long an answer in memory is given again."""


class Answers(Protocol):
    """A bounded store of answers by key."""

    async def get(self, key: str) -> str | None:
        """The answer under `key`; None when there is none."""
        ...

    async def put(self, key: str, text: str) -> None:
        """Keep an answer."""
        ...


@dataclass(frozen=True, slots=True)
class Caching:
    """An agent's cache. `version` changes with anything that is configured of the agent;
    `fold_case` and `trim` say which differences between texts do not count."""

    answers: Answers
    version: str
    fold_case: bool = True
    trim: bool = False

    def key(self, request: RunRequest, agent: str, messages: Sequence[Message]) -> str:
        """What a run's answer is kept under."""
        parts = (
            self.version,
            agent,
            request.caller,
            sorted(request.headers.items()),
            request.overrides,
            [(spec.name, spec.parameters) for spec in request.client_tools.specs],
            [self._normal(message) for message in messages],
        )
        return hashlib.sha256(msgspec.json.encode(parts)).hexdigest()

    def _normal(self, message: Message) -> Message:
        match message:
            case SystemMessage(text=text) | ToolMessage(text=text) | AssistantMessage(text=text):
                return msgspec.structs.replace(message, text=self._text(text))
            case UserMessage(content=str(text)):
                return msgspec.structs.replace(message, content=self._text(text))
            case UserMessage(content=parts):
                normal = tuple(
                    TextPart(self._text(part.text)) if isinstance(part, TextPart) else part
                    for part in parts
                )
                return msgspec.structs.replace(message, content=normal)

    def _text(self, text: str) -> str:
        text = text.strip() if self.trim else text
        return text.lower() if self.fold_case else text


class MemoryAnswers:
    """Answers in this process, forgotten `ttl` seconds after they were given first."""

    def __init__(
        self,
        limit: int = MAX_ANSWERS,
        ttl: float = ANSWER_SECONDS,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._limit = limit
        self._ttl = ttl
        self._now = now
        self._kept: OrderedDict[str, tuple[str, float]] = OrderedDict()

    async def get(self, key: str) -> str | None:
        kept = self._kept.get(key)
        if kept is None:
            return None
        text, since = kept
        if since <= self._now() - self._ttl:
            del self._kept[key]
            return None
        self._kept.move_to_end(key)
        return text

    async def put(self, key: str, text: str) -> None:
        self._kept[key] = (text, self._now())
        self._kept.move_to_end(key)
        if len(self._kept) > self._limit:
            self._kept.popitem(last=False)
