"""MCP servers that are told who asks: a session of its own for each caller's headers."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager

from docker_agent.errors import ConfigError, ToolError
from docker_agent.messages import JSON, ToolList, ToolResult
from docker_agent.tools.background import Background
from docker_agent.tools.mcp.places import Bounds, Places
from docker_agent.tools.mcp.toolset import Mcp
from docker_agent.tools.port import Around, CallContext, Scope, Status
from docker_agent.tools.web_headers import asked_for

MAX_SESSIONS = 64
"""Callers that are spoken for at once."""

IDLE_SECONDS = 60.0
"""After which a session that nobody uses is closed."""

BOUNDS = Bounds(
    MAX_SESSIONS, IDLE_SECONDS, f"more than {MAX_SESSIONS} callers use it at once; try later"
)

Key = tuple[str, str | None, tuple[tuple[str, str], ...]]
Make = Callable[[Mapping[str, str]], Mcp]
"""The toolset of one caller, by the incoming headers."""


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
        self._places: Places[Key] = Places(BOUNDS, background, now)

    async def tools(self, around: Around) -> ToolList:
        with self._of(around) as toolset:
            return await toolset.tools(around)

    async def call(self, name: str, arguments: dict[str, JSON], context: CallContext) -> ToolResult:
        with self._of(context) as toolset:
            return await toolset.call(name, arguments, context)

    async def close(self) -> None:
        """Close all sessions."""
        await self._places.close()

    @contextmanager
    def _of(self, who: Around | CallContext) -> Generator[Mcp]:
        """The session of whoever asks."""
        given = asked_for(self.headers, who.headers)
        if not any(given.values()):
            missing = ", ".join(sorted(self.headers))
            raise ToolError(f"the request lacks what it passes on: {missing}")

        def make() -> Mcp:
            try:
                return self._make(given)
            except ConfigError as exc:
                raise ToolError(str(exc)) from exc

        key = who.caller, who.conversation_id, tuple(sorted(given.items()))
        with self._places.used(key, make) as toolset:
            yield toolset
