"""`GET /`: a page to chat with an agent, for people who paste the address into a browser."""

from __future__ import annotations

from functools import lru_cache
from importlib.resources import files

import msgspec

from docker_agent import __version__
from docker_agent.server.exchange import Exchange, Headers
from docker_agent.server.openapi_schemas import About

_PAGE_HEADERS: Headers = (
    (b"content-type", b"text/html; charset=utf-8"),
    (
        b"content-security-policy",
        b"default-src 'none'; connect-src 'self'; style-src 'unsafe-inline'; "
        b"script-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    ),
    (b"cache-control", b"no-cache"),
    (b"vary", b"Accept"),
)
_ABOUT = About(
    name="docker-agent",
    version=__version__,
    chat_completions="/v1/chat/completions",
    models="/v1/models",
    openapi="/openapi.json",
)


async def index(exchange: Exchange) -> None:
    """One page that needs nothing from elsewhere; JSON for clients that ask for JSON."""
    accept = exchange.header(b"accept")
    if "application/json" in accept and "text/html" not in accept:
        await exchange.respond(200, msgspec.json.encode(_ABOUT))
    else:
        await exchange.respond(200, _page(), _PAGE_HEADERS)


@lru_cache(maxsize=1)
def _page() -> bytes:
    return (files("docker_agent.server") / "index.html").read_bytes()
