"""Requests of tools: addresses checked at each step, redirects followed here, answers bounded in
size and time."""

from __future__ import annotations

import asyncio
import base64
import re
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import anyio
import msgspec

from docker_agent.addresses import ip_address, is_public, looks_like_number, plain_host
from docker_agent.errors import ToolError

if TYPE_CHECKING:
    from yarl import URL

    from docker_agent.registry.guard import Allowed, Resolve
    from docker_agent.tools.web_session import Reply, Session

MAX_REDIRECTS = 10
"""Steps from the first address to the last (runtime.md §9.7)."""

MAX_BODY = 1024 * 1024
"""Bytes of an answer (runtime.md §5.7)."""

DEFAULT_TIMEOUT = 30
"""Seconds for one request with all its redirects, where a file says nothing."""

_CLOSE_TIMEOUT = 2.0
"""Seconds for saying goodbye to servers."""

_REDIRECTS = (301, 302, 303, 307, 308)
_HOST = re.compile(r"[A-Za-z0-9._:%-]+")

Check = Callable[["URL"], Awaitable[None]]
"""Looks at the address of each step; raises `ToolError` to stop."""

Hear = Callable[[bytes], Awaitable[None]]
"""Is given the next bytes of a stream; raises `ToolError` to stop."""


class Request(msgspec.Struct, frozen=True):
    """What to send.

    `headers` are those of the agent file: they stay behind when a redirect leads to another host.
    `plain` ones hold nothing secret and go along; `headers` win over them. `timeout` is seconds for
    all steps together, `limit` bytes of the answer's body. A stream of events (status 200) is heard
    by `events` as it comes, within the same limits, and leaves no body.
    """

    url: str
    method: str = "GET"
    headers: Mapping[str, str] = {}
    plain: Mapping[str, str] = {}
    body: bytes | None = None
    timeout: float = DEFAULT_TIMEOUT
    limit: int = MAX_BODY
    events: Hear | None = None


async def _anywhere(url: URL) -> None:
    """No wish beyond the guard's."""


class Web:
    """The way of one toolset to the web. Unless private addresses are allowed, nobody can make it
    connect to one, by whatever spelling, name or redirect."""

    def __init__(self, allowed: Allowed | None, resolve: Resolve | None) -> None:
        self._allowed = allowed
        self._resolve = resolve
        self._session: Session | None = None
        self._opening = asyncio.Lock()

    async def send(self, request: Request, check: Check = _anywhere) -> Reply:
        """The answer at the end of all redirects, whatever its status.

        Raises `ToolError` when there is none, or an address may not be reached.
        """
        try:
            async with asyncio.timeout(request.timeout):
                return await self._follow(request, check)
        except TimeoutError as exc:
            raise ToolError(f"no complete answer within {request.timeout:g} seconds") from exc

    async def close(self) -> None:
        """Close what was opened."""
        if self._session is not None:
            with anyio.move_on_after(_CLOSE_TIMEOUT, shield=True):
                await self._session.close()

    async def _follow(self, request: Request, check: Check) -> Reply:
        session = await self._opened()
        first = url = _url(request.url)
        method, body, plain = request.method, request.body, request.plain
        headers: Mapping[str, str] = request.headers
        for _ in range(MAX_REDIRECTS + 1):
            self._refuse(url)
            await check(url)
            to_send = merged(plain, _credentials(url), headers)
            reply = await session.exchange(
                method, url.with_user(None), to_send, body, request.limit, request.events
            )
            location = reply.headers.get("location")
            if reply.status not in _REDIRECTS or not location:
                return reply
            url = _url(location, url)
            if not _same_place(first, url):
                headers = {}
            if reply.status == 303 or (reply.status in (301, 302) and method == "POST"):
                method, body = "HEAD" if method == "HEAD" else "GET", None
                plain = {k: v for k, v in plain.items() if k.lower() != "content-type"}
        raise ToolError(f"more than {MAX_REDIRECTS} redirects")

    async def _opened(self) -> Session:
        async with self._opening:
            if self._session is None:
                make = await asyncio.to_thread(_session_class)
                self._session = make(self._allowed, self._resolve)
            return self._session

    def _refuse(self, url: URL) -> None:
        if url.scheme not in ("http", "https"):
            raise ToolError(f"only http and https addresses are possible, not '{url.scheme}:'")
        host = url.raw_host
        if not host or not _HOST.fullmatch(host):
            raise ToolError("the address has no valid host")
        if looks_like_number(host):
            raise ToolError(f"'{host}' is no host; write an IP address as in http://192.0.2.1/")
        if self._allowed and ip_address(host) is not None and not self._allowed(host):
            raise ToolError(
                f"{host} is not a public address, and only those may be reached; "
                "set 'allow_private_ips: true' if you mean it"
            )


@asynccontextmanager
async def open_web(
    *,
    allow_private_ips: bool = False,
    resolve: Resolve | None = None,
    public: Allowed = is_public,
) -> AsyncGenerator[Web]:
    """A way to the web, closed with the context. `resolve` looks names up in place of the system,
    `public` judges addresses where private ones are not allowed."""
    web = Web(None if allow_private_ips else public, resolve)
    try:
        yield web
    finally:
        await web.close()


def merged(*headers: Mapping[str, str]) -> dict[str, str]:
    """Headers as one mapping; of equal names, whatever their case, the last wins."""
    found: dict[str, tuple[str, str]] = {}
    for each in headers:
        found.update({name.lower(): (name, value) for name, value in each.items()})
    return dict(found.values())


def _session_class() -> type[Session]:
    from docker_agent.tools.web_session import Session

    return Session


def _url(text: str, base: URL | None = None) -> URL:
    from yarl import URL

    try:
        found = URL(text.strip())
        return found if base is None else base.join(found)
    except ValueError as exc:
        raise ToolError(f"'{text[:200]}' is no address: {exc}") from exc


def _credentials(url: URL) -> dict[str, str]:
    """The name and password that an address holds, as a header."""
    if url.user is None and url.password is None:
        return {}
    pair = f"{url.user or ''}:{url.password or ''}".encode()
    return {"Authorization": f"Basic {base64.b64encode(pair).decode()}"}


def stays_there(first: str, url: str) -> bool:
    """Whether headers that are meant for one address may go to the other too, as after a redirect.
    Raises `ToolError` for what is no address."""
    return _same_place(_url(first), _url(url))


def _same_place(first: URL, url: URL) -> bool:
    """Whether a redirect stays where headers were meant for: same host and port, and nothing that
    was encrypted goes on in the clear."""
    if plain_host(first.raw_host or "") != plain_host(url.raw_host or ""):
        return False
    if first.scheme == url.scheme:
        return first.port == url.port
    return (first.scheme, first.port, url.scheme, url.port) == ("http", 80, "https", 443)
