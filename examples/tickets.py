"""An MCP server of a few lines: tickets, kept for as long as it runs. `tickets.yaml` uses it."""

from __future__ import annotations

from mcp.server.mcpserver import MCPServer
from mcp_types import ToolAnnotations

server = MCPServer("tickets", instructions="Look at the open tickets before you close one.")
tickets = {1: "The printer is out of paper", 2: "The door of room 4 squeaks"}


@server.tool(annotations=ToolAnnotations(read_only_hint=True))
def open_tickets() -> dict[int, str]:
    """The tickets that wait, by number."""
    return tickets


@server.tool()
def close_ticket(number: int) -> str:
    """Close a ticket."""
    return f"closed: {tickets.pop(number)}" if number in tickets else f"no ticket {number}"


if __name__ == "__main__":
    server.run()
