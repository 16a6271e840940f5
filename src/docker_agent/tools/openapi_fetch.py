"""Fetches an OpenAPI document and makes it into tools."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping

import msgspec

from docker_agent.errors import ToolError
from docker_agent.messages import ToolList
from docker_agent.tools.openapi_document import Document, Operation, read_document
from docker_agent.tools.web import Request, Web

MAX_DOCUMENT = 10 * 1024 * 1024
"""Bytes of a document (runtime.md §5.7)."""


class Loaded(msgspec.Struct, frozen=True):
    """A document as tools: the same object until it changed."""

    document: Document
    tools: ToolList
    operations: Mapping[str, Operation]
    data: bytes
    etag: str = ""


Make = Callable[[Document], ToolList]


class Fetching:
    """Fetches over `web`. `make` lists the tools of a document, `timeout` is seconds for one."""

    def __init__(self, web: Web, make: Make, timeout: float) -> None:
        self._web = web
        self._make = make
        self._timeout = timeout

    async def fetch(self, kept: Loaded | None, url: str, headers: Mapping[str, str]) -> Loaded:
        """The document at `url`; `kept` itself when it is still the same. Raises `ToolError`."""
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
