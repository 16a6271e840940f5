"""Memories of many callers in one SQLite database, each caller's apart from all others'."""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import AsyncGenerator, Callable, Iterable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

import aiosqlite
import anyio
import msgspec

from docker_agent.env.directories import private
from docker_agent.errors import ConfigError, ToolError

BUSY_TIMEOUT = 5.0
"""Seconds to wait for another process that writes to the same database."""

_CLOSE_TIMEOUT = 5.0

_COLUMNS = {"category": "TEXT", "scope": "TEXT NOT NULL DEFAULT ''"}
"""Columns that databases of other programs may lack."""


class Memory(msgspec.Struct, frozen=True):
    """One memory; `created_at` is UTC as RFC 3339 writes it."""

    id: str
    created_at: str
    memory: str
    category: str


class MemoryStore:
    """The only owner of one connection, whose thread does one statement after the other.

    `scope` is who a memory belongs to; nothing is ever read or changed without it. Every method
    raises `ToolError` when the database cannot be used.
    """

    def __init__(self, connection: aiosqlite.Connection, now_ns: Callable[[], int]) -> None:
        self._connection = connection
        self._now_ns = now_ns

    async def all(self, scope: str) -> list[Memory]:
        """What belongs to `scope`, oldest first."""
        try:
            rows = await self._connection.execute_fetchall(
                "SELECT id, created_at, memory, coalesce(category, '') FROM memories"
                " WHERE scope = ? ORDER BY created_at, id",
                (scope,),
            )
        except sqlite3.Error as exc:
            raise _unusable(exc) from exc
        return [Memory(*map(str, row)) for row in rows]

    def new(self, memory: str, category: str) -> Memory:
        """A memory of now, which is not kept yet; its id is the time in nanoseconds."""
        now = self._now_ns()
        created = datetime.fromtimestamp(now // 1_000_000_000, UTC)
        return Memory(str(now), created.isoformat().replace("+00:00", "Z"), memory, category)

    async def add(self, scope: str, memory: str, category: str) -> str:
        """Keep a memory; its id."""
        return await self.put(scope, self.new(memory, category))

    async def put(self, scope: str, new: Memory) -> str:
        """Keep a new memory; its id, a later one where another memory has it."""
        id = int(new.id)
        while not await self._changed(
            "INSERT OR IGNORE INTO memories (id, created_at, memory, category, scope)"
            " VALUES (?, ?, ?, ?, ?)",
            (str(id), new.created_at, new.memory, new.category, scope),
        ):
            id += 1
        return str(id)

    async def update(self, scope: str, id: str, memory: str, category: str | None) -> bool:
        """Put other words in place of a memory's; without a category it keeps its own. False when
        `scope` has no such memory."""
        return await self._changed(
            "UPDATE memories SET memory = ?, category = coalesce(?, category)"
            " WHERE id = ? AND scope = ?",
            (memory, category, id, scope),
        )

    async def delete(self, scope: str, id: str) -> bool:
        """Forget a memory. False when `scope` has no such memory."""
        return await self._changed("DELETE FROM memories WHERE id = ? AND scope = ?", (id, scope))

    async def _changed(self, statement: str, values: Iterable[str | None]) -> bool:
        try:
            async with self._connection.execute(statement, tuple(values)) as cursor:
                return cursor.rowcount > 0
        except sqlite3.Error as exc:
            raise _unusable(exc) from exc


@asynccontextmanager
async def open_memory_store(
    path: Path, now_ns: Callable[[], int] = time.time_ns
) -> AsyncGenerator[MemoryStore]:
    """The store in the file `path`, made if need be and readable by nobody else; closed with the
    context. Raises `ConfigError` when it cannot be used."""
    private(path.parent)
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
    except OSError as exc:
        raise _unfit(path, exc) from exc
    connection = aiosqlite.connect(path, isolation_level=None, timeout=BUSY_TIMEOUT)
    try:
        try:
            await connection
            await _prepare(connection)
        except sqlite3.Error as exc:
            raise _unfit(path, exc) from exc
        yield MemoryStore(connection, now_ns)
    finally:
        with anyio.move_on_after(_CLOSE_TIMEOUT, shield=True):
            await connection.close()


async def _prepare(connection: aiosqlite.Connection) -> None:
    await connection.execute("PRAGMA journal_mode = WAL")
    await connection.execute("BEGIN IMMEDIATE")
    await connection.execute(
        "CREATE TABLE IF NOT EXISTS memories (id TEXT PRIMARY KEY, created_at TEXT, memory TEXT,"
        " category TEXT, scope TEXT NOT NULL DEFAULT '')"
    )
    rows = await connection.execute_fetchall("PRAGMA table_info(memories)")
    known = {row[1] for row in rows}
    for column, kind in _COLUMNS.items():
        if column not in known:
            await connection.execute(f"ALTER TABLE memories ADD COLUMN {column} {kind}")
    await connection.execute("CREATE INDEX IF NOT EXISTS memories_scope ON memories (scope)")
    await connection.execute("COMMIT")


def _unfit(path: Path, exc: OSError | sqlite3.Error) -> ConfigError:
    return ConfigError(f"{path}: this memory database cannot be used: {exc}")


def _unusable(exc: sqlite3.Error) -> ToolError:
    return ToolError(f"the memory cannot be used now: {exc}")
