"""The session_context toolset: accepted, and empty, since a server must never list other people's
sessions."""

from __future__ import annotations

from docker_agent.messages import JSON, NO_TOOLS, ToolList, ToolResult
from docker_agent.tools.port import READY, Around, CallContext, Scope, Status


class SessionContext:
    """No tools (runtime.md §9.17)."""

    scope: Scope = "run"
    name = "session_context"

    @property
    def status(self) -> Status:
        return READY

    async def tools(self, around: Around) -> ToolList:
        return NO_TOOLS

    async def call(self, name: str, arguments: dict[str, JSON], context: CallContext) -> ToolResult:
        return ToolResult("there are no sessions to read here", is_error=True)
