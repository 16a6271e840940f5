"""The Responses API over a websocket that stays open: a question is one message, each event of its
answer another. To the rest of the house it is `Http`; what cannot be asked so is asked over HTTP.

Source: agent-file.md §3.7, `transport`; wire:
https://platform.openai.com/docs/guides/websocket-mode.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass

import aiohttp
import anyio
import msgspec

from docker_agent.messages import JSON, UNREADABLE
from docker_agent.models.errors import HttpError
from docker_agent.models.http import CONNECT_TIMEOUT, IDLE_TIMEOUT, USER_AGENT
from docker_agent.models.http_port import Http, Response
from docker_agent.sse import MAX_EVENT

log = logging.getLogger(__name__)

MAX_AGE = 55 * 60.0
"""Seconds a connection is used; the provider ends it after an hour."""
KEPT_IDLE = 300.0
"""Seconds a connection waits for the next question."""
CLOSE_TIMEOUT = 0.5
"""Seconds the peer has to say goodbye."""
PAUSE = 60.0
"""Seconds for which HTTP is used after a websocket could not be opened."""

_LAST = ("response.completed", "response.incomplete", "response.failed", "error")


class _Event(msgspec.Struct):
    """As much of an event as says what comes of it. `status` and `headers` are those of a refusal,
    which over HTTP would stand before the answer."""

    type: str = ""
    status: int = 0
    error: JSON = None
    headers: Mapping[str, JSON] = {}


_decode_event = msgspec.json.Decoder(_Event).decode
_decode_body = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


@asynccontextmanager
async def open_socketed(
    http: Http, *, idle_timeout: float = IDLE_TIMEOUT, now: Callable[[], float] = time.monotonic
) -> AsyncGenerator[Socketed]:
    """A client that asks over websockets where it can, else over `http`; `idle_timeout` is seconds
    without an event."""
    session = aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0),
        timeout=aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_TIMEOUT),
        cookie_jar=aiohttp.DummyCookieJar(),
    )
    async with session:
        client = Socketed(http, session, idle_timeout, now)
        try:
            yield client
        finally:
            await client.close()


@dataclass(slots=True)
class _Socket:
    """An open connection; times are those of the client's clock."""

    socket: aiohttp.ClientWebSocketResponse
    opened: float
    idle_since: float = 0.0

    async def close(self) -> None:
        with anyio.move_on_after(2 * CLOSE_TIMEOUT, shield=True):
            await self.socket.close()


