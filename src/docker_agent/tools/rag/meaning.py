"""By what a text means: its pieces as vectors, near to that of the question.

Source: runtime.md §14.2 and §14.3.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
from array import array
from collections.abc import Awaitable, Iterable, Iterator, Sequence
from typing import TypeVar

import msgspec

from docker_agent.env.secret_text import redact
from docker_agent.tools.life import first
from docker_agent.tools.rag.chunks import Cut
from docker_agent.tools.rag.files import Document
from docker_agent.tools.rag.gentle import Gentle, off_loop
from docker_agent.tools.rag.lent import Embed, Vectors
from docker_agent.tools.rag.store import Piece, Store
from docker_agent.tools.rag.strategy import Finding, cut_up
from docker_agent.tools.rag.vectors import Similarities, unit

log = logging.getLogger(__name__)

T = TypeVar("T")

BATCH = 50
"""Texts of one request."""

REQUESTS = 3
"""Requests at once, and files that are prepared at once."""


class Nearness(msgspec.Struct, frozen=True):
    """How vectors are asked for and compared. `dimensions` is how long they shall be (0: as they
    are), `threshold` the least similarity that counts, `limit` how many pieces are wanted, `batch`
    the texts of one request, `requests` how many of these are under way at once."""

    dimensions: int = 0
    threshold: float = 0.5
    limit: int = 5
    batch: int = BATCH
    requests: int = REQUESTS


class ByMeaning:
    """Pieces whose vectors are near to that of the question. What is not to be read by models is
    taken out of a text before it leaves; pieces that a model has seen before do not leave again."""

    type = "chunked-embeddings"

    def __init__(
        self,
        store: Store,
        cut: Cut,
        model: Embed,
        nearness: Nearness,
        similar: Similarities,
        *,
        at_once: int = REQUESTS,
    ) -> None:
        self.store = store
        self.at_once = at_once
        self._cut = cut
        self._model = model
        self._nearness = nearness
        self._similar = similar
        self._told = False
        self._room = asyncio.Semaphore(nearness.requests)

    async def prepare(self, document: Document, text: str) -> Sequence[Piece]:
        cut = await off_loop(lambda gentle: self._cut_up(document, text, gentle))
        digests = {piece.digest for piece in cut if piece.digest is not None}
        known = await off_loop(lambda gentle: self.store.vectors(digests, gentle))
        missing = [
            piece
            for piece in {piece.digest: piece for piece in cut}.values()
            if piece.digest not in known
        ]
        made = await self._vectors(await self._sayings(document, missing))
        vectors = {piece.digest: vector for piece, vector in zip(missing, made, strict=True)}
        return [
            msgspec.structs.replace(piece, vector={**known, **vectors}[piece.digest])
            for piece in cut
            if piece.digest is not None
        ]

    async def find(self, query: str) -> Finding:
        made = await self._ask([query])
        vector, nearness = unit(made.vectors[0]), self._nearness
        hits = await off_loop(
            lambda gentle: self.store.near(
                vector, self._similar, nearness.threshold, nearness.limit, gentle
            )
        )
        return Finding(hits, made.usage)

    def _basis(self, document: Document) -> str:
        """What decides about a piece's vector beside its text."""
        return f"{self._model.name} {self._nearness.dimensions}"

    async def _sayings(self, document: Document, cut: Sequence[Piece]) -> list[str]:
        """The text that stands for each piece."""
        return await off_loop(lambda gentle: [_safe(piece.content, gentle) for piece in cut])

    def _cut_up(self, document: Document, text: str, gentle: Gentle) -> list[Piece]:
        found: list[Piece] = []
        basis = hashlib.sha256(self._basis(document).encode())
        for piece in cut_up(document, text, self._cut, gentle):
            digest = basis.copy()
            digest.update(piece.content.encode("utf-8", "surrogatepass"))
            found.append(msgspec.structs.replace(piece, digest=digest.digest()))
        return found

    async def _vectors(self, texts: Sequence[str]) -> list[bytes]:
        """The vectors of texts, some of these in one request, some requests at once."""
        size = self._nearness.batch
        batches = [texts[at : at + size] for at in range(0, len(texts), size)]
        answers = await side_by_side(self._ask(batch) for batch in batches)
        return await off_loop(
            lambda gentle: [
                unit(vector) for answer in answers for vector in _breathing(answer, gentle)
            ]
        )

    async def _ask(self, texts: Sequence[str]) -> Vectors:
        wished = self._nearness.dimensions
        async with self._room:
            made = await self._model(texts, wished)
        if wished and len(made.vectors[0]) != wished and not self._told:
            self._told = True
            log.warning(
                "vector_dimensions is %d, but %s makes vectors of %d numbers, which are used",
                wished,
                self._model.name,
                len(made.vectors[0]),
            )
        return made


def _breathing(answer: Vectors, gentle: Gentle) -> Iterator[array[float]]:
    for vector in answer.vectors:
        gentle.breathe()
        yield vector


def _safe(text: str, gentle: Gentle) -> str:
    """A text as models may read it."""
    gentle.breathe()
    return redact(text)


async def side_by_side(works: Iterable[Awaitable[T]]) -> list[T]:
    """What they come to, in their order. When one fails, the others end and that is raised."""

    async def awaited(work: Awaitable[T]) -> T:
        return await work

    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(awaited(work)) for work in works]
    except BaseExceptionGroup as failed:
        raise first(failed) from failed
    return [task.result() for task in tasks]
