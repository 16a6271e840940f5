"""An agent's cache of answers, in memory or in a JSON file that several servers may share. Source:
agent-file.md §2.4, `cache`."""

from __future__ import annotations

import asyncio
import fcntl
import hashlib
import logging
import time
from collections.abc import Callable
from pathlib import Path

import msgspec

from docker_agent.config.agent_file import Agent, Cache
from docker_agent.disk import write_whole
from docker_agent.messages import UNREADABLE
from docker_agent.runtime.answers import (
    ANSWER_SECONDS,
    MAX_ANSWERS,
    Answers,
    Caching,
    MemoryAnswers,
)

log = logging.getLogger(__name__)


class Kept(msgspec.Struct, frozen=True):
    """An answer, and when it was given first, in seconds since 1970."""

    text: str
    at: float


class FileAnswers:
    """A JSON object of answers by key, forgotten `ttl` seconds after they were given first; a plain
    text counts from the file's own time. A sibling `.lock` guards writing; the file is replaced in
    one step, and read again when somebody else has changed it."""

    def __init__(
        self,
        path: Path,
        limit: int = MAX_ANSWERS,
        ttl: float = ANSWER_SECONDS,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._path = path
        self._limit = limit
        self._ttl = ttl
        self._now = now
        self._kept: dict[str, Kept] = {}
        self._seen: tuple[int, int] | None = None
        self._one_at_a_time = asyncio.Lock()

    async def get(self, key: str) -> str | None:
        async with self._one_at_a_time:
            await asyncio.to_thread(self._refresh)
            kept = self._kept.get(key)
        return kept.text if kept is not None and self._is_fresh(kept) else None

    async def put(self, key: str, text: str) -> None:
        async with self._one_at_a_time:
            try:
                await asyncio.to_thread(self._write, key, text)
            except OSError as exc:
                log.warning("the cache file %s cannot be written: %s", self._path, exc)

    def _is_fresh(self, kept: Kept) -> bool:
        return kept.at > self._now() - self._ttl

    def _refresh(self) -> None:
        try:
            found = self._path.stat()
        except OSError:
            self._kept, self._seen = {}, None
            return
        seen = (found.st_mtime_ns, found.st_size)
        if seen == self._seen:
            return
        try:
            read = msgspec.json.decode(self._path.read_bytes(), type=dict[str, Kept | str])
            self._kept = {
                key: Kept(each, found.st_mtime) if isinstance(each, str) else each
                for key, each in read.items()
            }
        except (OSError, *UNREADABLE) as exc:
            log.warning("the cache file %s cannot be read: %s", self._path, exc)
            self._kept = {}
        self._seen = seen

    def _write(self, key: str, text: str) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with self._path.with_name(f"{self._path.name}.lock").open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            self._refresh()
            fresh = {each: kept for each, kept in self._kept.items() if self._is_fresh(kept)}
            fresh.pop(key, None)
            self._kept = {**fresh, key: Kept(text, self._now())}
            while len(self._kept) > self._limit:
                del self._kept[next(iter(self._kept))]
            data = msgspec.json.format(msgspec.json.encode(self._kept), indent=1)
            write_whole(self._path, data)
            found = self._path.stat()
            self._seen = (found.st_mtime_ns, found.st_size)


def caching(agent: Agent, facts: tuple[str, ...], base: Path, *, trusted: bool) -> Caching | None:
    """The cache of an agent; None when it has none. `facts` are what its answers depend on,
    `base` is where relative paths start.

    Raises `ConfigError` for a path that leaves `base`, or for any absolute one in a file that is
    not the operator's.
    """
    cache = agent.cache
    if cache is None or not cache.enabled:
        return None
    answers: Answers = (
        FileAnswers(_path(cache, base, trusted=trusted)) if cache.path else MemoryAnswers()
    )
    version = hashlib.sha256(msgspec.json.encode(facts)).hexdigest()
    return Caching(answers, version, fold_case=not cache.case_sensitive, trim=cache.trim_spaces)


def _path(cache: Cache, base: Path, *, trusted: bool) -> Path:
    path = Path(cache.path)
    if path.is_absolute():
        if trusted:
            return path
        raise cache.error("must be relative in a file that is not on this machine", "path")
    found = (base / path).resolve()
    if not found.is_relative_to(base.resolve()):
        raise cache.error(f"{cache.path!r} leads out of {base}; give an absolute path", "path")
    return found
