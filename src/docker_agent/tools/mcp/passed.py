"""MCP servers that are told who asks: a session of its own for each caller's headers."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping

from docker_agent.errors import ConfigError, ToolError
from docker_agent.messages import JSON, ToolList, ToolResult
from docker_agent.tools.background import Background
from docker_agent.tools.mcp.toolset import Mcp
from docker_agent.tools.port import Around, CallContext, Scope, Status
from docker_agent.tools.web_headers import asked_for

MAX_SESSIONS = 64
"""Callers that are spoken for at once."""

IDLE_SECONDS = 60.0
"""After which a session that nobody uses is closed."""

Key = tuple[str, str | None, tuple[tuple[str, str], ...]]
Make = Callable[[Mapping[str, str]], Mcp]
"""The toolset of one caller, by the incoming headers."""


class _Place:
    """One caller's toolset, and who uses it now."""

    def __init__(self, toolset: Mcp) -> None:
        self.toolset = toolset
        self.users = 0
        self.left = 0.0


class PassedOn:
    """One server, opened anew for each caller, conversation and set of headers: nobody's session
    is anybody else's. Source: runtime.md §1.3, §8.6."""

    scope: Scope = "run"
    status = Status("degraded", "it is opened for each caller")

    def __init__(
        self,
        name: str,
        headers: frozenset[str],
        make: Make,
        background: Background,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        """`headers` are the incoming ones that its address or headers ask for."""
        self.name = name
        self.headers = headers
        self._make = make
        self._background = background
        self._now = now
        self._places: dict[Key, _Place] = {}
        self._sweep: asyncio.TimerHandle | None = None

    async def tools(self, around: Around) -> ToolList:
        place = self._enter(around)
        try:
            return await place.toolset.tools(around)
        finally:
            self._leave(place)

    async def call(self, name: str, arguments: dict[str, JSON], context: CallContext) -> ToolResult:
        place = self._enter(context)
        try:
            return await place.toolset.call(name, arguments, context)
        finally:
            self._leave(place)

    async def close(self) -> None:
        """Close all sessions."""
        if self._sweep is not None:
            self._sweep.cancel()
        places = [*self._places.values()]
        self._places.clear()
        await asyncio.gather(*(place.toolset.life.close() for place in places))

    def _enter(self, who: Around | CallContext) -> _Place:
        given = asked_for(self.headers, who.headers)
        if not any(given.values()):
            missing = ", ".join(sorted(self.headers))
            raise ToolError(f"the request lacks what it passes on: {missing}")
        key = who.caller, who.conversation_id, tuple(sorted(given.items()))
        place = self._places.get(key)
        if place is None:
            if len(self._places) >= MAX_SESSIONS:
                self._forget(0.0)
            if len(self._places) >= MAX_SESSIONS:
                raise ToolError(f"more than {MAX_SESSIONS} callers use it at once; try later")
            try:
                place = self._places[key] = _Place(self._make(given))
            except ConfigError as exc:
                raise ToolError(str(exc)) from exc
            place.toolset.life.start()
        place.users += 1
        return place

    def _leave(self, place: _Place) -> None:
        place.users -= 1
        place.left = self._now()
        if self._sweep is None:
            loop = asyncio.get_running_loop()
            self._sweep = loop.call_later(IDLE_SECONDS, self._look)

    def _look(self) -> None:
        self._sweep = None
        self._forget(IDLE_SECONDS)
        if self._places:
            loop = asyncio.get_running_loop()
            self._sweep = loop.call_later(IDLE_SECONDS, self._look)

    def _forget(self, idle: float) -> None:
        """Close what nobody has used for so many seconds."""
        now = self._now()
        for key, place in [*self._places.items()]:
            if not place.users and now - place.left >= idle:
                del self._places[key]
                self._background.spawn(place.toolset.life.close())
