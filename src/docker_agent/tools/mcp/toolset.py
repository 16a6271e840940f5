"""The mcp toolset: the tools of one MCP server, under names that models can use."""

from __future__ import annotations

import asyncio
import importlib
import logging
from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING

import msgspec

from docker_agent.errors import ToolError
from docker_agent.messages import JSON, NO_TOOLS, ToolList, ToolResult
from docker_agent.tools.life import RESTART_PATIENCE, Ended, Life, Policy
from docker_agent.tools.mcp import content
from docker_agent.tools.mcp.limits import CALL_TIMEOUT, MAX_INSTRUCTIONS
from docker_agent.tools.port import Around, CallContext, Scope, Status

if TYPE_CHECKING:
    import mcp_types as types

    from docker_agent.tools.mcp.session import Session

log = logging.getLogger(__name__)

Connect = Callable[[Ended], "AbstractAsyncContextManager[Session]"]
"""Opens a session with the server."""


async def loaded() -> None:
    """Import what speaks MCP: the SDK takes a second, so that is done beside."""
    await asyncio.to_thread(importlib.import_module, "docker_agent.tools.mcp.connect")


class Server(msgspec.Struct, frozen=True):
    """How one server is spoken with. `label` is what messages call it, `prefix` stands before the
    names of its tools, `call_timeout` is seconds."""

    label: str
    prefix: str
    connect: Connect
    policy: Policy
    call_timeout: float = CALL_TIMEOUT


class Listed(msgspec.Struct, frozen=True):
    """A listing as the server gave it and as models see it; `names` lead back."""

    raw: tuple[types.Tool, ...]
    instructions: str
    tools: ToolList
    names: Mapping[str, str]


class Mcp:
    """The tools of one server. It is started in the background, and again when it ends."""

    scope: Scope = "team"

    def __init__(self, server: Server) -> None:
        self.name = server.label
        self._server = server
        self._listed: Listed | None = None
        self.life: Life[Session] = Life(f"MCP server {server.label}", server.connect, server.policy)

    @property
    def status(self) -> Status:
        return self.life.status

    async def tools(self, around: Around) -> ToolList:
        """The tools there are now; those known so far while the server is started again."""
        if self.life.held is None and self._listed is not None and self.status.state != "failed":
            return self._listed.tools
        session = await self.life.get(self.life.policy.patience if around.patient else 0.0)
        return (await self._listing(session)).tools

    async def call(self, name: str, arguments: dict[str, JSON], context: CallContext) -> ToolResult:
        from docker_agent.tools.mcp.session import SessionForgotten

        given = content.arguments_of(arguments)
        for _ in range(2):
            session = await self._session(context)
            listed = self._listed or await self._listing(session)
            own = listed.names.get(name)
            if own is None:
                return ToolResult(f"the server has no tool {name} any more", is_error=True)
            try:
                result = await session.run(own, given, self._server.call_timeout, context.progress)
            except SessionForgotten:
                self.life.renew(session)
            else:
                return content.result_of(result)
        raise ToolError("the server forgets its sessions at once")

    async def _session(self, context: CallContext) -> Session:
        try:
            return await self.life.get(min(RESTART_PATIENCE, context.remaining()))
        except ToolError as exc:
            raise ToolError(f"the MCP server {self.name} is not there: {exc}") from exc

    async def _listing(self, session: Session) -> Listed:
        """What there is now; what there was when the server cannot say."""
        try:
            raw = await session.tools()
        except Exception as exc:
            log.debug("MCP server %s: listing failed", self.name, exc_info=exc)
            if self._listed is None:
                raise ToolError("its tools could not be listed") from exc
            return self._listed
        return self._current(raw, session.instructions)

    def _current(self, raw: tuple[types.Tool, ...], instructions: str) -> Listed:
        """The listing of now; the very same as before when nothing changed."""
        old = self._listed
        if old is not None and (
            old.raw is raw
            or (old.instructions == instructions and content.same_tools(old.raw, raw))
        ):
            return old
        names = content.exposed_names(self._server.prefix, [tool.name for tool in raw])
        specs = [content.spec_of(tool, name) for tool, name in zip(raw, names, strict=True)]
        version = 0 if old is None else old.tools.version + 1
        tools = ToolList(specs, version=version, instructions=instructions[:MAX_INSTRUCTIONS])
        self._listed = Listed(raw, instructions, tools if specs else NO_TOOLS, names)
        return self._listed
