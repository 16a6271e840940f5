"""Conversations in this process's memory: the longest unused go first, and all go when idle too
long."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

from docker_agent.errors import RequestError
from docker_agent.messages import Conversation
from docker_agent.server.conversations.port import Key, Lease


class MemoryConversations:
    """At most `limit` conversations, each forgotten `ttl` seconds after its last use."""

    def __init__(
        self, limit: int, ttl: float, *, now: Callable[[], float] = time.monotonic
    ) -> None:
        self._limit = limit
        self._ttl = ttl
        self._now = now
        self._kept: OrderedDict[Key, tuple[Conversation, float]] = OrderedDict()
        self._held: set[Key] = set()

    async def count(self) -> int:
        """How many conversations are kept now."""
        self._forget_idle()
        return len(self._kept)

    async def holds(self, key: Key) -> bool:
        """Whether a conversation is kept now, or a request is at work on it."""
        self._forget_idle()
        return key in self._kept or key in self._held

    def lease(self, key: Key) -> AbstractAsyncContextManager[Lease]:
        """Take one conversation; raises `RequestError` at once while another request holds it."""
        return self._lease(key)

    @asynccontextmanager
    async def _lease(self, key: Key) -> AsyncGenerator[Lease]:
        if key in self._held:
            raise busy(key.id)
        self._forget_idle()
        self._held.add(key)
        try:
            kept = self._kept.get(key)
            yield _MemoryLease(self, key, kept[0] if kept else None)
        finally:
            self._held.discard(key)

    def put(self, key: Key, conversation: Conversation) -> None:
        """Keep a conversation as the newest; what is over the limit goes."""
        self._kept[key] = (conversation, self._now())
        self._kept.move_to_end(key)
        if len(self._kept) > self._limit:
            oldest = next((old for old in self._kept if old not in self._held), None)
            if oldest is not None:
                del self._kept[oldest]

    def _forget_idle(self) -> None:
        """The order is that of last use, so the idle ones stand in front."""
        oldest = self._now() - self._ttl
        idle = [key for key, (_, used) in self._kept.items() if used <= oldest]
        for key in idle:
            if key not in self._held:
                del self._kept[key]


class _MemoryLease:
    """A `Lease` that nobody can take away."""

    def __init__(
        self, store: MemoryConversations, key: Key, conversation: Conversation | None
    ) -> None:
        self._store = store
        self._key = key
        self.conversation = conversation

    async def put(self, conversation: Conversation) -> None:
        self._store.put(self._key, conversation)


def busy(id: str) -> RequestError:
    """The error for a conversation that another request holds."""
    return RequestError(
        "conversation_busy",
        f"Conversation '{id}' is busy with another request; send the next one when it has ended.",
    )
