"""The problems of files that a server has sent by itself, and waiting for them."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import msgspec

from docker_agent.messages import JSON
from docker_agent.tools.lsp.limits import DIAGNOSTICS_SECONDS, MAX_OPEN, MAX_ROWS, QUIET_SECONDS
from docker_agent.tools.lsp.protocol import Published


class Known(msgspec.Struct, frozen=True):
    """The last problems of a file, and the number of the text that the server had seen when they
    came, as far as it says it."""

    rows: tuple[JSON, ...]
    version: int | None


class Problems:
    """The last problems of each file."""

    def __init__(self) -> None:
        self._known: dict[str, Known] = {}
        self._news = asyncio.Event()

    def take(self, path: str, published: Published) -> None:
        """What the server has sent."""
        self._known.pop(path, None)
        if len(self._known) >= 2 * MAX_OPEN:
            del self._known[next(iter(self._known))]
        self._known[path] = Known(published.diagnostics[: 2 * MAX_ROWS], published.version)
        self._news.set()
        self._news = asyncio.Event()

    def forget(self, path: str) -> None:
        """The server was shown another text: what it said of the old one is of no use any more."""
        self._known.pop(path, None)

    async def of(self, path: str, version: int) -> Sequence[JSON] | None:
        """The problems of this version of a file, once the server has sent them and is quiet for a
        moment; None when it sends none for `DIAGNOSTICS_SECONDS`."""
        if (known := self._fresh(path, version)) is not None:
            return known.rows
        try:
            async with asyncio.timeout(DIAGNOSTICS_SECONDS):
                while self._fresh(path, version) is None:
                    await self._news.wait()
                while True:
                    seen = self._known.get(path)
                    async with asyncio.timeout(QUIET_SECONDS):
                        while self._known.get(path) is seen:
                            await self._news.wait()
        except TimeoutError:
            known = self._fresh(path, version)
            return None if known is None else known.rows

    def _fresh(self, path: str, version: int) -> Known | None:
        known = self._known.get(path)
        return known if known is not None and known.version in (None, version) else None
