"""A way to index and to search, and the one by words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from docker_agent.tools.filesystem.work import in_thread
from docker_agent.tools.rag.chunks import Cut, pieces
from docker_agent.tools.rag.files import Document
from docker_agent.tools.rag.gentle import Gentle
from docker_agent.tools.rag.store import Hit, Likeness, Piece, Store


class Refused(Exception):
    """A model did not do what was asked; the text says why. With `input` it is this text that it
    does not take, others may do; with `lasting` there is no use in asking again."""

    def __init__(self, why: str, *, input: bool = False, lasting: bool = False) -> None:
        super().__init__(why)
        self.input = input
        self.lasting = lasting


class Changed(Exception):
    """What is kept was made by another model than the one that answers now."""


class Strategy(Protocol):
    """One way. `at_once` is how many files are prepared at the same time."""

    type: str
    store: Store
    at_once: int

    async def prepare(self, document: Document, text: str) -> Sequence[Piece]:
        """What is to be kept of a document. Raises `Refused` and `Changed`."""
        ...

    async def find(self, query: str) -> list[Hit]:
        """What answers a question, best first. Raises `Refused`, `Changed` and `Unusable`."""
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
        return await in_thread(lambda stop: self._pieces(text, Gentle(stop)), finish=False)

    async def find(self, query: str) -> list[Hit]:
        return await in_thread(
            lambda stop: self.store.like(query, self._likeness, Gentle(stop)), finish=False
        )

    def _pieces(self, text: str, gentle: Gentle) -> list[Piece]:
        found: list[Piece] = []
        for place, content in enumerate(pieces(text, self._cut)):
            gentle.breathe()
            found.append(Piece(place, content))
        return found
