"""The open_url toolset: accepted, and empty, since there is no browser to open where a server runs.
Source: runtime.md §9.18."""

from __future__ import annotations

import msgspec

from docker_agent.messages import JSON, NO_TOOLS, ToolList, ToolResult
from docker_agent.tools.port import READY, Around, CallContext, Scope, Status


class OpenUrlOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What an `open_url` entry may say: the address that a browser would show."""

    url: str


class OpenUrl:
    """No tools."""

    scope: Scope = "team"
    name = "open_url"

    @property
    def status(self) -> Status:
        return READY

    async def tools(self, around: Around) -> ToolList:
        return NO_TOOLS

    async def call(self, name: str, arguments: dict[str, JSON], context: CallContext) -> ToolResult:
        return ToolResult(
            "there is no browser here; write the address in your reply", is_error=True
        )
