"""The index of one strategy in a SQLite file, which others may share: files, their pieces, and the
words or vectors of these.

A change is one transaction of whole files, so that several servers may keep the same index. All of
it blocks: call it in a thread.
"""

from __future__ import annotations

import heapq
import sqlite3
import time
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

import msgspec

from docker_agent.tools.rag.database import connected, prepare, writing
from docker_agent.tools.rag.files import Document
from docker_agent.tools.rag.gentle import Gentle
from docker_agent.tools.rag.vectors import WIDTH, Similarities
from docker_agent.tools.rag.words import rarity, words

UNUSED_DAYS = 14
"""After so many days without use an index that nobody's settings ask for is deleted."""

MAX_QUERY_WORDS = 64
"""Different words of a question that are looked for."""

_AT_ONCE = 64
"""Vectors that are compared at once."""

Value = TypeVar("Value")

_SCORED = """
WITH asked (term, rarity) AS (VALUES {rows})
SELECT p.chunk, SUM(a.rarity * p.times * (:k1 + 1)
    / (p.times + :k1 * (1 - :b + :b * c.words / :mean))) / :asked AS score
FROM asked a JOIN rag_postings p ON p.term = a.term JOIN rag_chunks c ON c.id = p.chunk
GROUP BY p.chunk HAVING score > 0 AND score >= :threshold ORDER BY score DESC, p.chunk LIMIT :limit
"""


class Changed(Exception):
    """What is kept was made by another model than the one that answers now."""


class Piece(msgspec.Struct, frozen=True):
    """A piece of a file to be kept; `vector` are its numbers, 32 bits each, length 1, and `digest`
    tells what they were made of. `context` names what stands around a piece of code; it is not
    kept."""

    place: int
    content: str
    digest: bytes | None = None
    vector: bytes | None = None
    context: str = ""


class Made(msgspec.Struct, frozen=True):
    """What is to be kept of a file, whose bytes have this digest."""

    document: Document
    digest: bytes
    pieces: Sequence[Piece]


class Hit(msgspec.Struct, frozen=True):
    """A piece that answers a question. `path` is the file's real one, `shown` what answers call it,
    `modified` when it was changed (seconds), `similarity` how well the piece fits, `score` what
    decides about its place."""

    path: str
    shown: str
    modified: float
    place: int
    content: str
    similarity: float
    score: float


class Likeness(msgspec.Struct, frozen=True):
    """What BM25 makes of repetition (`k1`) and of length (`b`), the least score that counts, and
    how many pieces are wanted."""

    k1: float
    b: float
    threshold: float
    limit: int


