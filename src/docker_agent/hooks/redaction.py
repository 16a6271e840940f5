"""Secrets taken out of what an agent's models and tools are given, and of what tools answer.

Source: runtime.md §12.6, agent-file.md §2.3 (`redact_secrets`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import cast

import anyio.to_thread
import msgspec

from docker_agent.env.secret_text import MARKER, PRIVATE_KEY, PRIVATE_KEY_END, redact
from docker_agent.messages import (
    JSON,
    UNREADABLE,
    AssistantMessage,
    Content,
    Message,
    Part,
    SystemMessage,
    TextPart,
    ToolCall,
    ToolMessage,
    UserMessage,
)

LARGE = 64 * 1024
"""Characters of a text that is looked through in a thread, in pieces of this size."""

MAX_DEPTH = 64
"""Nesting of JSON that is looked through; what is deeper goes as a whole."""

HELD_BACK = 4096
"""Characters of a line without an end that a stream keeps back: a secret may still be going on."""

Memo = dict[int, tuple[Message, Message]]
"""Messages already looked through in this run, by identity."""

_REMEMBERED = 4096
"""Texts known to be clean, by hash: prompts and histories come again with every request."""


class Redaction:
    """What of an agent is kept free of secrets: arguments of calls, messages to models, results."""

    __slots__ = ("_clean", "in_arguments", "in_messages", "in_results")

    def __init__(
        self, *, in_arguments: bool = False, in_messages: bool = False, in_results: bool = False
    ) -> None:
        self.in_arguments = in_arguments
        self.in_messages = in_messages
        self.in_results = in_results
        self._clean: set[int] = set()

    def arguments(self, arguments: Mapping[str, JSON]) -> Mapping[str, JSON]:
        """A call's arguments without secrets; the very object when there are none."""
        return _redacted_json(arguments) if self.in_arguments else arguments

    def messages(self, messages: tuple[Message, ...], memo: Memo) -> tuple[Message, ...]:
        """What a model may be shown; `memo` belongs to one run."""
        if not self.in_messages:
            return messages
        return tuple([self._message(message, memo) for message in messages])

    async def result(self, text: str) -> str:
        """A tool's answer without secrets."""
        if not self.in_results:
            return text
        if len(text) <= LARGE:
            return redact(text)
        return await anyio.to_thread.run_sync(_redacted_large, text, abandon_on_cancel=True)

    def structured(self, value: JSON) -> JSON:
        """What observers of a result see."""
        return _redacted_json(value) if self.in_results and value is not None else value

    def stream(self) -> Callable[[str], str]:
        """For a running tool's output: takes what came, gives what may be shown of it now."""
        return RedactedStream().feed if self.in_results else str

    def _message(self, message: Message, memo: Memo) -> Message:
        text = _only_text(message)
        if text is not None and self._is_clean(text):
            return message
        known = memo.get(id(message))
        if known is None:
            known = memo[id(message)] = (message, _redacted_message(message))
        return known[1]

    def _is_clean(self, text: str) -> bool:
        mark = hash(text)
        if mark in self._clean:
            return True
        if redact(text) is not text:
            return False
        if len(self._clean) >= _REMEMBERED:
            self._clean.clear()
        self._clean.add(mark)
        return True


def _only_text(message: Message) -> str | None:
    """The text of a message that holds nothing else; None for any other."""
    if isinstance(message, UserMessage):
        return message.content if isinstance(message.content, str) else None
    if isinstance(message, AssistantMessage):
        return None if message.calls or message.reasoning else message.text
    return message.text if isinstance(message, SystemMessage) else None


NO_REDACTION = Redaction()


class RedactedStream:
    """A tool's output piece by piece: only what can no longer turn out to be part of a secret."""

    def __init__(self) -> None:
        self._held = ""
        self._skipping: list[str] = []

    def feed(self, text: str) -> str:
        """What may be shown now of all that came so far and was not shown yet."""
        self._held += text
        if not self._skipped():
            return ""
        held = self._held
        end = held.rfind("\n") + 1
        key = held.rfind(PRIVATE_KEY)
        if key >= 0 and PRIVATE_KEY_END not in held[key:end]:
            end = min(end, key)
        if len(held) - end <= HELD_BACK:
            self._held = held[end:]
            return redact(held[:end])
        self._skipping = ["\n"] if key < end else [PRIVATE_KEY_END, "\n"]
        self._held = held[-len(PRIVATE_KEY_END) :]
        return redact(held[:end]) + MARKER

    def _skipped(self) -> bool:
        """Whether what had to be left out is over; what comes after it is held."""
        while self._skipping:
            before, found, after = self._held.partition(self._skipping[0])
            if not found:
                self._held = before[-len(PRIVATE_KEY_END) :]
                return False
            self._held = after
            del self._skipping[0]
        return True


def _redacted_message(message: Message) -> Message:
    match message:
        case SystemMessage(text=text):
            found = redact(text)
            return message if found is text else SystemMessage(found)
        case UserMessage(content=content):
            seen = _redacted_content(content)
            return message if seen is content else msgspec.structs.replace(message, content=seen)
        case ToolMessage(text=text, parts=parts):
            found, kept = redact(text), _redacted_parts(parts)
            if found is text and kept is parts:
                return message
            return msgspec.structs.replace(message, text=found, parts=kept)
        case AssistantMessage(text=text, reasoning=reasoning, calls=calls):
            found, thought = redact(text), redact(reasoning)
            made = tuple(_redacted_call(call) for call in calls)
            if found is text and thought is reasoning and made == calls:
                return message
            return msgspec.structs.replace(message, text=found, reasoning=thought, calls=made)


def _redacted_content(content: Content) -> Content:
    return redact(content) if isinstance(content, str) else _redacted_parts(content)


def _redacted_parts(parts: tuple[Part, ...]) -> tuple[Part, ...]:
    made = tuple(
        TextPart(redact(part.text)) if isinstance(part, TextPart) else part for part in parts
    )
    return parts if made == parts else made


def _redacted_call(call: ToolCall) -> ToolCall:
    """Secrets are taken out of the decoded arguments, so that they stay JSON."""
    if redact(call.arguments) is call.arguments and "\\u" not in call.arguments:
        return call
    try:
        value = msgspec.json.decode(call.arguments)
    except UNREADABLE:
        return msgspec.structs.replace(call, arguments=redact(call.arguments))
    found = _redacted_json(value)
    if found is value:
        return call
    return msgspec.structs.replace(call, arguments=msgspec.json.encode(found).decode())


def _redacted_json(value: JSON, depth: int = 0) -> JSON:
    """A JSON value without secrets in its texts; the very object when there are none."""
    if depth > MAX_DEPTH:
        return MARKER
    match value:
        case str():
            return redact(value)
        case dict():
            entries = cast(dict[str, JSON], value)
            made = {redact(key): _redacted_json(one, depth + 1) for key, one in entries.items()}
            same = all(made.get(key) is one for key, one in entries.items())
            return entries if same else made
        case list() | tuple():
            items = cast(Sequence[JSON], value)
            seen = [_redacted_json(one, depth + 1) for one in items]
            return items if all(a is b for a, b in zip(items, seen, strict=True)) else seen
        case _:
            return value


def _redacted_large(text: str) -> str:
    """In pieces that end with a line, so that other work is never held up for long."""
    if PRIVATE_KEY in text:
        return redact(text)
    pieces: list[str] = []
    at = 0
    while at < len(text):
        end = text.find("\n", at + LARGE) + 1 or len(text)
        pieces.append(redact(text[at:end]))
        at = end
    return "".join(pieces)
