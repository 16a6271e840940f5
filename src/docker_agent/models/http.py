"""The one HTTP client of the models: POST a body, read the answer as it comes.

A narrow port over our own connections, which measured at a third of aiohttp's cost per request;
behind a proxy aiohttp does the work (docs/explanation/the-road-of-a-token.md).
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
import ssl
import urllib.request
from collections.abc import AsyncGenerator, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from urllib.parse import SplitResult, unquote, urlsplit

import aiohappyeyeballs

from docker_agent import __version__
from docker_agent.models.connection import Connection
from docker_agent.models.errors import HttpError
from docker_agent.models.http_port import Http, Response

CONNECT_TIMEOUT = 30.0
"""Seconds to reach a provider, TLS included."""

IDLE_TIMEOUT = 300.0
"""Seconds without a byte from a provider before its stream counts as stalled (runtime.md §3.8)."""

UNIX = "http+unix"
"""The scheme of addresses whose host is the percent-encoded path of a socket."""

READ_SIZE = 64 * 1024
"""Bytes one read of a socket brings at most."""

KEPT_IDLE = 60.0
"""Seconds an unused connection is kept."""

HAPPY_EYEBALLS_DELAY = 0.25
"""Seconds before the next address of a host is tried beside the first (RFC 8305)."""

USER_AGENT = f"docker-agent-python/{__version__}"


_OF_DOCKER = ".docker.internal"
"""Names that Docker gives to this machine."""


@asynccontextmanager
async def open_http(
    *, idle_timeout: float = IDLE_TIMEOUT, kept_idle: float = KEPT_IDLE
) -> AsyncGenerator[Http]:
    """A client with as many connections as there are requests; the environment's proxies count.

    `idle_timeout` is seconds without a byte of an answer, `kept_idle` seconds an unused connection
    waits for the next request.
    """
    async with AsyncExitStack() as stack:
        client = HttpClient(stack, idle_timeout, kept_idle)
        try:
            yield client
        finally:
            client.close()


class _Host:
    """Where requests to one scheme, host and port go, and the connections that wait for more.

    `http+unix://%2Fpath%2Fto.sock/…` is HTTP over the socket of that path (`socket_path`).
    """

    def __init__(self, parts: SplitResult) -> None:
        unix = parts.scheme == UNIX
        if parts.scheme not in ("http", "https", UNIX) or not parts.hostname:
            raise HttpError("the address is not an http(s) URL", transient=False)
        self.name = parts.hostname
        self.socket_path = unquote(parts.netloc) if unix else ""
        self.idle: list[Connection] = []
        if unix:
            self.port, self.tls, self.header, self.proxied = 0, False, "localhost", False
            return
        try:
            port = parts.port
        except ValueError as exc:
            raise HttpError("the address has no valid port", transient=False) from exc
        self.port = port or (443 if parts.scheme == "https" else 80)
        self.tls = parts.scheme == "https"
        self.header = parts.netloc.rpartition("@")[2]
        self.proxied = _has_proxy(parts.scheme, parts.hostname)


class _Target:
    """A URL, split once, and the head of the last POST to it: a model's headers seldom change."""

    def __init__(self, host: _Host, parts: SplitResult) -> None:
        self.host = host
        path = parts.path or "/"
        self._path = f"{path}?{parts.query}" if parts.query else path
        self._headers: dict[str, str] | None = None
        self._posted = b""

    def head(self, headers: Mapping[str, str], body: bytes | None) -> bytes:
        """The head of a request; a `body` of None makes it a GET. Raises `HttpError`."""
        if body is None:
            return self._lines("GET", headers) + b"\r\n"
        if headers != self._headers:
            self._posted = self._lines("POST", headers)
            self._headers = dict(headers)
        return b"%bContent-Length: %d\r\n\r\n" % (self._posted, len(body))

    def _lines(self, method: str, headers: Mapping[str, str]) -> bytes:
        lines = [f"{method} {self._path} HTTP/1.1", f"Host: {self.host.header}"]
        for name, value in headers.items():
            if "\n" in value or "\r" in value or "\n" in name or "\r" in name:
                raise HttpError(f"the header {name!r} holds a line break", transient=False)
            lines.append(f"{name}: {value}")
        lines.append(f"User-Agent: {USER_AGENT}\r\nAccept: */*\r\nAccept-Encoding: identity\r\n")
        try:
            return "\r\n".join(lines).encode("latin-1")
        except UnicodeEncodeError as exc:
            raise HttpError("a header holds characters HTTP cannot carry", transient=False) from exc


