"""Messages to and from one language server: requests with their answers, notifications, and what
the server asks back.

The packages that know the whole protocol (`pygls`, `lsprotocol`) take a quarter of a second to
import, and one of them owns the process; what is used of it here is little.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import deque
from collections.abc import Mapping
from typing import Protocol, TypeVar

import anyio
import msgspec
from anyio.abc import TaskGroup

from docker_agent.errors import ToolError
from docker_agent.messages import JSON, UNREADABLE
from docker_agent.tools.child import Child
from docker_agent.tools.life import MAX_TOLD
from docker_agent.tools.lsp.frames import Frames, Malformed, framed
from docker_agent.tools.lsp.limits import (
    MAX_ASKED,
    MAX_RETRIES,
    MAX_WAITING,
    RETRY_SECONDS,
    STUCK_CALLS,
)

log = logging.getLogger(__name__)

Answer = TypeVar("Answer")

_ENDED = (anyio.ClosedResourceError, anyio.BrokenResourceError, OSError)
_NOTHING = msgspec.Raw(b"null")

_METHOD_NOT_FOUND = -32601
_INVALID_PARAMS = -32602
_FAILED = -32803
_NOT_NOW = frozenset((-32801, -32802))
"""The content was modified meanwhile, or the server has cancelled by itself: both may be asked
again."""


class Refused(ToolError):
    """The server answered with an error."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(f"the language server refused: {' '.join(message.split())[:MAX_TOLD]}")
        self.code = code


class Unknown(Exception):
    """The server asks for what nobody here does."""


class Listener(Protocol):
    """Who hears what a server says by itself."""

    def heard(self, method: str, params: msgspec.Raw) -> None:
        """A notification."""
        ...

    async def asked(self, method: str, params: msgspec.Raw) -> JSON:
        """A request; what it is answered with. Raises `Unknown`."""
        ...


class _Error(msgspec.Struct, frozen=True):
    code: int = 0
    message: str = ""


class _Message(msgspec.Struct, frozen=True):
    id: int | str | None = None
    method: str | None = None
    params: msgspec.Raw = _NOTHING
    result: msgspec.Raw = _NOTHING
    error: _Error | None = None


