"""Conversation stores by the name `--conversations` gives them: one row each."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager

from docker_agent.server.conversations.memory import MemoryConversations
from docker_agent.server.conversations.port import Conversations

Open = Callable[[str, int, float], AbstractAsyncContextManager[Conversations]]
"""Opens a store from what follows its name, for so many conversations, each kept so many
seconds."""


@asynccontextmanager
async def open_memory(rest: str, limit: int, ttl: float) -> AsyncGenerator[Conversations]:
    """Conversations in this process; they do not survive a restart."""
    yield MemoryConversations(limit, ttl)


def open_sqlite(rest: str, limit: int, ttl: float) -> AbstractAsyncContextManager[Conversations]:
    """Conversations in a file; its library is imported when one is asked for."""
    from docker_agent.server.conversations import sqlite

    return sqlite.open_sqlite(rest, limit, ttl)


def open_redis(rest: str, limit: int, ttl: float) -> AbstractAsyncContextManager[Conversations]:
    """Conversations in Redis or Valkey, shared by several servers."""
    from docker_agent.server.conversations import redis

    return redis.open_redis(f"redis:{rest}", limit, ttl)


def open_rediss(rest: str, limit: int, ttl: float) -> AbstractAsyncContextManager[Conversations]:
    """The same over TLS."""
    from docker_agent.server.conversations import redis

    return redis.open_redis(f"rediss:{rest}", limit, ttl)


STORES: Mapping[str, Open] = {
    "memory": open_memory,
    "sqlite": open_sqlite,
    "redis": open_redis,
    "rediss": open_rediss,
}
