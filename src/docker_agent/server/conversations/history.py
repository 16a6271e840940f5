"""How a request continues a stored conversation: appended, resent, or branched. Pure.

Source: chat-server.md §7. A resent history is judged by what the client was shown, since it holds
one merged text where we keep calls and results.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from docker_agent.messages import (
    EMPTY_CONVERSATION,
    AssistantMessage,
    Conversation,
    Message,
    ShownDigest,
    SystemMessage,
    ToolMessage,
    Turn,
    UserMessage,
)


class Continuation(msgspec.Struct, frozen=True):
    """What of the stored conversation stays, and what is new."""

    conversation: Conversation
    new: tuple[Message, ...]


def continue_with(
    stored: Conversation | None, messages: tuple[Message, ...], *, whole: bool = False
) -> Continuation:
    """Where `messages` take up `stored`. System messages stay those of the first turn.

    `whole`: the client always sends its whole history, so user messages alone are one, too.
    """
    if stored is None or not stored.turns:
        return Continuation(EMPTY_CONVERSATION, messages)
    answered = any(isinstance(message, AssistantMessage | ToolMessage) for message in messages)
    if not answered and not whole:
        return Continuation(stored, _without_system(messages))
    answers = _answers_to(stored, messages)
    if answers:
        return Continuation(stored, answers)
    turns, rest = _common(stored.turns, messages)
    if not turns:
        return Continuation(EMPTY_CONVERSATION, messages)
    return Continuation(Conversation(turns), _without_system(rest))


def _without_system(messages: Sequence[Message]) -> tuple[Message, ...]:
    return tuple(message for message in messages if not isinstance(message, SystemMessage))


def _answers_to(stored: Conversation, messages: Sequence[Message]) -> tuple[Message, ...]:
    """The tool messages at the end that answer the calls a paused turn waits for, and what
    follows."""
    waiting = {call.id for call in stored.pending()}
    if not waiting:
        return ()
    for index, message in enumerate(messages):
        if isinstance(message, ToolMessage) and message.call_id in waiting:
            rest = messages[index:]
            if not any(isinstance(later, AssistantMessage) for later in rest):
                return _without_system(rest)
            return ()
    return ()


def _common(
    turns: Sequence[Turn], messages: Sequence[Message]
) -> tuple[tuple[Turn, ...], Sequence[Message]]:
    """The turns that `messages` begin with as they were shown, and the messages after them."""
    kept: list[Turn] = []
    rest = messages
    for turn in turns:
        end = _end_of(turn, rest)
        if end is None:
            break
        kept.append(turn)
        rest = rest[end:]
    return tuple(kept), rest


def _end_of(turn: Turn, messages: Sequence[Message]) -> int | None:
    """How many of `messages` show this turn; None when they do not begin with it."""
    shown = ShownDigest()
    for index, message in enumerate(messages):
        if shown.add(message) and shown.text() == turn.digest:
            return _past_silent(messages, index + 1)
    return None


def _past_silent(messages: Sequence[Message], index: int) -> int:
    """Past assistant messages that showed nothing: their calls are kept with our turn."""
    while index < len(messages):
        message = messages[index]
        if not isinstance(message, AssistantMessage) or message.text.strip():
            return index
        index += 1
    return index


def asks_something(messages: Sequence[Message]) -> bool:
    """Whether there is anything to answer."""
    return any(isinstance(message, UserMessage | ToolMessage) for message in messages)
