"""Conversations in an SQLite file: they survive a restart, also a hard one."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import aiosqlite
import msgspec

from docker_agent.errors import ConfigError
from docker_agent.messages import UNREADABLE, Conversation
from docker_agent.server.conversations.memory import busy
from docker_agent.server.conversations.port import Key, Lease

LOCK_TIMEOUT = 1.0
"""Seconds to wait for a file that another server may be letting go of."""

_SCHEMA = """
CREATE TABLE IF NOT EXISTS conversations (
    caller TEXT NOT NULL, agent TEXT NOT NULL, id TEXT NOT NULL,
    used REAL NOT NULL, turns BLOB NOT NULL,
    PRIMARY KEY (caller, agent, id)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS conversations_by_use ON conversations (used);
"""
_WHERE = "WHERE caller = ? AND agent = ? AND id = ?"
_PUT = (
    "INSERT OR REPLACE INTO conversations (caller, agent, id, used, turns) VALUES (?, ?, ?, ?, ?)"
)
_OVER = """
DELETE FROM conversations WHERE (caller, agent, id) IN (
    SELECT caller, agent, id FROM conversations ORDER BY used DESC LIMIT -1 OFFSET ?
)
"""


@asynccontextmanager
async def open_sqlite(
    rest: str, limit: int, ttl: float, *, now: Callable[[], float] = time.time
) -> AsyncGenerator[SqliteConversations]:
    """The store in the file `rest`, made when it is not there, readable by its owner alone.

    One server at a time may use it. Raises `ConfigError` when it cannot be used.
    """
    if not rest:
        raise ConfigError("--conversations sqlite: needs a file, like sqlite:conversations.db")
    path = Path(rest)
    try:
        await asyncio.to_thread(path.touch, mode=0o600)
        database = await aiosqlite.connect(path, timeout=LOCK_TIMEOUT, isolation_level=None)
    except (OSError, sqlite3.Error) as exc:
        raise ConfigError(f"--conversations sqlite:{rest}: {exc}") from exc
    try:
        try:
            await database.execute("PRAGMA locking_mode = EXCLUSIVE")
            await database.execute("PRAGMA journal_mode = WAL")
            await database.execute("PRAGMA synchronous = NORMAL")
            await database.executescript(_SCHEMA)
        except sqlite3.Error as exc:
            raise ConfigError(
                f"--conversations sqlite:{rest}: {exc}; is another server using it?"
            ) from exc
        yield SqliteConversations(database, limit, ttl, now)
    finally:
        await database.close()


class SqliteConversations:
    """At most `limit` conversations, each forgotten `ttl` seconds after its last use."""

    def __init__(
        self, database: aiosqlite.Connection, limit: int, ttl: float, now: Callable[[], float]
    ) -> None:
        self._database = database
        self._limit = limit
        self._ttl = ttl
        self._now = now
        self._held: set[Key] = set()

    def lease(self, key: Key) -> AbstractAsyncContextManager[Lease]:
        """Take one conversation; raises `RequestError` at once while another request holds it."""
        return self._lease(key)

    @asynccontextmanager
    async def _lease(self, key: Key) -> AsyncGenerator[Lease]:
        if key in self._held:
            raise busy(key.id)
        self._held.add(key)
        try:
            yield _SqliteLease(self, key, await self._get(key))
        finally:
            self._held.discard(key)

    async def holds(self, key: Key) -> bool:
        """Whether a conversation is kept now, or a request is at work on it."""
        if key in self._held:
            return True
        query = f"SELECT 1 FROM conversations {_WHERE} AND used > ?"
        values = (key.caller, key.agent, key.id, self._now() - self._ttl)
        try:
            async with self._database.execute(query, values) as cursor:
                return await cursor.fetchone() is not None or key in self._held
        except sqlite3.Error:
            return True

    async def count(self) -> int:
        """How many conversations are kept now."""
        query = "SELECT count(*) FROM conversations WHERE used > ?"
        async with self._database.execute(query, (self._now() - self._ttl,)) as cursor:
            row = await cursor.fetchone()
        return int(row[0]) if row else 0

    async def _get(self, key: Key) -> Conversation | None:
        query = f"SELECT turns FROM conversations {_WHERE} AND used > ?"
        values = (key.caller, key.agent, key.id, self._now() - self._ttl)
        async with self._database.execute(query, values) as cursor:
            row = await cursor.fetchone()
        if row is None:
            return None
        try:
            return msgspec.json.decode(row[0], type=Conversation)
        except UNREADABLE:
            return None

    async def put(self, key: Key, conversation: Conversation) -> None:
        """Keep a conversation as the newest; the idle and what is over the limit go."""
        turns = msgspec.json.encode(conversation)
        now = self._now()
        await self._database.execute(_PUT, (key.caller, key.agent, key.id, now, turns))
        await self._database.execute(
            "DELETE FROM conversations WHERE used <= ?", (now - self._ttl,)
        )
        await self._database.execute(_OVER, (self._limit,))


class _SqliteLease:
    """A `Lease` within this process."""

    def __init__(
        self, store: SqliteConversations, key: Key, conversation: Conversation | None
    ) -> None:
        self._store = store
        self._key = key
        self.conversation = conversation

    async def put(self, conversation: Conversation) -> None:
        await self._store.put(self._key, conversation)
