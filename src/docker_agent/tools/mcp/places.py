"""Sessions with MCP servers that belong to somebody: opened when first used, closed when nobody has
used them for a while, no more of them than a bound."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Generator, Hashable
from contextlib import contextmanager
from typing import Generic, TypeVar

import msgspec

from docker_agent.errors import ToolError
from docker_agent.tools.background import Background
from docker_agent.tools.mcp.toolset import Mcp

Key = TypeVar("Key", bound=Hashable)


class Bounds(msgspec.Struct, frozen=True):
    """How many sessions there may be at once, and the seconds after which one that nobody uses is
    closed; `full` is said when all are in use."""

    most: int
    idle: float
    full: str


class _Place:
    """One session, and who uses it now."""

    def __init__(self, toolset: Mcp) -> None:
        self.toolset = toolset
        self.users = 0
        self.left = 0.0


class Places(Generic[Key]):
    """Sessions by what they belong to."""

    def __init__(
        self,
        bounds: Bounds,
        background: Background,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._bounds = bounds
        self._background = background
        self._now = now
        self._places: dict[Key, _Place] = {}
        self._leaving: set[Mcp] = set()
        self._sweep: asyncio.TimerHandle | None = None

    def __len__(self) -> int:
        """How many there are, those included that are being closed."""
        return len(self._places) + len(self._leaving)

    def known(self, key: Key) -> Mcp | None:
        """The session of this key, if there is one now."""
        place = self._places.get(key)
        return None if place is None else place.toolset

    @contextmanager
    def used(self, key: Key, make: Callable[[], Mcp]) -> Generator[Mcp]:
        """The session of this key, in use while the block runs; one that `make` makes is started.

        Raises `ToolError` when all that may be there are in use.
        """
        place = self._places.get(key)
        if place is None:
            self._make_room()
            place = self._places[key] = _Place(make())
            place.toolset.life.start()
        place.users += 1
        try:
            yield place.toolset
        finally:
            place.users -= 1
            place.left = self._now()
            self._watch()

    def drop(self, key: Key) -> None:
        """Close the session of this key."""
        place = self._places.pop(key, None)
        if place is not None:
            self._leaving.add(place.toolset)
            self._background.spawn(self._left(place.toolset))

    async def close(self) -> None:
        """Close all of them."""
        if self._sweep is not None:
            self._sweep.cancel()
        for key in [*self._places]:
            self._leaving.add(self._places.pop(key).toolset)
        await asyncio.gather(*map(self._left, [*self._leaving]))

    async def _left(self, toolset: Mcp) -> None:
        await toolset.life.close()
        self._leaving.discard(toolset)

    def _make_room(self) -> None:
        """Close the one that was not used for longest, where there may be no further one."""
        if len(self._places) < self._bounds.most:
            return
        idle = [(place.left, key) for key, place in self._places.items() if not place.users]
        if not idle:
            raise ToolError(self._bounds.full)
        self.drop(min(idle, key=lambda each: each[0])[1])

    def _watch(self) -> None:
        if self._sweep is None:
            loop = asyncio.get_running_loop()
            self._sweep = loop.call_later(self._bounds.idle, self._look)

    def _look(self) -> None:
        """Close what nobody has used."""
        self._sweep = None
        now = self._now()
        for key, place in [*self._places.items()]:
            if not place.users and now - place.left >= self._bounds.idle:
                self.drop(key)
        if self._places:
            self._watch()