class HttpClient:
    """`Http` over connections of our own, and aiohttp where a proxy stands between."""

    def __init__(self, stack: AsyncExitStack, idle_timeout: float, kept_idle: float) -> None:
        self._stack = stack
        self._idle_timeout = idle_timeout
        self._kept_idle = kept_idle
        self._sweep: asyncio.TimerHandle | None = None
        self._loop = asyncio.get_running_loop()
        self._targets: dict[str, _Target] = {}
        self._hosts: dict[tuple[str, str], _Host] = {}
        self._open: set[Connection] = set()
        self._tls: ssl.SSLContext | None = None
        self._by_proxy: Http | None = None
        self._buffer = memoryview(bytearray(READ_SIZE))

    def post(
        self, url: str, headers: Mapping[str, str], body: bytes
    ) -> AbstractAsyncContextManager[Response]:
        target = self._targets.get(url) or self._target(url)
        if target.host.proxied:
            return self._through_proxy(url, headers, body)
        return _Exchange(self, target, headers, body)

    def get(self, url: str, headers: Mapping[str, str]) -> AbstractAsyncContextManager[Response]:
        target = self._targets.get(url) or self._target(url)
        if target.host.proxied:
            return self._through_proxy(url, headers, None)
        return _Exchange(self, target, headers, None)

    def close(self) -> None:
        """Drop every connection."""
        if self._sweep is not None:
            self._sweep.cancel()
        for connection in list(self._open):
            connection.close()

    def _target(self, url: str) -> _Target:
        try:
            parts = urlsplit(url)
        except ValueError as exc:
            raise HttpError("the address is not a valid URL", transient=False) from exc
        host = self._hosts.get((parts.scheme, parts.netloc))
        if host is None:
            host = self._hosts[parts.scheme, parts.netloc] = _Host(parts)
        target = self._targets[url] = _Target(host, parts)
        return target

    @asynccontextmanager
    async def _through_proxy(
        self, url: str, headers: Mapping[str, str], body: bytes | None
    ) -> AsyncGenerator[Response]:
        if self._by_proxy is None:
            from docker_agent.models.proxied import open_proxied

            self._by_proxy = await self._stack.enter_async_context(
                open_proxied(CONNECT_TIMEOUT, self._idle_timeout)
            )
        exchange = (
            self._by_proxy.get(url, headers)
            if body is None
            else self._by_proxy.post(url, headers, body)
        )
        async with exchange as response:
            yield response

    def reuse(self, host: _Host) -> Connection | None:
        """A connection that waits for a request; those that waited too long are dropped."""
        oldest = self._loop.time() - self._kept_idle
        while host.idle:
            connection = host.idle.pop()
            if connection.is_open and connection.idle_since > oldest:
                return connection
            connection.close()
        return None

    def release(self, host: _Host, connection: Connection) -> None:
        """Keep a connection for the next request, or drop it when it cannot carry one."""
        if not (connection.at_end() and connection.reusable and connection.is_open):
            connection.close()
            return
        connection.rest()
        host.idle.append(connection)
        if self._sweep is None:
            self._sweep = self._loop.call_later(self._kept_idle, self._drop_unused)

    def _drop_unused(self) -> None:
        """Let go of what waited too long: after a burst nobody may come to use it."""
        oldest = self._loop.time() - self._kept_idle
        waiting = False
        for host in self._hosts.values():
            unused = [one for one in host.idle if one.idle_since <= oldest]
            host.idle[:] = [one for one in host.idle if one.idle_since > oldest]
            waiting = waiting or bool(host.idle)
            for connection in unused:
                connection.close()
        later = self._loop.call_later(self._kept_idle, self._drop_unused) if waiting else None
        self._sweep = later

    async def connect(self, host: _Host) -> Connection:
        """A new connection. Raises `HttpError`."""

        def lost(connection: Connection) -> None:
            self._open.discard(connection)
            if connection in host.idle:
                host.idle.remove(connection)

        try:
            async with asyncio.timeout(CONNECT_TIMEOUT):
                if host.socket_path:
                    _, connection = await self._loop.create_unix_connection(
                        lambda: Connection(self._loop, self._buffer, self._idle_timeout, lost),
                        host.socket_path,
                    )
                    self._open.add(connection)
                    return connection
                tls = await self._tls_context() if host.tls else None
                addresses = await self._loop.getaddrinfo(
                    host.name, host.port, type=socket.SOCK_STREAM
                )
                found = await aiohappyeyeballs.start_connection(  # pyright: ignore[reportUnknownMemberType] - untyped addresses
                    addresses, happy_eyeballs_delay=HAPPY_EYEBALLS_DELAY, loop=self._loop
                )
                found.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                _, connection = await self._loop.create_connection(
                    lambda: Connection(self._loop, self._buffer, self._idle_timeout, lost),
                    sock=found,
                    ssl=tls,
                    server_hostname=host.name if host.tls else None,
                )
        except TimeoutError as exc:
            raise HttpError("could not connect in time", transient=True) from exc
        except ssl.SSLError as exc:
            raise HttpError("the TLS connection could not be made", transient=False) from exc
        except OSError as exc:
            raise HttpError(_reason(exc), transient=True) from exc
        except UnicodeError as exc:
            raise HttpError("the address has no valid host name", transient=False) from exc
        self._open.add(connection)
        return connection

    async def _tls_context(self) -> ssl.SSLContext:
        if self._tls is None:
            self._tls = await asyncio.to_thread(ssl.create_default_context)
        return self._tls


