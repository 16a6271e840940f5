"""Remote MCP servers on loopback, in the test's own loop."""

from __future__ import annotations

import asyncio
import json
import queue
import socket
import threading
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import anyio
import msgspec
import uvicorn
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tests.tools.mcp.opening import LIMIT

CERTIFICATE = Path(__file__).parents[2] / "data" / "certificate.pem"
"""For `localhost` and `model.test`."""


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
        self.bodies: list[dict[str, Any]] = []

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
        self.bodies.append(body)
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
async def served(app: ASGIApp, *, uds: str = "", port: int = 0) -> AsyncGenerator[str]:
    """An app on a free port, or a socket; where it is."""
    async with served_at(lambda url: app, uds=uds, port=port) as url:
        yield url


@asynccontextmanager
async def served_at(
    make: Callable[[str], ASGIApp], *, uds: str = "", port: int = 0, tls: bool = False
) -> AsyncGenerator[str]:
    """As `served`, for an app that must know where it is, with TLS if need be."""
    family = socket.AF_UNIX if uds else socket.AF_INET
    with socket.socket(family) as listening:
        if not uds:
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(uds or ("127.0.0.1", port))
        url = f"unix://{uds}" if uds else f"http://127.0.0.1:{listening.getsockname()[1]}"
        config = uvicorn.Config(
            make(url),
            log_level="critical",
            timeout_graceful_shutdown=1,
            ws="none",
            ssl_certfile=CERTIFICATE if tls else None,
            ssl_keyfile=CERTIFICATE.with_name("certificate-key.pem") if tls else None,
        )
        server = _Server(config)
        task = asyncio.create_task(server.serve(sockets=[listening]))
        try:
            async with asyncio.timeout(LIMIT):
                while not server.started:
                    await anyio.lowlevel.checkpoint()
            yield url
        finally:
            server.should_exit = True
            server.force_exit = True
            await task


@contextmanager
def served_beside(make: Callable[[], ASGIApp]) -> Generator[str]:
    """The same in a thread of its own, for tests that are no coroutines."""
    address: queue.SimpleQueue[str] = queue.SimpleQueue()
    loop = asyncio.new_event_loop()
    done = asyncio.Event()

    async def live() -> None:
        async with served(make()) as url:
            address.put(url)
            await done.wait()

    thread = threading.Thread(target=lambda: loop.run_until_complete(live()))
    thread.start()
    try:
        yield address.get(timeout=LIMIT)
    finally:
        loop.call_soon_threadsafe(done.set)
        thread.join(LIMIT)
        loop.close()


class _Server(uvicorn.Server):
    """One that leaves signals to the tests."""

    @contextmanager
    def capture_signals(self) -> Generator[None]:
        yield
