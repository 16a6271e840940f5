"""The HTTP client of remote MCP servers: to public addresses only, answers bounded.

Imported with the SDK, when the first remote server is started.
"""

from __future__ import annotations

import asyncio
import socket
import urllib.request
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

import httpx2
import msgspec
from mcp.client.sse import sse_client
from mcp.client.streamable_http import streamable_http_client

from docker_agent import __version__
from docker_agent.addresses import ip_address, is_public, looks_like_number
from docker_agent.tools.mcp.limits import CONNECT_TIMEOUT, GOODBYE_SECONDS, MAX_MESSAGE
from docker_agent.tools.mcp.options import Address
from docker_agent.tools.mcp.session import Transport

USER_AGENT = f"docker-agent-python/{__version__}"
SESSION = "mcp-session-id"

Resolve = Callable[[str, int], Awaitable[Sequence[str]]]
"""The IP addresses of a host and port; raises `OSError` when there are none."""

Allowed = Callable[[str], bool]
"""Whether an IP address may be connected to."""


class Seen:
    """What a server's last answers were, which the SDK does not tell."""

    def __init__(self) -> None:
        self.status = 0
        self.challenge = ""
        self._forgotten = False

    async def note(self, response: httpx2.Response) -> None:
        """Look at the head of an answer."""
        request = response.request
        self.status = response.status_code
        if response.status_code == 401:
            self.challenge = response.headers.get("www-authenticate", "Bearer")
        elif response.status_code == 404 and request.method == "POST":
            self._forgotten = self._forgotten or SESSION in request.headers

    def forgotten(self) -> bool:
        """Whether the server has answered that it does not know the session."""
        return self._forgotten


class Guarded(httpx2.AsyncBaseTransport):
    """Connects to allowed addresses only, by whatever name or redirect they are asked for, and
    reads no more of an answer than a message may have.

    A name is looked up here, and the connection goes to the very address that was judged.
    """

    def __init__(
        self,
        inner: httpx2.AsyncBaseTransport,
        allowed: Allowed | None,
        resolve: Resolve | None = None,
    ) -> None:
        self._inner = inner
        self._allowed = allowed
        self._resolve = resolve or _system_resolve

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        response = await self._sent(request)
        if response.headers.get("content-encoding", "identity").lower() != "identity":
            await response.aclose()
            raise httpx2.DecodingError("the answer is packed, which was not asked for")
        if not response.headers.get("content-type", "").startswith("text/event-stream"):
            stream = response.stream
            assert isinstance(stream, httpx2.AsyncByteStream)
            response.stream = _Bounded(stream)
        return response

    async def aclose(self) -> None:
        await self._inner.aclose()

    async def _sent(self, request: httpx2.Request) -> httpx2.Response:
        if self._allowed is None:
            return await self._polite(request)
        host = request.url.host
        addresses = await self._addresses(host, request.url.port or _port(request.url.scheme))
        failure: httpx2.HTTPError | None = None
        for address in addresses:
            sent = httpx2.Request(
                request.method,
                request.url.copy_with(host=address),
                headers=request.headers,
                stream=request.stream,
                extensions={**request.extensions, "sni_hostname": host},
            )
            try:
                return await self._polite(sent)
            except httpx2.ConnectError as exc:
                failure = exc
        assert failure is not None
        raise failure

    async def _polite(self, request: httpx2.Request) -> httpx2.Response:
        """Send; nobody waits long for the answer to a goodbye."""
        if request.method != "DELETE":
            return await self._inner.handle_async_request(request)
        try:
            async with asyncio.timeout(GOODBYE_SECONDS):
                return await self._inner.handle_async_request(request)
        except TimeoutError as exc:
            raise httpx2.ReadTimeout("no answer to the end of the session") from exc

    async def _addresses(self, host: str, port: int) -> Sequence[str]:
        assert self._allowed is not None
        if looks_like_number(host):
            raise Refused(f"'{host}' is no host; write an IP address as in http://192.0.2.1/")
        literal = ip_address(host)
        try:
            found = [str(literal)] if literal else await self._resolve(host, port)
        except OSError as exc:
            raise httpx2.ConnectError(f"the host {host} is not known") from exc
        public = [address for address in found if self._allowed(address)]
        if not public:
            raise Refused(
                f"{host} is not at a public address, and only those may be reached; "
                "set 'allow_private_ips: true' if you mean it"
            )
        return public


