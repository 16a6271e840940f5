"""The HTTP client of tools: one exchange at a time, over aiohttp, to public addresses only.

Imported when the first request is made.
"""

from __future__ import annotations

import asyncio
import socket
import urllib.request
from collections.abc import Awaitable, Callable, Mapping, Sequence

import aiohttp
import msgspec
from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

from docker_agent import __version__
from docker_agent.errors import ToolError
from docker_agent.tools.addresses import ip_address
from docker_agent.tools.web_unpack import ACCEPTED, Unpacker

USER_AGENT = f"docker-agent-python/{__version__}"

Resolve = Callable[[str, int], Awaitable[Sequence[str]]]
"""The IP addresses of a host and port, as text; raises `OSError` when there are none."""

Allowed = Callable[[str], bool]
"""Whether an IP address may be connected to."""


_AddressInfo = tuple[int, int, int, str, tuple[object, ...]]


class Reply(msgspec.Struct, frozen=True):
    """An answer: `body` unpacked, `cut` when there was more of it; names of `headers` in lower
    case."""

    url: str
    status: int
    reason: str
    headers: Mapping[str, str]
    body: bytes
    cut: bool = False

    @property
    def content_type(self) -> str:
        """The header of that name; empty when there is none."""
        return self.headers.get("content-type", "")


class Session:
    """Sends requests without following redirects, keeping cookies or reading `.netrc`.

    With `allowed` it connects to such addresses only: names are looked up here, and each address
    is judged once more at the moment a socket is made for it. The environment's proxies are then
    left out, for a proxy would look names up itself; without `allowed` they count.
    """

    def __init__(self, allowed: Allowed | None, resolve: Resolve | None) -> None:
        self._guarded = allowed is not None
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                limit=0,
                resolver=_Resolver(resolve or _system_resolve, allowed),
                socket_factory=None if allowed is None else _sockets(allowed),
            ),
            timeout=aiohttp.ClientTimeout(total=None),
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            headers={"User-Agent": USER_AGENT},
        )

    async def close(self) -> None:
        """Close all connections."""
        await self._session.close()

    async def exchange(
        self, method: str, url: URL, headers: Mapping[str, str], body: bytes | None, limit: int
    ) -> Reply:
        """One request and at most `limit` bytes of its answer. Raises `ToolError`."""
        try:
            async with self._session.request(
                method,
                url,
                headers={**headers, "Accept-Encoding": ACCEPTED},
                data=body,
                skip_auto_headers=["Content-Type"],
                allow_redirects=False,
                proxy=None if self._guarded else _proxy(url),
            ) as response:
                taken, cut = await _read(response, limit)
                if cut:
                    response.close()
                return Reply(
                    str(url),
                    response.status,
                    response.reason or "",
                    {name.lower(): value for name, value in response.headers.items()},
                    taken,
                    cut,
                )
        except (aiohttp.ClientError, OSError, ValueError) as exc:
            raise ToolError(_failure(exc, url)) from exc


class _NotPublicError(OSError):
    """An address that must not be connected to."""


class _Resolver(AbstractResolver):
    """Looks names up and answers with addresses that are allowed."""

    def __init__(self, resolve: Resolve, allowed: Allowed | None) -> None:
        self._resolve = resolve
        self._allowed = allowed

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        addresses = await self._resolve(host, port)
        if self._allowed is not None:
            found = [address for address in addresses if self._allowed(address)]
            if addresses and not found:
                raise _NotPublicError(f"{host} leads to an address that is not public")
            addresses = found
        return [_result(host, port, address) for address in addresses]

    async def close(self) -> None:
        """Nothing is held."""


def _result(host: str, port: int, address: str) -> ResolveResult:
    return ResolveResult(
        hostname=host,
        host=address,
        port=port,
        family=socket.AF_INET6 if ":" in address else socket.AF_INET,
        proto=0,
        flags=socket.AI_NUMERICHOST,
    )


async def _system_resolve(host: str, port: int) -> Sequence[str]:
    found = await asyncio.get_running_loop().getaddrinfo(
        host, port, type=socket.SOCK_STREAM, flags=socket.AI_ADDRCONFIG
    )
    return [str(entry[4][0]) for entry in found]


def _sockets(allowed: Allowed) -> Callable[[_AddressInfo], socket.socket]:
    """Makes a socket for one address, the last moment before it is connected."""

    def make(info: _AddressInfo) -> socket.socket:
        family, kind, proto, _, address = info
        if not allowed(str(address[0])):
            raise _NotPublicError(f"{address[0]} is not a public address")
        return socket.socket(family=family, type=kind, proto=proto)

    return make


def _proxy(url: URL) -> str | None:
    """The environment's proxy for an address; this machine itself never has one."""
    host = url.raw_host or ""
    address = ip_address(host)
    if host == "localhost" or (address is not None and address.is_loopback):
        return None
    proxies = urllib.request.getproxies()
    proxy = proxies.get(url.scheme) or proxies.get("all")
    if not proxy or urllib.request.proxy_bypass(host):
        return None
    return proxy if "://" in proxy else f"http://{proxy}"


async def _read(response: aiohttp.ClientResponse, limit: int) -> tuple[bytes, bool]:
    """The body up to `limit` bytes, and whether there was more."""
    unpacker = Unpacker(response.headers.get("Content-Encoding", ""))
    taken = bytearray()
    arrived = 0
    while piece := await response.content.readany():
        arrived += len(piece)
        taken += unpacker.feed(piece, limit + 1 - len(taken))
        if len(taken) > limit or arrived > limit:
            return bytes(taken[:limit]), True
    return bytes(taken), False


def _failure(exc: Exception, url: URL) -> str:
    """What went wrong, in words for a model."""
    match exc:
        case aiohttp.ClientConnectorError(os_error=_NotPublicError() as refused):
            return f"{refused}, and only public addresses may be reached"
        case aiohttp.ClientConnectorDNSError():
            return f"the host {url.host} is not known"
        case aiohttp.ClientConnectorCertificateError() | aiohttp.ClientConnectorSSLError():
            return f"no TLS connection to {url.host}: its certificate or protocol does not do"
        case aiohttp.ClientHttpProxyError():
            return f"the proxy refused the connection ({exc.status})"
        case aiohttp.ClientPayloadError() | aiohttp.ServerDisconnectedError():
            return "the connection broke before the answer was complete"
        case aiohttp.ClientConnectorError():
            return f"{url.host} refused the connection or cannot be reached"
        case aiohttp.ClientResponseError():
            return "what answered does not speak HTTP as it should"
        case aiohttp.ClientError() | OSError():
            return "the connection failed"
        case _:
            return str(exc) or "the request cannot be sent"
