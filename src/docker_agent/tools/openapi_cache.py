"""OpenAPI documents as they were last fetched: renewed when they grow old, kept when that fails."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping

import msgspec

from docker_agent.errors import ToolError
from docker_agent.messages import ToolList
from docker_agent.tools.openapi_document import Document, Operation, read_document
from docker_agent.tools.port import READY, Status
from docker_agent.tools.web import Request, Web

log = logging.getLogger(__name__)

TTL = 600.0
"""Seconds for which a document is taken as it is (runtime.md §9.9)."""

MAX_DOCUMENT = 10 * 1024 * 1024
"""Bytes of a document (runtime.md §5.7)."""

MAX_KEPT = 16
"""Documents kept where each caller's headers may bring another one."""

PATIENCE = 10.0
"""Seconds that a run waits for a document; then it goes on without (DESIGN.md §4)."""

PAUSES = (5.0, 15.0, 60.0)
"""Seconds before a document that could not be had is asked for again (runtime.md §8.4)."""


class Loaded(msgspec.Struct, frozen=True):
    """A document as tools: the same object until it changed."""

    document: Document
    tools: ToolList
    operations: Mapping[str, Operation]
    data: bytes
    etag: str = ""


Make = Callable[[Document], ToolList]


class _Entry:
    """One document, by address and headers."""

    def __init__(self) -> None:
        self.loaded: Loaded | None = None
        self.problem = ""
        self.due = float("-inf")
        self.failures = 0
        self.task: asyncio.Task[None] | None = None


class Documents:
    """Fetches documents, each once for all who wait for it."""

    def __init__(self, web: Web, make: Make, timeout: float, now: Callable[[], float]) -> None:
        """`make` lists the tools of a document, `timeout` is seconds for fetching one, `now` a
        clock in seconds."""
        self._web = web
        self._make = make
        self._timeout = timeout
        self._now = now
        self._entries: dict[tuple[str, tuple[tuple[str, str], ...]], _Entry] = {}

    async def get(self, url: str, headers: Mapping[str, str]) -> Loaded:
        """The document at `url`. Raises `ToolError` when there is none yet, or none at all."""
        entry = self.start(url, headers)
        if entry.task is not None:
            done, _ = await asyncio.wait({entry.task}, timeout=PATIENCE)
            for task in done:
                if not task.cancelled():
                    task.result()
        if entry.loaded is None:
            raise ToolError(entry.problem or f"the document {url} is still being fetched")
        return entry.loaded

    def start(self, url: str, headers: Mapping[str, str]) -> _Entry:
        """Begin to fetch what is not fresh; waits for nothing."""
        key = (url, tuple(sorted(headers.items())))
        entry = self._entries.pop(key, None) or _Entry()
        self._entries[key] = entry
        while len(self._entries) > MAX_KEPT:
            oldest = self._entries.pop(next(iter(self._entries)))
            if oldest.task is not None:
                oldest.task.cancel()
        if entry.task is None and self._now() >= entry.due:
            entry.task = asyncio.create_task(self._renew(entry, url, headers))
        return entry

    @property
    def status(self) -> Status:
        """How the document that was asked for last stands."""
        if not self._entries:
            return READY
        entry = next(reversed(self._entries.values()))
        if entry.loaded is not None:
            return Status("degraded", entry.problem) if entry.problem else READY
        return Status("failed", entry.problem) if entry.problem else Status("starting")

    async def close(self) -> None:
        """Stop fetching."""
        tasks = [entry.task for entry in self._entries.values() if entry.task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _renew(self, entry: _Entry, url: str, headers: Mapping[str, str]) -> None:
        try:
            entry.loaded = await self._fetched(entry.loaded, url, headers)
        except ToolError as exc:
            problem = f"the document {url} cannot be had: {exc}"
            if not entry.problem:
                log.warning("openapi: %s", problem)
            entry.problem = problem
            entry.due = self._now() + PAUSES[min(entry.failures, len(PAUSES) - 1)]
            entry.failures += 1
        else:
            entry.problem, entry.failures = "", 0
            entry.due = self._now() + TTL
        finally:
            entry.task = None

    async def _fetched(self, kept: Loaded | None, url: str, headers: Mapping[str, str]) -> Loaded:
        plain = {"Accept": "application/json, application/yaml, text/yaml, */*;q=0.5"}
        if kept is not None and kept.etag:
            plain["If-None-Match"] = kept.etag
        reply = await self._web.send(
            Request(url, headers=headers, plain=plain, timeout=self._timeout, limit=MAX_DOCUMENT)
        )
        if reply.status == 304 and kept is not None:
            return kept
        if reply.status != 200:
            raise ToolError(f"the answer is HTTP {reply.status}")
        if reply.cut:
            raise ToolError(f"it has more than {MAX_DOCUMENT} bytes")
        etag = reply.headers.get("etag", "")
        if kept is not None and kept.data == reply.body:
            return msgspec.structs.replace(kept, etag=etag)
        document = await asyncio.to_thread(read_document, reply.body, reply.url)
        operations = {operation.name: operation for operation in document.operations}
        return Loaded(document, self._make(document), operations, reply.body, etag)
