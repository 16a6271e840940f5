"""The Responses API over a websocket, scripted: the same replies, each event a message of its own.

Wire: RFC 6455, and https://platform.openai.com/docs/guides/websocket-mode. OpenAI's own client must
get along with it (`tests/models/responses/test_websocket.py`).
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import suppress
from typing import Any, assert_never

from tests.scripted.actions import Action, HangUp, Head, Send, Wait
from tests.scripted.gate import Gate
from tests.scripted.heard import Heard

_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_TEXT, _CLOSE, _PING, _PONG = 1, 8, 9, 10


class Left(Exception):
    """The peer said goodbye, or just went."""


class SocketTalk:
    """One connection, after its handshake was asked for. `exactly` reads so many bytes, `write`
    writes, `hang_up` ends the connection."""

    def __init__(
        self,
        exactly: Callable[[int], Awaitable[bytes]],
        write: Callable[[bytes], Awaitable[None]],
        hang_up: Callable[[HangUp], None],
    ) -> None:
        self._exactly = exactly
        self._write = write
        self._hang_up = hang_up
        self._dead = False
        self._left = asyncio.Event()
        self._questions: asyncio.Queue[bytes | None] = asyncio.Queue()

    async def welcome(self, headers: Mapping[str, str]) -> None:
        """Answer the handshake."""
        key = headers["sec-websocket-key"].encode()
        accept = base64.b64encode(hashlib.sha1(key + _GUID).digest()).decode()
        lines = (
            "HTTP/1.1 101 Switching Protocols",
            "Upgrade: websocket",
            "Connection: Upgrade",
            f"Sec-WebSocket-Accept: {accept}",
        )
        await self._write(("\r\n".join(lines) + "\r\n\r\n").encode())

    async def read(self) -> None:
        """Take what the peer sends, until it leaves: questions, and its goodbye."""
        with suppress(Left, ConnectionError, EOFError):
            while True:
                kind, data = await self._frame()
                if kind == _TEXT:
                    self._questions.put_nowait(data)
        self._left.set()
        self._questions.put_nowait(None)

    async def question(self) -> bytes | None:
        """The next message; None when the peer has gone."""
        return None if self._dead else await self._questions.get()

    async def play(self, actions: Iterator[Action], heard: Heard) -> None:
        """Play a reply, as long as the peer is there."""
        play = asyncio.create_task(self._play(actions, heard))
        left = asyncio.create_task(self._left.wait())
        try:
            await asyncio.wait((play, left), return_when=asyncio.FIRST_COMPLETED)
            if not play.done() or isinstance(play.exception(), ConnectionError):
                self._dead = heard.cut = True
            else:
                play.result()
        finally:
            for task in (play, left):
                task.cancel()
            await asyncio.gather(play, left, return_exceptions=True)
            heard.over.set()

    async def _play(self, actions: Iterator[Action], heard: Heard) -> None:
        unsent = b""
        refusal: Head | None = None
        for action in actions:
            match action:
                case Head(status=status):
                    refusal = action if status >= 300 else None
                case Send(data=data):
                    unsent += data
                    if refusal is not None and action.last:
                        await self._say(_as_event(refusal, unsent))
                    elif refusal is None:
                        *events, unsent = unsent.replace(b"\r\n", b"\n").split(b"\n\n")
                        for event in events:
                            await self._event(event)
                    heard.finished = heard.finished or action.last
                case Wait(on=on):
                    await (on.passed() if isinstance(on, Gate) else asyncio.sleep(on))
                case HangUp():
                    self._dead = True
                    self._hang_up(action)
                case _:
                    assert_never(action)

    async def _event(self, event: bytes) -> None:
        for line in event.split(b"\n"):
            if line.startswith(b"data:"):
                await self._say(line.removeprefix(b"data:").strip())

    async def _say(self, text: bytes) -> None:
        await self._send(_TEXT, text)

    async def _send(self, kind: int, data: bytes) -> None:
        size = len(data)
        if size < 126:
            length = bytes((size,))
        elif size < 1 << 16:
            length = b"\x7e" + size.to_bytes(2, "big")
        else:
            length = b"\x7f" + size.to_bytes(8, "big")
        await self._write(bytes((0x80 | kind,)) + length + data)

    async def _frame(self) -> tuple[int, bytes]:
        """One frame of the peer's; its pings are answered. Raises `Left`."""
        first, second = await self._exactly(2)
        size = second & 0x7F
        if size >= 126:
            size = int.from_bytes(await self._exactly(2 if size == 126 else 8), "big")
        mask = await self._exactly(4)
        data = bytes(byte ^ mask[place % 4] for place, byte in enumerate(await self._exactly(size)))
        kind = first & 0x0F
        if kind == _PING:
            await self._send(_PONG, data)
        if kind == _CLOSE:
            await self._send(_CLOSE, data[:2])
            raise Left
        return kind, data


def _as_event(head: Head, body: bytes) -> bytes:
    """A refusal as the event it is here: with its status, and the headers that say more."""
    told: dict[str, Any] = json.loads(body)
    event = {
        "type": "error",
        "status": head.status,
        "error": told.get("error", told),
        "headers": dict(head.headers),
    }
    return json.dumps(event).encode()
