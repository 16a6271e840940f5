"""The HTTP client of tools: one exchange at a time, over aiohttp, to public addresses only.

Imported when the first request is made.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import aiohttp
import msgspec
from yarl import URL

from docker_agent import __version__
from docker_agent.errors import ToolError
from docker_agent.registry.guard import Allowed, Resolve, guarded_connector, proxy_for, what_failed
from docker_agent.sse import EVENT_STREAM
from docker_agent.tools.web_unpack import ACCEPTED, Unpacker

if TYPE_CHECKING:
    from docker_agent.tools.web import Hear

USER_AGENT = f"docker-agent-python/{__version__}"


class Reply(msgspec.Struct, frozen=True):
    """An answer: `body` unpacked, `cut` when there was more of it; names of `headers` in lower
    case. `broken` says why a stream of events that was heard came to no proper end."""

    url: str
    status: int
    reason: str
    headers: Mapping[str, str]
    body: bytes
    cut: bool = False
    broken: str = ""

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
            connector=guarded_connector(allowed, resolve),
            timeout=aiohttp.ClientTimeout(total=None),
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            headers={"User-Agent": USER_AGENT},
        )

    async def close(self) -> None:
        """Close all connections."""
        await self._session.close()

    async def exchange(
        self,
        method: str,
        url: URL,
        headers: Mapping[str, str],
        body: bytes | None,
        limit: int,
        events: Hear | None = None,
    ) -> Reply:
        """One request and at most `limit` bytes of its answer, which `events` hears if it is a
        stream of them. Raises `ToolError`."""
        try:
            async with self._session.request(
                method,
                url,
                headers={**headers, "Accept-Encoding": ACCEPTED},
                data=body,
                skip_auto_headers=["Content-Type"],
                allow_redirects=False,
                proxy=None if self._guarded else proxy_for(url),
            ) as response:
                taken, cut, broken = b"", False, ""
                if events and response.status == 200 and response.content_type == EVENT_STREAM:
                    try:
                        cut = await _heard(response, limit, events)
                    except aiohttp.ClientError as exc:
                        broken = what_failed(exc, str(url.host))
                else:
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
                    broken,
                )
        except (aiohttp.ClientError, OSError, ValueError) as exc:
            raise ToolError(what_failed(exc, str(url.host))) from exc


async def _read(response: aiohttp.ClientResponse, limit: int) -> tuple[bytes, bool]:
    """The body up to `limit` bytes, and whether there was more."""
    taken = bytearray()

    async def take(piece: bytes) -> None:
        taken.extend(piece)

    cut = await _heard(response, limit, take)
    return bytes(taken), cut


async def _heard(response: aiohttp.ClientResponse, limit: int, hear: Hear) -> bool:
    """Have the first `limit` bytes of the body heard; whether there was more."""
    unpacker = Unpacker(response.headers.get("Content-Encoding", ""))
    arrived = unpacked = 0
    while piece := await response.content.readany():
        arrived += len(piece)
        room = limit - unpacked
        found = unpacker.feed(piece, room + 1)
        unpacked += len(found)
        if found[:room]:
            await hear(found[:room])
        if unpacked > limit or arrived > limit:
            return True
    return False
