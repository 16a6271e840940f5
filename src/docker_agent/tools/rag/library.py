"""A source of documents: every way to search it, and what they find together."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence

import msgspec

from docker_agent.errors import ToolError
from docker_agent.messages import NO_USAGE
from docker_agent.tools.filesystem.work import in_thread
from docker_agent.tools.life import PATIENCE
from docker_agent.tools.port import READY, Status
from docker_agent.tools.rag.database import Unusable
from docker_agent.tools.rag.files import read_text
from docker_agent.tools.rag.fusion import Fusing, fused, once
from docker_agent.tools.rag.index import Index
from docker_agent.tools.rag.lent import Refused
from docker_agent.tools.rag.reranking import Reranker
from docker_agent.tools.rag.store import Changed, Hit
from docker_agent.tools.rag.strategy import Finding

log = logging.getLogger(__name__)

LIMIT = 15
"""Results of one question where the file says nothing (agent-file.md §2.11)."""


class Wanted(msgspec.Struct, frozen=True):
    """What becomes of what was found: how many results, whether texts that occur twice are left
    out, whether whole files take the place of their pieces, how lists are joined."""

    limit: int = LIMIT
    deduplicate: bool = True
    full_content: bool = False
    fusing: Fusing = Fusing()


class Library:
    """The documents of one source, indexed in the background by each of its strategies."""

    def __init__(
        self,
        name: str,
        indexes: Sequence[Index],
        wanted: Wanted,
        reranker: Reranker | None = None,
    ) -> None:
        self.name = name
        self._reranker = reranker
        self._indexes = tuple(indexes)
        self._wanted = wanted
        self._patience_ends = 0.0

    @property
    def status(self) -> Status:
        """Starting until every strategy has gone through the documents once."""
        if not self._settled:
            return Status("starting", self._progress())
        problems = [index.reason for index in self._indexes if index.reason]
        if not any(index.ready for index in self._indexes):
            return Status("failed", problems[0])
        return Status("degraded", problems[0]) if problems else READY

    def start(self) -> None:
        """Begin to index; waits for nothing."""
        self._patience_ends = asyncio.get_running_loop().time() + PATIENCE
        for index in self._indexes:
            index.start()

    async def close(self) -> None:
        """End all work on it."""
        await asyncio.gather(*(index.close() for index in self._indexes))

    async def settle(self) -> None:
        """Wait until it is indexed, at most as long as runs wait for what starts."""
        if self._settled:
            return
        try:
            async with asyncio.timeout_at(self._patience_ends):
                for index in self._indexes:
                    await index.settled.wait()
        except TimeoutError:
            return

    async def search(self, query: str) -> Finding:
        """What answers a question.

        A strategy that fails is left out, with a warning; when all do, or indexing has not come to
        its end yet, raises `ToolError`.
        """
        if not self._settled:
            raise ToolError(self._progress())
        usable = [index for index in self._indexes if index.ready]
        answers = await asyncio.gather(*(self._ask(index, query) for index in usable))
        found = [each for each in answers if not isinstance(each, str)]
        if not found:
            problems = [each for each in answers if isinstance(each, str)]
            problems += [index.reason for index in self._indexes]
            raise ToolError(f"the knowledge base cannot be searched now: {problems[0]}")
        hits = fused([(way, finding.hits) for way, finding in found], self._wanted.fusing)
        usage = sum((finding.usage for _, finding in found), NO_USAGE)
        if self._wanted.deduplicate:
            hits = once(hits)
        if self._reranker is not None:
            judged = await self._reranker.judged(query, hits)
            hits, usage = judged.hits, usage + judged.usage
        return Finding(await self._chosen(hits), usage)

    async def _chosen(self, hits: list[Hit]) -> list[Hit]:
        hits = hits[: self._wanted.limit]
        if self._wanted.full_content:
            hits = [await self._whole(hit) for hit in hits]
            if self._wanted.deduplicate:
                hits = once(hits)
        return hits

    async def _whole(self, hit: Hit) -> Hit:
        """With the whole file in place of its piece; the piece alone where the file is gone."""
        found = [index.documents.get(hit.path) for index in self._indexes]
        document = next((each for each in found if each is not None), None)
        if document is None:
            return hit
        try:
            whole = await in_thread(lambda _: read_text(document), finish=False)
        except ToolError:
            return hit
        return hit if whole.problem else msgspec.structs.replace(hit, content=whole.text)

    async def _ask(self, index: Index, query: str) -> tuple[str, Finding] | str:
        try:
            return index.strategy.type, await index.strategy.find(query)
        except (Refused, Unusable, Changed) as exc:
            if isinstance(exc, Changed):
                index.renew()
            log.warning("rag %s: %s does not answer: %s", self.name, index.strategy.type, exc)
            return str(exc)

    @property
    def _settled(self) -> bool:
        return all(index.settled.is_set() for index in self._indexes)

    def _progress(self) -> str:
        waiting = [index for index in self._indexes if not index.settled.is_set()]
        last = min(waiting, key=lambda index: index.done / (index.total or 1))
        return f"knowledge base is still being indexed ({last.done}/{last.total} files)"
