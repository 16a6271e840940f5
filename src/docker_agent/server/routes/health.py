"""`GET /health`: the process is up. `GET /ready`: the agents can work. Source: chat-server.md
§2."""

from __future__ import annotations

from docker_agent.errors import RequestError
from docker_agent.server.exchange import Exchange


async def health(exchange: Exchange) -> None:
    """Always ok while the process answers."""
    await exchange.respond(200, b'{"status":"ok"}')


async def ready(exchange: Exchange) -> None:
    """200 when nothing is starting or broken, else 503; what it is, only for those with the key."""
    unready = exchange.services.teams.unready()
    if not unready:
        await exchange.respond(200, b'{"status":"ready"}')
        return
    trusted = exchange.caller or not exchange.services.keys.any
    named = "; ".join(f"{name}: {reason}" for name, reason in unready.items())
    detail = f" ({named})" if trusted else ""
    raise RequestError("not_ready", f"The server is not ready{detail}.")
