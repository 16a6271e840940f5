"""A scripted OpenAI-compatible model server on plain streams, so that it can be impolite.

It runs in a thread of its own with its own event loop: blocking tests and tests that are
coroutines use it alike. One script per model name, so tests do not meet.
"""

from __future__ import annotations

import asyncio
import json
import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, suppress
from http import HTTPStatus
from typing import Any, assert_never, cast

from tests.scripted import chatgpt_rules
from tests.scripted.actions import Action, Asked, HangUp, Head, Send, Wait
from tests.scripted.gate import Gate
from tests.scripted.heard import Heard, Model
from tests.scripted.parts import fail
from tests.scripted.render import CHAT, Wire, render
from tests.scripted.responses import RESPONSES
from tests.scripted.serving import running
from tests.scripted.steps import Reply
from tests.scripted.websocket import SocketTalk

STALL = 0.25
"""Seconds a write may get nowhere before the peer counts as not reading."""
SEND_BUFFER = 64 << 10
"""Bytes the kernel may hold for a peer that does not read (Linux doubles it)."""
WIRES = {"/chat/completions": CHAT, "/responses": RESPONSES, "/embeddings": CHAT}
"""The APIs it speaks, by the end of the path."""


class Scripted:
    """The running server: names to scripts."""

    def __init__(self, port: int) -> None:
        self.port = port
        self._models: dict[str, Model] = {}
        self._lock = threading.Lock()
        self.visits: list[str] = []
        """Every request line, `GET /v1/models`, in order."""
        self.faults: list[Exception] = []
        """What went wrong in scripts; the session fixture fails on any."""

    @property
    def url(self) -> str:
        """What belongs into `base_url`; any other prefix works too."""
        return f"http://127.0.0.1:{self.port}/v1"

    def model(self, name: str) -> Model:
        """The model of this name, made at first mention."""
        with self._lock:
            return self._models.setdefault(name, Model(name))

    def names(self) -> list[str]:
        """All models mentioned so far."""
        with self._lock:
            return list(self._models)


def scripted_server() -> AbstractContextManager[Scripted]:
    """A server on a free port, until the block is left."""
    return running("scripted", Scripted, _Connection)