class Store:
    """One index in a file. `identity` tells it from all others there: whatever changes what is
    kept belongs into it. `label` is for people, `counted` says that words are kept."""

    def __init__(self, path: Path, identity: str, label: str, *, counted: bool) -> None:
        self._path = path
        self._identity = identity
        self._label = label
        self._counted = counted

    @property
    def files(self) -> tuple[str, ...]:
        """The paths that the database takes."""
        return tuple(f"{self._path}{end}" for end in ("", "-wal", "-shm", "-journal"))

    def open(self, gentle: Gentle) -> None:
        """Make the file and the tables if need be, and forget indexes that nobody uses. Raises
        `Unusable`."""
        prepare(self._path, gentle)
        with connected(self._path, gentle) as database, writing(database, gentle):
            oldest = time.time() - UNUSED_DAYS * 24 * 3600
            old = "SELECT id FROM rag_indexes WHERE used < ? AND identity <> ?"
            for (id,) in database.execute(old, (oldest, self._identity)).fetchall():
                _forget(database, id)
            _index(database, self._identity, self._label)

    def known(self, gentle: Gentle) -> dict[str, bytes]:
        """The digest of each file that is kept, by its path; marks the index as used."""
        with connected(self._path, gentle) as database, writing(database, gentle):
            id = _index(database, self._identity, self._label)
            rows = database.execute("SELECT path, digest FROM rag_files WHERE source = ?", (id,))
            return dict(rows.fetchall())

    def forget(self, paths: Iterable[str], gentle: Gentle) -> None:
        """Let go of these files."""
        with connected(self._path, gentle) as database:
            for path in paths:
                gentle.breathe()
                with writing(database, gentle):
                    self._remove(database, _index(database, self._identity, self._label), path)

    def clear(self, gentle: Gentle) -> None:
        """Let go of all files of this index."""
        with connected(self._path, gentle) as database, writing(database, gentle):
            _forget(database, _index(database, self._identity, self._label))
            _index(database, self._identity, self._label)

    def keep(self, made: Sequence[Made], gentle: Gentle) -> None:
        """Put the pieces of these files in the place of what was kept of them; a file without any
        keeps its digest alone. All of it is one transaction: words of many pieces lie side by
        side then, and are written together."""
        with connected(self._path, gentle) as database, writing(database, gentle):
            id = _index(database, self._identity, self._label)
            held: dict[str, list[tuple[int | None, int]]] = {}
            for each in made:
                self._remove(database, id, each.document.place.real)
                _measure(database, id, each.pieces)
                file = _put_file(database, id, each)
                total = 0
                for piece in each.pieces:
                    gentle.breathe()
                    found = words(piece.content) if self._counted else Counter[str]()
                    total += found.total()
                    chunk = _put_chunk(database, file, piece, found.total())
                    for word, times in found.items():
                        held.setdefault(word, []).append((chunk, times))
                _count(database, id, len(each.pieces), total)
            _put_words(database, id, held, gentle)

    def like(self, query: str, wanted: Likeness, gentle: Gentle) -> list[Hit]:
        """The pieces that fit the words of a question best (BM25), divided by the number of words
        and at most 1. Source: runtime.md §14.3."""
        asked = list(words(query))[:MAX_QUERY_WORDS]
        with connected(self._path, gentle, reading=True) as database:
            found = database.execute(
                "SELECT id, chunks, words FROM rag_indexes WHERE identity = ?", (self._identity,)
            ).fetchone()
            if found is None or not asked or not found[1]:
                return []
            id, chunks, total = found
            known = [(term, rarity(chunks, held)) for term, held in _held(database, id, asked)]
            if not known:
                return []
            scored = database.execute(
                _SCORED.format(rows=", ".join(f"({term}, {rare!r})" for term, rare in known)),
                {
                    "k1": wanted.k1,
                    "b": wanted.b,
                    "mean": max(1.0, total / chunks),
                    "asked": len(asked),
                    "threshold": wanted.threshold,
                    "limit": wanted.limit,
                },
            ).fetchall()
            return _hits(database, [(chunk, min(1.0, score)) for chunk, score in scored])

    def vectors(self, digests: Iterable[bytes], gentle: Gentle) -> dict[bytes, bytes]:
        """The vectors that are kept of what has these digests."""
        found: dict[bytes, bytes] = {}
        with connected(self._path, gentle, reading=True) as database:
            size = database.execute(
                "SELECT dimensions FROM rag_indexes WHERE identity = ?", (self._identity,)
            ).fetchone()
            for some in _some(list(digests)):
                marks = ", ".join("?" * len(some))
                found |= database.execute(
                    f"SELECT digest, vector FROM rag_chunks WHERE digest IN ({marks})"
                    " AND vector IS NOT NULL",
                    some,
                ).fetchall()
        wanted = WIDTH * size[0] if size else 0
        return {each: vector for each, vector in found.items() if len(vector) == wanted}

    def near(
        self, query: bytes, similar: Similarities, threshold: float, limit: int, gentle: Gentle
    ) -> list[Hit]:
        """The pieces whose vectors are most alike to one with the length 1. Raises `Changed` when
        theirs are not as long."""
        best: list[tuple[float, int]] = []
        with connected(self._path, gentle, reading=True) as database:
            found = database.execute(
                "SELECT id, dimensions FROM rag_indexes WHERE identity = ?", (self._identity,)
            ).fetchone()
            if found is None or not found[1]:
                return []
            if found[1] * WIDTH != len(query):
                raise Changed(f"it makes {len(query) // WIDTH} numbers, the index has {found[1]}")
            rows = database.execute(
                "SELECT c.id, c.vector FROM rag_files f JOIN rag_chunks c ON c.file = f.id"
                " WHERE f.source = ? AND c.vector IS NOT NULL",
                found[:1],
            )
            while some := rows.fetchmany(_AT_ONCE):
                gentle.breathe()
                alike = similar(query, [vector for _, vector in some])
                better = [
                    (score, -chunk)
                    for score, (chunk, _) in zip(alike, some, strict=True)
                    if score >= threshold
                ]
                best = heapq.nlargest(limit, [*best, *better])
            return _hits(database, [(-chunk, max(-1.0, min(1.0, score))) for score, chunk in best])

    def _remove(self, database: sqlite3.Connection, id: int, path: str) -> None:
        row = database.execute(
            "SELECT id FROM rag_files WHERE source = ? AND path = ?", (id, path)
        ).fetchone()
        if row is None:
            return
        kept = database.execute("SELECT id, content FROM rag_chunks WHERE file = ?", row).fetchall()
        total = 0
        for chunk, content in kept if self._counted else ():
            found = words(content)
            total += found.total()
            terms = _terms(database, id, found)
            database.executemany(
                "DELETE FROM rag_postings WHERE term = ? AND chunk = ?",
                [(term, chunk) for term in terms.values()],
            )
        database.execute("DELETE FROM rag_chunks WHERE file = ?", row)
        database.execute("DELETE FROM rag_files WHERE id = ?", row)
        _count(database, id, -len(kept), -total)


def _put_file(database: sqlite3.Connection, id: int, made: Made) -> int | None:
    document = made.document
    return database.execute(
        "INSERT INTO rag_files (source, path, shown, digest, modified) VALUES (?, ?, ?, ?, ?)",
        (id, document.place.real, document.shown, made.digest, document.stamp.modified),
    ).lastrowid


