"""An MCP server of the SDK, of the new protocol, with what real servers do: media, structure,
progress, changes, questions.

Run as a program it speaks over stdio.
"""

from __future__ import annotations

import asyncio
import base64
from typing import Any

import mcp_types as types
import msgspec
from mcp.server.mcpserver import Context, MCPServer

PIXEL = base64.b64encode(b"\x89PNG\r\n\x1a\n-pretend").decode()


def plain() -> MCPServer:
    """A server with all the tools."""
    about = "Handle with care."
    return furnished(MCPServer("hard", instructions=about, version="1.2.3", log_level="CRITICAL"))


def furnished(server: MCPServer) -> MCPServer:
    """A server with all the tools."""
    notes: list[str] = []

    @server.tool(annotations=types.ToolAnnotations(read_only_hint=True, title="Adder"))
    def add(a: int, b: int) -> int:
        """Add two numbers."""
        return a + b

    @server.tool()
    async def slow(ctx: Context) -> str:
        """Never ends by itself."""
        try:
            await ctx.report_progress(1, 4, "began")
            await asyncio.Event().wait()
        except BaseException as exc:
            notes.append(type(exc).__name__)
            raise
        return "never"

    @server.tool()
    def noted() -> str:
        """What happened so far."""
        return msgspec.json.encode(notes).decode()

    @server.tool()
    def boom() -> str:
        """Fails."""
        raise ValueError("inside")

    @server.tool(structured_output=False)
    def media() -> list[Any]:
        """Everything that can be in a result."""
        blob = types.BlobResourceContents(
            uri="file:///a/report%20one.pdf", mime_type="application/pdf", blob=PIXEL
        )
        text = types.TextResourceContents(
            uri="note://1", mime_type="text/plain", text="embedded text"
        )
        return [
            types.TextContent(type="text", text="first"),
            types.ImageContent(type="image", data=PIXEL, mime_type="image/png"),
            types.AudioContent(type="audio", data=PIXEL, mime_type="audio/wav"),
            types.EmbeddedResource(type="resource", resource=text),
            types.EmbeddedResource(type="resource", resource=blob),
            types.ResourceLink(type="resource_link", name="the site", uri="https://example.com/x"),
            types.ImageContent(type="image", data="not base64!", mime_type="image/png"),
        ]

    @server.tool()
    async def grow(ctx: Context) -> str:
        """Adds a tool and says so."""

        def grown() -> str:
            """New here."""
            return "I am new"

        server.add_tool(grown, name="grown")
        await ctx.notify_tools_changed()
        if (ctx.protocol_version or "") < "2026":
            await ctx.session.send_tool_list_changed()
        return "done"

    @server.tool()
    def headers(ctx: Context) -> str:
        """The headers of the message that called."""
        return msgspec.json.encode(dict(ctx.headers or {})).decode()

    @server.tool(structured_output=False)
    def ask(ctx: Context) -> Any:  # noqa: ANN401 - a result of the protocol
        """Asks the user, as the new protocol does."""
        if ctx.input_responses:
            return ctx.input_responses["one"].model_dump_json()
        schema = {"type": "object", "properties": {"name": {"type": "string"}}}
        form = types.ElicitRequestFormParams(message="Which one?", requested_schema=schema)
        return types.InputRequiredResult(input_requests={"one": types.ElicitRequest(params=form)})

    @server.tool(structured_output=False)
    def nothing() -> None:
        """Says nothing."""

    return server


if __name__ == "__main__":
    plain().run()