class Refused(httpx2.RequestError):
    """An address that must not be connected to."""


class _Bounded(httpx2.AsyncByteStream):
    """A body of at most one message."""

    def __init__(self, inner: httpx2.AsyncByteStream) -> None:
        self._inner = inner

    async def __aiter__(self) -> AsyncIterator[bytes]:
        taken = 0
        async for piece in self._inner:
            taken += len(piece)
            if taken > MAX_MESSAGE:
                raise httpx2.ReadError(f"an answer of more than {MAX_MESSAGE} bytes")
            yield piece

    async def aclose(self) -> None:
        await self._inner.aclose()


class Way(msgspec.Struct, frozen=True):
    """How messages get to a remote server: where it is, what was seen of it, who signs in."""

    address: Address
    seen: Seen
    auth: httpx2.Auth | None = None
    resolve: Resolve | None = None
    public: Allowed = is_public


def client_of(way: Way) -> httpx2.AsyncClient:
    """A client for one server. The environment's proxies count where private addresses do, for a
    proxy looks names up itself."""
    address = way.address
    if address.socket:
        transport = Guarded(httpx2.AsyncHTTPTransport(uds=address.socket), None)
    elif address.private:
        proxy = _proxy(address.url)
        transport = Guarded(httpx2.AsyncHTTPTransport(proxy=proxy), None)
    else:
        transport = Guarded(httpx2.AsyncHTTPTransport(), way.public, way.resolve)
    return httpx2.AsyncClient(
        transport=transport,
        auth=way.auth,
        headers={"User-Agent": USER_AGENT, **address.headers, "Accept-Encoding": "identity"},
        timeout=httpx2.Timeout(CONNECT_TIMEOUT, read=None),
        event_hooks={"response": [way.seen.note]},
        trust_env=False,
    )


def open_streamable(way: Way) -> Transport:
    """Streamable HTTP."""

    @asynccontextmanager
    async def transport() -> AsyncGenerator[tuple[object, object]]:
        async with (
            client_of(way) as client,
            streamable_http_client(
                way.address.url, http_client=client, max_sse_event_size=MAX_MESSAGE
            ) as streams,
        ):
            yield streams

    return transport()


def open_sse(way: Way) -> Transport:
    """The older transport: one stream of events, and a POST for each message."""

    def client(
        headers: dict[str, str] | None = None,
        timeout: httpx2.Timeout | None = None,
        auth: httpx2.Auth | None = None,
    ) -> httpx2.AsyncClient:
        return client_of(way)

    return sse_client(way.address.url, httpx_client_factory=client)


def _proxy(url: str) -> str | None:
    """The environment's proxy for an address; this machine itself never has one."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    address = ip_address(host)
    if host == "localhost" or (address is not None and address.is_loopback):
        return None
    proxies = urllib.request.getproxies()
    proxy = proxies.get(parts.scheme) or proxies.get("all")
    if not proxy or urllib.request.proxy_bypass(host):
        return None
    return proxy if "://" in proxy else f"http://{proxy}"


def _port(scheme: str) -> int:
    return 443 if scheme == "https" else 80


async def _system_resolve(host: str, port: int) -> Sequence[str]:
    found = await asyncio.get_running_loop().getaddrinfo(
        host, port, type=socket.SOCK_STREAM, flags=socket.AI_ADDRCONFIG
    )
    return [str(entry[4][0]) for entry in found]
