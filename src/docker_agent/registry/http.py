"""Requests to registries and web servers: bounded in size and time, redirects judged by whoever
asks."""

from __future__ import annotations

import asyncio
import importlib
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, Literal
from urllib.parse import urljoin

import msgspec

from docker_agent import __version__
from docker_agent.addresses import ip_address, is_public
from docker_agent.errors import ConfigError

if TYPE_CHECKING:
    import aiohttp

    from docker_agent.registry.guard import Allowed, Resolve

USER_AGENT = f"docker-agent-python/{__version__}"

MAX_REDIRECTS = 10
TIMEOUT = 60.0
"""Seconds for one fetch with all its redirects (agent-file.md §5.2)."""

CONNECT_TIMEOUT = 10.0
"""Seconds until a connection stands."""

MAX_ANSWER = 1024 * 1024
"""Bytes of an answer that is no agent file."""

_REDIRECTS = (301, 302, 303, 307, 308)
_CLOSE_TIMEOUT = 2.0

Reach = Literal["public", "here", "anywhere"]
"""Which addresses a request may connect to: public ones, this machine's, or all."""


class RemoteError(ConfigError):
    """The other side did not give what was asked for; a kept copy may stand in."""


class NoTLSError(RemoteError):
    """The other side does not speak TLS at all; one with a bad certificate does."""


class Answer(msgspec.Struct, frozen=True):
    """What came back; names of `headers` are in lower case."""

    url: str
    status: int
    headers: Mapping[str, str]
    body: bytes = b""


class Step(msgspec.Struct, frozen=True):
    """How an address may be asked."""

    reach: Reach
    headers: Mapping[str, str] = {}


Judge = Callable[[str], Step]
"""Says how to ask an address, the first or one a redirect leads to; raises `ConfigError` to stop
there."""


class Client:
    """Sends requests, over one connection pool per reach."""

    def __init__(
        self, stack: AsyncExitStack, public: Allowed = is_public, resolve: Resolve | None = None
    ) -> None:
        self._stack = stack
        self._public = public
        self._resolve = resolve
        self._sessions: dict[tuple[Reach, bool], aiohttp.ClientSession] = {}

    async def send(
        self,
        method: str,
        url: str,
        step: Step,
        *,
        body: bytes | None = None,
        limit: int = MAX_ANSWER,
    ) -> Answer:
        """One request, without following redirects. Raises `RemoteError`."""
        await asyncio.to_thread(_import_client)
        import aiohttp
        from yarl import URL

        from docker_agent.registry.guard import proxy_for, speaks_no_tls, what_failed

        target = URL(url, encoded=True)
        proxy = None if step.reach == "here" else proxy_for(target)
        try:
            session = await self._session(step.reach, proxied=proxy is not None)
            async with (
                asyncio.timeout(TIMEOUT),
                session.request(
                    method,
                    target,
                    headers=dict(step.headers),
                    data=body,
                    skip_auto_headers=["Content-Type"],
                    allow_redirects=False,
                    proxy=proxy,
                ) as response,
            ):
                headers = {name.lower(): value for name, value in response.headers.items()}
                if headers.get("content-encoding", "identity").lower() != "identity":
                    raise RemoteError(f"{target.host} packs its answers without being asked")
                return Answer(url, response.status, headers, await _read(response, limit))
        except (aiohttp.ClientError, OSError, ValueError) as exc:
            kind = NoTLSError if speaks_no_tls(exc) else RemoteError
            raise kind(what_failed(exc, str(target.host))) from exc

    async def follow(
        self, method: str, url: str, judge: Judge, *, limit: int = MAX_ANSWER
    ) -> Answer:
        """The answer at the end of all redirects. Raises `RemoteError`, and what `judge` does."""
        try:
            async with asyncio.timeout(TIMEOUT):
                for _ in range(MAX_REDIRECTS + 1):
                    answer = await self.send(method, url, judge(url), limit=limit)
                    location = answer.headers.get("location")
                    if answer.status not in _REDIRECTS or not location:
                        return answer
                    url = urljoin(url, location)
        except TimeoutError as exc:
            raise RemoteError(f"no complete answer within {TIMEOUT:g} seconds") from exc
        raise RemoteError(f"more than {MAX_REDIRECTS} redirects")

    async def _session(self, reach: Reach, *, proxied: bool) -> aiohttp.ClientSession:
        """A proxy looks names up itself, so nothing can be judged here behind one."""
        found = self._sessions.get((reach, proxied))
        if found is None:
            made = _make_session(None if proxied else self._allowed(reach), self._resolve)
            found = self._sessions[reach, proxied] = await self._stack.enter_async_context(made)
        return found

    def _allowed(self, reach: Reach) -> Allowed | None:
        match reach:
            case "public":
                return self._public
            case "here":
                return _is_loopback
            case "anywhere":
                return None


@asynccontextmanager
async def open_client(
    public: Allowed = is_public, resolve: Resolve | None = None
) -> AsyncGenerator[Client]:
    """A client whose connections close with the context; it costs nothing until it is used.

    `public` judges addresses for requests that reach public ones only, `resolve` looks names up in
    place of the system.
    """
    async with AsyncExitStack() as stack:
        yield Client(stack, public, resolve)


@asynccontextmanager
async def _make_session(
    allowed: Allowed | None, resolve: Resolve | None
) -> AsyncGenerator[aiohttp.ClientSession]:
    import aiohttp

    from docker_agent.registry.guard import guarded_connector

    session = aiohttp.ClientSession(
        connector=guarded_connector(allowed, resolve),
        timeout=aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_TIMEOUT, sock_read=TIMEOUT),
        cookie_jar=aiohttp.DummyCookieJar(),
        auto_decompress=False,
        headers={"User-Agent": USER_AGENT, "Accept-Encoding": "identity"},
    )
    try:
        yield session
    finally:
        async with asyncio.timeout(_CLOSE_TIMEOUT):
            await session.close()


def _import_client() -> None:
    """In a thread, since it takes a third of a second and a server may be answering meanwhile."""
    importlib.import_module("docker_agent.registry.guard")


def _is_loopback(address: str) -> bool:
    found = ip_address(address)
    return found is not None and found.is_loopback


async def _read(response: aiohttp.ClientResponse, limit: int) -> bytes:
    taken = bytearray()
    while piece := await response.content.readany():
        taken += piece
        if len(taken) > limit:
            response.close()
            raise RemoteError(f"the answer is larger than {limit} bytes")
    return bytes(taken)
