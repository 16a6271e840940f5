"""Where a run's turn belongs: in a stored conversation, in a paused turn, or nowhere."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import msgspec

from docker_agent.errors import RequestError
from docker_agent.messages import EMPTY_CONVERSATION, Message
from docker_agent.runtime.request import Outcome, RunRequest
from docker_agent.server.conversations.history import (
    Continuation,
    asks_something,
    continue_with,
)
from docker_agent.server.conversations.paused import PausedTurns
from docker_agent.server.conversations.port import Conversations, Key, Lease


def key_of(owner: str) -> Key:
    """The key of the conversation that the runtime calls `owner`: whose key, for which agent."""
    caller, agent, id = owner.rsplit("\0", 2)
    return Key(caller.partition("\n")[0], agent, id)


class Place:
    """What a run goes on from, and where its turn goes afterwards."""

    def __init__(self, continuation: Continuation) -> None:
        self._continuation = continuation

    def fill(self, asked: RunRequest) -> RunRequest:
        """The request with the conversation and what is new in it."""
        found = self._continuation
        return msgspec.structs.replace(asked, conversation=found.conversation, new=found.new)

    async def keep(self, outcome: Outcome) -> Outcome:
        """Keep the turn of a run that ended well; the outcome as the client is to see it.

        Raises `RequestError` when it cannot be kept.
        """
        return outcome


class _LeasedPlace(Place):
    """In a stored conversation."""

    def __init__(self, continuation: Continuation, lease: Lease) -> None:
        super().__init__(continuation)
        self._lease = lease

    def fill(self, asked: RunRequest) -> RunRequest:
        return msgspec.structs.replace(super().fill(asked), keep=True)

    async def keep(self, outcome: Outcome) -> Outcome:
        await self._lease.put(outcome.conversation)
        return outcome


class _LoosePlace(Place):
    """In no conversation: only a paused turn in which our own tools have run is held."""

    def __init__(
        self, continuation: Continuation, paused: PausedTurns, caller: str, agent: str
    ) -> None:
        super().__init__(continuation)
        self._paused = paused
        self._caller = caller
        self._agent = agent

    async def keep(self, outcome: Outcome) -> Outcome:
        if outcome.pending and outcome.acted:
            return self._paused.hold(self._caller, self._agent, outcome)
        return outcome


class Places:
    """Finds the place of each request."""

    def __init__(self, conversations: Conversations | None, paused: PausedTurns) -> None:
        self._conversations = conversations
        self._paused = paused

    @property
    def paused(self) -> int:
        """Turns held outside of a conversation."""
        return len(self._paused)

    async def kept(self) -> int:
        """Conversations kept now."""
        return 0 if self._conversations is None else await self._conversations.count()

    def find(
        self,
        owner: str,
        agent: str,
        id: str | None,
        messages: tuple[Message, ...],
        *,
        whole: bool = False,
    ) -> AbstractAsyncContextManager[Place]:
        """The place of one request; entering it raises `RequestError` when it is taken or gone.

        `owner` is who holds the key: what is kept belongs to the key and to the entry agent.
        `whole`: the client always sends its whole history.
        """
        if id is None or self._conversations is None:
            return _Loose(self, owner, agent, messages)
        key = Key(owner, agent, id)
        return self._leased(self._conversations, key, messages, whole)

    def loose(self, caller: str, agent: str, messages: tuple[Message, ...]) -> Place:
        """A place without a conversation."""
        continuation = self._paused.resume(caller, agent, messages)
        if continuation is None:
            continuation = Continuation(EMPTY_CONVERSATION, messages)
        return _LoosePlace(continuation, self._paused, caller, agent)

    @asynccontextmanager
    async def _leased(
        self, conversations: Conversations, key: Key, messages: tuple[Message, ...], whole: bool
    ) -> AsyncGenerator[Place]:
        async with conversations.lease(key) as lease:
            continuation = continue_with(lease.conversation, messages, whole=whole)
            if not asks_something(continuation.new):
                raise RequestError(
                    "invalid_request",
                    "The conversation already holds all of these messages; add a new one.",
                    param="messages",
                    code="nothing_new",
                )
            yield _LeasedPlace(continuation, lease)


class _Loose:
    """A context around a place that needs no lease."""

    __slots__ = ("_agent", "_caller", "_messages", "_places")

    def __init__(
        self, places: Places, caller: str, agent: str, messages: tuple[Message, ...]
    ) -> None:
        self._places = places
        self._caller = caller
        self._agent = agent
        self._messages = messages

    async def __aenter__(self) -> Place:
        return self._places.loose(self._caller, self._agent, self._messages)

    async def __aexit__(self, *exc: object) -> None:
        return None
