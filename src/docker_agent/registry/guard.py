"""Connections of our HTTP clients: each address judged at the moment a socket is made for it, and
the environment's proxies.

Imported when the first request is made, for it needs aiohttp.
"""

from __future__ import annotations

import asyncio
import socket
import urllib.request
from collections.abc import Awaitable, Callable, Sequence

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

from docker_agent.addresses import ip_address

Resolve = Callable[[str, int], Awaitable[Sequence[str]]]
"""The IP addresses of a host and port, as text; raises `OSError` when there are none."""

Allowed = Callable[[str], bool]
"""Whether an IP address may be connected to."""

_AddressInfo = tuple[int, int, int, str, tuple[object, ...]]


class NotPublicError(OSError):
    """An address that must not be connected to."""


def guarded_connector(allowed: Allowed | None, resolve: Resolve | None) -> aiohttp.TCPConnector:
    """Connects to addresses that are `allowed` only, None meaning all: names are looked up here,
    by `resolve` in place of the system, and each address is judged once more when its socket is
    made."""
    return aiohttp.TCPConnector(
        limit=0,
        resolver=_Resolver(resolve or _system_resolve, allowed),
        socket_factory=None if allowed is None else _sockets(allowed),
    )


def proxy_for(url: URL) -> str | None:
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


def speaks_no_tls(exc: Exception) -> bool:
    """Whether TLS was tried, and what answered does not know it; an untrusted certificate is
    TLS."""
    return isinstance(exc, aiohttp.ClientConnectorSSLError)


def what_failed(exc: Exception, host: str) -> str:
    """What went wrong with a request, in words; an address is named by its host alone."""
    match exc:
        case aiohttp.ClientConnectorError(os_error=NotPublicError() as refused):
            return f"{refused}, and only public addresses may be reached"
        case aiohttp.ClientConnectorDNSError():
            return f"the host {host} is not known"
        case aiohttp.ClientConnectorCertificateError() | aiohttp.ClientConnectorSSLError():
            return f"no TLS connection to {host}: its certificate or protocol does not do"
        case aiohttp.ClientHttpProxyError():
            return f"the proxy refused the connection ({exc.status})"
        case TimeoutError():
            return f"{host} did not answer in time"
        case aiohttp.ClientPayloadError() | aiohttp.ServerDisconnectedError():
            return "the connection broke before the answer was complete"
        case aiohttp.ClientConnectorError():
            return f"{host} refused the connection or cannot be reached"
        case aiohttp.ClientResponseError():
            return "what answered does not speak HTTP as it should"
        case aiohttp.ClientError() | OSError():
            return "the connection failed"
        case _:
            return str(exc) or "the request cannot be sent"


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
                raise NotPublicError(f"{host} leads to an address that is not public")
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
            raise NotPublicError(f"{address[0]} is not a public address")
        return socket.socket(family=family, type=kind, proto=proto)

    return make
