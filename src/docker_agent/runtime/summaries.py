"""Summaries that stand for old messages: how long a history is, what of it stays, what is asked
for, and which were written already. Pure.

Source: runtime.md §7, agent-file.md §4.5.
"""

from __future__ import annotations

import hashlib
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

import msgspec

from docker_agent.messages import (
    AssistantMessage,
    Message,
    Summary,
    SystemMessage,
    TextPart,
    ToolMessage,
    UserMessage,
    content_text,
)
from docker_agent.models.port import Model

CHARACTERS_PER_TOKEN = 3.5
MESSAGE_TOKENS = 5
ATTACHMENT_TOKENS = 1500
"""How tokens are estimated: of text, on top for each message, for each picture or document."""

DEFAULT_THRESHOLD = 0.9
"""The share of a model's window above which a history is summarized."""

MAX_TAIL = 20_000
TAIL_SHARE = 5
"""Tokens of newest messages that stay as they are: at most so many, a fifth of the window, and half
of what the threshold allows."""

MAX_SUMMARY = 16_000
SUMMARY_SHARE = 4
"""Tokens of one summary: at most so many, and a quarter of the window."""

REMEMBERED = 256
REMEMBERED_SECONDS = 1800.0
"""How many summaries of resent histories are remembered per agent, and how long without use."""

LEAST_EVIDENCE = 512
SMALLEST_RATIO, LARGEST_RATIO = 0.75, 2.0
"""Tokens a call must have had for its real number to correct the estimates, and by how much."""

SUMMARY_PREFIX: Final = "Session Summary: "

_SYSTEM = """\
You compress a conversation between a user and an assistant that uses tools, so that somebody who \
has not seen it can go on with it. Write what the conversation holds and nothing that it does not \
hold. Plain text, no greeting, no comment on your task."""

_TASK = """\
Write a summary of the conversation above, for whoever continues it. Keep:
- the user's goals and the constraints they gave,
- decisions, and facts with their exact identifiers: names, paths, numbers, addresses,
- which files were touched and what tools found or changed,
- problems that are still open, what is in progress, and the next step.
Leave out what does not matter any more. Invent nothing."""


