"""`GET /openapi.json`: the server's own description."""

from __future__ import annotations

from docker_agent.server.exchange import Exchange
from docker_agent.server.openapi import document


async def openapi(exchange: Exchange) -> None:
    """The OpenAPI document; the same for everybody."""
    await exchange.respond(200, document())