class Connection:
    """One conversation with a server. Any task may use it."""

    def __init__(self, child: Child, group: TaskGroup, listener: Listener) -> None:
        self._child = child
        self._group = group
        self._listener = listener
        self._decoder = msgspec.json.Decoder(_Message)
        self._pending: dict[int, asyncio.Future[msgspec.Raw]] = {}
        self._last = 0
        self._unheard = 0
        self._asked_since = False
        self._answering = 0
        self._outbox: deque[bytes] = deque()
        self._waiting = 0
        self._news = asyncio.Event()
        self._over = ""

    async def read(self) -> None:
        """Take what the server says, until it ends."""
        frames = Frames()
        try:
            async for chunk in self._child.stdout:
                self._unheard, self._asked_since = 0, False
                for body in frames.feed(chunk):
                    self._take(body)
        except Malformed as exc:
            self._child.give_up(str(exc))
        except _ENDED:
            pass
        await self._child.tell_end()
        self._fail("the language server ended during the call")

    async def write(self) -> None:
        """Pass on what is to be sent, until the server ends."""
        with contextlib.suppress(*_ENDED):
            while True:
                while self._outbox:
                    await self._child.stdin.send(self._outbox[0])
                    self._waiting -= len(self._outbox.popleft())
                self._news.clear()
                await self._news.wait()

    async def ask(self, method: str, params: JSON, answer: type[Answer]) -> Answer | None:
        """The answer to a request, None for none. A server that is not ready yet is asked again.

        Cancellation tells the server, and waits for nothing. Raises `ToolError`.
        """
        for _ in range(MAX_RETRIES):
            try:
                return _read(await self._asked(method, params), answer)
            except Refused as exc:
                if exc.code not in _NOT_NOW:
                    raise
            await asyncio.sleep(RETRY_SECONDS)
        return _read(await self._asked(method, params), answer)

    def late(self) -> None:
        """A call has taken too long. A server that says nothing to several of them is ended."""
        self._unheard += self._asked_since
        if self._unheard >= STUCK_CALLS:
            self._child.give_up(f"{STUCK_CALLS} calls went by without a word of it")

    def tell(self, method: str, params: JSON) -> None:
        """Send a notification, behind what was sent before. Raises `ToolError` when nobody is
        there any more."""
        self._send({"method": method, "params": params})

    async def _asked(self, method: str, params: JSON) -> msgspec.Raw:
        self._last += 1
        number = self._last
        self._asked_since = True
        answer = self._pending[number] = asyncio.get_running_loop().create_future()
        try:
            self._send({"id": number, "method": method, "params": params})
            return await answer
        except asyncio.CancelledError:
            with contextlib.suppress(ToolError):
                self._send({"method": "$/cancelRequest", "params": {"id": number}})
            raise
        finally:
            del self._pending[number]

    def _take(self, body: bytes) -> None:
        try:
            message = self._decoder.decode(body)
        except UNREADABLE as exc:
            log.debug("%s: no message: %s", self._child.command, exc)
            return
        match message:
            case _Message(method=str(method), id=None):
                self._listener.heard(method, message.params)
            case _Message(method=str(method), id=id) if id is not None:
                self._spawn_answer(id, method, message.params)
            case _Message(id=int(number)) if number in self._pending:
                self._settle(self._pending[number], message)
            case _:
                log.debug("%s: nobody waits for %s", self._child.command, message.id)

    def _settle(self, waiting: asyncio.Future[msgspec.Raw], message: _Message) -> None:
        if waiting.done():
            return
        if message.error is not None:
            waiting.set_exception(Refused(message.error.code, message.error.message))
        else:
            waiting.set_result(message.result)

    def _spawn_answer(self, id: int | str, method: str, params: msgspec.Raw) -> None:
        if self._answering >= MAX_ASKED:
            log.debug("%s: too many requests at once: %s", self._child.command, method)
            return
        self._answering += 1
        self._group.start_soon(self._answer, id, method, params)

    async def _answer(self, id: int | str, method: str, params: msgspec.Raw) -> None:
        try:
            reply: Mapping[str, JSON] = {"result": await self._listener.asked(method, params)}
        except Unknown:
            told = f"{method} is not known here"
            reply = {"error": {"code": _METHOD_NOT_FOUND, "message": told}}
        except UNREADABLE as exc:
            reply = {"error": {"code": _INVALID_PARAMS, "message": str(exc)}}
        except ToolError as exc:
            reply = {"error": {"code": _FAILED, "message": str(exc)}}
        finally:
            self._answering -= 1
        with contextlib.suppress(ToolError):
            self._send({"id": id, **reply})

    def _send(self, message: Mapping[str, JSON]) -> None:
        if self._over:
            raise ToolError(self._over)
        frame = framed(msgspec.json.encode({"jsonrpc": "2.0", **message}))
        if self._waiting + len(frame) > MAX_WAITING:
            raise ToolError("the language server does not read what it is sent")
        self._waiting += len(frame)
        self._outbox.append(frame)
        self._news.set()

    def _fail(self, reason: str) -> None:
        """Nothing more comes: whoever waits hears of it."""
        self._over = reason
        for waiting in self._pending.values():
            if not waiting.done():
                waiting.set_exception(ToolError(reason))


def _read(raw: msgspec.Raw, answer: type[Answer]) -> Answer | None:
    if bytes(raw) == b"null":
        return None
    try:
        return msgspec.json.decode(raw, type=answer)
    except UNREADABLE as exc:
        raise ToolError(f"the language server's answer cannot be read: {exc}") from exc