class Summaries:
    """Summaries of histories that clients send again with every request, so that none is written
    twice. `owner` is who asks; what one caller said is no other's."""

    def __init__(
        self,
        limit: int = REMEMBERED,
        ttl: float = REMEMBERED_SECONDS,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._limit = limit
        self._ttl = ttl
        self._now = now
        self._kept: OrderedDict[bytes, tuple[str, float]] = OrderedDict()

    def find(self, owner: str, messages: Sequence[Message]) -> Summary | None:
        """The summary of the longest beginning of `messages` that has one."""
        if not self._kept:
            return None
        found: tuple[bytes, int] | None = None
        for count, digest in enumerate(_digests(owner, messages), 1):
            kept = self._kept.get(digest)
            if kept is not None and kept[1] > self._now() - self._ttl:
                found = digest, count
        if found is None:
            return None
        digest, count = found
        text = self._kept[digest][0]
        self._put(digest, text)
        return Summary(text, kept_from=count)

    def keep(self, owner: str, messages: Sequence[Message], text: str) -> None:
        """Remember what stands for all of `messages`."""
        *_, digest = _digests(owner, messages)
        self._put(digest, text)
        if len(self._kept) > self._limit:
            self._kept.popitem(last=False)

    def _put(self, digest: bytes, text: str) -> None:
        self._kept[digest] = (text, self._now())
        self._kept.move_to_end(digest)


def _digests(owner: str, messages: Iterable[Message]) -> Iterable[bytes]:
    """A digest of each beginning of `messages`, the shortest first."""
    hashed = hashlib.sha256(msgspec.json.encode(owner))
    for message in messages:
        hashed.update(msgspec.json.encode(message))
        yield hashed.digest()


@dataclass(frozen=True, slots=True)
class Compaction:
    """How one agent's histories are kept short: `model` writes the summaries, `window` is in
    tokens (0: not known, then only a model's refusal tells), `threshold` a share of it."""

    model: Model
    window: int = 0
    threshold: float = DEFAULT_THRESHOLD
    summaries: Summaries = field(default_factory=Summaries)


@dataclass(frozen=True, slots=True)
class Fill:
    """What is known of a history's length: `tokens` of the last call with its answer (0: not
    known), which covered the first `covered` messages; `ratio` corrects estimates."""

    tokens: int = 0
    covered: int = 0
    ratio: float = 1.0

    def after(self, asked: Sequence[Message], prompt: int, completion: int, covered: int) -> Fill:
        """What a call taught that was shown `asked` and cost so many tokens."""
        ratio = self.ratio
        if prompt >= LEAST_EVIDENCE:
            ratio = min(LARGEST_RATIO, max(SMALLEST_RATIO, prompt / max(1.0, estimate(asked))))
        return Fill(prompt + completion if prompt else 0, covered, ratio)

    def size(self, history: Sequence[Message], asked: Sequence[Message]) -> float:
        """Tokens of the next call, which would be shown `asked`."""
        if self.tokens:
            return self.tokens + self.ratio * estimate(history[self.covered :])
        return self.ratio * estimate(asked)


def estimate(messages: Iterable[Message]) -> float:
    """About how many tokens messages are."""
    return sum(_tokens(message) for message in messages)


def _tokens(message: Message) -> float:
    characters, attachments = 0, 0
    match message:
        case SystemMessage(text=text):
            characters = len(text)
        case UserMessage(content=content):
            characters = len(content_text(content))
            if not isinstance(content, str):
                attachments = sum(not isinstance(part, TextPart) for part in content)
        case AssistantMessage(text=text, calls=calls):
            characters = len(text) + sum(len(call.name) + len(call.arguments) for call in calls)
        case ToolMessage(text=text, parts=parts):
            characters = len(text)
            attachments = len(parts)
    return characters / CHARACTERS_PER_TOKEN + MESSAGE_TOKENS + ATTACHMENT_TOKENS * attachments


def shown(messages: Sequence[Message], summary: Summary | None) -> Sequence[Message]:
    """A history as a model sees it: behind a summary only what it does not stand for. Instructions
    that came with a request stay, in front."""
    if summary is None:
        return messages
    old = messages[: summary.kept_from]
    instructions = [message for message in old if isinstance(message, SystemMessage)]
    told = UserMessage(SUMMARY_PREFIX + summary.text, implicit=True)
    return [*instructions, told, *messages[summary.kept_from :]]


def tail_start(messages: Sequence[Message], start: int, budget: float) -> int:
    """Where the messages begin that stay: as many of the newest as fit `budget` tokens, never in
    between a call and its result, and at least the newest thing that was said.

    `start` when nothing after it can be summarized.
    """
    spent = 0.0
    kept = len(messages)
    newest: int | None = None
    for index in range(len(messages) - 1, start - 1, -1):
        spent += _tokens(messages[index])
        if isinstance(messages[index], ToolMessage | SystemMessage):
            continue
        newest = index if newest is None else newest
        if spent > budget:
            break
        kept = index
    return min(kept, start if newest is None else newest)


def question(
    old: Sequence[Message], previous: Summary | None, room: float
) -> tuple[Message, ...] | None:
    """What the writer of a summary is shown: the previous one, what came after it, and its task.

    The oldest messages go until the rest fits `room` tokens. Calls and results are written as text,
    since no tools are offered. None when there is nothing to summarize.
    """
    told: list[Message] = [] if previous is None else [UserMessage(SUMMARY_PREFIX + previous.text)]
    fixed = estimate((SystemMessage(_SYSTEM), *told, UserMessage(_TASK)))
    written = [text for text in map(_written, old) if text is not None]
    while written and fixed + estimate(written) > room:
        del written[: max(1, len(written) // 8)]
    if not written and previous is None:
        return None
    return (SystemMessage(_SYSTEM), *told, *written, UserMessage(_TASK))


def _written(message: Message) -> Message | None:
    match message:
        case SystemMessage():
            return None
        case UserMessage(content=content):
            text = content_text(content)
            more = (
                0
                if isinstance(content, str)
                else sum(not isinstance(part, TextPart) for part in content)
            )
            if more:
                text = f"{text}\n[{more} attachments]".lstrip()
            return UserMessage(text) if text.strip() else None
        case AssistantMessage(text=text, calls=calls):
            lines = [text] if text.strip() else []
            lines += [f"[called {call.name} with {call.arguments}]" for call in calls]
            return AssistantMessage("\n".join(lines)) if lines else None
        case ToolMessage(text=text, is_error=is_error):
            return UserMessage(f"[{'error' if is_error else 'result'} of a tool]\n{text}")