def _put_chunk(
    database: sqlite3.Connection, file: int | None, piece: Piece, total: int
) -> int | None:
    return database.execute(
        "INSERT INTO rag_chunks (file, place, content, words, digest, vector)"
        " VALUES (?, ?, ?, ?, ?, ?)",
        (file, piece.place, piece.content, total, piece.digest, piece.vector),
    ).lastrowid


def _put_words(
    database: sqlite3.Connection,
    id: int,
    held: Mapping[str, Sequence[tuple[int | None, int]]],
    gentle: Gentle,
) -> None:
    """Keep in which pieces words were found, one word after the other."""
    terms = _terms(database, id, held)

    def rows() -> Iterator[tuple[int, int | None, int]]:
        for term, word in sorted((term, word) for word, term in terms.items()):
            gentle.breathe()
            yield from ((term, chunk, times) for chunk, times in held[word])

    database.executemany("INSERT INTO rag_postings (term, chunk, times) VALUES (?, ?, ?)", rows())


def _index(database: sqlite3.Connection, identity: str, label: str) -> int:
    """The id of an index, which exists and is used from now on."""
    database.execute(
        "INSERT INTO rag_indexes (identity, label, used) VALUES (?, ?, ?)"
        " ON CONFLICT (identity) DO UPDATE SET used = excluded.used",
        (identity, label, time.time()),
    )
    (id,) = database.execute(
        "SELECT id FROM rag_indexes WHERE identity = ?", (identity,)
    ).fetchone()
    return id


def _forget(database: sqlite3.Connection, id: int) -> None:
    """Delete an index and all that is its."""
    terms = "SELECT id FROM rag_terms WHERE source = ?"
    files = "SELECT id FROM rag_files WHERE source = ?"
    database.execute(f"DELETE FROM rag_postings WHERE term IN ({terms})", (id,))
    database.execute(f"DELETE FROM rag_chunks WHERE file IN ({files})", (id,))
    database.execute("DELETE FROM rag_terms WHERE source = ?", (id,))
    database.execute("DELETE FROM rag_files WHERE source = ?", (id,))
    database.execute("DELETE FROM rag_indexes WHERE id = ?", (id,))


def _count(database: sqlite3.Connection, id: int, chunks: int, total: int) -> None:
    database.execute(
        "UPDATE rag_indexes SET chunks = chunks + ?, words = words + ? WHERE id = ?",
        (chunks, total, id),
    )


def _measure(database: sqlite3.Connection, id: int, pieces: Sequence[Piece]) -> None:
    """See to it that all vectors of an index are as long as each other. Raises `Changed`."""
    sizes = {len(piece.vector) // WIDTH for piece in pieces if piece.vector is not None}
    if not sizes:
        return
    database.execute(
        "UPDATE rag_indexes SET dimensions = ? WHERE id = ? AND dimensions = 0", (max(sizes), id)
    )
    kept = database.execute("SELECT dimensions FROM rag_indexes WHERE id = ?", (id,)).fetchone()
    if sizes != {*kept}:
        raise Changed(f"it makes {max(sizes)} numbers, the index has {kept[0]}")


def _terms(database: sqlite3.Connection, id: int, found: Collection[str]) -> dict[str, int]:
    """The ids of words; new ones get one."""
    database.executemany(
        "INSERT OR IGNORE INTO rag_terms (source, term) VALUES (?, ?)",
        [(id, word) for word in found],
    )
    known: dict[str, int] = {}
    for some in _some(list(found)):
        marks = ", ".join("?" * len(some))
        known |= database.execute(
            f"SELECT term, id FROM rag_terms WHERE source = ? AND term IN ({marks})", (id, *some)
        ).fetchall()
    return known


def _held(database: sqlite3.Connection, id: int, asked: Sequence[str]) -> Iterator[tuple[int, int]]:
    """The ids of those words that occur, and in how many pieces."""
    marks = ", ".join("?" * len(asked))
    rows = database.execute(
        "SELECT t.id, COUNT(*) FROM rag_terms t JOIN rag_postings p ON p.term = t.id"
        f" WHERE t.source = ? AND t.term IN ({marks}) GROUP BY t.id",
        (id, *asked),
    )
    yield from rows.fetchall()


def _hits(database: sqlite3.Connection, scored: Sequence[tuple[int, float]]) -> list[Hit]:
    """The pieces of these ids, in this order."""
    found: list[Hit] = []
    for chunk, score in scored:
        row = database.execute(
            "SELECT f.path, f.shown, f.modified, c.place, c.content FROM rag_chunks c"
            " JOIN rag_files f ON f.id = c.file WHERE c.id = ?",
            (chunk,),
        ).fetchone()
        if row is not None:
            path, shown, modified, place, content = row
            found.append(Hit(path, shown, modified / 1e9, place, content, score, score))
    return found


def _some(values: Sequence[Value], most: int = 500) -> Iterator[Sequence[Value]]:
    for at in range(0, len(values), most):
        yield values[at : at + most]
