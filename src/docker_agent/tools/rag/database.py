"""SQLite as the indexes use it: bounded, shared with other servers, and given up when nobody waits.

All of it blocks: call it in a thread.
"""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Callable, Generator
from contextlib import closing, contextmanager
from pathlib import Path

from docker_agent.env.directories import private
from docker_agent.tools.rag.gentle import Gentle

BUSY_TIMEOUT = 20.0
"""Seconds to wait for another server that writes to the same file."""

_LOCK_TIMEOUT = 0.5
"""Seconds of one attempt, after which a thread looks whether its work is still wanted."""

MAX_DATABASE = 4 * 1024 * 1024 * 1024
"""Bytes that one database may grow to."""

CACHE = 32 * 1024 * 1024
"""Bytes of a database that a connection holds at most, and that wait beside the file until they are
put into it."""

_LOOK_EVERY = 20_000
"""Steps of SQLite's machine between two looks whether its answer is still wanted."""

_PAGE = 4096

_SCHEMA = """
CREATE TABLE IF NOT EXISTS rag_indexes (
  id INTEGER PRIMARY KEY, identity TEXT NOT NULL UNIQUE, label TEXT NOT NULL, used REAL NOT NULL,
  dimensions INTEGER NOT NULL DEFAULT 0, chunks INTEGER NOT NULL DEFAULT 0,
  words INTEGER NOT NULL DEFAULT 0
);
CREATE TABLE IF NOT EXISTS rag_files (
  id INTEGER PRIMARY KEY, source INTEGER NOT NULL, path TEXT NOT NULL, shown TEXT NOT NULL,
  digest BLOB NOT NULL, modified INTEGER NOT NULL, UNIQUE (source, path)
);
CREATE TABLE IF NOT EXISTS rag_chunks (
  id INTEGER PRIMARY KEY, file INTEGER NOT NULL, place INTEGER NOT NULL, content TEXT NOT NULL,
  words INTEGER NOT NULL, digest BLOB, vector BLOB
);
CREATE INDEX IF NOT EXISTS rag_chunks_file ON rag_chunks (file);
CREATE INDEX IF NOT EXISTS rag_chunks_digest ON rag_chunks (digest) WHERE vector IS NOT NULL;
CREATE TABLE IF NOT EXISTS rag_terms (
  id INTEGER PRIMARY KEY, source INTEGER NOT NULL, term TEXT NOT NULL, UNIQUE (source, term)
);
CREATE TABLE IF NOT EXISTS rag_postings (
  term INTEGER NOT NULL, chunk INTEGER NOT NULL, times INTEGER NOT NULL, PRIMARY KEY (term, chunk)
) WITHOUT ROWID;
"""


class Unusable(Exception):
    """The database cannot be used; the text says why."""


def prepare(path: Path, gentle: Gentle) -> None:
    """Make the file, readable by nobody else, and its tables, if need be. Raises `Unusable`."""
    try:
        private(path.parent)
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
    except OSError as exc:
        raise Unusable(f"{path.name}: {exc.strerror or exc}") from exc
    with connected(path, gentle) as database:
        _patiently(lambda: database.execute("PRAGMA journal_mode = WAL"), gentle)
        with writing(database, gentle):
            for statement in _SCHEMA.split(";"):
                database.execute(statement)


@contextmanager
def connected(
    path: Path, gentle: Gentle, *, reading: bool = False
) -> Generator[sqlite3.Connection]:
    """A connection; one that is `reading` sees what there was when it began. Raises `Unusable`."""
    try:
        with closing(
            sqlite3.connect(path, timeout=_LOCK_TIMEOUT, isolation_level=None)
        ) as database:
            database.execute("PRAGMA synchronous = NORMAL")
            database.execute(f"PRAGMA cache_size = -{CACHE // 1024}")
            database.execute(f"PRAGMA wal_autocheckpoint = {CACHE // _PAGE}")
            database.execute(f"PRAGMA max_page_count = {MAX_DATABASE // _PAGE}")
            database.set_progress_handler(gentle.is_over, _LOOK_EVERY)
            if reading:
                database.execute("PRAGMA query_only = ON")
                database.execute("BEGIN")
            yield database
    except sqlite3.Error as exc:
        raise Unusable(f"{path.name}: {_told(exc)}") from exc


@contextmanager
def writing(database: sqlite3.Connection, gentle: Gentle) -> Generator[None]:
    """One transaction; nothing of it is kept when the block fails."""
    _patiently(lambda: database.execute("BEGIN IMMEDIATE"), gentle)
    try:
        yield
    except BaseException:
        if database.in_transaction:
            database.execute("ROLLBACK")
        raise
    database.execute("COMMIT")


def _patiently(step: Callable[[], object], gentle: Gentle) -> None:
    """Do what another server may stand in the way of."""
    until = time.monotonic() + BUSY_TIMEOUT
    while True:
        try:
            step()
        except sqlite3.OperationalError as exc:
            if "locked" not in str(exc) or time.monotonic() > until:
                raise
            gentle.breathe()
        else:
            return


def _told(exc: sqlite3.Error) -> str:
    if isinstance(exc, sqlite3.OperationalError) and "full" in str(exc):
        return f"the index is full: it may take {MAX_DATABASE // 1024**3} GiB"
    return f"{exc}; an index can be deleted, it is built anew"