class _Exchange:
    """One request and its answer, as a context. A `body` of None makes it a GET."""

    __slots__ = ("_body", "_client", "_connection", "_headers", "_target")

    def __init__(
        self, client: HttpClient, target: _Target, headers: Mapping[str, str], body: bytes | None
    ) -> None:
        self._client = client
        self._target = target
        self._headers = headers
        self._body = body
        self._connection: Connection | None = None

    async def __aenter__(self) -> Response:
        host = self._target.host
        head = self._target.head(self._headers, self._body)
        connection = self._client.reuse(host)
        if connection is not None:
            try:
                return await self._send(connection, head)
            except HttpError as exc:
                # The peer closed a kept connection while our request was on its way: no byte of an
                # answer came, so it has not been read, and a new connection may carry it.
                if connection.answered or exc.stalled:
                    raise
        return await self._send(await self._client.connect(host), head)

    async def __aexit__(self, *exc: object) -> None:
        if self._connection is not None:
            self._client.release(self._target.host, self._connection)

    async def _send(self, connection: Connection, head: bytes) -> Response:
        try:
            await connection.send(head, self._body or b"")
        except BaseException:
            connection.close()
            raise
        self._connection = connection
        return connection


def is_proxied(url: str) -> bool:
    """Whether the environment wants a proxy between us and an address."""
    parts = urlsplit(url)
    return _has_proxy(parts.scheme, parts.hostname or "")


def _has_proxy(scheme: str, host: str) -> bool:
    """Whether the environment wants a proxy for this host; this machine itself never has one."""
    if _is_loopback(host) or host.endswith(_OF_DOCKER):
        return False
    proxies = urllib.request.getproxies()
    if not (proxies.get(scheme) or proxies.get("all")):
        return False
    return not urllib.request.proxy_bypass(host)


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def _reason(exc: OSError) -> str:
    if isinstance(exc, ConnectionRefusedError):
        return "the connection was refused"
    if type(exc).__name__ == "gaierror":
        return "the host name was not found"
    return "the host is unreachable"
