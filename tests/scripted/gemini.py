"""A scripted Gemini server: the same scripts, gates and impoliteness, another wire.

It runs in a thread of its own with its own event loop. Google's own client must get along with it
before anything is proved by it (`tests/models/gemini/test_sdk.py`).
"""

from __future__ import annotations

import asyncio
import json
import re
import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, suppress
from http import HTTPStatus
from typing import Any, assert_never

from tests.scripted.actions import Action, Asked, HangUp, Head, Send, Wait
from tests.scripted.gate import Gate
from tests.scripted.gemini_parts import done, fail, say
from tests.scripted.gemini_rules import objection
from tests.scripted.heard import Heard, Model
from tests.scripted.parts import answer, no_done, no_finish, no_role, no_usage
from tests.scripted.render import render
from tests.scripted.serving import running
from tests.scripted.steps import Answer, Raw, Reply

_METHOD = r"models/([^:]+):(generateContent|streamGenerateContent)"
_ROUTE = re.compile(rf"/v1(?:beta)?/{_METHOD}")
_VERTEX = re.compile(
    rf"/v1(?:beta1)?/projects/my-project/locations/[a-z0-9-]+/publishers/google/{_METHOD}"
)
"""The same API at Google Cloud's address, which takes a token in place of the key."""
_BARE = no_role() + no_finish() + no_usage() + no_done()
"""Nothing of OpenAI's own around the events."""


class GeminiServer:
    """The running server: names to scripts."""

    def __init__(self, port: int) -> None:
        self.port = port
        self._models: dict[str, Model] = {}
        self._lock = threading.Lock()
        self.faults: list[Exception] = []
        """What went wrong in scripts; the session fixture fails on any."""

    @property
    def url(self) -> str:
        """What belongs into `base_url`."""
        return f"http://127.0.0.1:{self.port}"

    def model(self, name: str) -> Model:
        """The model of this name, made at first mention; an echo until it gets a script."""
        with self._lock:
            return self._models.setdefault(name, Model(name).script(echo))


def echo(heard: Heard) -> Reply:
    """The last text of the conversation again."""
    texts = [part["text"] for part in parts_of(heard) if "text" in part]
    return say(texts[-1] if texts else "") + done()


def parts_of(heard: Heard) -> list[dict[str, Any]]:
    """All parts of all contents, in order."""
    contents: list[dict[str, Any]] = heard.body.get("contents", [])
    return [part for content in contents for part in content["parts"]]


def gemini_server() -> AbstractContextManager[GeminiServer]:
    """A server on a free port, until the block is left."""
    return running("scripted-gemini", GeminiServer, _Connection)


class _Connection:
    def __init__(
        self,
        server: GeminiServer,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        number: int,
    ) -> None:
        self._server = server
        self._reader = reader
        self._writer = writer
        self._number = number
        self._unread = bytearray()
        self._open = True

    async def talk(self) -> None:
        """Requests and replies until somebody hangs up."""
        try:
            while self._open:
                await self._exchange()
        except (ConnectionError, EOFError):
            pass
        except Exception as exc:  # noqa: BLE001 - any fault of a script must reach the test run
            self._server.faults.append(exc)
        finally:
            self._writer.close()

    async def _exchange(self) -> None:
        line, *fields = (await self._head()).split("\r\n")
        pairs = (field.partition(":") for field in fields)
        headers = {name.lower(): value.strip() for name, _, value in pairs}
        raw = await self._exactly(int(headers.get("content-length", "0")))
        _, target, _ = line.split(" ", 2)
        path, _, query = target.partition("?")
        on_vertex = _VERTEX.fullmatch(path)
        found = on_vertex or _ROUTE.fullmatch(path)
        if found is None or (found[2] == "streamGenerateContent" and query != "alt=sse"):
            await self._play(_rendered(fail(404, f"no {target} here", "NOT_FOUND"), ""), None)
            return
        heard = Heard(json.loads(raw), headers, raw, path, self._number, 0)
        reply = self._server.model(found[1]).answer(heard)
        vertex = on_vertex is not None
        reply = objection(heard.body, headers, found[1], vertex=vertex) or reply
        if found[2] == "generateContent":
            reply = _whole(reply)
        await self._watched(_rendered(reply, found[1]), heard)

    async def _watched(self, actions: Iterator[Action], heard: Heard) -> None:
        """Play the actions while watching for a peer that leaves."""
        play = asyncio.create_task(self._play(actions, heard))
        watch = asyncio.create_task(self._peer_left())
        try:
            await asyncio.wait((play, watch), return_when=asyncio.FIRST_COMPLETED)
            if not play.done() or isinstance(play.exception(), ConnectionError):
                self._open = False
                heard.cut = True
            else:
                play.result()
        finally:
            for task in (play, watch):
                task.cancel()
            await asyncio.gather(play, watch, return_exceptions=True)
            heard.over.set()

    async def _peer_left(self) -> None:
        with suppress(ConnectionError, EOFError):
            while True:
                await self._fill()

    async def _fill(self) -> None:
        data = await self._reader.read(1 << 16)
        if not data:
            raise EOFError
        self._unread += data

    async def _head(self) -> str:
        while (end := self._unread.find(b"\r\n\r\n")) < 0:
            await self._fill()
        return (await self._exactly(end + 4))[:-4].decode("latin-1")

    async def _exactly(self, size: int) -> bytes:
        while len(self._unread) < size:
            await self._fill()
        taken = bytes(self._unread[:size])
        del self._unread[:size]
        return taken

    async def _play(self, actions: Iterator[Action], heard: Heard | None) -> None:
        chunked = False
        for action in actions:
            match action:
                case Head():
                    chunked = action.chunked
                    self._open = chunked or action.length is not None
                    self._writer.write(_head_bytes(action))
                case Send():
                    self._writer.write(_chunk(action) if chunked else action.data)
                    await self._writer.drain()
                    if heard is not None:
                        heard.written += len(action.data)
                        heard.finished = heard.finished or action.last
                    await asyncio.sleep(0)
                case Wait():
                    on = action.on
                    await (on.passed() if isinstance(on, Gate) else asyncio.sleep(on))
                case HangUp():
                    self._hang_up(action)
                case _:
                    assert_never(action)

    def _hang_up(self, action: HangUp) -> None:
        self._open = False
        if action.reset:
            sock: socket.socket = self._writer.get_extra_info("socket")
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._writer.transport.abort()


def _rendered(reply: Reply, model: str) -> Iterator[Action]:
    return render(reply + _BARE, Asked(model, 0, stream=True, include_usage=False))


def _head_bytes(head: Head) -> bytes:
    lines = [f"HTTP/1.1 {head.status} {HTTPStatus(head.status).phrase}"]
    lines += [f"{name}: {text}" for name, text in head.headers]
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


def _whole(reply: Reply) -> Reply:
    """The events of a reply as the one object that a request for no stream gets."""
    if any(isinstance(step, Answer) for step in reply.steps):
        return reply
    merged: dict[str, Any] = {}
    parts: list[Any] = []
    for step in reply.steps:
        if not isinstance(step, Raw):
            continue
        chunk: dict[str, Any] = json.loads(step.data.removeprefix(b"data: "))
        for candidate in chunk.get("candidates", []):
            parts += candidate.get("content", {}).get("parts", [])
        merged |= chunk
    for candidate in merged.get("candidates", []):
        candidate["content"] = {"role": "model", "parts": parts}
    return answer(200, json.dumps(merged).encode())
