"""What toolsets of the web know from a document: renewed when it grows old, kept when that
fails."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Generic, TypeVar
from urllib.parse import urlsplit

from docker_agent.errors import ToolError
from docker_agent.tools.port import READY, Status

log = logging.getLogger(__name__)

TTL = 600.0
"""Seconds for which a document is taken as it is (runtime.md §9.9)."""

MAX_KEPT = 16
"""Documents kept where each caller's headers may bring another one."""

PATIENCE = 10.0
"""Seconds that a run waits for a document; then it goes on without (DESIGN.md §4)."""

PAUSES = (5.0, 15.0, 60.0)
"""Seconds before a document that could not be had is asked for again (runtime.md §8.4)."""

Loaded = TypeVar("Loaded")

Fetch = Callable[[Loaded | None, str, Mapping[str, str]], Awaitable[Loaded]]
"""Fetches what is at an address, with these headers; is given what it fetched before, and returns
the same object until that changed. Raises `ToolError`."""


class _Entry(Generic[Loaded]):
    """One document, by address and headers."""

    def __init__(self) -> None:
        self.loaded: Loaded | None = None
        self.problem = ""
        self.due = float("-inf")
        self.failures = 0
        self.task: asyncio.Task[None] | None = None


class Documents(Generic[Loaded]):
    """Fetches documents, each once for all who wait for it."""

    def __init__(self, kind: str, fetch: Fetch[Loaded], now: Callable[[], float]) -> None:
        """`kind` is what messages call such a document, `now` a clock in seconds."""
        self._kind = kind
        self._fetch = fetch
        self._now = now
        self._entries: dict[tuple[str, tuple[tuple[str, str], ...]], _Entry[Loaded]] = {}

    async def get(self, url: str, headers: Mapping[str, str], *, patient: bool = True) -> Loaded:
        """What is at `url`, waited for if `patient`.

        Raises `ToolError` when there is nothing yet, or nothing at all.
        """
        entry = self.start(url, headers)
        if entry.task is not None and patient:
            done, _ = await asyncio.wait({entry.task}, timeout=PATIENCE)
            for task in done:
                if not task.cancelled():
                    task.result()
        if entry.loaded is None:
            still = f"the {self._kind} {shown(url)} is still being fetched"
            raise ToolError(entry.problem or still)
        return entry.loaded

    def start(self, url: str, headers: Mapping[str, str]) -> _Entry[Loaded]:
        """Begin to fetch what is not fresh; waits for nothing."""
        key = (url, tuple(sorted(headers.items())))
        entry = self._entries.pop(key, None) or _Entry[Loaded]()
        self._entries[key] = entry
        if entry.task is None and self._now() >= entry.due:
            entry.task = asyncio.create_task(self._renew(entry, url, headers))
        self._forget_the_oldest()
        return entry

    def _forget_the_oldest(self) -> None:
        """Those that somebody waits for stay."""
        idle = [key for key, entry in self._entries.items() if entry.task is None]
        for key in idle[: max(0, len(self._entries) - MAX_KEPT)]:
            del self._entries[key]

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

    async def _renew(self, entry: _Entry[Loaded], url: str, headers: Mapping[str, str]) -> None:
        try:
            entry.loaded = await self._fetch(entry.loaded, url, headers)
        except ToolError as exc:
            problem = f"the {self._kind} {shown(url)} cannot be had: {exc}"
            if not entry.problem:
                log.warning("%s", problem)
            entry.problem = problem
            entry.due = self._now() + PAUSES[min(entry.failures, len(PAUSES) - 1)]
            entry.failures += 1
        else:
            entry.problem, entry.failures = "", 0
            entry.due = self._now() + TTL
        finally:
            entry.task = None


def shown(url: str) -> str:
    """An address for messages: without its name and password, and without its query, where keys
    may stand."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return "at an address that is none"
    host = parts.netloc.rpartition("@")[2]
    return parts._replace(netloc=host, query="", fragment="").geturl() or "(no address)"


def host_of(url: str) -> str:
    """What a message calls the place of an address: its host, or what there is instead."""
    try:
        return urlsplit(url).hostname or url
    except ValueError:
        return url