class Socketed:
    """`Http` whose posts go over websockets, one question at a time over each. All of them go to
    the same address with the same headers, as those of one model do."""

    def __init__(
        self,
        http: Http,
        session: aiohttp.ClientSession,
        idle_timeout: float,
        now: Callable[[], float],
    ) -> None:
        self._http = http
        self._session = session
        self._idle_timeout = idle_timeout
        self._now = now
        self._idle: list[_Socket] = []
        self._paused_until = 0.0

    def get(self, url: str, headers: Mapping[str, str]) -> AbstractAsyncContextManager[Response]:
        return self._http.get(url, headers)

    @asynccontextmanager
    async def post(
        self, url: str, headers: Mapping[str, str], body: bytes
    ) -> AsyncGenerator[Response]:
        found = None
        if self._now() >= self._paused_until:
            try:
                found = await self._ask(url, headers, _message(body))
            except HttpError as exc:
                if exc.stalled:
                    raise
                self._paused_until = self._now() + PAUSE
                log.warning("a websocket to the model failed (%s); HTTP is used instead", exc)
        if found is None:
            async with self._http.post(url, headers, body) as response:
                yield response
            return
        socket, answer = found
        try:
            yield answer
        finally:
            if answer.reusable:
                socket.idle_since = self._now()
                self._idle.append(socket)
            else:
                await socket.close()

    async def _ask(
        self, url: str, headers: Mapping[str, str], message: str
    ) -> tuple[_Socket, _Answer]:
        """The connection, and the answer as far as its first event. Raises `HttpError`."""
        while (socket := await self._kept()) is not None:
            try:
                return socket, await self._begin(socket, message)
            except HttpError as exc:
                # The peer ended a kept connection; no event came, so a new one may carry it.
                if exc.stalled:
                    raise
        socket = await self._connect(url, headers)
        return socket, await self._begin(socket, message)

    async def _kept(self) -> _Socket | None:
        now = self._now()
        while self._idle:
            socket = self._idle.pop()
            young = now - socket.opened < MAX_AGE and now - socket.idle_since < KEPT_IDLE
            if young and not socket.socket.closed:
                return socket
            await socket.close()
        return None

    async def _connect(self, url: str, headers: Mapping[str, str]) -> _Socket:
        asked = {name: value for name, value in headers.items() if name.lower() != "content-type"}
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT):
                socket = await self._session.ws_connect(
                    f"ws{url.removeprefix('http')}",
                    headers={"User-Agent": USER_AGENT, **asked},
                    max_msg_size=MAX_EVENT,
                    timeout=aiohttp.ClientWSTimeout(ws_close=CLOSE_TIMEOUT),  # pyright: ignore[reportCallIssue] - made by attrs, unseen
                )
        except aiohttp.WSServerHandshakeError as exc:
            raise HttpError(f"it was refused with HTTP {exc.status}", transient=True) from exc
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as exc:
            raise HttpError("it could not be opened", transient=True) from exc
        return _Socket(socket, self._now())

    async def _begin(self, socket: _Socket, message: str) -> _Answer:
        answer = _Answer(socket.socket, self._idle_timeout)
        try:
            await socket.socket.send_str(message)
            await answer.begin()
        except (aiohttp.ClientError, OSError) as exc:
            await socket.close()
            raise HttpError("the connection broke", transient=True) from exc
        except BaseException:
            await socket.close()
            raise
        return answer

    async def close(self) -> None:
        """Say goodbye to those that wait."""
        sockets, self._idle = self._idle, []
        await asyncio.gather(*(socket.close() for socket in sockets))


def _message(body: bytes) -> str:
    """A body as the message that asks the same: always in a stream, which is not said."""
    fields = _decode_body(body)
    fields.pop("stream", None)
    return msgspec.json.encode({"type": "response.create", **fields}).decode()


class _Answer:
    """A `Response` made of a connection's events: a refusal has its status and its body, all else
    is a stream of server-sent events. `reusable`: another question may follow."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse, idle_timeout: float) -> None:
        self._socket = socket
        self._idle_timeout = idle_timeout
        self._first = b""
        self._ended = False
        self.reusable = False
        self.status = 200
        self.headers: Mapping[str, str] = {"content-type": "text/event-stream"}

    async def begin(self) -> None:
        """Wait for the first event, which may be a refusal."""
        piece, event = await self._receive()
        if event.type == "error" and event.status >= 300:
            self.status = event.status
            told = {name.lower(): str(value) for name, value in event.headers.items()}
            self.headers = {**told, "content-type": "application/json"}
            piece = msgspec.json.encode({"error": event.error})
        self._first = piece

    async def read(self) -> bytes:
        if self._first:
            piece, self._first = self._first, b""
            return piece
        if self._ended:
            return b""
        return (await self._receive())[0]

    def at_end(self) -> bool:
        return self._ended and not self._first

    async def _receive(self) -> tuple[bytes, _Event]:
        """The next event, as a server-sent one and as far as it is read here."""
        try:
            async with asyncio.timeout(self._idle_timeout):
                message = await self._socket.receive()
        except TimeoutError as exc:
            raise HttpError(
                "no data received from upstream", transient=False, stalled=True
            ) from exc
        if message.type is not aiohttp.WSMsgType.TEXT:
            too_long = self._socket.close_code == aiohttp.WSCloseCode.MESSAGE_TOO_BIG
            broke = "the connection broke before the answer was complete"
            raise HttpError(
                "it sent an event without end" if too_long else broke, transient=not too_long
            )
        data: bytes = message.data.encode()
        try:
            event = _decode_event(data)
        except UNREADABLE:
            event = _Event()
        self._ended = event.type in _LAST
        self.reusable = self._ended and event.type != "error"
        return b"data: " + data.replace(b"\n", b" ") + b"\n\n", event
