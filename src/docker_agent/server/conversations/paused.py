"""Turns that wait for a client's tools without a conversation to wait in. Source: chat-server.md
§3.

A client without a conversation id resends what it was shown, and that lacks the tools we have run.
So such a turn is held here under its call ids, and goes on once; those tools never run again.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence

import msgspec

from docker_agent.errors import RequestError
from docker_agent.messages import (
    AssistantMessage,
    Conversation,
    Message,
    ToolCall,
    ToolMessage,
)
from docker_agent.runtime.request import Outcome
from docker_agent.server.conversations.history import Continuation

MAX_HELD = 1000
"""Turns that wait at a time; the oldest goes when there are more."""

_PREFIX = "call_"
_SEAL = 12


class _Held(msgspec.Struct, frozen=True):
    caller: str
    agent: str
    conversation: Conversation
    ids: tuple[str, ...]
    until: float


class PausedTurns:
    """Paused turns by the call ids that we gave them; ids of ours are known by their seal."""

    def __init__(
        self,
        ttl: float,
        *,
        seal: bytes | None = None,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        """`seal` is what ids of ours are known by; those of another server with the same one too:
        their turns are not here, so they have expired, and no tool runs twice."""
        self._ttl = ttl
        self._now = now
        self._key = seal or secrets.token_bytes(32)
        self._held: OrderedDict[str, _Held] = OrderedDict()

    def __len__(self) -> int:
        """Turns held now."""
        self._forget_old()
        return len({held.ids for held in self._held.values()})

    def _with_our_ids(self, outcome: Outcome) -> Outcome:
        """The outcome with call ids that are known to be ours when they come back."""
        renamed = {call.id: self._sealed() for call in outcome.pending}
        conversation = _renamed(outcome.conversation, renamed)
        pending = tuple(_renamed_call(call, renamed) for call in outcome.pending)
        return msgspec.structs.replace(outcome, conversation=conversation, pending=pending)

    def hold(self, caller: str, agent: str, outcome: Outcome) -> Outcome:
        """The outcome with sealed call ids, its conversation held under them."""
        outcome = self._with_our_ids(outcome)
        ids = tuple(call.id for call in outcome.pending)
        held = _Held(caller, agent, outcome.conversation, ids, self._now() + self._ttl)
        self._forget_old()
        for id in held.ids:
            self._held[id] = held
        while len({held.ids for held in self._held.values()}) > MAX_HELD:
            self._drop(next(iter(self._held.values())))
        return outcome

    def resume(self, caller: str, agent: str, messages: Sequence[Message]) -> Continuation | None:
        """What the last tool messages go on with; None when they answer no turn of ours.

        Raises `RequestError` of kind `turn_expired` when they do but the turn is gone.
        """
        answers = _last_answers(messages)
        ours = [answer for answer in answers if self._is_ours(answer.call_id)]
        if not ours:
            return None
        self._forget_old()
        held = self._held.get(ours[0].call_id)
        if held is None or (held.caller, held.agent) != (caller, agent):
            raise expired()
        self._drop(held)
        return Continuation(held.conversation, tuple(answers))

    def _drop(self, held: _Held) -> None:
        for id in held.ids:
            self._held.pop(id, None)

    def _forget_old(self) -> None:
        now = self._now()
        while self._held:
            oldest = next(iter(self._held.values()))
            if oldest.until > now:
                return
            self._drop(oldest)

    def _sealed(self) -> str:
        name = secrets.token_hex(8)
        return f"{_PREFIX}{name}{self._seal(name)}"

    def _seal(self, name: str) -> str:
        return hmac.new(self._key, name.encode(), hashlib.sha256).hexdigest()[:_SEAL]

    def _is_ours(self, call_id: str) -> bool:
        body = call_id.removeprefix(_PREFIX)
        name, seal = body[:-_SEAL], body[-_SEAL:]
        return bool(name) and hmac.compare_digest(self._seal(name).encode(), seal.encode())


def expired() -> RequestError:
    """The error for tool results whose turn is gone."""
    return RequestError(
        "turn_expired",
        "The turn these tool results belong to is gone: it was answered already or waited too "
        "long. Ask again from the user's message.",
    )


def _last_answers(messages: Sequence[Message]) -> list[ToolMessage]:
    """The tool messages at the end; those before a later user message are plain history."""
    answers: list[ToolMessage] = []
    for message in reversed(messages):
        if not isinstance(message, ToolMessage):
            break
        answers.append(message)
    return answers[::-1]


def _renamed(conversation: Conversation, renamed: dict[str, str]) -> Conversation:
    """The conversation with other ids for calls of its last message of calls: models may have used
    the same ones before."""
    *earlier, last = conversation.turns
    messages = list(last.messages)
    for place in reversed(range(len(messages))):
        message = messages[place]
        if isinstance(message, AssistantMessage):
            calls = tuple(_renamed_call(call, renamed) for call in message.calls)
            messages[place] = msgspec.structs.replace(message, calls=calls)
            break
    return Conversation((*earlier, msgspec.structs.replace(last, messages=tuple(messages))))


def _renamed_call(call: ToolCall, renamed: dict[str, str]) -> ToolCall:
    return msgspec.structs.replace(call, id=renamed.get(call.id, call.id))
