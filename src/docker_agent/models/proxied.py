"""`Http` through the environment's proxies, over aiohttp; imported when there is one."""

from __future__ import annotations

import urllib.request
from collections.abc import AsyncGenerator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import aiohttp
from yarl import URL

from docker_agent.models.errors import HttpError
from docker_agent.models.http_port import Response


@asynccontextmanager
async def open_proxied(connect_timeout: float, idle_timeout: float) -> AsyncGenerator[Proxied]:
    """A client with as many connections as there are requests; times are seconds."""
    session = aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0),
        timeout=aiohttp.ClientTimeout(
            total=None, sock_connect=connect_timeout, sock_read=idle_timeout
        ),
        trust_env=True,
        headers={"Accept-Encoding": "identity"},
        cookie_jar=aiohttp.DummyCookieJar(),
    )
    async with session:
        yield Proxied(session)


class Proxied:
    """`Http` over one aiohttp session."""

    def __init__(self, session: aiohttp.ClientSession) -> None:
        self._session = session

    def post(
        self, url: str, headers: Mapping[str, str], body: bytes
    ) -> AbstractAsyncContextManager[Response]:
        return _Exchange(self._session, "POST", url, headers, body)

    def get(self, url: str, headers: Mapping[str, str]) -> AbstractAsyncContextManager[Response]:
        return _Exchange(self._session, "GET", url, headers, None)


class _Exchange:
    """One exchange, as a context."""

    def __init__(
        self,
        session: aiohttp.ClientSession,
        method: str,
        url: str,
        headers: Mapping[str, str],
        body: bytes | None,
    ) -> None:
        self._request = session.request(
            method,
            # An address that is escaped already stays as it is: signatures are made over it.
            URL(url, encoded="%" in url),
            data=body,
            headers=headers,
            allow_redirects=False,
            proxy=_general_proxy(url),
        )
        self._response: aiohttp.ClientResponse | None = None

    async def __aenter__(self) -> Response:
        try:
            self._response = await self._request
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as exc:
            raise _failed(exc) from exc
        return _Answer(self._response)

    async def __aexit__(self, *exc: object) -> None:
        response = self._response
        if response is None:
            return
        if response.content.at_eof():
            response.release()
        else:
            response.close()


class _Answer:
    """A `Response` over aiohttp's."""

    def __init__(self, response: aiohttp.ClientResponse) -> None:
        self.status: int = response.status
        self.headers: Mapping[str, str] = {k.lower(): v for k, v in response.headers.items()}
        self._content = response.content

    async def read(self) -> bytes:
        try:
            return await self._content.readany()
        except (aiohttp.ClientError, TimeoutError, OSError) as exc:
            raise _failed(exc) from exc

    def at_end(self) -> bool:
        return self._content.at_eof()


def _general_proxy(url: str) -> str | None:
    """`ALL_PROXY`, which aiohttp does not know, when no proxy is set for the address's scheme.

    Raises `HttpError` for a proxy of another kind.
    """
    proxies = urllib.request.getproxies()
    general = proxies.get("all")
    if proxies.get(url.partition(":")[0]) or not general:
        return None
    if "://" not in general:
        return f"http://{general}"
    if not general.startswith("http://"):
        raise HttpError("ALL_PROXY is no http:// address", transient=False)
    return general


def _failed(exc: Exception) -> HttpError:
    match exc:
        case aiohttp.ConnectionTimeoutError():
            return HttpError("could not connect in time", transient=True)
        case TimeoutError():
            return HttpError("no data received from upstream", transient=False, stalled=True)
        case aiohttp.ClientConnectorCertificateError() | aiohttp.ClientConnectorSSLError():
            return HttpError("the TLS connection could not be made", transient=False)
        case aiohttp.ClientHttpProxyError():
            return HttpError(f"the proxy refused the connection ({exc.status})", transient=False)
        case aiohttp.ClientPayloadError() | aiohttp.ServerDisconnectedError():
            return HttpError("the connection broke before the answer was complete", transient=True)
        case aiohttp.ClientConnectorError():
            return HttpError(
                "the connection was refused or the host is unreachable", transient=True
            )
        case aiohttp.InvalidURL():
            return HttpError("the address is not a valid URL", transient=False)
        case ValueError():
            return HttpError("it cannot be sent through the environment's proxy", transient=False)
        case _:
            return HttpError("the connection failed", transient=True)
