"""A way to index and to search, and the one by words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import msgspec

from docker_agent.messages import NO_USAGE, Usage
from docker_agent.tools.rag.chunks import Cut
from docker_agent.tools.rag.code import parts
from docker_agent.tools.rag.files import Document
from docker_agent.tools.rag.gentle import Gentle, off_loop
from docker_agent.tools.rag.store import Hit, Likeness, Piece, Store


class Finding(msgspec.Struct, frozen=True):
    """What was found, best first, and what models were paid for it."""

    hits: list[Hit]
    usage: Usage = NO_USAGE


class Strategy(Protocol):
    """One way. `at_once` is how many files are prepared at the same time."""

    type: str
    store: Store
    at_once: int

    async def prepare(self, document: Document, text: str) -> Sequence[Piece]:
        """What is to be kept of a document. Raises `Refused` and `Changed`."""
        ...

    async def find(self, query: str) -> Finding:
        """What answers a question. Raises `Refused`, `Changed` and `Unusable`."""
        ...


class ByWords:
    """BM25: pieces that share rare words with the question."""

    type = "bm25"
    at_once = 1

    def __init__(self, store: Store, cut: Cut, likeness: Likeness) -> None:
        self.store = store
        self._cut = cut
        self._likeness = likeness

    async def prepare(self, document: Document, text: str) -> Sequence[Piece]:
        return await off_loop(lambda gentle: cut_up(document, text, self._cut, gentle))

    async def find(self, query: str) -> Finding:
        return Finding(
            await off_loop(lambda gentle: self.store.like(query, self._likeness, gentle))
        )


def cut_up(document: Document, text: str, cut: Cut, gentle: Gentle) -> list[Piece]:
    """A document in pieces."""
    found: list[Piece] = []
    for place, part in enumerate(parts(document.shown, text, cut, gentle)):
        gentle.breathe()
        found.append(Piece(place, part.content, context=part.context))
    return found
