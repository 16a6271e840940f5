"""What the tools work with: the disk as one entry of an agent file allows it, and threads that
can be told to stop."""

from __future__ import annotations

import threading
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TypeVar

import anyio
import anyio.to_thread

from docker_agent.errors import ToolError
from docker_agent.tools.filesystem.handles import Entry, entries
from docker_agent.tools.filesystem.ignore import NOTHING_HIDDEN, Ignore, ignore_at
from docker_agent.tools.filesystem.places import Boundary, Place

T = TypeVar("T")


class Stopped(Exception):
    """Ends work in a thread that nobody waits for any more."""


class Stop:
    """Tells work in a thread that it may end."""

    def __init__(self) -> None:
        self._set = threading.Event()

    def set(self) -> None:
        """The work is not wanted any more."""
        self._set.set()

    def is_set(self) -> bool:
        """Whether the work is not wanted any more."""
        return self._set.is_set()

    def check(self) -> None:
        """Raises `Stopped` when the work is not wanted any more."""
        if self._set.is_set():
            raise Stopped


@dataclass(frozen=True, slots=True)
class Disk:
    """What can be reached, whether `.gitignore` counts, and how many seconds a search may last."""

    boundary: Boundary
    ignore_vcs: bool
    search_seconds: float

    def within(self, results: str, *, reads: bool) -> Disk:
        """The same for one call: `Boundary.within`."""
        boundary = self.boundary.within(results, reads=reads)
        return Disk(boundary, self.ignore_vcs, self.search_seconds)

    def ignore_at(self, place: Place) -> tuple[Ignore, bool]:
        """What is hidden in the directory `place`, and whether it is hidden itself."""
        return ignore_at(place) if self.ignore_vcs else (NOTHING_HIDDEN, False)


def visible(place: Place, ignore: Ignore) -> list[Entry]:
    """What is in the directory and not hidden, by name."""
    real = place.real.rstrip("/")
    return [
        entry
        for entry in entries(place)
        if not ignore.hides(f"{real}/{entry.name}", directory=entry.kind == "directory")
    ]


def readable(place: Place, ignore: Ignore) -> list[Entry]:
    """The same for a directory met on the way: nothing when it cannot be read or is gone."""
    try:
        return visible(place, ignore)
    except ToolError:
        return []


def printable(name: str) -> str:
    """A file name as text that can be sent: no line breaks, `?` for bytes that are not UTF-8."""
    text = name.encode("utf-8", "replace").decode()
    return text if text.isprintable() else "".join(_escaped(letter) for letter in text)


def _escaped(letter: str) -> str:
    return letter if letter.isprintable() else letter.encode("unicode_escape").decode()


async def in_thread(work: Callable[[Stop], T], *, finish: bool) -> T:
    """Do blocking work. Cancellation waits for it with `finish`, else tells it to stop and leaves
    it behind."""
    stop = Stop()
    try:
        return await anyio.to_thread.run_sync(work, stop, abandon_on_cancel=not finish)
    finally:
        stop.set()


class PathLocks:
    """One lock per path; a path that nobody holds or waits for costs nothing."""

    def __init__(self) -> None:
        self._locks: dict[str, tuple[anyio.Lock, int]] = {}

    @asynccontextmanager
    async def hold(self, path: str) -> AsyncGenerator[None, None]:
        """Wait for the path, then have it alone."""
        lock, users = self._locks.get(path) or (anyio.Lock(), 0)
        self._locks[path] = (lock, users + 1)
        try:
            async with lock:
                yield
        finally:
            _, users = self._locks[path]
            if users == 1:
                del self._locks[path]
            else:
                self._locks[path] = (lock, users - 1)