class _Connection:
    def __init__(
        self,
        scripted: Scripted,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        number: int,
    ) -> None:
        self._scripted = scripted
        self._reader = reader
        self._writer = writer
        self._number = number
        self._unread = bytearray()
        self._open = True
        sock: socket.socket = writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        writer.transport.set_write_buffer_limits(high=0)

    async def talk(self) -> None:
        """Requests and replies until somebody hangs up."""
        try:
            while self._open and (line := await self._line()):
                await self._exchange(line)
        except (ConnectionError, EOFError):
            pass
        except Exception as exc:  # noqa: BLE001 - any fault of a script must reach the test run
            self._scripted.faults.append(exc)
        finally:
            self._writer.close()

    async def _exchange(self, line: str) -> None:
        headers: dict[str, str] = {}
        while field := await self._line():
            name, _, value = field.partition(":")
            headers[name.lower()] = value.strip()
        raw = await self._body(headers)
        method, path, _ = line.split(" ", 2)
        self._scripted.visits.append(f"{method} {path}")
        path = path.partition("?")[0]
        wire = next((WIRES[end] for end in WIRES if path.endswith(end)), None)
        if headers.get("upgrade", "").lower() == "websocket" and wire is RESPONSES:
            await self._talk_by_socket(headers, path)
        elif method == "POST" and wire is not None:
            await self._complete(Heard(_object(raw), headers, raw, path, self._number, 0), wire)
        elif method == "GET" and path.endswith("/models"):
            await self._reply(_models(self._scripted.names()))
        else:
            await self._reply(render(fail(404, f"no {method} {path} here"), _NOBODY))

    async def _talk_by_socket(self, headers: dict[str, str], path: str) -> None:
        """Questions and answers over a websocket, until the peer leaves."""
        self._open = False
        if headers.get("authorization") == "Bearer no-sockets":
            await self._reply(render(fail(426, "no sockets here"), _NOBODY))
            return
        talk = SocketTalk(
            self._exactly, lambda data: self._write(data, 0, None), lambda how: self._hang_up(how)
        )
        await talk.welcome(headers)
        reading = asyncio.create_task(talk.read())
        try:
            while (raw := await talk.question()) is not None:
                heard = Heard(_object(raw), headers, raw, path, self._number, 0)
                await talk.play(self._by_socket(heard), heard)
        finally:
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)

    def _by_socket(self, heard: Heard) -> Iterator[Action]:
        name = str(heard.body.get("model", ""))
        reply: Reply = self._scripted.model(name).answer(heard)
        if heard.body.get("type") != "response.create" or {"stream", "background"} & {*heard.body}:
            reply = fail(400, "a socket takes response.create, and streams anyway")
        asked = Asked(name, heard.number, stream=True, include_usage=True)
        return render(reply, asked, RESPONSES)

    async def _complete(self, heard: Heard, wire: Wire) -> None:
        name = str(heard.body.get("model", ""))
        reply: Reply = self._scripted.model(name).answer(heard)
        options: dict[str, object] = heard.body.get("stream_options") or {}
        asked = Asked(
            name,
            heard.number,
            stream=heard.body.get("stream") is True,
            include_usage=options.get("include_usage") is True,
        )
        if heard.path.endswith(chatgpt_rules.PATH):
            reply = chatgpt_rules.objection(heard.body, heard.headers) or reply
        await self._reply(render(reply, asked, wire), heard)

    async def _reply(self, actions: Iterator[Action], heard: Heard | None = None) -> None:
        """Play the actions while watching for a peer that leaves."""
        play = asyncio.create_task(self._play(actions, heard))
        watch = asyncio.create_task(self._peer_left())
        try:
            await asyncio.wait((play, watch), return_when=asyncio.FIRST_COMPLETED)
            if not play.done() or isinstance(play.exception(), ConnectionError):
                self._open = False
                if heard is not None:
                    heard.cut = True
            else:
                play.result()
        finally:
            for task in (play, watch):
                task.cancel()
            await asyncio.gather(play, watch, return_exceptions=True)
            if heard is not None:
                heard.over.set()

    async def _play(self, actions: Iterator[Action], heard: Heard | None) -> None:
        chunked = False
        head = b""
        for action in actions:
            if head and not isinstance(action, Send):
                await self._write(head, 0, heard)
                head = b""
            match action:
                case Head():
                    chunked = action.chunked
                    self._open = chunked or action.length is not None
                    # In one write with the first bytes of body, as real servers do.
                    head = _head_bytes(action)
                case Send():
                    data = _chunk(action) if chunked else action.data
                    await self._write(head + data, len(action.data), heard)
                    head = b""
                    if action.last and heard is not None:
                        heard.finished = True
                case Wait():
                    on = action.on
                    await (on.passed() if isinstance(on, Gate) else asyncio.sleep(on))
                case HangUp():
                    self._hang_up(action)
                case _:
                    assert_never(action)

    async def _write(self, data: bytes, body: int, heard: Heard | None) -> None:
        """Hand bytes to the kernel; `written` moves as the kernel takes them."""
        self._writer.write(data)
        if self._writer.transport.get_write_buffer_size():
            await self._drain(heard)
        if heard is not None:
            heard.written += body
        # A fast peer must not keep the loop from the watcher and the other connections.
        await asyncio.sleep(0)

    async def _drain(self, heard: Heard | None) -> None:
        drained = asyncio.ensure_future(self._writer.drain())
        try:
            while not (await asyncio.wait((drained,), timeout=STALL))[0]:
                if heard is not None:
                    heard.stalled.set()
            drained.result()
        finally:
            drained.cancel()
        if heard is not None:
            heard.stalled.clear()

    def _hang_up(self, action: HangUp) -> None:
        self._open = False
        if action.reset:
            sock: socket.socket = self._writer.get_extra_info("socket")
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        if action.clean:
            self._writer.close()
        else:
            self._writer.transport.abort()

    async def _peer_left(self) -> None:
        with suppress(ConnectionError, EOFError):
            while True:
                await self._fill()

    async def _fill(self) -> None:
        data = await self._reader.read(1 << 16)
        if not data:
            raise EOFError
        self._unread += data

    async def _line(self) -> str:
        """The next line without its end; "" at an empty line."""
        while (end := self._unread.find(b"\r\n")) < 0:
            await self._fill()
        return self._take(end + 2)[:-2].decode("latin-1")

    async def _body(self, headers: dict[str, str]) -> bytes:
        if headers.get("transfer-encoding", "").lower() != "chunked":
            return await self._exactly(int(headers.get("content-length", "0")))
        body = b""
        while size := int((await self._line()).partition(";")[0], 16):
            body += await self._exactly(size)
            await self._line()
        while await self._line():
            pass
        return body

    async def _exactly(self, size: int) -> bytes:
        while len(self._unread) < size:
            await self._fill()
        return self._take(size)

    def _take(self, size: int) -> bytes:
        taken = bytes(self._unread[:size])
        del self._unread[:size]
        return taken


_NOBODY = Asked("", 0, stream=False, include_usage=False)


def _head_bytes(head: Head) -> bytes:
    phrase = HTTPStatus(head.status).phrase if head.status in set(HTTPStatus) else "Scripted"
    lines = [
        f"HTTP/1.1 {head.status} {phrase}",
        *(f"{name}: {text}" for name, text in head.headers),
    ]
    if head.chunked:
        lines.append("Transfer-Encoding: chunked")
    elif head.length is not None:
        lines.append(f"Content-Length: {head.length}")
    else:
        lines.append("Connection: close")
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


def _chunk(action: Send) -> bytes:
    part = b"%x\r\n%s\r\n" % (len(action.data), action.data) if action.data else b""
    return part + b"0\r\n\r\n" if action.last else part


def _models(names: list[str]) -> Iterator[Action]:
    data = [{"id": name, "object": "model", "created": 1, "owned_by": "scripted"} for name in names]
    body = json.dumps({"object": "list", "data": data}).encode()
    yield Head(200, (("Content-Type", "application/json"),), length=len(body))
    yield Send(body, last=True)


def _object(raw: bytes) -> dict[str, Any]:
    try:
        value: object = json.loads(raw)
    except ValueError:
        return {}
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {}
