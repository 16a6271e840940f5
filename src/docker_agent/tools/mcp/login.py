"""Signing in to a remote MCP server once, with a browser. Source: runtime.md §10.5.

Imported by the command that does it.
"""

from __future__ import annotations

import asyncio
import html
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import msgspec
from mcp.shared.auth import AuthorizationCodeResult

from docker_agent.errors import ConfigError
from docker_agent.tools.life import End, StartError
from docker_agent.tools.mcp.connect import Remote, connect_remote
from docker_agent.tools.mcp.oauth import Client, Person, SignedIn, Storage
from docker_agent.tools.mcp.options import Address
from docker_agent.tools.mcp.tokens import Tokens

PATIENCE = 300.0
"""Seconds for a person to sign in."""

CALLBACK = "/callback"
PORT_PLACEHOLDER = "${callbackPort}"
_MAX_REQUEST = 16_384


class Target(msgspec.Struct, frozen=True):
    """Where to sign in, as whom, and how the answer comes back: to `port` on this machine (0: a
    free one), over `redirect` when something stands in between."""

    addresses: tuple[Address, ...]
    client: Client
    port: int = 0
    redirect: str = ""


async def login(target: Target, tokens: Tokens, show: Callable[[str], Awaitable[None]]) -> bool:
    """Sign in; `show` is given the address to open. False when the server let us in as it was.

    Raises `ConfigError` when it did not work.
    """
    asked = False

    async def ask(url: str) -> None:
        nonlocal asked
        asked = True
        await show(url)

    url = target.addresses[0].url
    try:
        async with asyncio.timeout(PATIENCE), _callback(target.port) as (port, answer):
            redirect = target.redirect.replace(PORT_PLACEHOLDER, str(port))
            person = Person(redirect or f"http://127.0.0.1:{port}{CALLBACK}", ask, answer)
            auth = SignedIn(url, Storage(tokens, url), target.client, person)
            async with connect_remote(Remote(target.addresses, auth), Path.cwd(), _unheard):
                return asked
    except StartError as exc:
        raise ConfigError(f"{url}: {exc.reason}") from exc
    except TimeoutError as exc:
        raise ConfigError(f"{url}: nobody signed in within {PATIENCE:.0f} seconds") from exc


def _unheard(end: End) -> None:
    """The session is not kept."""


@asynccontextmanager
async def _callback(
    port: int,
) -> AsyncGenerator[tuple[int, Callable[[], Awaitable[AuthorizationCodeResult]]]]:
    """A page on this machine that a browser is sent back to; its port, and what it was told."""
    told: asyncio.Future[AuthorizationCodeResult] = asyncio.get_running_loop().create_future()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            writer.write(_page(head, told))
            await writer.drain()
        except (asyncio.IncompleteReadError, asyncio.LimitOverrunError, OSError):
            pass
        finally:
            writer.close()

    try:
        server = await asyncio.start_server(serve, "127.0.0.1", port, limit=_MAX_REQUEST)
    except OSError as exc:
        raise ConfigError(
            f"port {port}, where the browser is to come back: {exc.strerror}"
        ) from exc
    async with server:

        async def answer() -> AuthorizationCodeResult:
            return await told

        yield server.sockets[0].getsockname()[1], answer


def _page(head: bytes, told: asyncio.Future[AuthorizationCodeResult]) -> bytes:
    """Take the answer out of a request; what the person sees."""
    words = head.split(b"\r\n", 1)[0].decode("latin-1").split(" ")
    query = parse_qs(urlsplit(words[1]).query) if len(words) == 3 and words[0] == "GET" else {}
    given = {name: values[0] for name, values in query.items()}
    if "code" not in given and "error" not in given:
        return _response(404, "There is nothing here.")
    if told.done():
        return _response(200, "This was answered before.")
    if "code" in given:
        told.set_result(
            AuthorizationCodeResult(
                code=given["code"], state=given.get("state"), iss=given.get("iss")
            )
        )
        return _response(200, "You are signed in. You may close this page.")
    reason = given.get("error_description") or given["error"]
    told.set_exception(StartError(f"the sign-in was refused: {reason[:300]}", lasting=True))
    return _response(200, f"The sign-in was refused: {reason}")


def _response(status: int, text: str) -> bytes:
    body = f"<!doctype html><title>docker-agent</title><p>{html.escape(text)}</p>".encode()
    return (
        f"HTTP/1.1 {status} OK\r\nContent-Type: text/html; charset=utf-8\r\n"
        f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    ).encode() + body
