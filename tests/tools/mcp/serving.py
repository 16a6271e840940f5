"""Remote MCP servers on loopback, in the test's own loop."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from typing import Any

import anyio
import msgspec
import uvicorn
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tests.tools.mcp.opening import LIMIT


class Door:
    """An app that others are put into; remembers what was asked, and can do worse than the app.

    `old` answers for a server that does not know the new protocol. `instead`, when set, answers a
    request in place of the app, by status.
    """

    def __init__(self, app: ASGIApp, *, old: bool = False) -> None:
        self.app = app
        self.old = old
        self.instead: Callable[[Scope], int | None] = lambda scope: None
        self.heard: list[tuple[str, str, dict[str, str]]] = []
        self.methods: list[str] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        headers = {name.decode(): value.decode() for name, value in scope["headers"]}
        self.heard.append((scope["method"], scope["path"], headers))
        status = self.instead(scope)
        if status is not None:
            await _answer(send, status, b"")
            return
        message: Message = await receive()
        body: Any = _parsed(message)
        self.methods.append(str(body.get("method", "")))
        if self.old and body.get("method") == "server/discover":
            error = {"code": -32601, "message": "Method not found"}
            reply = {"jsonrpc": "2.0", "id": body["id"], "error": error}
            await _answer(send, 200, json.dumps(reply).encode())
            return
        first = [message]

        async def again() -> Message:
            return first.pop() if first else await receive()

        await self.app(scope, again, send)


def _parsed(message: Message) -> dict[str, Any]:
    try:
        return msgspec.json.decode(message.get("body") or b"{}", type=dict[str, Any])
    except msgspec.DecodeError:
        return {}


async def _answer(send: Send, status: int, body: bytes) -> None:
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


@asynccontextmanager
async def served(app: ASGIApp, *, uds: str | None = None, port: int = 0) -> AsyncGenerator[str]:
    """An app on a free port; where it is."""
    config = uvicorn.Config(
        app, port=port, uds=uds, log_level="critical", timeout_graceful_shutdown=1, ws="none"
    )
    server = uvicorn.Server(config)
    server.install_signal_handlers = lambda: None  # type: ignore[attr-defined]
    task = asyncio.create_task(server.serve())
    try:
        async with asyncio.timeout(LIMIT):
            while not server.started:
                await anyio.lowlevel.checkpoint()
        if uds:
            yield f"unix://{uds}"
        else:
            number = server.servers[0].sockets[0].getsockname()[1]
            yield f"http://127.0.0.1:{number}"
    finally:
        server.should_exit = True
        server.force_exit = True
        await task
